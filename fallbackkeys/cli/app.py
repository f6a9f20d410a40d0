"""The commands put together, and how they end."""

import os
import signal
import sys
import traceback

import click

from fallbackkeys.cli.access import missing
from fallbackkeys.cli.demo import demo
from fallbackkeys.cli.replay import replay
from fallbackkeys.cli.requirements import requirements
from fallbackkeys.cli.screen import Failure
from fallbackkeys.errors import FallbackKeysError

_CONFORMANCE = "conformance"


class _Commands(click.Group):
    """A group whose commands end with one line and status 2 when they cannot do what they were asked for.

    The one command that needs the extra `testing` is imported when it is named.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), _CONFORMANCE])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name != _CONFORMANCE:
            return super().get_command(context, name)
        try:
            from fallbackkeys.cli.conformance import conformance  # noqa: PLC0415 - of the extra
        except ModuleNotFoundError as error:
            failure = missing(error)
        else:
            return conformance

        @click.command(name, context_settings={"ignore_unknown_options": True}, add_help_option=False)
        @click.argument("arguments", nargs=-1)
        def uninstalled(arguments: tuple[str, ...]) -> None:
            """Hold a live server against the reference; needs the extra `testing`."""
            del arguments
            raise failure

        return uninstalled

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except FallbackKeysError as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt as error:  # 1, click's own status, would be taken for a verdict
            raise Failure("interrupted") from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fallbackkeys", prog_name="fallbackkeys", message="%(prog)s %(version)s")
def commands() -> None:
    """The reference for Matrix one-time keys and fallback keys (MSC2732)."""


commands.add_command(replay)
commands.add_command(demo)
commands.add_command(requirements)


def run() -> None:
    """Run the command that the arguments name, and exit with its status."""
    # Whoever reads our pipe may stop before the end: then end like other commands, silently and by the
    # signal, rather than with a status that would be taken for a verdict. Windows has no such signal.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        commands(prog_name="fallbackkeys")
    except OSError as error:
        # A full disk, say. 1 would be taken for a verdict.
        sys.stderr.write(f"fallbackkeys: {error.strerror or error}\n")
        os._exit(2)  # the interpreter's own end would try to write what is left, and fail again
    except Exception:  # noqa: BLE001 - whatever it is, it must not look like a verdict
        traceback.print_exc()
        sys.exit(2)
