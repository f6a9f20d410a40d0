"""From a schema's errors to one sentence for a person.

A JSON Schema validator reports every keyword that failed, and under `oneOf` and `anyOf` every branch. Whoever
wrote the trace wants one place and one reason: the branch they meant, and the first thing wrong with it.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import cast

from jsonschema.exceptions import ValidationError

from fallbackkeys.errors import JSON, describe, quote
from fallbackkeys.traces.places import place_of

_TYPES = {
    "array": "a list",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}

_CHOICES = ("const", "enum", "type", "not")
"""Keywords by which the branches of a schema tell what they are for."""

_CLOSED = ("additionalProperties", "unevaluatedProperties")
"""Keywords that refuse unknown members. The second also refuses what another error has not let be read."""


def explain(errors: Iterable[ValidationError]) -> tuple[str, str]:
    """The place and the reason of the first error that matters; `errors` has at least one."""
    return _explain(sorted(errors, key=_order))


def _order(error: ValidationError) -> tuple[object, ...]:
    """Document order as far as the schema knows it; unknown members last."""
    steps = tuple((isinstance(step, str), str(step).zfill(9)) for step in error.absolute_path)
    return error.validator in _CLOSED, steps


def _explain(errors: Sequence[ValidationError]) -> tuple[str, str]:
    error = errors[0]
    if error.context:
        return _explain_branches(error)
    return place_of(error.absolute_path), _reason(error)


def _explain_branches(error: ValidationError) -> tuple[str, str]:
    """What is wrong with the branch that was meant; if none can be told, what the branches ask for."""
    ordered = sorted(error.context, key=lambda inner: (inner.schema_path[0], _order(inner)))
    branches = [list(inner) for _, inner in groupby(ordered, key=lambda inner: inner.schema_path[0])]
    wrong = [next((inner for inner in branch if _tells(inner, error)), None) for branch in branches]
    meant = [branch for branch, telling in zip(branches, wrong, strict=True) if telling is None]
    if meant:
        return _explain(min(meant, key=len))
    telling = [inner for inner in wrong if inner is not None]
    deepest = max(telling, key=lambda inner: len(inner.absolute_path))
    same = [inner for inner in telling if inner.absolute_path == deepest.absolute_path]
    wanted = " or ".join(dict.fromkeys(_wanted(inner) for inner in same))
    return place_of(deepest.absolute_path), f"must be {wanted}, not {describe(deepest.instance)}"


def _tells(inner: ValidationError, outer: ValidationError) -> bool:
    """Whether an error says that its branch is not the one that was meant."""
    depth = len(inner.absolute_path) - len(outer.absolute_path)
    return inner.validator in _CHOICES and depth <= (inner.validator != "type")


def _reason(error: ValidationError) -> str:
    """What is wrong with the place, as the end of a sentence."""
    found = describe(error.instance)
    limit = error.validator_value
    if error.schema is False:  # the validator forgets the member's name, and its place is the object's
        return f"has a member that must not be there: {found}"
    match error.validator:
        case "const" | "enum" | "type" | "not":
            reason = f"must be {_wanted(error)}, not {found}"
        case "required":
            names = cast("list[str]", error.validator_value)
            instance = cast("dict[str, JSON]", error.instance)
            reason = f"lacks the member {next(name for name in names if name not in instance)}"
        case "additionalProperties" | "unevaluatedProperties":
            reason = f"has the unknown member {quote(_unknown_member(error))}"
        case "uniqueItems":
            reason = "must not hold anything twice"
        case "pattern":
            reason = f"must match {limit}, and is {found}"
        case "minItems" | "minProperties" | "minLength":
            reason = f"must not be shorter than {limit}, and is {found}"
        case "minimum":
            reason = f"must not be less than {limit}, and is {found}"
        case "maximum":
            reason = f"must not be more than {limit}, and is {found}"
        case _:
            reason = f"must have {error.validator} {_plain(limit)}, and is {found}"
    return reason


def _wanted(error: ValidationError) -> str:
    """What a `const`, an `enum`, a `type` or a `not` asks for."""
    value = cast("JSON", error.validator_value)
    match error.validator, value:
        case "type", list():
            return " or ".join(_TYPES[str(one)] for one in value)
        case "type", str():
            return _TYPES[value]
        case "enum", list():
            return " or ".join(map(_plain, value))
        case "not", {"type": str(name)}:
            return f"anything but {_TYPES[name]}"
        case "not", _:
            return f"anything but what matches {_plain(value)}"
    return _plain(value)


def _unknown_member(error: ValidationError) -> str:
    # Which members `unevaluatedProperties` means, the validator says nowhere but in its message.
    return next((name for name in cast("dict[str, JSON]", error.instance) if repr(name) in error.message), "")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
