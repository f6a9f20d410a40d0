"""Uploads: the rules of FK-UPLOAD and FK-LIMIT again, over rows instead of a state.

Written apart from `transitions`, so that the two can be held against each other (FK-SQL-01).
"""

from collections.abc import Sequence
from typing import Self

import attrs

from fallbackkeys.devices import Device
from fallbackkeys.errors import Limit, OneTimeKeyConflict, SeveralFallbackKeys, quote
from fallbackkeys.keys import Key
from fallbackkeys.notices import (
    FallbackFlagOnOneTimeKey,
    FallbackKeyNotFlagged,
    IssuedKeyIgnored,
    KeyInBothKinds,
    Notice,
    SecondIdIgnored,
    WaitingKeyKept,
)
from fallbackkeys.outcomes import Upload
from fallbackkeys.policy import PURE, Policy, check_limit
from fallbackkeys.sql.engine import Engine
from fallbackkeys.sql.listing import digest, key_of, listed
from fallbackkeys.sql.outcomes import Stored
from fallbackkeys.sql.statement import Program, Row


def upload(device: Device, command: Upload, *, engine: Engine, policy: Policy = PURE) -> Program[Stored]:
    """Add one-time keys to their pools and put fallback keys into their slots.

    Needs a transaction. Its first statement locks the device to the end of it, so that the uploads of a
    device commit in the order of their ordinals (FK-SQL-12). An upload that is refused has written no key,
    but may have locked the device: roll back.

    The counts for the answer are not part of the result: run `sync` after the commit. A count read before it
    could be one that no order of the operations explains.

    Raises:
        TooLarge: a limit of the policy is broken (FK-LIMIT-01 to FK-LIMIT-03).
        OneTimeKeyConflict: a one-time key's id belongs to another waiting key (FK-UPLOAD-10).
        SeveralFallbackKeys: two fallback keys of one algorithm (FK-UPLOAD-04).
    """
    count = len(command.one_time_keys) + len(command.fallback_keys)
    check_limit("an upload", Limit.KEYS_IN_UPLOAD, policy.max_keys_in_upload, count)

    names = device.user_id, device.device_id
    rows = yield engine.add_device(*names)
    upload_ordinal = rows[0][0]
    state = State.of((yield engine.state(*names)))

    # FK-UPLOAD-14, FK-SQL-02: claims only add to the memory. It is bounded where it is read: here.
    if (yield from forget(device, state, engine=engine, policy=policy)):
        state = State.of((yield engine.state(*names)))

    offered = [
        (key.algorithm, digest(key), key.key_id) for key in (*command.one_time_keys, *command.fallback_keys)
    ]
    pools = _Pools(())
    if offered:
        pools = _Pools((yield engine.matches(*names, listed("afk", offered))))

    added, notices = _join(command.one_time_keys, pools, policy)
    for algorithm in sorted({key.algorithm for key in added}):
        # Counted only where the pool grew, so that a retry at a full pool succeeds (FK-LIMIT-02).
        length = state.waiting(algorithm) + sum(key.algorithm == algorithm for key in added)
        check_limit(f"the pool of {quote(algorithm)}", Limit.POOL, policy.max_pool, length)
    replaced = _replace(command.fallback_keys, state)
    algorithms = state.algorithms | {key.algorithm for key in (*added, *replaced)}
    if algorithms != state.algorithms:
        check_limit("an upload", Limit.ALGORITHMS, policy.max_algorithms, len(algorithms))

    if added:
        entries = [
            (key.algorithm, position, key.key_id, digest(key), key.json.decode())
            for position, key in enumerate(added)
        ]
        yield engine.add_keys(*names, upload_ordinal, listed("apkfj", entries))
        yield engine.count_upload(*names)
    if replaced:
        used: set[str] = set()
        if any(key.algorithm in state.slots for key in replaced):
            rows = yield engine.empty_slots(*names, listed("a", [(key.algorithm,) for key in replaced]))
            used = {state.fingerprint(algorithm) for algorithm, marked in rows if marked}
        slots = [
            (key.algorithm, key.key_id, digest(key), key.json.decode(), digest(key) in used)
            for key in replaced
        ]
        yield engine.fill_slots(*names, listed("akfjw", slots))
    notices += _of_kinds(command, state, pools, added)
    return Stored(
        added=added, notices=tuple(notices), wakes=bool(added) or any(state.wakes(key) for key in replaced)
    )


def forget(device: Device, state: "State", *, engine: Engine, policy: Policy) -> Program[int]:
    """Forget what is beyond the policy's bound; returns how many keys. The device must be locked."""
    forgotten = 0
    bound = policy.max_remembered
    for algorithm, (waits, total) in state.counts.items():
        if bound is not None and total - waits > bound:
            rows = yield engine.prune(device.user_id, device.device_id, algorithm, bound)
            forgotten += len(rows)
    return forgotten


@attrs.frozen
class State:
    """What a device has, by algorithm."""

    counts: dict[str, tuple[int, int]]
    """Keys that wait, and keys in all."""
    slots: dict[str, tuple[Key, bool]]
    """The fallback key, and whether it is used."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        """Read what `Engine.state` returned."""
        counts = {row[0]: (row[1], row[2]) for row in rows if row[3] is None}
        slots = {
            row[0]: (key_of(row[0], tuple(row[3:6])), bool(row[6])) for row in rows if row[3] is not None
        }
        return cls(counts, slots)

    @property
    def algorithms(self) -> set[str]:
        """Every algorithm with a key of any kind, remembered ones too."""
        return {*self.counts, *self.slots}

    def waiting(self, algorithm: str) -> int:
        """How many one-time keys wait."""
        return self.counts.get(algorithm, (0, 0))[0]

    def fingerprint(self, algorithm: str) -> str:
        """The fallback key's, as its column holds it."""
        return digest(self.slots[algorithm][0])

    def wakes(self, key: Key) -> bool:
        """Whether this fallback key is unused where none was: a used one that stays is no news."""
        held, used = self.slots.get(key.algorithm, (None, True))
        return used and (held is None or held.fingerprint != key.fingerprint)


class _Pools:
    """The one-time keys that have something in common with those offered."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.issued: set[str] = set()
        """Fingerprints of issued keys; a fingerprint is of one algorithm."""
        self.by_id: dict[tuple[str, str], Key] = {}
        self.by_fingerprint: dict[str, Key] = {}
        for algorithm, key_id, fingerprint, json in rows:
            if json is None:
                self.issued.add(fingerprint)
            else:
                self.join(key_of(algorithm, (key_id, fingerprint, json)))

    def join(self, key: Key) -> None:
        self.by_id[key.algorithm, key.key_id] = key
        self.by_fingerprint[digest(key)] = key

    def knows(self, key: Key) -> bool:
        return digest(key) in self.issued or digest(key) in self.by_fingerprint


def _join(keys: tuple[Key, ...], pools: _Pools, policy: Policy) -> tuple[tuple[Key, ...], list[Notice]]:
    """Decide on each one-time key in body order; earlier ones of the same body are there already."""
    added: list[Key] = []
    notices: list[Notice] = []
    for key in keys:
        holder = pools.by_id.get((key.algorithm, key.key_id))
        same = pools.by_fingerprint.get(digest(key))
        if digest(key) in pools.issued:  # FK-UPLOAD-12
            notices.append(IssuedKeyIgnored(key))
        elif holder is not None and holder.fingerprint == key.fingerprint:  # FK-UPLOAD-09
            notices.append(WaitingKeyKept(key))
        elif holder is not None:  # FK-UPLOAD-10
            raise OneTimeKeyConflict(
                algorithm=key.algorithm,
                key_id=key.key_id,
                stored=holder.json,
                uploaded=key.json,
                errcode=policy.conflict_errcode,
            )
        elif same is not None:  # FK-UPLOAD-11
            notices.append(SecondIdIgnored(key, same.key_id))
        else:  # FK-UPLOAD-01
            added.append(key)
            pools.join(key)
    return tuple(added), notices


def _replace(keys: tuple[Key, ...], state: State) -> list[Key]:
    """The fallback keys that are not in their slots, byte for byte (FK-UPLOAD-02, FK-UPLOAD-07)."""
    by_algorithm: dict[str, list[Key]] = {}
    for key in keys:
        by_algorithm.setdefault(key.algorithm, []).append(key)
    for key in keys:
        rivals = by_algorithm[key.algorithm]
        if len(rivals) > 1:  # FK-UPLOAD-04
            ids = tuple(rival.key_id for rival in rivals)
            raise SeveralFallbackKeys(algorithm=key.algorithm, key_ids=ids)
    return [key for key in keys if state.slots.get(key.algorithm, (None,))[0] != key]


def _of_kinds(command: Upload, state: State, pools: _Pools, added: tuple[Key, ...]) -> list[Notice]:
    """Keys of both kinds (FK-UPLOAD-16), and a `fallback` that does not fit the kind (FK-UPLOAD-19)."""
    notices: list[Notice] = []
    slots = {algorithm: key for algorithm, (key, _) in state.slots.items()}
    slots |= {key.algorithm: key for key in command.fallback_keys}
    for key in command.one_time_keys:
        if key.says_fallback:
            notices.append(FallbackFlagOnOneTimeKey(key))
        held = slots.get(key.algorithm)
        if held is not None and held.fingerprint == key.fingerprint and held not in command.fallback_keys:
            notices.append(KeyInBothKinds(key))
    for key in command.fallback_keys:
        if key.is_object and not key.says_fallback:
            notices.append(FallbackKeyNotFlagged(key))
        if pools.knows(key) or key.fingerprint in {one.fingerprint for one in added}:
            notices.append(KeyInBothKinds(key))
    return notices
