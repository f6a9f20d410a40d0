"""What can go wrong, as exceptions with typed fields.

Three classes of fault, never mixed:

- `Refusal`: a peer sent something that must be refused. It knows the HTTP status, the Matrix errcode and a
  message a person can act on (FK-FORM-11), and whoever raises it has changed nothing.
- `Misuse`: the embedding program called a function against its contract.
- `SnapshotError`: a stored snapshot cannot be read.
"""

import enum
import functools
from abc import abstractmethod
from typing import ClassVar, TypeAlias

import attrs

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
"""What a JSON parser returns."""


class Errcode(enum.StrEnum):
    """The Matrix error codes this project answers with.

    *Normative* codes are defined in "Standard error response" of the client-server API, which leaves open
    which one a given malformed body deserves. *Observed* says which deployed server answers so.
    """

    NOT_JSON = "M_NOT_JSON"
    """Normative: the body is not JSON."""
    BAD_JSON = "M_BAD_JSON"
    """Normative: JSON, but not what the endpoint takes. Observed for malformed uploads in Synapse."""
    INVALID_PARAM = "M_INVALID_PARAM"
    """Normative: a parameter has a wrong value. Observed for malformed user ids in Synapse."""
    TOO_LARGE = "M_TOO_LARGE"
    """Normative: the request is too large. Observed for more than 500 keys in Synapse."""
    INVALID_SIGNATURE = "M_INVALID_SIGNATURE"
    """Normative: a signature is wrong; defined for POST /keys/device_signing/upload."""
    UNKNOWN = "M_UNKNOWN"
    """Normative: no better code exists. Observed for a conflicting one-time key in Synapse."""
    DUPLICATE_ONE_TIME_KEY = "M_DUPLICATE_ONE_TIME_KEY"
    """Proposed by MSC4420 for a conflicting one-time key."""
    UNSTABLE_DUPLICATE_ONE_TIME_KEY = "io.github.johennes.msc4420.M_DUPLICATE_ONE_TIME_KEY"
    """The same under MSC4420's unstable prefix."""


class Rule(enum.StrEnum):
    """The rules of form that input can break; each value completes the sentence "*member* …"."""

    JSON = "must be JSON in UTF-8"
    UNIQUE_MEMBERS = "must not name a member twice"
    OBJECT = "must be an object"
    REQUIRED = "is required"
    STRING = "must be a string"
    BOOLEAN = "must be a boolean"
    LIST_OF_STRINGS = "must be a list of strings"
    UNICODE = "must be valid Unicode, without lone surrogates"
    NO_NUL = "must not have a NUL character"
    NO_CONTROL = "must not have control characters"
    INTEGER = "must have no number but integers, without exponent, fraction or negative zero"
    INTEGER_RANGE = "must have no integer beyond 2^53 - 1 or below its negative"
    JSON_VALUE = "must hold nothing but JSON values"
    NAME_FORM = "must be named <algorithm>:<key_id>, with exactly one colon and two non-empty parts"
    NAME_LENGTH = "must have a name of at most 255 bytes"
    KEY_FORM = "must be a string or an object"
    SIGNED_FORM = "must be an object, since its algorithm is signed"
    USER_ID = "must be a user id, @localpart:server_name, of at most 255 bytes"
    LOCAL_USER = "must be a user of this server"
    SAME_USER = "must be the user who uploads"
    SAME_DEVICE = "must be the device that uploads"


class Limit(enum.StrEnum):
    """The limits a policy may set; each value names what is counted (FK-LIMIT-01 to FK-LIMIT-05)."""

    KEYS_IN_UPLOAD = "keys in one upload"
    POOL = "one-time keys of one algorithm"
    ALGORITHMS = "algorithms of one device"
    VALUE_BYTES = "bytes of canonical JSON in one key"
    VALUE_DEPTH = "levels of nesting in one key"
    BODY_DEPTH = "levels of nesting in one body"
    DEVICES_IN_CLAIM = "devices in one claim"


class FallbackKeysError(Exception):
    """Base of every error of this package. Each can be copied and pickled, as a pool of processes does."""

    def __reduce__(self) -> str | tuple[object, ...]:
        """How to make it again: Python would pass no argument, and most take keywords only."""
        cls = type(self)
        if not attrs.has(cls):
            return super().__reduce__()
        fields = {field.alias: getattr(self, field.name) for field in attrs.fields(cls) if field.init}
        return functools.partial(cls, **fields), ()


class Refusal(FallbackKeysError):
    """A peer's input was refused; nothing was changed. Answer with `status`, `errcode` and `message`."""

    status: ClassVar[int] = 400
    """The HTTP status, always 400 so far."""
    errcode: Errcode

    @property
    @abstractmethod
    def message(self) -> str:
        """One sentence for a person: which member, which rule, what was found."""

    def __str__(self) -> str:
        return self.message


@attrs.frozen(kw_only=True, eq=False, str=False)
class Malformed(Refusal):
    """Input that breaks a rule of form."""

    member: str
    """Path of the offending member, for example `one_time_keys.signed_curve25519:AAAAHQ.key`."""
    rule: Rule
    """The rule it breaks."""
    found: str
    """What stood there instead, described; large values are cut."""
    errcode: Errcode = Errcode.BAD_JSON

    @property
    def message(self) -> str:
        """The sentence: member, rule, what was found."""
        return f"{self.member} {self.rule.value}; found {self.found}"


@attrs.frozen(kw_only=True, eq=False, str=False)
class TooLarge(Refusal):
    """Input beyond a limit of the policy."""

    member: str
    """What is too large."""
    limit: Limit
    """The limit it breaks."""
    allowed: int
    """The most the policy allows."""
    actual: int
    """How many there were or would be; for a nesting, the first level too deep."""
    errcode: Errcode = attrs.field(default=Errcode.TOO_LARGE, init=False)

    @property
    def message(self) -> str:
        """The sentence: member, limit, actual number."""
        return f"{self.member}: at most {self.allowed} {self.limit.value} are allowed; found {self.actual}"


@attrs.frozen(kw_only=True, eq=False, str=False)
class OneTimeKeyConflict(Refusal):
    """An uploaded one-time key has the id of a different key that still waits in the pool."""

    algorithm: str
    key_id: str
    stored: bytes
    """The waiting key, canonical JSON."""
    uploaded: bytes
    """The refused key, canonical JSON."""
    errcode: Errcode = Errcode.UNKNOWN

    @property
    def message(self) -> str:
        """The wording that matrix-rust-sdk recognises and parses (FK-FORM-12)."""
        return (
            f"One time key {self.algorithm}:{self.key_id} already exists. "
            f"Old key: {self.stored.decode()}; new key: {self.uploaded.decode()}"
        )


@attrs.frozen(kw_only=True, eq=False, str=False)
class SeveralFallbackKeys(Refusal):
    """An upload holds more than one fallback key of an algorithm."""

    algorithm: str
    key_ids: tuple[str, ...]
    """Their ids, in body order."""
    member: str = "fallback_keys"
    """The member of the body that held them."""
    errcode: Errcode = attrs.field(default=Errcode.INVALID_PARAM, init=False)

    @property
    def message(self) -> str:
        """The sentence: which algorithm, which ids."""
        first, second = (quote(key_id) for key_id in self.key_ids[:2])
        found = f"{len(self.key_ids)} of {quote(self.algorithm)}, {first} and {second} among them"
        return f"{self.member} must have at most one key of an algorithm; found {found}"


class Misuse(FallbackKeysError, ValueError):
    """The embedding program broke a function's contract."""


@attrs.frozen(kw_only=True, eq=False, str=False)
class NotClaimable(Misuse):
    """A caller chose a key that a claim may not return now."""

    algorithm: str
    key_id: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.key_id} is not among the keys that a claim may return now"


@attrs.frozen(kw_only=True, eq=False, str=False)
class EventMismatch(Misuse):
    """An event was applied to a state in which it cannot have happened."""

    event: str
    """The event's class."""
    subject: str
    """What it is about."""

    def __str__(self) -> str:
        return f"{self.event} of {self.subject} cannot have happened in this state"


@attrs.frozen(kw_only=True, eq=False, str=False)
class SnapshotError(FallbackKeysError):
    """A snapshot cannot be read."""

    place: str
    """Where in the snapshot."""
    reason: str

    def __str__(self) -> str:
        return f"snapshot: {self.place}: {self.reason}"


_LONGEST_INTEGER = 64
"""Bits of an integer that a message still writes out."""

_LONGEST_TEXT = 80
"""Characters of a peer's text that a message shows."""


def describe(value: object) -> str:
    """Say in a few characters what a JSON value is, for messages; never fails and never recurses."""
    match value:
        case None:
            text = "null"
        case bool():
            text = "true" if value else "false"
        case str():
            text = f"the string {quote(value)}"
        case int() if value.bit_length() > _LONGEST_INTEGER:
            text = "an integer of more than 64 bits"
        case int() | float():
            text = f"the number {value!r}"
        case list():
            text = f"a list of {len(value)}"
        case dict():
            text = f"an object of {len(value)} members"
        case _:
            text = f"a {type(value).__name__}"
    return text


def quote(text: str) -> str:
    """Show a peer's text within a message: printable ASCII, at most about 80 characters.

    Plain names stay as they are, anything else is quoted and escaped: control characters and lone surrogates
    among them.
    """
    shown = text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."
    return shown if shown and shown.isascii() and shown.isprintable() and " " not in shown else ascii(shown)
