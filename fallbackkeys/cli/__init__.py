"""The command line: `fallbackkeys replay`, `conformance`, `demo` and `requirements`. Needs the extra `cli`.

Thin on purpose: each command calls one public function of a lower room and shows what it returned.
"""

import sys

__all__ = ["main"]

_EXTRA = ("click", "rich", "jsonschema")


def main() -> None:
    """Run the command line and exit with its status; with 2 if the extra is not installed."""
    try:
        from fallbackkeys.cli.app import run  # noqa: PLC0415 - only here can a missing extra be named
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        sys.stderr.write(f"fallbackkeys needs {missing}: pip install 'fallbackkeys[cli]'\n")
        raise SystemExit(2) from None
    run()
