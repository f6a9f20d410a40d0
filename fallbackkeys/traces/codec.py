"""Reading traces: from a file's bytes to a `Trace`, or the place and the reason why it is none.

`specs/trace.schema.json` defines what a trace is, and nothing here repeats it; this module adds only what a
schema cannot say: that the file is JSON, which version of the format it has, and how deep it may be nested.
A step's `body` may be any JSON, lone surrogates and numbers beyond every range included: traces show how such
bodies are refused.
"""

import functools
import json
from importlib.resources.abc import Traversable
from typing import cast

import attrs
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from fallbackkeys.errors import JSON, FallbackKeysError, describe, quote
from fallbackkeys.specdata import spec_file
from fallbackkeys.traces.explain import explain
from fallbackkeys.traces.model import (
    DEFAULT_SERVER_NAME,
    ClaimStep,
    DeleteDeviceStep,
    Expectation,
    FederationClaimStep,
    Step,
    SyncStep,
    Trace,
    UploadStep,
)
from fallbackkeys.traces.places import place_of
from fallbackkeys.wire.body import parse_integer

FORMAT = 1
"""The version of the format that this module reads."""

MAX_DEPTH = 200
"""Nesting of a trace, in levels: enough for a body deeper than the 100 that `wire.body` reads."""

MAX_EXPECT_DEPTH = 40
"""Nesting of one `expect`, in levels: no answer worth describing is deeper."""

_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"


@attrs.frozen(kw_only=True, eq=False, str=False)
class InvalidTrace(FallbackKeysError):
    """A file that is no valid trace."""

    path: str
    """The file."""
    place: str
    """Where in it, for example `steps[2].expect.status`; empty if it is about the file as a whole."""
    reason: str
    """What is wrong there, as the end of a sentence that the place begins."""

    def __str__(self) -> str:
        return f"{self.path}: {self.place} {self.reason}" if self.place else f"{self.path}: {self.reason}"


def read_trace(file: Traversable) -> Trace:
    """Read one file.

    Raises:
        InvalidTrace: it cannot be read, or is no trace.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidTrace(path=str(file), place="", reason=f"cannot be read: {error.strerror}") from error
    return parse_trace(data, str(file))


def parse_trace(data: bytes, path: str) -> Trace:
    """Read the bytes of a file.

    Args:
        data: what stands in it.
        path: its name, for the error.

    Raises:
        InvalidTrace: the bytes are no trace.
    """
    try:
        document = _parse_json(data)
        _check_format(document)
        return _trace(_check_structure(document))
    except _Invalid as invalid:
        raise InvalidTrace(path=path, place=invalid.place, reason=invalid.reason) from None
    except RecursionError:
        raise InvalidTrace(path=path, place="", reason=_TOO_DEEP) from None


class _Invalid(Exception):
    """An `InvalidTrace` that does not know its file yet."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason


def _parse_json(data: bytes) -> JSON:
    try:
        document = json.loads(
            data.decode(),
            parse_int=parse_integer,
            parse_constant=_constant,
            object_pairs_hook=_members,
        )
    except UnicodeDecodeError as error:
        raise _Invalid("", f"is not UTF-8: {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _Invalid(place, f"is not JSON: {error.msg}") from None
    _check_depth(document)
    _refuse_faults(document)
    return cast("JSON", document)


@attrs.frozen
class _Fault:
    """What stands in the document where it is no acceptable JSON, until its place is found."""

    reason: str


def _constant(constant: str) -> _Fault:
    return _Fault(f"is not JSON: it holds {constant}")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object] | _Fault:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            return _Fault(f"names the member {quote(name)} twice in one object")
        members[name] = value
    return members


def _refuse_faults(item: object, path: tuple[str | int, ...] = ()) -> None:
    """Recurses no deeper than `MAX_DEPTH`, which is checked before."""
    if isinstance(item, _Fault):
        raise _Invalid(place_of(path), item.reason)
    if isinstance(item, dict):
        for name, value in item.items():
            _refuse_faults(value, (*path, name))
    elif isinstance(item, list):
        for index, value in enumerate(item):
            _refuse_faults(value, (*path, index))


def _check_depth(document: JSON) -> None:
    """Refuse what the schema's validator and the comparison of patterns would recurse into too far.

    How deep Python itself goes differs between its versions and callers, so it is not left to chance.
    """
    if _is_deeper(document, MAX_DEPTH):
        raise _Invalid("", _TOO_DEEP)
    steps = document.get("steps") if isinstance(document, dict) else None
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict) and _is_deeper(step.get("expect"), MAX_EXPECT_DEPTH):
            raise _Invalid(f"steps[{index}].expect", f"is nested deeper than {MAX_EXPECT_DEPTH} levels")


def _is_deeper(value: JSON, limit: int) -> bool:
    """Level by level, without recursion."""
    level = [item for item in (value,) if isinstance(item, dict | list)]
    for _ in range(limit):
        inner = (one for item in level for one in (item.values() if isinstance(item, dict) else item))
        level = [one for one in inner if isinstance(one, dict | list)]
    return bool(level)


def _check_format(document: JSON) -> None:
    if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
        found = describe(document["format"])
        raise _Invalid("format", f"is {found}; this version of fallbackkeys reads format {FORMAT} only")


def _check_structure(document: JSON) -> dict[str, JSON]:
    errors = list(_validator().iter_errors(document))
    if errors:
        raise _Invalid(*explain(errors))
    return cast("dict[str, JSON]", document)


@functools.cache
def _validator() -> Validator:
    schema = json.loads(spec_file("trace.schema.json").read_bytes())
    return cast("Validator", Draft202012Validator(schema))


# --- From a document that the schema has accepted to values ---


def _trace(document: dict[str, JSON]) -> Trace:
    steps = cast("list[dict[str, JSON]]", document["steps"])
    return Trace(
        id=cast("str", document["id"]),
        title=cast("str", document["title"]),
        why=cast("str | None", document.get("why")),
        level=cast("str | None", document.get("level")),
        source=cast("str | None", document.get("source")),
        requirements=tuple(cast("list[str]", document.get("requirements", ()))),
        server_name=cast("str", document.get("server_name", DEFAULT_SERVER_NAME)),
        steps=tuple(map(_step, steps)),
    )


def _step(step: dict[str, JSON]) -> Step:
    expect = _expectation(cast("dict[str, JSON]", step.get("expect", {})))
    user = cast("str", step.get("user"))
    device = cast("str", step.get("device"))
    body = step.get("body")
    match step["do"]:
        case "upload":
            return UploadStep(user=user, device=device, body=body, dialects=_dialects(step), expect=expect)
        case "claim":
            remote = cast("dict[str, JSON]", step.get("remote", {}))
            return ClaimStep(user=user, body=body, remote=remote, expect=expect)
        case "federation_claim":
            return FederationClaimStep(origin=cast("str", step.get("origin")), body=body, expect=expect)
        case "sync":
            return SyncStep(user=user, device=device, dialects=_dialects(step), expect=expect)
        case _:
            return DeleteDeviceStep(user=user, device=device, expect=expect)


def _dialects(step: dict[str, JSON]) -> tuple[str, ...]:
    dialect = cast("str | list[str]", step.get("dialect", "stable"))
    return (dialect,) if isinstance(dialect, str) else tuple(dialect)


def _expectation(expect: dict[str, JSON]) -> Expectation:
    errcode = cast("str | list[str] | None", expect.get("errcode"))
    if isinstance(errcode, str):
        errcode = [errcode]
    return Expectation(
        status=int(cast("int", expect.get("status", 200))),
        errcodes=None if errcode is None else tuple(errcode),
        body=expect.get("body"),
    )
