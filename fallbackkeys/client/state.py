"""What a client knows about its keys: values, none of which ever changes. `rules` makes new ones.

Private halves are never here. What stands here about them (`current`, `previous`) mirrors what the crypto
library holds, and is true as long as the embedder persists both in one transaction.
"""

import enum
from collections.abc import Callable
from typing import Self

import attrs

from fallbackkeys.client.clock import Moment
from fallbackkeys.client.names import NO_FALLBACK_KEYS, NO_IDS, NO_ONE_TIME_KEYS, Ids, Memory
from fallbackkeys.client.policy import ClientPolicy
from fallbackkeys.persistent import Map
from fallbackkeys.slots import changer, maker


class Kind(enum.StrEnum):
    """The two kinds of keys. Each has ids of its own: libraries count them apart (FK-CLIENT-07)."""

    ONE_TIME = "one-time"
    FALLBACK = "fallback"


NO_KEYS: Map[str, Ids] = Map()
_UNUSED: Map[str, None] = Map()


@attrs.frozen
class KeySet:
    """The keys of one upload: algorithm → key id → public key, for each kind."""

    one_time_keys: Map[str, Ids] = NO_KEYS
    fallback_keys: Map[str, Ids] = NO_KEYS


@attrs.frozen
class OneTimeKeys:
    """The one-time keys of one algorithm."""

    unpublished: Ids = NO_IDS
    """Generated, and in no request yet."""
    pending: int = 0
    """Asked for, and not generated yet."""
    count: int | None = None
    """How many the server has, as far as it is known."""
    refilled: Moment | None = None
    """When one was last generated."""
    conflicts: int = 0
    """Uploads in a row that the server refused because of one of these keys."""
    memory: Memory = NO_ONE_TIME_KEYS

    def with_key(self, key_id: str, public: str, memory: Memory, now: int) -> "OneTimeKeys":
        """The same after a key was generated."""
        return change_one_time(
            self,
            memory=memory,
            unpublished=self.unpublished.set(key_id, public),
            pending=max(0, self.pending - 1),
            refilled=Moment(now),
        )

    def seen(self, now: int) -> "OneTimeKeys":
        """The same after a reading of the clock."""
        refilled = _seen(self.refilled, now)
        return self if refilled is self.refilled else change_one_time(self, refilled=refilled)


@attrs.frozen
class FallbackKey:
    """A fallback key whose private half the library holds."""

    key_id: str
    public: str
    published: Moment | None = None
    """When the server acknowledged it."""
    handed_out: bool = False
    """Whether the server said that it was used."""
    first_used: Moment | None = None
    """When a message that used it was first decrypted."""
    sessions: Map[str, None] = _UNUSED
    """Ids of the sessions created with it."""
    messages: Map[str, None] = _UNUSED
    """Hashes of the pre-key messages decrypted with it."""

    def seen(self, now: int) -> "FallbackKey":
        """The same after a reading of the clock."""
        published, first_used = _seen(self.published, now), _seen(self.first_used, now)
        if published is self.published and first_used is self.first_used:
            return self
        return change_fallback_key(self, published=published, first_used=first_used)

    def acknowledged(self, uploaded: Ids, now: int) -> "FallbackKey":
        """The same after an upload of these keys was acknowledged."""
        if self.published is not None or uploaded.get(self.key_id) != self.public:
            return self
        return change_fallback_key(self, published=Moment(now))

    def with_message(self, session: str, message: str, now: int) -> "FallbackKey":
        """The same after a message that used it was decrypted."""
        return change_fallback_key(
            self,
            first_used=self.first_used or Moment(now),
            sessions=self.sessions.set(session, None),
            messages=self.messages.set(message, None),
        )


@attrs.frozen
class AlgorithmKeys:
    """Everything of one algorithm; algorithms never touch each other."""

    one_time: OneTimeKeys = OneTimeKeys()
    current: FallbackKey | None = None
    previous: FallbackKey | None = None
    rotating: bool = False
    """Whether a new fallback key was asked for, and not generated yet."""
    rotated: Moment | None = None
    """When the current fallback key was generated."""
    held: int | None = None
    """The epoch since which the previous key has been held long enough."""
    caught_up: bool = False
    """Whether a sync that started in that epoch or later had every message."""
    memory: Memory = NO_FALLBACK_KEYS
    """The ids of fallback keys."""

    @property
    def fallback_keys(self) -> tuple[FallbackKey, ...]:
        """Those whose private halves the library holds: two at most (FK-CLIENT-01)."""
        return tuple(key for key in (self.current, self.previous) if key is not None)

    def with_new_fallback_key(self, key_id: str, public: str, memory: Memory, now: int) -> "AlgorithmKeys":
        """The same after a fallback key was generated: the others moved back, and the last fell out."""
        return change_keys(
            self,
            current=FallbackKey(key_id, public),
            previous=self.current,
            rotating=False,
            rotated=Moment(now),
            held=None,
            caught_up=False,
            memory=memory,
        )

    def viewed(self, count: int | None, *, listed: bool) -> "AlgorithmKeys":
        """The same after the server said how many keys it has, and whether it lists the fallback key."""
        one_time, current = self.one_time, self.current
        if count != one_time.count:
            one_time = change_one_time(one_time, count=count)
        if not listed and current is not None and current.published is not None and not current.handed_out:
            current = change_fallback_key(current, handed_out=True)
        if one_time is self.one_time and current is self.current:
            return self
        return change_keys(self, one_time=one_time, current=current)

    def acknowledged(self, algorithm: str, uploaded: KeySet, count: int | None, now: int) -> "AlgorithmKeys":
        """The same after an upload was acknowledged; the server now has so many one-time keys."""
        conflicts = 0 if algorithm in uploaded.one_time_keys else self.one_time.conflicts
        one_time = change_one_time(self.one_time, conflicts=conflicts, count=count)
        ids = uploaded.fallback_keys.get(algorithm, NO_IDS)
        current = None if self.current is None else self.current.acknowledged(ids, now)
        previous = None if self.previous is None else self.previous.acknowledged(ids, now)
        return change_keys(self, one_time=one_time, current=current, previous=previous)

    def with_fallback_key(self, key: FallbackKey) -> "AlgorithmKeys":
        """The same with a fallback key in the place of the one with its id."""
        if self.current is not None and self.current.key_id == key.key_id:
            return change_keys(self, current=key)
        return change_keys(self, previous=key)

    def seen(self, now: int) -> "AlgorithmKeys":
        """The same after a reading of the clock."""
        one_time, rotated = self.one_time.seen(now), _seen(self.rotated, now)
        current = None if self.current is None else self.current.seen(now)
        previous = None if self.previous is None else self.previous.seen(now)
        if (
            one_time is self.one_time
            and rotated is self.rotated
            and current is self.current
            and previous is self.previous
        ):
            return self
        return change_keys(self, one_time=one_time, current=current, previous=previous, rotated=rotated)


class Stage(enum.StrEnum):
    """How far an upload has come."""

    WAITING = "waiting"
    """Its keys are not persisted yet."""
    ASKED = "asked"
    """The embedder was asked to send it."""
    SENT = "sent"
    """The embedder has sent it."""
    UNKNOWN = "unknown"
    """An attempt failed, or was cut off; nobody knows whether the server has the keys."""


@attrs.frozen
class Request:
    """An upload: one body, however often it is sent."""

    number: int
    keys: KeySet
    generation: int
    """The generation that must be persisted before it may be sent."""
    since: Moment
    """The start of the current stage."""
    stage: Stage = Stage.WAITING
    sent: bool = False
    """Whether any attempt may have reached the server."""
    attempts: int = 0
    wait: int = 0
    """In stage UNKNOWN: how long until the next attempt."""


@attrs.frozen
class ClientState:
    """The state of one device. Begin with `start`, or with a snapshot."""

    policy: ClientPolicy
    algorithms: Map[str, AlgorithmKeys]
    supported: bool = False
    """Whether the server was ever seen to support fallback keys."""
    request: Request | None = None
    requests: int = 0
    """How many there were: the number of the next."""
    generation: int = 0
    """Grows with every change that must be persisted."""
    persisted: int = 0
    """The latest generation known to be persisted."""
    epoch: int = 0
    """Grows with every acknowledgement, and whenever a hold is over. Note it when a sync is sent off, and
    give it back as `Sync.started_at`."""
    acknowledged: int = 0
    """The epoch that began with the last acknowledgement."""

    @classmethod
    def start(cls, policy: ClientPolicy) -> Self:
        """The state of a device that has no keys yet."""
        return cls(policy, Map({algorithm: AlgorithmKeys() for algorithm in policy.algorithms}))

    def with_keys(self, algorithm: str, keys: AlgorithmKeys) -> "ClientState":
        """The same with other keys of an algorithm."""
        return change_state(self, algorithms=self.algorithms.set(algorithm, keys))

    def seen(self, now: int) -> "ClientState":
        """The same after a reading of the clock, which every moment in it must be shown (FK-CLIENT-10)."""
        state = self
        for algorithm in self.policy.algorithms:
            shown = self.algorithms[algorithm].seen(now)
            if shown is not self.algorithms[algorithm]:
                state = state.with_keys(algorithm, shown)
        if state.request is None or state.request.since.seen(now) is state.request.since:
            return state
        request = change_request(state.request, since=state.request.since.seen(now))
        return change_state(state, request=request)

    def requested(self, algorithm: str) -> Ids:
        """The one-time keys in the upload under way."""
        return NO_IDS if self.request is None else self.request.keys.one_time_keys.get(algorithm, NO_IDS)

    def at_hand(self, algorithm: str) -> int:
        """The one-time keys that the server has, as far as it is known, or will have."""
        one_time = self.algorithms[algorithm].one_time
        requested = 0 if self.request is None else len(self.requested(algorithm))
        return (one_time.count or 0) + len(one_time.unpublished) + requested


def _seen(moment: Moment | None, now: int) -> Moment | None:
    if moment is None or (moment.behind is None and moment.at <= now):  # nearly always
        return moment
    return moment.seen(now)


new_request: Callable[..., Request] = maker(Request)
change_one_time: Callable[..., OneTimeKeys] = changer(OneTimeKeys)
change_fallback_key: Callable[..., FallbackKey] = changer(FallbackKey)
change_keys: Callable[..., AlgorithmKeys] = changer(AlgorithmKeys)
change_request: Callable[..., Request] = changer(Request)
change_state: Callable[..., ClientState] = changer(ClientState)
