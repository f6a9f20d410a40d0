"""From bytes to a body: everything that is not acceptable JSON ends here (FK-FORM-09).

Python's own parser takes more than JSON (NaN, several encodings), fails in several ways (RecursionError,
ValueError for long integers) and lets lone surrogates through. This one function has one answer for each.
"""

import json
from typing import NoReturn, cast

from fallbackkeys import canonical
from fallbackkeys.errors import JSON, Errcode, Limit, Malformed, Rule, TooLarge, quote

_MEMBER = "the body"
_MAX_DIGITS = 20  # more than any integer of 64 bits has


def parse_body(data: bytes) -> JSON:
    """Parse a request body.

    Numbers that are no canonical JSON (`-0`, `1e10`, `2**60`, an integer of 5,000 digits) are let through as
    numbers that a key may not hold: they matter only where they stand in a key, and unknown members are
    ignored (FK-FORM-08).

    Raises:
        Malformed: `M_NOT_JSON` for bytes that are no JSON text in UTF-8 (a byte order mark, NaN and Infinity
            included); `M_BAD_JSON` for JSON that repeats a member or holds a lone surrogate.
        TooLarge: it is nested deeper than `canonical.MAX_DEPTH` levels.
    """
    try:
        body = json.loads(
            data.decode(),
            parse_int=parse_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique_members,
        )
    except UnicodeDecodeError as error:
        raise _not_json(f"{error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _not_json(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    _check(body)
    return cast("JSON", body)


def parse_integer(digits: str) -> int | float:
    """An integer literal's value, or what stands for it where no key may hold it anyway.

    `-0` becomes a float, so that it is not taken for `0`; more digits than any 64 bits have become a power of
    two that is as much out of range, since `int` refuses 5,000 of them.
    """
    if digits == "-0":
        return -0.0
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return -(1 << 65) if digits.startswith("-") else 1 << 65


def _refuse_constant(constant: str) -> NoReturn:
    raise _not_json(constant)


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        # Two parsers may read two different keys from such an object, and both be right.
        names = [name for name, _ in pairs]
        first = {name: index for index, name in reversed(list(enumerate(names)))}
        twice = next(name for index, name in enumerate(names) if first[name] != index)
        raise Malformed(member=_MEMBER, rule=Rule.UNIQUE_MEMBERS, found=f"{quote(twice)} twice")
    return members


def _check(body: object) -> None:
    """Check nesting and Unicode, without recursion: a peer chooses the depth."""
    level, depth = [body], 0
    while level:
        below: list[object] = []
        for item in level:
            match item:
                case str():
                    _check_unicode(item)
                case dict():
                    below += item
                    below += item.values()
                case list():
                    below += item
        depth += any(isinstance(item, dict | list) for item in level)
        if depth > canonical.MAX_DEPTH:
            raise _too_deep()
        level = below


def _check_unicode(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = quote(text[max(0, error.start - 20) : error.end + 20])
        raise Malformed(member=_MEMBER, rule=Rule.UNICODE, found=found) from None


def _not_json(found: str) -> Malformed:
    return Malformed(member=_MEMBER, rule=Rule.JSON, found=found, errcode=Errcode.NOT_JSON)


def _too_deep() -> TooLarge:
    depth = canonical.MAX_DEPTH
    return TooLarge(member=_MEMBER, limit=Limit.BODY_DEPTH, allowed=depth, actual=depth + 1)
