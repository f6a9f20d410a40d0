"""The options that say which server is under test, and how accounts on it come to be.

What they need is of the extra `testing`, and is imported when a server is really asked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fallbackkeys.cli.screen import Failure

if TYPE_CHECKING:
    from fallbackkeys.testing.adapter import Adapter
    from fallbackkeys.testing.http import Access

_Command = TypeVar("_Command", bound=Callable[..., Any])

EXTRA = ("httpx", "hypothesis", "jinja2")
"""What the extra `testing` brings."""

_OPTIONS = (
    click.option(
        "--registration-token",
        metavar="TOKEN",
        envvar="FALLBACKKEYS_REGISTRATION_TOKEN",
        help="Register users with this token (m.login.registration_token).",
    ),
    click.option(
        "--registration-secret",
        metavar="SECRET",
        envvar="FALLBACKKEYS_REGISTRATION_SECRET",
        help="Register users with the server's shared secret, as Synapse and Dendrite have it.",
    ),
    click.option(
        "--access-token",
        "access_tokens",
        metavar="TOKEN",
        multiple=True,
        envvar="FALLBACKKEYS_ACCESS_TOKENS",
        help="Register nobody, and use this token's device. Give several: two devices each of three users.",
    ),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        default=20.0,
        show_default=True,
        help="How long an answer may take.",
    ),
)


def access_options(command: _Command) -> _Command:
    """Give a command the options; it hands their values to `connected`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def connected(
    url: str,
    *,
    registration_token: str | None,
    registration_secret: str | None,
    access_tokens: tuple[str, ...],
    timeout: float,
) -> "Iterator[Adapter]":
    """Connect to a server.

    Raises:
        click.UsageError: the options name more than one way to accounts.
        Failure: the extra is not installed.
        Unusable: no Matrix server answers, or it gives us no accounts.
    """
    try:
        from fallbackkeys.testing.http import (  # noqa: PLC0415 - of the extra
            AccessTokens,
            Limits,
            OpenRegistration,
            RegistrationToken,
            SharedSecret,
            connect,
        )
    except ModuleNotFoundError as error:
        raise missing(error) from None
    named: list[Access] = []
    if registration_token is not None:
        named.append(RegistrationToken(token=registration_token))
    if registration_secret is not None:
        named.append(SharedSecret(secret=registration_secret))
    if access_tokens:
        named.append(AccessTokens(tokens=access_tokens))
    if len(named) > 1:
        raise click.UsageError("give a registration token, a registration secret or access tokens, not several")
    with connect(url, access=named[0] if named else OpenRegistration(), limits=Limits(answer=timeout)) as adapter:
        yield adapter


def missing(error: ModuleNotFoundError) -> Failure:
    """Name the extra; an error that is not about it is raised again."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRA:
        raise error
    return Failure(f"this needs {name}: pip install 'fallbackkeys[cli,testing]'")
