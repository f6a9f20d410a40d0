"""JSON in few lines for people: what is long or says little is cut, with an ellipsis in its place."""

import json

from fallbackkeys.errors import JSON

_LONGEST = 24
"""Characters of a string that is shown in full."""

_SHOWN = 8
"""Characters that are left of a longer one."""

_CUT = "signatures"
"""The member of which nothing but its presence is shown."""


def layout(value: JSON, width: int) -> list[str]:
    """Lines of at most `width` characters, as long as no single member needs more.

    Long strings, which public keys are, are cut; of signatures nothing but their presence is shown.
    """
    return _lines("", value, "", width, 0)


def _lines(before: str, value: JSON, after: str, width: int, indent: int) -> list[str]:
    """A value with what stands before and after it: on one line if it fits, else a line for each member."""
    margin = " " * indent
    line = f"{margin}{before}{_one_line(value)}{after}"
    if len(line) <= width or not isinstance(value, dict) or not value:
        return [line]
    *others, (last, _) = value.items()
    if not others:
        # An object of a single object shares a line with it, unless that one fits on a line of its own.
        opening = f"{before}{{{json.dumps(last)}: "
        alone = f"{margin}  {_member(last, value[last])}"
        if len(f"{margin}{opening}{{") <= width < len(alone):
            return _lines(opening, value[last], f"}}{after}", width, indent)
    lines = [f"{margin}{before}{{"]
    for name, inner in value.items():
        comma = "" if name == last else ","
        if name == _CUT:
            lines.append(f"{margin}  {_member(name, inner)}{comma}")
        else:
            lines += _lines(f"{json.dumps(name)}: ", inner, comma, width, indent + 2)
    return [*lines, f"{margin}}}{after}"]


def _one_line(value: JSON) -> str:
    match value:
        case dict():
            return f"{{{', '.join(_member(name, inner) for name, inner in value.items())}}}"
        case list():
            return f"[{', '.join(map(_one_line, value))}]"
        case str() if len(value) > _LONGEST:
            return f'{json.dumps(value[:_SHOWN])[:-1]}…"'
        case _:
            return json.dumps(value)


def _member(name: str, value: JSON) -> str:
    return f"{json.dumps(name)}: {'{…}' if name == _CUT else _one_line(value)}"
