"""Where the specification's data files are: in the installed package, or in a checkout beside it.

A wheel carries them under `fallbackkeys/specs`; in a checkout, and so in an editable install, they are the
files of `specs/` themselves, so that an edit there is seen at once.
"""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import attrs

from fallbackkeys.errors import FallbackKeysError


@attrs.frozen(kw_only=True, eq=False, str=False)
class SpecFileMissing(FallbackKeysError):
    """The installation is incomplete: a data file of the specification is not there."""

    name: str
    """What was looked for, relative to `specs/`."""

    def __str__(self) -> str:
        return f"specs/{self.name} is neither in the installed package nor beside it; install it anew"


def spec_file(name: str) -> Traversable:
    """Find a file or folder of the specification's data.

    Args:
        name: `requirements.toml`, `traceability.json`, `trace.schema.json` or `vectors`.

    Raises:
        SpecFileMissing: it is in neither place.
    """
    installed = resources.files("fallbackkeys") / "specs" / name
    checkout = Path(__file__).parent.parent / "specs" / name
    for place in (installed, checkout):
        if place.is_file() or place.is_dir():
            return place
    raise SpecFileMissing(name=name)
