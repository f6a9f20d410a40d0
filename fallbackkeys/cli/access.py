"""The options that say which server is under test, and how accounts on it come to be.

What they need is of the extra `testing`, and is imported when a server is really asked.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import attrs
import click

from fallbackkeys.cli.screen import Failure

if TYPE_CHECKING:
    from fallbackkeys.testing.adapter import Adapter
    from fallbackkeys.testing.http import Access

EXTRA = ("httpx", "hypothesis", "jinja2")
"""What the extra `testing` brings."""

_OPTIONS = (
    click.option(
        "--registration-token",
        metavar="TOKEN",
        envvar="FALLBACKKEYS_REGISTRATION_TOKEN",
        show_envvar=True,
        help="Register users with this token (m.login.registration_token).",
    ),
    click.option(
        "--registration-secret",
        metavar="SECRET",
        envvar="FALLBACKKEYS_REGISTRATION_SECRET",
        show_envvar=True,
        help="Register users with the server's shared secret, as Synapse and Dendrite have it.",
    ),
    click.option(
        "--account",
        "accounts_given",
        metavar="NAME:PASSWORD",
        multiple=True,
        envvar="FALLBACKKEYS_ACCOUNTS",
        show_envvar=True,
        help="Register nobody, and log in as this user. Give several: with eight, everything is tested.",
    ),
    click.option(
        "--access-token",
        "access_tokens",
        metavar="TOKEN",
        multiple=True,
        envvar="FALLBACKKEYS_ACCESS_TOKENS",
        show_envvar=True,
        help="Register nobody, log nobody in, and use this token's device. Give several; less is tested.",
    ),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True, max=86_400),
        default=20.0,
        show_default=True,
        help="How long an answer may take.",
    ),
)


_LESS = (
    "With access tokens less is tested: their devices are used over and over, never removed, and of no more"
    " use where the server limits what one may have. With --account everything is."
)
"""Said before the run, since the report says it only after minutes."""


@attrs.frozen(kw_only=True)
class Accounts:
    """What the options said."""

    registration_token: str | None = attrs.field(repr=False)
    registration_secret: str | None = attrs.field(repr=False)
    accounts_given: tuple[str, ...] = attrs.field(repr=False)
    """Each a localpart, a colon and a password."""
    access_tokens: tuple[str, ...] = attrs.field(repr=False)
    timeout: float


def access_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options; it is handed them as `accounts`."""

    @functools.wraps(command)
    def with_accounts(*arguments: object, **options: object) -> None:
        said = {field.name: options.pop(field.name) for field in attrs.fields(Accounts)}
        command(*arguments, accounts=Accounts(**cast("Any", said)), **options)

    return functools.reduce(lambda function, option: option(function), reversed(_OPTIONS), with_accounts)


@contextmanager
def connected(url: str, accounts: Accounts) -> "Iterator[Adapter]":
    """Connect to a server.

    Raises:
        click.UsageError: the options name more than one way to accounts.
        Failure: the extra is not installed.
        Unusable: no Matrix server answers, or it gives us no accounts.
    """
    try:
        from fallbackkeys.testing.http import (  # noqa: PLC0415 - of the extra
            AccessTokens,
            Account,
            GivenAccounts,
            Limits,
            OpenRegistration,
            RegistrationToken,
            SharedSecret,
            connect,
        )
    except ModuleNotFoundError as error:
        raise missing(error) from None
    named: list[Access] = []
    if accounts.registration_token is not None:
        named.append(RegistrationToken(token=accounts.registration_token))
    if accounts.registration_secret is not None:
        named.append(SharedSecret(secret=accounts.registration_secret))
    if accounts.accounts_given:
        parted = (given.partition(":") for given in accounts.accounts_given)
        named.append(
            GivenAccounts(
                accounts=tuple(Account(name=name, password=password) for name, _, password in parted)
            )
        )
    if accounts.access_tokens:
        named.append(AccessTokens(tokens=accounts.access_tokens))
    if len(named) > 1:
        raise click.UsageError(
            "give a registration token, a registration secret, accounts or access tokens: one of these"
        )
    access = named[0] if named else OpenRegistration()
    if accounts.access_tokens:
        click.echo(_LESS, err=True)
    with connect(url, access=access, limits=Limits(answer=accounts.timeout)) as adapter:
        yield adapter


def missing(error: ModuleNotFoundError) -> Failure:
    """Name the extra; an error that is not about it is raised again."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRA:
        raise error
    return Failure(f"this needs {name}: pip install 'fallbackkeys[cli,testing]'")
