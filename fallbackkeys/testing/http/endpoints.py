"""The requests of the client-server API that the checks are made of, each with a device's access token.

Syncs are incremental, each with the `since` of the one before: Synapse answers an initial sync that is asked
for twice within two minutes from a cache, which is its good right.
"""

import json
from collections.abc import Mapping

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON
from fallbackkeys.testing.adapter import NotSupported
from fallbackkeys.testing.http.connection import Connection
from fallbackkeys.wire import DIALECTS, Response
from fallbackkeys.wire.encode import COUNTS

CLIENT = "/_matrix/client/v3"
OK = 200

_STABLE = ("stable",)
_KEY_MEMBERS = {COUNTS, *(dialect.sync_member for dialect in DIALECTS)}
_FILTER = json.dumps(
    {"room": {"rooms": []}, "presence": {"not_types": ["*"]}, "account_data": {"not_types": ["*"]}}
)
"""Nothing but what a sync always brings."""


class Endpoints:
    """Upload, claim and sync; what they cannot do over this API they say."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._since: dict[Device, str] = {}

    def upload(self, token: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        """`POST /keys/upload`."""
        _check_dialects(dialects)
        return self.connection.request("POST", f"{CLIENT}/keys/upload", token=token, body=body)

    def claim(self, token: str, body: JSON, remote: Mapping[str, JSON]) -> Response:
        """`POST /keys/claim`."""
        if any(answer != "unreachable" for answer in remote.values()):
            raise NotSupported(what="answer in the place of other servers")
        return self.connection.request("POST", f"{CLIENT}/keys/claim", token=token, body=body)

    def federation_claim(self) -> Response:
        """Needs a server's signing key and a name that the server under test can resolve."""
        raise NotSupported(what="claim as another server does, over federation")

    def sync(self, device: Device, token: str, dialects: tuple[str, ...]) -> Response:
        """The members about keys of `GET /sync`, since the device's last sync if it had one."""
        _check_dialects(dialects)
        query = {"timeout": "0", "filter": _FILTER}
        if device in self._since:
            query["since"] = self._since[device]
        answer = self.connection.request("GET", f"{CLIENT}/sync", token=token, query=query)
        if answer.status != OK:
            return answer
        batch = answer.body.get("next_batch")
        if isinstance(batch, str):
            self._since[device] = batch
        shown = {name: value for name, value in answer.body.items() if name in _KEY_MEMBERS}
        return Response(status=OK, body=shown)


def _check_dialects(dialects: tuple[str, ...]) -> None:
    if dialects != _STABLE:
        raise NotSupported(what="choose the dialects that the server speaks")
