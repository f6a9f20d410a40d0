"""The pool's layout, held against a list that does the same without cleverness."""

import operator

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fallbackkeys import EMPTY, DeviceState, FallbackSlot, Key, OneTimeKey, Pool
from fallbackkeys.persistent import Map
from fallbackkeys.state import EMPTY_POOL
from tests.builders import CURVE, fallback_key, one_time_key

KEYS = [[one_time_key(f"id{i}", f"key{k}") for k in range(60)] for i in range(6)]


class PoolAgainstList(RuleBasedStateMachine):
    """Few ids and keys, so that ids are reused and chunks fill, settle, and grow hollow."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = EMPTY_POOL
        self.waiting: list[OneTimeKey] = []
        self.issued: list[tuple[int, bytes]] = []
        self.places: dict[bytes, int] = {}
        self.next_place = 0
        self.upload = 0

    @rule(ids=st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True), start=st.integers(0, 59))
    def add(self, ids: list[int], start: int) -> None:
        for number, key_id in enumerate(ids):
            key = KEYS[key_id][(start + number) % 60]
            known = key.fingerprint in self.places
            if not known and all(one.key.key_id != key.key_id for one in self.waiting):
                stored = OneTimeKey(key, self.upload)
                self.pool = self.pool.add([stored])
                self.waiting.append(stored)
                self.places[key.fingerprint] = self.next_place
                self.next_place += 1
        self.upload += 1

    def _take(self, stored: OneTimeKey) -> None:
        self.pool = self.pool.take(stored)
        self.waiting.remove(stored)
        self.issued.append((self.places[stored.key.fingerprint], stored.key.fingerprint))
        self.issued.sort()

    @precondition(lambda self: self.waiting)
    @rule(count=st.integers(1, 6))
    def take_first(self, count: int) -> None:
        for _ in range(min(count, len(self.waiting))):
            self._take(self.waiting[0])

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def take_any(self, data: st.DataObject) -> None:
        self._take(data.draw(st.sampled_from(self.waiting)))

    @rule()
    def restore(self) -> None:
        """From here on the pool is one that was rebuilt, and must go on as the old one would."""
        self.pool = Pool.of(self.pool.sequence)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        stored = data.draw(st.sampled_from(self.waiting))
        self.pool = self.pool.drop(stored)
        self.waiting.remove(stored)
        del self.places[stored.key.fingerprint]

    @precondition(lambda self: self.issued)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from([self.issued[0], *self.issued]))
        self.pool = self.pool.forget(entry[1])
        self.issued.remove(entry)
        del self.places[entry[1]]

    @invariant()
    def same(self) -> None:
        pool = self.pool
        fingerprints = [fingerprint for _, fingerprint in self.issued]
        assert list(pool) == self.waiting
        assert list(pool.issued) == fingerprints
        assert len(pool) == len(self.waiting)
        assert pool.remembered == len(self.issued)
        assert pool.first == (self.waiting[0] if self.waiting else None)
        assert pool.is_blank == (not self.waiting and not self.issued)
        by_id = {one.key.key_id: one for one in self.waiting}
        by_fingerprint = {one.key.fingerprint: one for one in self.waiting}
        for row in KEYS:
            assert pool.named(row[0].key_id) == by_id.get(row[0].key_id)
        for key in (KEYS[0][n] for n in range(60)):
            assert pool.holding(key.fingerprint) == by_fingerprint.get(key.fingerprint)
            assert pool.remembers(key.fingerprint) == (key.fingerprint in fingerprints)
            assert pool.knows(key.fingerprint) == (key.fingerprint in self.places)
        everything: list[tuple[int, OneTimeKey | bytes]] = [*self.issued]
        everything += [(self.places[one.key.fingerprint], one) for one in self.waiting]
        rebuilt = Pool.of(entry for _, entry in sorted(everything, key=operator.itemgetter(0)))
        assert rebuilt == pool
        assert hash(rebuilt) == hash(pool)


PoolAgainstList.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestPoolAgainstList = PoolAgainstList.TestCase


def state(*ids: str) -> DeviceState:
    pool = Pool.of([OneTimeKey(one_time_key(key_id), 0) for key_id in ids])
    return DeviceState(Map({CURVE: pool}), Map({CURVE: FallbackSlot(fallback_key("f"), used=False)}), 1)


def test_states_are_equal_and_hashable_by_value() -> None:
    assert state("a", "b") == state("a", "b")
    assert hash(state("a", "b")) == hash(state("a", "b"))
    assert len({state("a", "b"), state("b", "a"), state("a"), EMPTY}) == 4
    assert state("a") != Map({CURVE: EMPTY_POOL})
    assert EMPTY_POOL != 0


def test_a_pool_of_one_key_object_is_not_the_same_as_of_another() -> None:
    """Equality is by every byte stored; "the same key" is the transitions' business."""
    changed = Key.parse(f"{CURVE}:a", {"key": "a", "signatures": {}})
    assert Pool.of([OneTimeKey(one_time_key("a"), 0)]) != Pool.of([OneTimeKey(changed, 0)])
    assert Pool.of([OneTimeKey(changed, 0)]) != Pool.of([OneTimeKey(changed, 1)])
