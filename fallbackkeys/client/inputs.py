"""What the embedder tells the machine.

Fields that a server wrote are taken as they came; `step` checks them.
"""

import enum
from typing import TypeAlias

import attrs

from fallbackkeys.client.state import KeySet, Kind


class Missing(enum.StrEnum):
    """What a count that a sync does not mention means; the transport decides (FK-CLIENT-09)."""

    ZERO = "zero"
    """`/sync` v2: the server has none."""
    UNCHANGED = "unchanged"
    """Sliding sync (MSC4186, MSC3884): as before."""
    NO_INFORMATION = "no information"
    """A partial sync: its counts say nothing, not even those that it mentions."""


@attrs.frozen(kw_only=True)
class Sync:
    """A sync was answered, and its to-device messages have been handed over already."""

    counts: object
    """`device_one_time_keys_count` as the server wrote it; None if the member was absent."""
    missing: Missing
    unused: object
    """`device_unused_fallback_key_types` as the server wrote it; None if the member was absent."""
    caught_up: bool
    """Whether no to-device message was left on the server."""
    started_at: int
    """The machine's `epoch` when the request was sent off (FK-CLIENT-04)."""


@attrs.frozen(kw_only=True)
class Generated:
    """The library generated a key; give one for each. A known pair of id and key changes nothing."""

    kind: Kind
    algorithm: str
    key_id: str
    public: str
    """The public key, as the library writes it."""
    evicted: str | None = None
    """Fallback keys: the public key that the library dropped for it; None if it does not say."""


@attrs.frozen(kw_only=True)
class Restored:
    """The state was restored, or begins with an account that is older: nothing is under way any more."""

    unpublished: tuple[Generated, ...] = ()
    """Every key that the library lists as unpublished. Known ones change nothing; others were generated just
    before the account was written, or before there was a machine."""


@attrs.frozen(kw_only=True)
class Persisted:
    """A `Persist` was carried out: the account and a snapshot of this generation or later are durable."""

    generation: int


@attrs.frozen(kw_only=True)
class UploadSent:
    """An `Upload` goes out now, with exactly these keys."""

    request: int
    keys: KeySet


@attrs.frozen(kw_only=True)
class UploadOk:
    """The server accepted an upload."""

    request: int
    counts: object = None
    """`one_time_key_counts` as the server wrote it; None if the member was absent."""


@attrs.frozen
class OutcomeUnknown:
    """No answer, or one that does not say what became of the keys: a time-out, a 5xx, a broken body."""


@attrs.frozen(kw_only=True)
class Conflict:
    """A 400 that names a one-time key whose id the server has with another key."""

    algorithm: str
    key_id: str


@attrs.frozen(kw_only=True)
class RateLimited:
    """A 429: nothing was stored."""

    after: object
    """`retry_after_ms` as the server wrote it, or `Retry-After` in milliseconds."""


@attrs.frozen
class Rejected:
    """Any other refusal (4xx with an errcode): nothing was stored."""


Failure: TypeAlias = OutcomeUnknown | Conflict | RateLimited | Rejected
"""Why an upload was not acknowledged."""


@attrs.frozen(kw_only=True)
class UploadFailed:
    """An upload was not acknowledged."""

    request: int
    failure: Failure


@attrs.frozen(kw_only=True)
class PreKey:
    """A pre-key message arrived and was dealt with as `judge` said."""

    public: str
    """The public key of ours that it names."""
    session: str
    """Its session's id, as the library computes it from the message."""
    message: str
    """A hash of the message's ciphertext; any collision-resistant one, the same for life."""
    known_session: bool
    """Whether the library had the session before."""
    ok: bool
    """Whether it was decrypted."""


@attrs.frozen
class Tick:
    """Time has passed: give one at `wake_at`."""


Input: TypeAlias = (
    Restored | Sync | Generated | Persisted | UploadSent | UploadOk | UploadFailed | PreKey | Tick
)
"""Everything that `step` takes."""
