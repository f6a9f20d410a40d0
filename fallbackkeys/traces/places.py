"""How a place within JSON is written for a person: `steps[2].expect.body["org.matrix.x"]`."""

import json
import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[$A-Za-z_][0-9A-Za-z_]*")

_LONGEST_NAME = 80
"""Characters of a member's name that are shown."""


def inside(place: str, step: str | int) -> str:
    """The place of a list's item or an object's member within `place`; the empty place is the document.

    Names that could be misread, which user ids and key names are, stand in brackets and quotes; everything is
    ASCII.
    """
    if isinstance(step, int):
        return f"{place}[{step}]"
    name = step if len(step) <= _LONGEST_NAME else f"{step[: _LONGEST_NAME - 3]}..."
    if not _PLAIN.fullmatch(name):
        return f"{place}[{json.dumps(name)}]"
    return f"{place}.{name}" if place else name


def place_of(steps: Iterable[str | int]) -> str:
    """The place that a path of member names and indexes leads to."""
    place = ""
    for step in steps:
        place = inside(place, step)
    return place
