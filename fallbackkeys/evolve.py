"""Making events true: the only functions that make a new state of a device.

`transitions` decides what happens and calls these; an embedder calls them to rebuild a state from stored
events. They check that an event fits the state it is applied to (the key is there, or its id is free; the
mark is right), and decide nothing: whether it was the key's turn is the business of `transitions`.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import groupby
from typing import TypeAlias, assert_never, cast

from fallbackkeys.errors import EventMismatch
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
from fallbackkeys.state import EMPTY, DeviceState, FallbackSlot, OneTimeKey

_OfKey: TypeAlias = (
    OneTimeKeyAdded | OneTimeKeyIssued | OneTimeKeyDropped | FallbackKeyReplaced | FallbackKeyUsed
)


def apply(state: DeviceState, event: Event) -> DeviceState:
    """Make one event true.

    Raises:
        EventMismatch: the event is about a key that is not in this state, or already is, or about another
            mark: it belongs to another state.
    """
    match event:
        case OneTimeKeyIssued():
            return issue(state, _waiting(state, event))
        case OneTimeKeyAdded():
            return _grow(state, (event,))
        case OneTimeKeyDropped():
            pool = state.pool(event.key.algorithm).drop(_waiting(state, event))
            return state.with_pool(event.key.algorithm, pool, state.uploads)
        case IssuedKeyForgotten():
            pool = state.pool(event.algorithm)
            if not pool.remembers(event.fingerprint):
                raise EventMismatch(
                    event="IssuedKeyForgotten", subject=f"{event.algorithm} {event.fingerprint.hex()}"
                )
            return state.with_pool(event.algorithm, pool.forget(event.fingerprint), state.uploads)
        case FallbackKeyReplaced():
            slot = state.slots.get(event.key.algorithm)
            kept = slot is not None and slot.key.fingerprint == event.key.fingerprint and slot.used
            if event.used != kept:
                raise _mismatch(event)
            return state.with_slot(event.key.algorithm, FallbackSlot(event.key, event.used))
        case FallbackKeyUsed():
            slot = state.slots.get(event.key.algorithm)
            if slot is None or slot.key != event.key:
                raise _mismatch(event)
            return state.with_slot(event.key.algorithm, FallbackSlot(event.key, used=True))
        case DeviceRemoved():
            return EMPTY
        case _:
            assert_never(event)


def issue(state: DeviceState, stored: OneTimeKey) -> DeviceState:
    """Make `OneTimeKeyIssued` true of a waiting key that was just looked up: most of what a claim costs."""
    algorithm = stored.key.algorithm
    pools = state.pools.set(algorithm, state.pools[algorithm].take(stored))
    return DeviceState(pools, state.slots, state.uploads)


def join(state: DeviceState, events: Sequence[OneTimeKeyAdded]) -> DeviceState:
    """Make `OneTimeKeyAdded` true of keys that were just looked up, in order.

    All at once, so that an upload costs one new pool and not one per key.
    """
    added: dict[str, list[OneTimeKey]] = {}
    for event in events:
        added.setdefault(event.key.algorithm, []).append(OneTimeKey(event.key, event.upload))
    for algorithm, keys in added.items():
        state = state.with_pool(algorithm, state.pool(algorithm).add(keys), events[-1].upload + 1)
    return state


def apply_all(state: DeviceState, events: Iterable[Event]) -> DeviceState:
    """Make events true, in order. `apply_all(old, result.events) == result.state`, always."""
    for kind, run in groupby(events, type):
        if kind is OneTimeKeyAdded:
            state = _grow(state, tuple(cast("Iterable[OneTimeKeyAdded]", run)))
        else:
            state = reduce(apply, run, state)
    return state


def _grow(state: DeviceState, events: Sequence[OneTimeKeyAdded]) -> DeviceState:
    """Make a run of additions true, if each can have happened after those before it."""
    ids: set[tuple[str, str]] = set()
    fingerprints: set[bytes] = set()
    uploads = state.uploads
    for event in events:
        key = event.key
        pool = state.pool(key.algorithm)
        in_order = event.upload == uploads or event.upload == uploads - 1 >= 0
        named = (key.algorithm, key.key_id) in ids or pool.named(key.key_id) is not None
        if not in_order or named or key.fingerprint in fingerprints or pool.knows(key.fingerprint):
            raise _mismatch(event)
        uploads = event.upload + 1
        ids.add((key.algorithm, key.key_id))
        fingerprints.add(key.fingerprint)
    return join(state, events)


def _waiting(state: DeviceState, event: OneTimeKeyIssued | OneTimeKeyDropped) -> OneTimeKey:
    stored = state.pool(event.key.algorithm).named(event.key.key_id)
    if stored is None or stored.key != event.key:
        raise _mismatch(event)
    return stored


def _mismatch(event: _OfKey) -> EventMismatch:
    return EventMismatch(event=type(event).__name__, subject=str(event.key.name))
