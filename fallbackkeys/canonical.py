"""Canonical JSON by Matrix's own rules (Appendices, "Canonical JSON"; FK-FORM-05).

`canonicaljson` does the encoding: sorted members, no white space, UTF-8. It lets through what Matrix
forbids (fractions, negative zero, integers beyond 53 bits), so the rules are checked here. The check walks
with a list of its own instead of recursion: a peer chooses the depth.
"""

from collections.abc import Iterator

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
    level: list[tuple[str, object]] = [(member, value)]
    depth = 0
    while level:
        below: list[tuple[str, object]] = []
        for path, item in level:
            match item:
                case bool() | None | str():
                    pass
                case int():
                    if not -MAX_INTEGER <= item <= MAX_INTEGER:
                        raise Malformed(member=path, rule=Rule.INTEGER_RANGE, found=describe(item))
                case float():
                    raise Malformed(member=path, rule=Rule.INTEGER, found=describe(item))
                case dict() | list():
                    below.extend(_children(path, item))
                case _:
                    raise Malformed(member=path, rule=Rule.JSON_VALUE, found=describe(item))
        # Every container on this level makes one level of nesting, an empty one too.
        depth += any(isinstance(item, dict | list) for _, item in level)
        if depth > max_depth:
            raise TooLarge(member=member, limit=Limit.VALUE_DEPTH, allowed=max_depth, actual=depth)
        level = below


def _children(path: str, container: dict[object, object] | list[object]) -> Iterator[tuple[str, object]]:
    if isinstance(container, list):
        for index, item in enumerate(container):
            yield f"{path}[{index}]", item
        return
    for name, item in container.items():
        if not isinstance(name, str):
            raise Malformed(member=f"{path}: a member name", rule=Rule.STRING, found=describe(name))
        yield f"{path}.{quote(name)}", item
