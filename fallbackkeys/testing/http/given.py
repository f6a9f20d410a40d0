"""The adapter for devices that are given by their access tokens, where nobody can be registered or logged in.

The same devices serve every test, in turn; fresh names of algorithms keep the tests apart (`stage.Lodging`).
None is ever removed.
"""

from collections.abc import Mapping

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON, Errcode
from fallbackkeys.testing.adapter import NotSupported, SharedDevices
from fallbackkeys.testing.http.access import AccessTokens, told
from fallbackkeys.testing.http.connection import Connection, Unusable
from fallbackkeys.testing.http.endpoints import CLIENT, OK, Endpoints
from fallbackkeys.wire import Response


class GivenDevices(SharedDevices):
    """See `Adapter`. Each localpart asked for gets a user of its own, while there are any."""

    def __init__(self, connection: Connection, access: AccessTokens) -> None:
        """Raise `Unusable` if the server does not know a token."""
        self._endpoints = Endpoints(connection)
        self._tokens = {
            _owner(connection, number, token): token for number, token in enumerate(access.tokens, 1)
        }
        if not self._tokens:
            raise Unusable(reason="no access token was given")
        self._users: dict[str, str] = {}
        self._turns: dict[str, int] = {}

    def new_device(self, *, user: str, device: str) -> Device:
        """Hand out a device of the user's, in turn; its id is what it is."""
        del device
        real = self._user(user)
        devices = [one for one in self._tokens if one.user_id == real]
        turn = self._turns.get(real, 0)
        self._turns[real] = turn + 1
        return devices[turn % len(devices)]

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        """See `Server.upload`. A device that a limit of the server keeps from new algorithms is of no use."""
        answer = self._endpoints.upload(self._tokens[Device(user, device)], body, dialects)
        if answer.body.get("errcode") == Errcode.TOO_LARGE:
            raise NotSupported(what=f"upload more to {user} {device}, which was given: {told(answer)}")
        return answer

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        """See `Server.claim`; by the first device given if by nobody in particular."""
        tokens = (token for device, token in self._tokens.items() if user in {None, device.user_id})
        return self._endpoints.claim(next(tokens), body, remote)

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        """See `Server.federation_claim`: not over this API."""
        del origin, body
        return self._endpoints.federation_claim()

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        """See `Server.sync`."""
        asked = Device(user, device)
        return self._endpoints.sync(asked, self._tokens[asked], dialects)

    def delete_device(self, *, user: str, device: str) -> Response:
        """Refuse: a given device is needed again."""
        raise NotSupported(what=f"remove {user} {device}, which was given")

    def _user(self, localpart: str) -> str:
        if localpart not in self._users:
            users = dict.fromkeys(device.user_id for device in self._tokens)
            free = [user for user in users if user not in self._users.values()]
            if not free:
                raise NotSupported(what=f"act as more users than the {len(users)} that were given")
            self._users[localpart] = free[0]
        return self._users[localpart]


def _owner(connection: Connection, number: int, token: str) -> Device:
    """Whose token it is (CS `GET /account/whoami`)."""
    answer = connection.request("GET", f"{CLIENT}/account/whoami", token=token)
    user_id, device_id = answer.body.get("user_id"), answer.body.get("device_id")
    if answer.status != OK or not isinstance(user_id, str) or not isinstance(device_id, str):
        raise Unusable(reason=f"{connection.url} knows no device of access token {number}: {told(answer)}")
    return Device(user_id, device_id)
