"""Comparing an answer with what a trace expects.

JSON compares exactly: `true` is not 1, 1 is not 1.0, `-0` is not 0. An object whose only member begins with
`$` is a pattern instead:

- `{"$counts": {…}}`: numbers per algorithm; one that is left out, on either side, is 0, and in a sync the
  whole map may be left out;
- `{"$set": […]}`: a list of exactly these, in any order;
- `{"$any_of": [p, …]}`: what one of these patterns matches;
- `{"$absent": true}`, as a member's value: the member is not there.

The answer's top level is open: members that the pattern lacks are not compared. Below it, objects compare
exactly. One member is special there: `failures` compares by its names, since what stands under them is a
server's own wording, and is `{}` if absent.

The walk recurses as deep as the pattern goes, which `codec.MAX_EXPECT_DEPTH` bounds; an answer may be as deep
as it likes.
"""

import enum
import json
from collections import Counter
from collections.abc import Iterator
from typing import Final, TypeAlias

import attrs

from fallbackkeys.errors import JSON, describe
from fallbackkeys.traces.model import Expectation
from fallbackkeys.traces.places import inside
from fallbackkeys.wire import Response

_LONGEST = 160
"""Characters of a value that a difference shows."""


class _Absence(enum.Enum):
    """In place of a member that is not there."""

    PLAIN = enum.auto()
    OF_COUNTS = enum.auto()
    """In a sync, where a map of counts may be left out."""


_Found: TypeAlias = "JSON | _Absence"
_ABSENT: Final = _Absence.PLAIN
_NO_COUNTS: Final = _Absence.OF_COUNTS


@attrs.frozen
class Difference:
    """One place where an answer is not as expected; everything in it is printable ASCII."""

    path: str
    """Where, for example `body.one_time_key_counts.signed_curve25519`."""
    expected: str
    """What should be there."""
    actual: str
    """What is there."""


def compare_answer(expect: Expectation, response: Response, *, sync: bool = False) -> tuple[Difference, ...]:
    """How an answer differs from what is expected; nothing if it does not.

    A wrong status is the only difference told: the body that comes with it is that of another answer.

    Args:
        expect: from a trace.
        response: what was answered.
        sync: whether it is the answer of a sync.
    """
    if response.status != expect.status:
        message = _refusal(response.body)
        return (Difference("status", str(expect.status), f"{response.status}{message}"),)
    found: list[Difference] = []
    if expect.errcodes is not None and response.body.get("errcode") not in expect.errcodes:
        wanted = " or ".join(map(_show, expect.errcodes))
        found.append(Difference("body.errcode", wanted, _refusal(response.body).strip() or "nothing"))
    if expect.body is not None:
        found += _compare_body(expect.body, response.body, _NO_COUNTS if sync else _ABSENT)
    return tuple(found)


def _refusal(body: dict[str, JSON]) -> str:
    """The errcode and message of an answer, if it has them, for a person who wonders at a refusal."""
    texts = (str(body[name]) for name in ("errcode", "error") if name in body)
    return "".join(f" {ascii(text)[1:-1]}" for text in texts)[:_LONGEST]


def _compare_body(pattern: JSON, body: dict[str, JSON], missing: _Absence) -> Iterator[Difference]:
    """Compare the open top level, in which a member that is not there counts as `missing`."""
    operator, members = _operator(pattern)
    if operator or not isinstance(members, dict):
        yield from _compare(pattern, body, "body")
        return
    for name, expected in members.items():
        found = body.get(name, missing)
        if name == "failures":
            yield from _compare(_names_only(expected), _names_only(found), inside("body", name))
        else:
            yield from _compare(expected, found, inside("body", name))


def _names_only(failures: _Found) -> JSON:
    """The servers that failed, and nothing of what is said about them."""
    if isinstance(failures, _Absence):
        return {}
    match _operator(failures):
        case "$any_of", list(alternatives):
            return {"$any_of": [_names_only(alternative) for alternative in alternatives]}
        case "$absent", True:
            return {}
        case "", dict(servers):
            return {server: {} for server in servers}
    return failures


def _compare(pattern: JSON, found: _Found, place: str) -> Iterator[Difference]:
    """Compare one value; one frame of the stack per level of the pattern."""
    match _operator(pattern):
        case "$absent", True:
            matches = isinstance(found, _Absence)
        case "$any_of", list(alternatives):
            matches = not all(any(_compare(alternative, found, place)) for alternative in alternatives)
        case "$set", list(items):
            matches = isinstance(found, list) and Counter(map(_text, items)) == Counter(map(_text, found))
        case "$counts", dict(counts) if isinstance(found, dict) or found is _NO_COUNTS:
            counted = found if isinstance(found, dict) else {}
            for algorithm in sorted(counts.keys() | counted.keys()):
                path = inside(place, algorithm)
                yield from _compare(counts.get(algorithm, 0), counted.get(algorithm, 0), path)
            return
        case "", dict(members) if isinstance(found, dict):
            for name in (*members, *(name for name in found if name not in members)):
                wanted = members.get(name, {"$absent": True})
                yield from _compare(wanted, found.get(name, _ABSENT), inside(place, name))
            return
        case "", list(items) if isinstance(found, list) and len(items) == len(found):
            for index, (item, one) in enumerate(zip(items, found, strict=True)):
                yield from _compare(item, one, inside(place, index))
            return
        case _:
            # Two containers that get here are of different kind or length: unequal, however deep.
            matches = not isinstance(found, _Absence | dict | list) and _text(pattern) == _text(found)
    if not matches:
        yield Difference(place, *_excerpts(_show(pattern), _show(found)))


def _operator(pattern: JSON) -> tuple[str, JSON]:
    """The name and the operand of a pattern; no name, and the value itself, for JSON to compare exactly."""
    if isinstance(pattern, dict) and len(pattern) == 1:
        [(name, operand)] = pattern.items()
        if name.startswith("$"):
            return name, operand
    return "", pattern


def _text(value: JSON) -> str:
    """The value as JSON in ASCII; the same text for the same JSON, and for no other."""
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:  # deeper than any pattern, so equal to none
        return describe(value)


def _show(value: _Found) -> str:
    """A pattern or a value for a person."""
    if isinstance(value, _Absence):
        return "nothing"
    match _operator(value):
        case "$absent", True:
            return "nothing"
        case "$any_of", list(alternatives):
            return " or ".join(map(_text, alternatives))
        case "$set", list(items):
            return f"{_text(items)} in any order"
        case "$counts", dict(counts):
            return f"the counts {_text(counts)}"
    return _text(value)


def _excerpts(expected: str, actual: str) -> tuple[str, str]:
    """Cut both texts so that the place where they part is still to be seen."""
    pairs = enumerate(zip(expected, actual, strict=False))
    same = next((index for index, (one, other) in pairs if one != other), min(len(expected), len(actual)))
    start = max(0, same - _LONGEST // 2) if same > _LONGEST // 2 else 0
    return _cut(expected, start), _cut(actual, start)


def _cut(text: str, start: int) -> str:
    shown = text[start : start + _LONGEST]
    return f"{'...' if start else ''}{shown}{'...' if start + len(shown) < len(text) else ''}"
