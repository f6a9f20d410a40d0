"""Canonical JSON by Matrix's own rules (Appendices, "Canonical JSON"; FK-FORM-05).

`canonicaljson` does the encoding: sorted members, no white space, UTF-8. It lets through what Matrix
forbids (fractions, negative zero, integers beyond 53 bits), so the rules are checked here. The check walks
with a list of its own instead of recursion: a peer chooses the depth.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from canonicaljson import encode_canonical_json

from fallbackkeys.errors import Limit, Malformed, Rule, TooLarge, describe, quote

MAX_INTEGER = 2**53 - 1
"""The largest integer Matrix's canonical JSON allows, and with a minus sign the smallest."""

MAX_DEPTH = 100
"""Nesting that no body and no value may exceed, whatever the policy: the encoder below recurses."""


def encode(value: object, member: str) -> bytes:
    """Encode a value that `check` has accepted.

    Raises:
        Malformed: a string in it has a lone surrogate.
    """
    try:
        return encode_canonical_json(value)
    except UnicodeEncodeError as error:
        found = quote(str(error.object)[error.start : error.end])
        raise Malformed(member=member, rule=Rule.UNICODE, found=found) from None


def check(value: object, member: str, max_depth: int = MAX_DEPTH) -> None:
    """Check that a value can be canonical JSON, but for the Unicode in it, which `encode` checks.

    Args:
        value: any object; what a JSON parser returns, or not.
        member: its path, for messages.
        max_depth: levels of nesting allowed; an object without containers in it has one.

    Raises:
        Malformed: a number, a member name or another object in it is not allowed.
        TooLarge: it is nested deeper than `max_depth`.
    """
    level = _containers([((None, member), value)])
    depth = 0
    while level:
        depth += 1
        if depth > max_depth:
            raise TooLarge(member=member, limit=Limit.VALUE_DEPTH, allowed=max_depth, actual=depth)
        level = _containers(inner for path, container in level for inner in _children(path, container))


_Path: TypeAlias = "tuple[_Path | None, str | int]"
"""Where a value stands: the path of what holds it, and its name or index there.

Put into words for the one value that is refused: a peer chooses how many values there are and how long the
names above them, and a text for each would take the product of both.
"""

_Container: TypeAlias = "dict[object, object] | list[object]"


def _containers(values: Iterable[tuple[_Path, object]]) -> Iterable[tuple[_Path, _Container]]:
    """The objects and lists among the values, each once; the other values are checked here."""
    found: dict[int, tuple[_Path, _Container]] = {}
    for path, value in values:
        match value:
            case bool() | None | str():
                pass
            case int():
                if not -MAX_INTEGER <= value <= MAX_INTEGER:
                    raise Malformed(member=_said(path), rule=Rule.INTEGER_RANGE, found=describe(value))
            case float():
                raise Malformed(member=_said(path), rule=Rule.INTEGER, found=describe(value))
            case dict() | list():
                found[id(value)] = path, value
            case _:
                raise Malformed(member=_said(path), rule=Rule.JSON_VALUE, found=describe(value))
    return found.values()


def _children(path: _Path, container: _Container) -> Iterator[tuple[_Path, object]]:
    if isinstance(container, list):
        for index, value in enumerate(container):
            yield (path, index), value
        return
    for name, value in container.items():
        if not isinstance(name, str):
            raise Malformed(member=f"{_said(path)}: a member name", rule=Rule.STRING, found=describe(name))
        yield (path, name), value


def _said(path: _Path) -> str:
    """A path in words."""
    outer, step = path
    words: list[str] = []
    while outer is not None:
        words.append(f"[{step}]" if isinstance(step, int) else f".{quote(step)}")
        outer, step = outer
    return f"{step}{''.join(reversed(words))}"
