"""Any homeserver behind its client-server API, as an adapter.

`connect` asks the server what it is, gets accounts, and returns an adapter:

    with connect("http://localhost:8008") as adapter:
        ...

Where registration is not open, say how accounts come to be: `SharedSecret`, `RegistrationToken`,
`GivenAccounts` or `AccessTokens`. What the client-server API does not offer is not tested: claims by other
servers, other servers' answers, and other dialects than the stable one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from fallbackkeys.testing.adapter import Adapter
from fallbackkeys.testing.http.access import (
    Access,
    AccessTokens,
    Account,
    GivenAccounts,
    OpenRegistration,
    RegistrationToken,
    SharedSecret,
)
from fallbackkeys.testing.http.connection import Connection, Limits, Unusable
from fallbackkeys.testing.http.given import GivenDevices
from fallbackkeys.testing.http.logged_in import LoggedInUsers

__all__ = [
    "Access",
    "AccessTokens",
    "Account",
    "GivenAccounts",
    "Limits",
    "OpenRegistration",
    "RegistrationToken",
    "SharedSecret",
    "Unusable",
    "connect",
]

OPEN = OpenRegistration()
DEFAULT_LIMITS = Limits()


@contextmanager
def connect(url: str, *, access: Access = OPEN, limits: Limits = DEFAULT_LIMITS) -> Iterator[Adapter]:
    """Connect to a server.

    Args:
        url: of its client-server API, without `/_matrix`.
        access: how accounts come to be.
        limits: how long to wait.

    Raises:
        Unusable: no Matrix server answers there, or it gives us no accounts.
        ServerLost: it stops answering, or limits rates.
    """
    with Connection(url, limits) as connection:
        connection.check()
        if isinstance(access, AccessTokens):
            yield GivenDevices(connection, access)
        else:
            yield LoggedInUsers(connection, access)
