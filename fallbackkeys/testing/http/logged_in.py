"""The adapter for a server that logs us in: as users registered for the run, or by accounts that are there.

Each user is registered once, and a fresh device logged in whenever one is asked for: a server with a proper
password hash needs a quarter of a second to make a user, and another for each login, so users are not made
anew. A server outlives runs: so the names of users that are registered begin with a tag of the run, and on
accounts that were there before it the ids of devices do.
"""

import secrets
from collections.abc import Mapping

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON, quote
from fallbackkeys.testing.adapter import NotSupported, ServerLost
from fallbackkeys.testing.http.access import (
    Account,
    GivenAccounts,
    OpenRegistration,
    RegistrationToken,
    SharedSecret,
    new_password,
    register,
    told,
)
from fallbackkeys.testing.http.connection import Connection, Unusable
from fallbackkeys.testing.http.endpoints import CLIENT, OK, Endpoints
from fallbackkeys.wire import Response

_CLAIMER = "CLAIMER"
"""The device by which a user claims who has no other; it uploads nothing."""

_NOBODY = "nobody"
"""The user who claims where nobody in particular does."""

_REFUSED = 400


class LoggedInUsers:
    """See `Adapter`. A first device is made at once, to find out whether registration and login work."""

    def __init__(
        self,
        connection: Connection,
        access: OpenRegistration | RegistrationToken | SharedSecret | GivenAccounts,
    ) -> None:
        """Raise `Unusable` if nobody can be registered or logged in."""
        self._connection = connection
        self._endpoints = Endpoints(connection)
        self._access = access
        self._tag = f"fk{secrets.token_hex(4)}"
        self._prefix = self._tag if isinstance(access, GivenAccounts) else ""
        self._accounts: dict[str, Account] = {}
        self._owners: dict[str, Account] = {}
        self._tokens: dict[Device, str] = {}
        self._claimers: dict[str, Device] = {}
        try:
            self._nobody = self.new_device(user=_NOBODY, device=_CLAIMER)
        except NotSupported as error:
            raise Unusable(reason=f"at {connection.url} {error}") from None

    def new_device(self, *, user: str, device: str) -> Device:
        """See `Adapter.new_device`."""
        if user not in self._accounts:
            self._accounts[user] = self._account(user)
        return self._log_in(self._accounts[user], f"{self._prefix}{device}")

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        """See `Server.upload`."""
        return self._endpoints.upload(self._token(Device(user, device)), body, dialects)

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        """See `Server.claim`."""
        return self._endpoints.claim(self._token(self._claimer(user)), body, remote)

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        """See `Server.federation_claim`: not over this API."""
        del origin, body
        return self._endpoints.federation_claim()

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        """See `Server.sync`."""
        asked = Device(user, device)
        return self._endpoints.sync(asked, self._token(asked), dialects)

    def delete_device(self, *, user: str, device: str) -> Response:
        """Log the device out, which removes it (CS `POST /logout`); it logs in again when it is next used."""
        asked = Device(user, device)
        answer = self._connection.request("POST", f"{CLIENT}/logout", token=self._token(asked), body={})
        if answer.status != OK:
            return answer
        del self._tokens[asked]
        return Response(status=OK, body={})

    def _account(self, user: str) -> Account:
        """The account for a localpart that has none yet."""
        if not isinstance(self._access, GivenAccounts):
            account = Account(name=f"{self._tag}-{user}", password=new_password())
            register(self._connection, self._access, account)
            return account
        # Who claims where nobody in particular does is no user of a trace, and needs no account of its own.
        users = [one for one in self._accounts if one != _NOBODY]
        free = self._access.accounts[len(users) :]
        if not free:
            raise NotSupported(what=f"act as more users than the {len(users)} that were given")
        return free[0]

    def _token(self, device: Device) -> str:
        if device not in self._tokens:
            self._log_in(self._owners[device.user_id], device.device_id)
        return self._tokens[device]

    def _claimer(self, user: str | None) -> Device:
        if user is None or user not in self._owners:
            return self._nobody
        if user not in self._claimers:
            self._claimers[user] = self._log_in(self._owners[user], f"{self._prefix}{_CLAIMER}")
        return self._claimers[user]

    def _log_in(self, account: Account, device: str) -> Device:
        body: JSON = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": account.name},
            "password": account.password,
            "device_id": device,
        }
        answer = self._connection.request("POST", f"{CLIENT}/login", body=body)
        if answer.status == _REFUSED:
            raise NotSupported(what=f"log in as a device {quote(device)}: {told(answer)}")
        user_id, device_id, token = (
            answer.body.get(member) for member in ("user_id", "device_id", "access_token")
        )
        if answer.status != OK or not (
            isinstance(user_id, str) and isinstance(device_id, str) and isinstance(token, str)
        ):
            raise ServerLost(reason=f"{self._connection.url} logs nobody in: {told(answer)}")
        made = Device(user_id, device_id)
        self._owners[user_id] = account
        self._tokens[made] = token
        return made
