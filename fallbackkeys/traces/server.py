"""What a trace is played against: any server behind five methods, by default the reference itself.

To hold a server of your own against the vectors, write the five methods and pass an instance to
`replay.replay`. Each gives the status and the parsed JSON body of the answer; how users and devices come to
be and log in is its own affair. A device exists from its first upload; until then, and after its removal, it
syncs as one without keys.
"""

from collections.abc import Mapping
from typing import Protocol

from fallbackkeys import wire
from fallbackkeys.errors import JSON
from fallbackkeys.keystore import EMPTY_STORE, KeyStore
from fallbackkeys.policy import WIRE, Policy
from fallbackkeys.wire import Response


class Server(Protocol):
    """One method for each thing a step can do. An instance begins without any key and serves one trace."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        """`POST /keys/upload`, speaking these dialects (names of `wire.DIALECTS`)."""

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        """`POST /keys/claim` by a user, any one if None.

        `remote` is what each other server answers to `POST /user/keys/claim`: a body, or `"unreachable"`; one
        that is not named is unreachable.
        """

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        """`POST /user/keys/claim` by the server `origin`."""

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        """The two fields about keys of `GET /sync`, initial or incremental."""

    def delete_device(self, *, user: str, device: str) -> Response:
        """The removal of a device, by whatever endpoint; answers `{}`."""


class ReferenceServer:
    """The endpoints of `wire` over a store that it keeps."""

    def __init__(self, server_name: str, policy: Policy = WIRE) -> None:
        self.store: KeyStore = EMPTY_STORE
        """What the server knows now."""
        self._server_name = server_name
        self._policy = policy

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        """See `Server.upload`."""
        spoken = wire.dialects(dialects)
        return self._keep(
            wire.upload_keys(self.store, user, device, body, spoken=spoken, policy=self._policy)
        )

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        """See `Server.claim`; who claims makes no difference."""
        del user
        claim = wire.claim_keys(self.store, self._server_name, body, policy=self._policy)
        if isinstance(claim, wire.Answer):
            return self._keep(claim)
        self.store = claim.store
        return claim.finish(remote)

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        """See `Server.federation_claim`; who claims makes no difference."""
        del origin
        return self._keep(
            wire.federation_claim_keys(self.store, self._server_name, body, policy=self._policy)
        )

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        """See `Server.sync`."""
        return self._keep(wire.sync_keys(self.store, user, device, spoken=wire.dialects(dialects)))

    def delete_device(self, *, user: str, device: str) -> Response:
        """See `Server.delete_device`."""
        return self._keep(wire.delete_device(self.store, user, device))

    def _keep(self, answer: wire.Answer) -> Response:
        self.store = answer.store
        return answer.response
