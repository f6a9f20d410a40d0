"""A crypto library and a server to play against, small enough to be believed.

The library behaves as vodozemac and libolm do: two fallback halves, one counter for each kind of key (so ids
of both kinds collide), everything marked as published at once. Its keys are names; that is enough to see
whether a private half is still there. The server is the core of this project.
"""

import copy
from collections.abc import Iterator
from typing import Self

from fallbackkeys import EMPTY, DeviceState, Key, OneTimeKeyConflict, Upload, claim, sync, upload
from fallbackkeys.client import KeySet, Kind

Name = tuple[Kind, str, str, str]
"""Kind, algorithm, key id, public key."""


def names(keys: KeySet) -> frozenset[Name]:
    """The keys of an upload, one by one."""
    maps = ((Kind.ONE_TIME, keys.one_time_keys), (Kind.FALLBACK, keys.fallback_keys))
    return frozenset(
        (kind, algorithm, key_id, public)
        for kind, by_algorithm in maps
        for algorithm, ids in by_algorithm.items()
        for key_id, public in ids.items()
    )


class Library:
    """Private halves. What is not in `halves` cannot be decrypted with."""

    def __init__(self) -> None:
        self.one_time: dict[str, dict[str, str]] = {}
        self.fallback: dict[str, list[Name]] = {}
        """Current first, then previous."""
        self.unpublished: set[Name] = set()
        self.counters: dict[tuple[Kind, str], int] = {}

    def copy(self) -> Self:
        """A pickle."""
        return copy.deepcopy(self)

    def _named(self, kind: Kind, algorithm: str, public: str) -> Name:
        number = self.counters.get((kind, algorithm), 0)
        self.counters[kind, algorithm] = number + 1
        name = (kind, algorithm, f"AAA{number}", public)
        self.unpublished.add(name)
        return name

    def generate_one_time_key(self, algorithm: str, public: str) -> Name:
        name = self._named(Kind.ONE_TIME, algorithm, public)
        self.one_time.setdefault(algorithm, {})[public] = name[2]
        return name

    def generate_fallback_key(self, algorithm: str, public: str) -> tuple[Name, Name | None]:
        """The new key, and the one whose private half is dropped for it."""
        name = self._named(Kind.FALLBACK, algorithm, public)
        held = [name, *self.fallback.get(algorithm, [])]
        self.fallback[algorithm] = held[:2]
        self.unpublished -= set(held[2:])
        return name, held[2] if held[2:] else None

    def forget_previous(self, algorithm: str) -> Name:
        return self.fallback[algorithm].pop(1)

    def mark_everything_published(self) -> None:
        self.unpublished.clear()

    def mark_published(self, keys: frozenset[Name]) -> None:
        self.unpublished -= keys

    def halves(self) -> Iterator[str]:
        """The public keys of every private half."""
        for keys in self.one_time.values():
            yield from keys
        for held in self.fallback.values():
            yield from (name[3] for name in held)

    def decrypt(self, algorithm: str, public: str) -> bool:
        """Create a session; a one-time key's private half is used up by it. Replays are not noticed."""
        if self.one_time.get(algorithm, {}).pop(public, None) is not None:
            return True
        return any(name[3] == public for name in self.fallback.get(algorithm, []))


class Server:
    """The core of this project as the other side of the wire, for one device."""

    def __init__(self) -> None:
        self.state: DeviceState = EMPTY

    def upload(self, keys: KeySet) -> tuple[str, str] | None:
        """Store keys; the algorithm and id of a conflict if there is one."""
        parsed: dict[Kind, list[Key]] = {Kind.ONE_TIME: [], Kind.FALLBACK: []}
        for kind, algorithm, key_id, public in sorted(names(keys)):
            value = {"key": public, "signatures": {}, "fallback": kind is Kind.FALLBACK}
            parsed[kind].append(Key.parse(f"{algorithm}:{key_id}", value))
        command = Upload(
            one_time_keys=tuple(parsed[Kind.ONE_TIME]), fallback_keys=tuple(parsed[Kind.FALLBACK])
        )
        try:
            self.state = upload(self.state, command).state
        except OneTimeKeyConflict as conflict:
            return conflict.algorithm, conflict.key_id
        return None

    def claim(self, algorithm: str) -> str | None:
        """The public key that a sender is given."""
        claimed = claim(self.state, algorithm)
        self.state = claimed.state
        return None if claimed.key is None else claimed.key.public_key

    def counts(self) -> dict[str, int]:
        return dict(sync(self.state).one_time_key_counts)

    def unused(self) -> list[str]:
        return list(sync(self.state).unused_fallback_key_types)

    def published(self) -> set[str]:
        """Every public key that a sender may still be given."""
        pools = {one.key.public_key for pool in self.state.pools.values() for one in pool}
        return pools | {slot.key.public_key for slot in self.state.slots.values()}
