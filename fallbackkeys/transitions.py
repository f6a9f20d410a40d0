"""Every rule that changes a device's keys.

Nothing here reads a clock, a database or a request: callers pass a state and a command and get back a new
state and what happened. The same state and command always give the same result.

Theory of operation. Each algorithm has a queue of uploads and at most one fallback key, and algorithms do
not touch each other. An upload joins the queue's end as one batch. A claim takes a key from the oldest batch
that has any left; Matrix leaves the order inside one upload open, so `claimable` names every permitted key.
The fallback key is handed out only when the queue is empty, is then marked used, and stays until an upload
replaces it. A one-time key that was handed out is remembered, so that a client that repeats an upload whose
answer it lost cannot make the server hand it out again.

Deciding and evolving are apart. `upload`, `claim`, `drop` and `remove` decide: they read the state, apply the
rules, and say what happened as events. `evolve.apply` makes one event true, and nothing else makes a new
state. So folding the events of a result over the old state always gives the new one, and a command that
is refused has no events and no effect.

Not here: signatures, field names (`wire`), which device is asked (`keystore`), how a pool is laid out
(`state`).
"""

from collections.abc import Iterable
from itertools import takewhile

from fallbackkeys.errors import Limit, NotClaimable, OneTimeKeyConflict, SeveralFallbackKeys, quote
from fallbackkeys.events import (
    DeviceRemoved,
    Event,
    FallbackKeyReplaced,
    FallbackKeyUsed,
    IssuedKeyForgotten,
    OneTimeKeyAdded,
    OneTimeKeyDropped,
    OneTimeKeyIssued,
)
from fallbackkeys.evolve import apply, issue, join
from fallbackkeys.keys import Key, KeyName
from fallbackkeys.notices import (
    FallbackFlagOnOneTimeKey,
    FallbackKeyNotFlagged,
    IssuedKeyIgnored,
    KeyInBothKinds,
    Notice,
    SecondIdIgnored,
    WaitingKeyKept,
)
from fallbackkeys.outcomes import Claimed, Dropped, SyncView, Upload, Uploaded
from fallbackkeys.persistent import Map
from fallbackkeys.policy import PURE, Policy, check_limit
from fallbackkeys.state import EMPTY, DeviceState

# --- Upload ---


def upload(state: DeviceState, command: Upload, *, policy: Policy = PURE) -> Uploaded:
    """Add one-time keys to their pools and put fallback keys into their slots.

    All or nothing: a refused upload has changed nothing (FK-UPLOAD-17). Linear in the keys uploaded.

    Raises:
        TooLarge: a limit of the policy is broken (FK-LIMIT-01 to FK-LIMIT-03).
        SeveralFallbackKeys: two fallback keys of one algorithm (FK-UPLOAD-04).
        OneTimeKeyConflict: a one-time key's id belongs to another waiting key (FK-UPLOAD-10).
    """
    count = len(command.one_time_keys) + len(command.fallback_keys)
    check_limit("an upload", Limit.KEYS_IN_UPLOAD, policy.max_keys_in_upload, count)

    after, events, notices = _add_one_time_keys(state, command.one_time_keys, policy)
    after, replaced = _fill_slots(after, command.fallback_keys)

    # FK-LIMIT-03: remembered keys count too, or a device that uploads and claims under ever new algorithms
    # would grow without bound.
    if after.algorithms != state.algorithms:
        check_limit("an upload", Limit.ALGORITHMS, policy.max_algorithms, len(after.algorithms))

    return Uploaded(
        state=after,
        events=(*events, *replaced),
        notices=(*notices, *_notices_on_kinds(after, command)),
        wakes=bool(events) or _unused_types(after) != _unused_types(state),
    )


def _add_one_time_keys(
    state: DeviceState, keys: tuple[Key, ...], policy: Policy
) -> tuple[DeviceState, list[OneTimeKeyAdded], list[Notice]]:
    """Decide on each one-time key in body order; earlier ones of the same body count as already there."""
    events: list[OneTimeKeyAdded] = []
    notices: list[Notice] = []
    new_by_id: dict[tuple[str, str], Key] = {}
    new_by_fingerprint: dict[bytes, Key] = {}
    for key in keys:
        pool = state.pool(key.algorithm)

        # "each one-time key is returned at most once" (CS POST /keys/claim): one that was issued is ignored
        # under any id, even one that another key holds by now; nothing of it is stored, so nothing conflicts
        # (FK-UPLOAD-12).
        if pool.remembers(key.fingerprint):
            notices.append(IssuedKeyIgnored(key))
            continue

        # The id names another waiting key. Someone may be about to claim that one, and the client may have
        # lost its private half: neither overwriting nor ignoring is safe (FK-UPLOAD-10). The id of an
        # *issued* key is free (FK-UPLOAD-13), and fallback keys have ids of their own (FK-UPLOAD-15).
        waiting = pool.named(key.key_id)
        holder = new_by_id.get((key.algorithm, key.key_id)) if waiting is None else waiting.key
        if holder is not None and holder.fingerprint != key.fingerprint:
            raise OneTimeKeyConflict(
                algorithm=key.algorithm,
                key_id=key.key_id,
                stored=holder.json,
                uploaded=key.json,
                errcode=policy.conflict_errcode,
            )

        # A repeated upload: the stored object and its place stay (FK-UPLOAD-09).
        if holder is not None:
            notices.append(WaitingKeyKept(key))
            continue

        # The same key under a second id would be issued twice (FK-UPLOAD-11).
        waiting = pool.holding(key.fingerprint)
        first = new_by_fingerprint.get(key.fingerprint) if waiting is None else waiting.key
        if first is not None:
            notices.append(SecondIdIgnored(key, first.key_id))
            continue

        # A new key, behind all earlier uploads and level with the others of this one (FK-UPLOAD-01).
        events.append(OneTimeKeyAdded(key, state.uploads))
        new_by_id[key.algorithm, key.key_id] = new_by_fingerprint[key.fingerprint] = key
    after = join(state, events)

    # FK-LIMIT-02: counted only where the pool grew, so that a retry at a full pool succeeds.
    for algorithm in sorted({event.key.algorithm for event in events}):
        check_limit(
            f"the pool of {quote(algorithm)}", Limit.POOL, policy.max_pool, len(after.pool(algorithm))
        )
    return after, events, notices


def _fill_slots(state: DeviceState, keys: tuple[Key, ...]) -> tuple[DeviceState, list[FallbackKeyReplaced]]:
    """Decide on the fallback keys; an empty list changes nothing (FK-UPLOAD-05)."""
    # "There can only be at most one key per algorithm uploaded" (CS POST /keys/upload, since 1.2). Taking
    # either of two would be a guess (FK-UPLOAD-04).
    by_algorithm: dict[str, Key] = {}
    for key in keys:
        if key.algorithm in by_algorithm:
            ids = tuple(other.key_id for other in keys if other.algorithm == key.algorithm)
            raise SeveralFallbackKeys(algorithm=key.algorithm, key_ids=ids)
        by_algorithm[key.algorithm] = key

    after = state
    events: list[FallbackKeyReplaced] = []
    for algorithm, key in by_algorithm.items():
        slot = state.slots.get(algorithm)
        if slot is not None and slot.key == key:
            continue
        # "the server will only keep one fallback key per algorithm" (MSC2732). A new public key is unused
        # (FK-UPLOAD-02); the one in the slot keeps its mark, else a retry would hide that it was used
        # (FK-UPLOAD-07). Earlier keys of the slot are not remembered (FK-UPLOAD-08).
        used = slot is not None and slot.key.fingerprint == key.fingerprint and slot.used
        event = FallbackKeyReplaced(key, used)
        after = apply(after, event)
        events.append(event)
    return after, events


def _notices_on_kinds(after: DeviceState, command: Upload) -> list[Notice]:
    """Report keys of both kinds (FK-UPLOAD-16) and a `fallback` that does not fit the kind (FK-UPLOAD-19)."""
    notices: list[Notice] = []
    for key in command.one_time_keys:
        if key.says_fallback:
            notices.append(FallbackFlagOnOneTimeKey(key))
        slot = after.slots.get(key.algorithm)
        if (
            slot is not None
            and slot.key.fingerprint == key.fingerprint
            and slot.key not in command.fallback_keys
        ):
            notices.append(KeyInBothKinds(key))
    for key in command.fallback_keys:
        if key.is_object and not key.says_fallback:
            notices.append(FallbackKeyNotFlagged(key))
        pool = after.pool(key.algorithm)
        if pool.knows(key.fingerprint):
            notices.append(KeyInBothKinds(key))
    return notices


# --- Claim ---


def claimable(state: DeviceState, algorithm: str) -> tuple[Key, ...]:
    """Every key that a claim may return now, in the order in which `claim` prefers them.

    One-time keys "are given out in the order that they were uploaded", with "no ordering" inside one upload
    (CS POST /keys/claim, since 1.13; MSC4225): so all waiting keys of the oldest upload, in body order; else
    the fallback key; else none. Linear in that upload.
    """
    pool = state.pool(algorithm)
    oldest = pool.first
    if oldest is not None:
        return tuple(one.key for one in takewhile(lambda one: one.upload == oldest.upload, pool))
    slot = state.slots.get(algorithm)
    return () if slot is None else (slot.key,)


def claim(state: DeviceState, algorithm: str, *, key_id: str | None = None, policy: Policy = PURE) -> Claimed:
    """Hand out one key: a one-time key, else the fallback key, else nothing.

    Args:
        state: the claimed device's.
        algorithm: of the key wanted; one never seen gives nothing (FK-CLAIM-05).
        key_id: a choice among `claimable`; by default the first in body order (FK-CLAIM-06).
        policy: bounds the memory of issued keys.

    Raises:
        NotClaimable: `key_id` is not among the keys that may be returned.
    """
    claimed = claim_one_time_key(state, algorithm, key_id=key_id, policy=policy)
    if claimed.key is not None:
        return claimed

    # "The returned key is a one-time key if one is available, and otherwise a fallback key" (CS POST
    # /keys/claim, since 1.2; FK-CLAIM-03).
    slot = state.slots.get(algorithm)
    if slot is None:
        if key_id is not None:
            raise NotClaimable(algorithm=algorithm, key_id=key_id)
        return claimed
    if key_id is not None and key_id != slot.key.key_id:
        raise NotClaimable(algorithm=algorithm, key_id=key_id)

    # MSC2732: "fallback keys are not deleted when they are returned by /keys/claim. However, the server marks
    # that they have been used" (FK-CLAIM-04). Marking a second time changes nothing.
    if slot.used:
        return Claimed(state, (), slot.key)
    event = FallbackKeyUsed(slot.key)
    return Claimed(apply(state, event), (event,), slot.key)


def claim_one_time_key(
    state: DeviceState, algorithm: str, *, key_id: str | None = None, policy: Policy = PURE
) -> Claimed:
    """Hand out a one-time key, or nothing: never the fallback key.

    Half of `claim`, for a server that asks an appservice between pool and slot (proposal, MSC3983;
    FK-MULTI-03): if this gives nothing and the appservice has nothing, go on with `claim`, which looks at the
    pool again. The two steps are weaker than one: a one-time key uploaded between them does not stop the
    appservice's answer from being used.

    Raises:
        NotClaimable: one-time keys wait, and `key_id` is none that may be returned.
    """
    pool = state.pool(algorithm)
    oldest = pool.first
    if oldest is None:
        return Claimed(state, (), None)
    if key_id is not None and key_id != oldest.key.key_id:
        # Only keys of the oldest upload rank equal (CS POST /keys/claim, since 1.13; FK-CLAIM-01).
        chosen = pool.named(key_id)
        if chosen is None or chosen.upload != oldest.upload:
            raise NotClaimable(algorithm=algorithm, key_id=key_id)
        oldest = chosen

    # "once it has been given to another user" the server discards it (CS "One-time and fallback keys";
    # FK-CLAIM-02).
    events: tuple[Event, ...] = (OneTimeKeyIssued(oldest.key),)
    after = issue(state, oldest)

    # The memory of issued keys is bounded, first in first out (FK-UPLOAD-14); a bound that the policy has
    # lowered takes effect here.
    bound = policy.max_remembered
    while bound is not None and (pool := after.pool(algorithm)).remembered > bound:
        forgotten = IssuedKeyForgotten(algorithm, next(pool.issued))
        after = apply(after, forgotten)
        events = (*events, forgotten)
    return Claimed(after, events, oldest.key)


# --- Sync ---


def sync(state: DeviceState) -> SyncView:
    """Tell a device what it has left (CS "Extensions to /sync"). Linear in the device's algorithms."""
    return SyncView(
        one_time_key_counts=Map({algorithm: len(pool) for algorithm, pool in state.pools.items() if pool}),
        unused_fallback_key_types=_unused_types(state),
    )


def _unused_types(state: DeviceState) -> tuple[str, ...]:
    return tuple(sorted(algorithm for algorithm, slot in state.slots.items() if not slot.used))


# --- The embedder's own: dropping keys, removing a device ---


def drop(state: DeviceState, names: Iterable[KeyName]) -> Dropped:
    """Drop waiting one-time keys by name: they are neither issued nor remembered (FK-DEVICE-04).

    For MSC4225's purge of old keys, and for clients that say which keys they gave up (MSC4162). Which keys
    are old the embedder knows: it saw the ordinal of each upload (`OneTimeKey.upload`). A name that no
    waiting key has is passed over: it may have been issued in the meantime.
    """
    after = state
    events: list[Event] = []
    for name in names:
        stored = after.pool(name.algorithm).named(name.key_id)
        if stored is not None:
            event = OneTimeKeyDropped(stored.key)
            after = apply(after, event)
            events.append(event)
    return Dropped(state=after, events=tuple(events), wakes=bool(events))


def remove(state: DeviceState) -> Dropped:
    """Remove the device: its pools and slots (FK-DEVICE-01) and the memory of issued keys (FK-DEVICE-02)."""
    events = () if state == EMPTY else (DeviceRemoved(),)
    return Dropped(state=EMPTY, events=events, wakes=sync(state) != sync(EMPTY))
