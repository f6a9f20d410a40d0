"""Names: of one device, and of one entry of a claim."""

import attrs


@attrs.frozen(order=True)
class Device:
    """One device of one user."""

    user_id: str
    device_id: str

    @property
    def server_name(self) -> str:
        """The user's server: what follows the user id's first colon (Appendices, "User Identifiers")."""
        return self.user_id.partition(":")[2]


@attrs.frozen
class Wanted:
    """One entry of a claim: a key of this algorithm, of this device."""

    device: Device
    algorithm: str
