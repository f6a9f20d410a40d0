"""Running the command line, in this process and in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from fallbackkeys.cli.app import commands
from tests.builders import CURVE
from tests.traces.documents import TRACE, changed, encoded

PLAIN = {"COLUMNS": "80", "FORCE_COLOR": None, "NO_COLOR": None}
"""The environment of a pipe, whatever this process itself was started in."""


def run(*arguments: str | Path) -> Result:
    """Run the command in this process; what it raises by mistake is raised here."""
    return CliRunner(env=PLAIN).invoke(
        commands, [str(argument) for argument in arguments], catch_exceptions=False
    )


def start(
    *arguments: str | bytes | Path, stdout: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m fallbackkeys` in a process of its own."""
    variables = {**os.environ, **PLAIN, **environment}
    return subprocess.run(
        [sys.executable, "-m", "fallbackkeys", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={name: value for name, value in variables.items() if value is not None},
        check=False,
        timeout=60,
    )


def write(path: Path, document: object = TRACE) -> Path:
    """Write a trace, or the bytes given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document if isinstance(document, bytes) else encoded(document))
    return path


MISMATCH = changed("steps", 3, "expect", "body", to={"device_unused_fallback_key_types": [CURVE]})
"""A trace that expects a fallback key where there is none."""
