"""What the machine asks of the embedder.

Carry outputs out in the order given, before the next input from outside.
"""

import enum
from typing import TypeAlias

import attrs

from fallbackkeys.client.state import ClientState, KeySet


@attrs.frozen(kw_only=True)
class GenerateOneTimeKeys:
    """Generate so many one-time keys, and give a `Generated` for each."""

    algorithm: str
    count: int


@attrs.frozen(kw_only=True)
class GenerateFallbackKey:
    """Generate a fallback key, and give a `Generated` for it."""

    algorithm: str
    evicts: str | None
    """The public key whose private half the library will drop for it; None if there is none."""


@attrs.frozen(kw_only=True)
class Persist:
    """Write the account and a snapshot of the state in one transaction, then give a `Persisted`."""

    generation: int


@attrs.frozen(kw_only=True)
class Upload:
    """Sign these keys and send them. The same request again means the same keys again."""

    request: int
    keys: KeySet


@attrs.frozen(kw_only=True)
class MarkPublished:
    """Tell the library that the server has these keys; one that can only mark all it holds marks all."""

    keys: KeySet


@attrs.frozen(kw_only=True)
class ForgetPreviousFallbackKey:
    """Drop the private half of the previous fallback key. Only where the policy says that the library can."""

    algorithm: str
    public: str


class Topic(enum.StrEnum):
    """What a report is about."""

    BAD_COUNTS = "counts are not a map of non-negative integers; the input is ignored"
    BAD_UNUSED_TYPES = "unused fallback key types are not a list of strings; the input is ignored"
    BAD_DELAY = "a rate limit's delay is not a non-negative number; the input is ignored"
    BAD_CONFLICT = "a conflict names a key that the upload did not have; the input is ignored"
    UNKNOWN_ALGORITHM = "the server has keys of an algorithm that the policy does not name"
    LATE_ANSWER = "an answer to an upload that is settled already; it is ignored"
    CONFLICT = "the server has other keys under our ids; the upload's one-time keys are given up"
    REJECTED = "the server refuses the upload; it is repeated, ever less often"
    UNASKED_GENERATION = "a key was generated that the machine did not ask for; it will be uploaded"
    UNEXPECTED_EVICTION = "the library dropped another fallback key than the machine knew of"
    REPLAY = "a pre-key message was seen before; it is ignored"
    SESSION_CREATED_AGAIN = "a pre-key message of a known session created a session; it is ignored"


@attrs.frozen(kw_only=True)
class Report:
    """Something to log; nothing needs to be done."""

    topic: Topic
    subject: str
    """What it is about, in printable ASCII."""


Output: TypeAlias = (
    GenerateOneTimeKeys
    | GenerateFallbackKey
    | Persist
    | Upload
    | MarkPublished
    | ForgetPreviousFallbackKey
    | Report
)
"""Everything that `step` may ask for. Later versions may add members: match with a default case."""


@attrs.frozen
class Stepped:
    """What one step gave."""

    state: ClientState
    outputs: tuple[Output, ...]
    wake_at: int | None
    """The reading of the clock at which to give a `Tick`, if nothing else happens before; None: no need."""
