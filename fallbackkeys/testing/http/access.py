"""How the users of a run come to be: by registration, or given as accounts or as access tokens."""

import hashlib
import hmac
import secrets
from typing import TypeAlias

import attrs

from fallbackkeys.errors import JSON, quote
from fallbackkeys.testing.adapter import NotSupported
from fallbackkeys.testing.http.connection import Connection, Unusable
from fallbackkeys.wire import Response

_OK, _REFUSED_NAME, _UNAUTHORISED = 200, 400, 401
_REGISTER = "/_matrix/client/v3/register"
_SECRET_REGISTER = "/_synapse/admin/v1/register"  # noqa: S105 - a path
_DUMMY, _TOKEN = "m.login.dummy", "m.login.registration_token"


@attrs.frozen(kw_only=True)
class OpenRegistration:
    """Anyone may register (CS "Account registration", flow `m.login.dummy`)."""


@attrs.frozen(kw_only=True)
class RegistrationToken:
    """Who has the token may register (CS "Token-authenticated registration", Matrix 1.2)."""

    token: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class SharedSecret:
    """Who has the secret may register, as in Synapse and Dendrite (`registration_shared_secret`)."""

    secret: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Account:
    """A user and the password."""

    name: str
    """The localpart."""
    password: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class GivenAccounts:
    """No registration: accounts that exist already; devices are logged in as they are needed.

    Raises:
        Unusable: there is none, or one has no name or no password.
    """

    accounts: tuple[Account, ...]

    def __attrs_post_init__(self) -> None:
        if not all(one.name and one.password for one in self.accounts) or not self.accounts:
            raise Unusable(reason="an account is a name and a password, and at least one is needed")


@attrs.frozen(kw_only=True)
class AccessTokens:
    """No registration and no login: devices that exist already, each by its access token.

    They are used over and over. Tests are kept apart by algorithm names that are fresh each time, so the
    devices gather algorithms; give devices that serve no other end.

    Raises:
        Unusable: a token is empty, or could not stand in a header.
    """

    tokens: tuple[str, ...] = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        # The tokens themselves are not told: what is printed ends in logs.
        if not all(token.isascii() and token.isprintable() and token for token in self.tokens):
            raise Unusable(reason="an access token must be printable ASCII, and not empty")


Access: TypeAlias = OpenRegistration | RegistrationToken | SharedSecret | GivenAccounts | AccessTokens
"""Any of the above."""


def register(
    connection: Connection,
    access: OpenRegistration | RegistrationToken | SharedSecret,
    account: Account,
) -> None:
    """Register a user, who then logs in.

    Raises:
        NotSupported: the server takes no such name.
        Unusable: it registers nobody, or not in this way.
        ServerLost: no answer.
    """
    if isinstance(access, SharedSecret):
        answer = _by_secret(connection, access.secret, account)
    else:
        answer = _by_stages(connection, access, account)
    if answer.status == _REFUSED_NAME:
        raise NotSupported(what=f"register a user {quote(account.name)}: {told(answer)}")
    if answer.status != _OK:
        raise Unusable(
            reason=f"{connection.url} registers nobody: {told(answer)}. Open registration for tests, or"
            " give a registration token, a shared secret, accounts or access tokens"
        )


def told(answer: Response) -> str:
    """A refusal in the server's own words."""
    texts = [str(answer.body[name]) for name in ("errcode", "error") if name in answer.body]
    return " ".join([str(answer.status), *(ascii(text)[1:-1] for text in texts)])


def _by_stages(
    connection: Connection, access: OpenRegistration | RegistrationToken, account: Account
) -> Response:
    """Go through the first flow of which every stage can be passed (CS "User-Interactive Authentication")."""
    body: dict[str, JSON] = {"username": account.name, "password": account.password, "inhibit_login": True}
    answer = connection.request("POST", _REGISTER, body=body)
    if answer.status != _UNAUTHORISED:
        return answer
    passes: dict[str, dict[str, JSON]] = {_DUMMY: {}}
    if isinstance(access, RegistrationToken):
        passes[_TOKEN] = {"token": access.token}
    session = answer.body.get("session")
    for stage in _flow(connection, answer, passes):
        auth: dict[str, JSON] = {"type": stage, "session": session, **passes[stage]}
        answer = connection.request("POST", _REGISTER, body={**body, "auth": auth})
    return answer


def _flow(connection: Connection, answer: Response, passes: dict[str, dict[str, JSON]]) -> list[str]:
    offered = answer.body.get("flows")
    flows = (
        [flow.get("stages") for flow in offered if isinstance(flow, dict)]
        if isinstance(offered, list)
        else []
    )
    for stages in flows:
        if (
            isinstance(stages, list)
            and stages
            and all(isinstance(stage, str) and stage in passes for stage in stages)
        ):
            return [str(stage) for stage in stages]
    wanted = " or ".join(" and ".join(map(str, stages)) for stages in flows if isinstance(stages, list))
    raise Unusable(
        reason=f"{connection.url} registers only by {wanted or 'a way that it does not name'}, and we have"
        f" {' and '.join(passes)}. Give a registration token, a shared secret, accounts or access tokens"
    )


def _by_secret(connection: Connection, secret: str, account: Account) -> Response:
    """Register with a keyed hash over a nonce, as Synapse's admin API describes it."""
    answer = connection.request("GET", _SECRET_REGISTER)
    nonce = answer.body.get("nonce")
    if not isinstance(nonce, str):
        raise Unusable(reason=f"{connection.url} knows no registration by shared secret: {told(answer)}")
    parts = [nonce, account.name, account.password, "notadmin"]
    mac = hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
    body: dict[str, JSON] = {
        "nonce": nonce,
        "username": account.name,
        "password": account.password,
        "admin": False,
        "mac": mac,
    }
    return connection.request("POST", _SECRET_REGISTER, body=body)


def new_password() -> str:
    """A password that nobody is told."""
    return secrets.token_urlsafe(24)
