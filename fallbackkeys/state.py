"""What a homeserver knows of one device's keys. Values only; the rules are in `transitions`.

A device has, for each algorithm, a pool of one-time keys and at most one fallback key, and the pool
remembers which keys it has issued.

**How a pool is laid out.** All one-time keys that ever joined stand in one sequence, in upload order. A
cursor, `head`, moves along it: keys from it on wait, keys before it were issued. So a claim moves a number
and leaves the indexes alone, which is what makes it cheap in a pool of any size; the sequence is cut into
chunks of 32 places, and when the head leaves a chunk, its keys shrink to their fingerprints, which are the
memory of issued keys. A key taken out of turn shrinks in its place; one that is dropped or forgotten leaves
a hole.

Two pools are equal when their sequences are, waiting keys and remembered fingerprints alike; holes, and the
numbers of the places, are not part of the value.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import attrs

from fallbackkeys.keys import Key
from fallbackkeys.persistent import Map
from fallbackkeys.slots import setters


@attrs.frozen(weakref_slot=False)
class OneTimeKey:
    """A one-time key that waits to be claimed."""

    key: Key
    upload: int
    """Ordinal of the device's upload that brought it, from 0; a smaller one is older (FK-CLAIM-01)."""


@attrs.frozen(weakref_slot=False)
class FallbackSlot:
    """The fallback key of one algorithm."""

    key: Key
    used: bool
    """Whether a claim has returned it since its public key was set (FK-CLAIM-04)."""


_Entry: TypeAlias = OneTimeKey | bytes | None
"""A place: a key, or the fingerprint of an issued one, or a hole."""

_CHUNK_BITS = 5
_CHUNK: Final = 1 << _CHUNK_BITS
_MASK = _CHUNK - 1


@attrs.frozen(weakref_slot=False)
class _Shelf:
    """The part of a pool that most claims leave as it is."""

    chunks: Map[int, tuple[_Entry, ...]]
    """Place `p` is entry `p & 31` of chunk `p >> 5`."""
    by_id: Map[str, int]
    """Key id → number of the chunk it stands in; may still name issued keys of the chunk under the head."""
    by_fingerprint: Map[bytes, int]
    """Fingerprint → number of the chunk, for waiting and for remembered keys."""
    oldest: int
    """No key before this place is remembered."""
    tail: int
    """The place the next key will take."""
    gaps: int
    """Places from the head on at which no key waits any more: taken out of turn, or dropped."""

    def entry(self, place: int) -> _Entry:
        """What stands at a place before the tail."""
        chunk = self.chunks.get(place >> _CHUNK_BITS)
        return None if chunk is None else chunk[place & _MASK]


_EMPTY_SHELF = _Shelf(Map(), Map(), Map(), 0, 0, 0)


@attrs.frozen(eq=False, weakref_slot=False, init=False)
class Pool:
    """One algorithm's one-time keys: those that wait, in order, and the memory of those issued.

    Lookups, `take` and `len` are O(1) or O(log n), amortised: stepping over a gap that drops have left is
    linear in it, once. `add` is linear in what it adds, iterating in the pool.
    """

    _head: int
    """Place of the first waiting key; the tail if none waits."""
    first: OneTimeKey | None
    """The waiting key that is first in order, or None."""
    _shelf: _Shelf

    def __init__(self, head: int, first: OneTimeKey | None, shelf: _Shelf) -> None:
        _set_head(self, head)
        _set_first(self, first)
        _set_shelf(self, shelf)

    @classmethod
    def of(cls, sequence: Iterable[OneTimeKey | bytes]) -> "Pool":
        """A pool from its keys and fingerprints in order, as `sequence` gives them."""
        entries = tuple(sequence)
        waiting = [(place, one) for place, one in enumerate(entries) if isinstance(one, OneTimeKey)]
        head, first = waiting[0] if waiting else (len(entries), None)
        starts = range(0, len(entries), _CHUNK)
        shelf = _Shelf(
            Map({start >> _CHUNK_BITS: entries[start : start + _CHUNK] for start in starts}),
            Map({one.key.key_id: place >> _CHUNK_BITS for place, one in waiting}),
            Map({_fingerprint(entry): place >> _CHUNK_BITS for place, entry in enumerate(entries)}),
            0,
            len(entries),
            len(entries) - head - len(waiting),
        )
        return cls(head, first, shelf)

    def __len__(self) -> int:
        """How many keys wait."""
        return self._shelf.tail - self._head - self._shelf.gaps

    @property
    def remembered(self) -> int:
        """How many issued keys are remembered."""
        return len(self._shelf.by_fingerprint) - len(self)

    @property
    def is_blank(self) -> bool:
        """Whether no key waits and none is remembered."""
        return not self._shelf.by_fingerprint

    def __iter__(self) -> Iterator[OneTimeKey]:
        """The waiting keys, in order."""
        for place in range(self._head, self._shelf.tail):
            entry = self._shelf.entry(place)
            if isinstance(entry, OneTimeKey):
                yield entry

    @property
    def sequence(self) -> Iterator[OneTimeKey | bytes]:
        """Waiting keys and fingerprints of remembered ones, in upload order: all that a pool is."""
        for place in range(self._shelf.oldest, self._shelf.tail):
            entry = self._shelf.entry(place)
            if isinstance(entry, OneTimeKey) and place < self._head:
                yield entry.key.fingerprint
            elif entry is not None:
                yield entry

    @property
    def issued(self) -> Iterator[bytes]:
        """Fingerprints of the remembered keys, the first to be forgotten first."""
        return (entry for entry in self.sequence if isinstance(entry, bytes))

    def named(self, key_id: str) -> OneTimeKey | None:
        """The waiting key of that id, or None."""
        number = self._shelf.by_id.get(key_id)
        if number is None:
            return None
        for place, entry in self._places(number):
            if isinstance(entry, OneTimeKey) and entry.key.key_id == key_id and place >= self._head:
                return entry
        return None

    def holding(self, fingerprint: bytes) -> OneTimeKey | None:
        """The waiting key of that fingerprint, or None."""
        if not self.knows(fingerprint):
            return None
        place = self._find(fingerprint)
        entry = self._shelf.entry(place)
        return entry if place >= self._head and isinstance(entry, OneTimeKey) else None

    def remembers(self, fingerprint: bytes) -> bool:
        """Whether a key of that fingerprint was issued and is remembered."""
        return self.knows(fingerprint) and self.holding(fingerprint) is None

    def knows(self, fingerprint: bytes) -> bool:
        """Whether a key of that fingerprint waits or is remembered."""
        return fingerprint in self._shelf.by_fingerprint

    def add(self, keys: Sequence[OneTimeKey]) -> "Pool":
        """Put keys behind all others, in this order; their ids are free and their fingerprints unknown."""
        shelf = self._shelf
        chunks = shelf.chunks.mutate()
        by_id = shelf.by_id.mutate()
        by_fingerprint = shelf.by_fingerprint.mutate()
        start = 0
        while start < len(keys):
            number, index = divmod(shelf.tail + start, _CHUNK)
            joining = keys[start : start + _CHUNK - index]
            chunks[number] = (*chunks.get(number, ()), *joining)
            for stored in joining:
                by_id[stored.key.key_id] = number
                by_fingerprint[stored.key.fingerprint] = number
            start += len(joining)
        grown = _Shelf(
            chunks.finish(),
            by_id.finish(),
            by_fingerprint.finish(),
            shelf.oldest,
            shelf.tail + len(keys),
            shelf.gaps,
        )
        return Pool(self._head, self.first or keys[0], grown)

    def take(self, stored: OneTimeKey) -> "Pool":
        """Turn a waiting key into a remembered one."""
        if stored is not self.first:
            return self._replace(stored, stored.key.fingerprint)
        head = self._head + 1
        chunk = self._shelf.chunks[self._head >> _CHUNK_BITS]
        index = head & _MASK
        if 0 < index < len(chunk) and isinstance(following := chunk[index], OneTimeKey):
            # Nearly every claim: on to the next key of the chunk, and nothing else changes.
            return Pool(head, following, self._shelf)
        return self._advance(head, self._shelf)

    def drop(self, stored: OneTimeKey) -> "Pool":
        """Remove a waiting key without remembering it."""
        return self._replace(stored, None)

    def forget(self, fingerprint: bytes) -> "Pool":
        """Remove a remembered key from memory."""
        place = self._find(fingerprint)
        shelf = _with_entry(self._shelf, place, None)
        oldest = shelf.oldest
        while oldest < self._head and shelf.entry(oldest) is None:
            oldest += 1
        by_fingerprint = shelf.by_fingerprint.delete(fingerprint)
        return Pool(self._head, self.first, attrs.evolve(shelf, by_fingerprint=by_fingerprint, oldest=oldest))

    def _places(self, number: int) -> Iterator[tuple[int, _Entry]]:
        return enumerate(self._shelf.chunks.get(number, ()), number << _CHUNK_BITS)

    def _find(self, fingerprint: bytes) -> int:
        """The place of a known fingerprint, waiting or remembered."""
        return next(
            place
            for place, entry in self._places(self._shelf.by_fingerprint[fingerprint])
            if entry is not None and _fingerprint(entry) == fingerprint
        )

    def _advance(self, place: int, shelf: _Shelf) -> "Pool":
        """Move the head to the first waiting key at or after `place`."""
        head, first = place, None
        while head < shelf.tail and first is None:
            entry = shelf.entry(head)
            if isinstance(entry, OneTimeKey):
                first = entry
            else:
                head += 1
        if head != place:
            shelf = attrs.evolve(shelf, gaps=shelf.gaps - (head - place))
        return Pool(head, first, _settle(shelf, self._head >> _CHUNK_BITS, head >> _CHUNK_BITS))

    def _replace(self, stored: OneTimeKey, entry: bytes | None) -> "Pool":
        """Take a waiting key out of turn, leaving `entry` in its place."""
        place = self._find(stored.key.fingerprint)
        shelf = _with_entry(self._shelf, place, entry)
        by_fingerprint = shelf.by_fingerprint
        if entry is None:
            by_fingerprint = by_fingerprint.delete(stored.key.fingerprint)
        shelf = attrs.evolve(shelf, by_fingerprint=by_fingerprint, gaps=shelf.gaps + 1)
        if place == self._head:
            return self._advance(place, shelf)
        return Pool(self._head, self.first, shelf)

    def __eq__(self, other: object) -> bool:
        return tuple(self.sequence) == tuple(other.sequence) if isinstance(other, Pool) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.sequence))


_set_head, _set_first, _set_shelf = setters(Pool)


def _fingerprint(entry: OneTimeKey | bytes) -> bytes:
    return entry.key.fingerprint if isinstance(entry, OneTimeKey) else entry


def _with_entry(shelf: _Shelf, place: int, entry: bytes | None) -> _Shelf:
    """Put a fingerprint or a hole where a key or a fingerprint stood, and free the key's id."""
    number, index = place >> _CHUNK_BITS, place & _MASK
    chunk = shelf.chunks[number]
    changed = (*chunk[:index], entry, *chunk[index + 1 :])
    hollow = len(changed) == _CHUNK and not any(changed)
    leaving = chunk[index]
    reused = isinstance(leaving, OneTimeKey) and any(
        isinstance(other, OneTimeKey) and other.key.key_id == leaving.key.key_id for other in changed
    )
    return attrs.evolve(
        shelf,
        chunks=shelf.chunks.delete(number) if hollow else shelf.chunks.set(number, changed),
        by_id=shelf.by_id if reused else _without_ids(shelf.by_id, (leaving,), number),
    )


def _settle(shelf: _Shelf, start: int, stop: int) -> _Shelf:
    """Shrink the keys of chunks that the head has left to their fingerprints, and free their ids."""
    if start == stop:
        return shelf
    chunks, by_id = shelf.chunks, shelf.by_id
    for number in range(start, stop):
        chunk = chunks.get(number)
        if chunk is None:  # every key of it was dropped
            continue
        by_id = _without_ids(by_id, chunk, number)
        chunks = chunks.set(
            number,
            tuple([entry.key.fingerprint if isinstance(entry, OneTimeKey) else entry for entry in chunk]),
        )
    return attrs.evolve(shelf, chunks=chunks, by_id=by_id)


def _without_ids(by_id: Map[str, int], leaving: tuple[_Entry, ...], number: int) -> Map[str, int]:
    """Free the ids of keys that leave a chunk, but not one that a key of a younger chunk has taken over."""
    changing = by_id.mutate()
    for entry in leaving:
        if isinstance(entry, OneTimeKey):
            key_id = entry.key.key_id
            if changing.get(key_id) == number:
                del changing[key_id]
    return changing.finish()


@attrs.frozen(weakref_slot=False, init=False)
class DeviceState:
    """All keys of one device: for each algorithm a pool and at most one fallback slot (FK-UPLOAD-03)."""

    pools: Map[str, Pool]
    """Algorithm → pool; no entry for one that holds and remembers nothing."""
    slots: Map[str, FallbackSlot]
    """Algorithm → fallback key."""
    uploads: int
    """Ordinal of the next upload that brings one-time keys."""

    def __init__(self, pools: Map[str, Pool], slots: Map[str, FallbackSlot], uploads: int) -> None:
        _set_pools(self, pools)
        _set_slots(self, slots)
        _set_uploads(self, uploads)

    def pool(self, algorithm: str) -> Pool:
        """The algorithm's pool; an empty one if the device has none."""
        return self.pools.get(algorithm, EMPTY_POOL)

    def with_pool(self, algorithm: str, pool: Pool, uploads: int) -> "DeviceState":
        """The state with one pool exchanged and the next upload's ordinal set."""
        if pool.first is None and pool.is_blank:
            return DeviceState(self.pools.delete(algorithm), self.slots, uploads)
        return DeviceState(self.pools.set(algorithm, pool), self.slots, uploads)

    def with_slot(self, algorithm: str, slot: FallbackSlot) -> "DeviceState":
        """The state with one fallback slot exchanged."""
        return DeviceState(self.pools, self.slots.set(algorithm, slot), self.uploads)

    @property
    def algorithms(self) -> frozenset[str]:
        """Every algorithm of which the state knows anything: pool, slot or remembered keys."""
        return frozenset(self.pools) | frozenset(self.slots)


_set_pools, _set_slots, _set_uploads = setters(DeviceState)

EMPTY_POOL: Final = Pool(0, None, _EMPTY_SHELF)
"""No key waits, none was ever issued."""

EMPTY: Final = DeviceState(Map(), Map(), 0)
"""A device never seen."""
