"""A machine that gives the core and the databases the same commands and compares all that can be seen."""

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fallbackkeys import (
    EMPTY_STORE,
    PURE,
    Device,
    FallbackKeysError,
    KeyName,
    OneTimeKeyAdded,
    Policy,
    Upload,
    Wanted,
    keystore,
    sql,
)
from fallbackkeys import sync as core_sync
from fallbackkeys.sql import Order, Program
from tests.builders import ALICE
from tests.properties.strategies import (
    ANY_ALGORITHM,
    CROWDS,
    DROPS,
    UPLOADS,
    Drop,
    policies,
)
from tests.sql.embedding import Database

DEVICES = (
    ALICE,
    Device("@a:one", "A"),
    Device("@a:one", "AB"),
    Device("@ab:one", "A"),
    Device("@a:one.two", "A"),
)
"""Ids that are prefixes of one another."""
ANY_DEVICE = st.sampled_from((ALICE,) * 6 + DEVICES)
WANTED = st.lists(st.builds(Wanted, ANY_DEVICE, ANY_ALGORITHM), max_size=6)


BOUNDED = st.builds(
    lambda pool, beyond: Policy(max_pool=pool, max_remembered=pool + beyond),
    st.integers(1, 3),
    st.integers(0, 2),
)
"""Policies whose memory fills up soon."""


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returned, or what it refused in which words."""
    try:
        return call()
    except FallbackKeysError as refusal:
        return type(refusal), str(refusal)


class SqlAgainstCore(RuleBasedStateMachine):
    """A few devices under one policy."""

    def __init__(self, databases: tuple[Database, ...]) -> None:
        super().__init__()
        self.databases = databases
        self.store = EMPTY_STORE
        self.policy = PURE
        self.last: Any = None
        """What the last command gave."""
        for database in databases:
            database.clear()

    @initialize(policy=policies() | BOUNDED, max_devices=st.none() | st.integers(2, 5))
    def begin(self, policy: Policy, max_devices: int | None) -> None:
        self.policy = attrs.evolve(policy, max_devices_in_claim=max_devices)

    def both(self, core: Callable[[], Any], program: Callable[[Database], Program[Any]]) -> None:
        """Hold what the programs give against what the core gives."""
        expected = outcome(core)
        for database in self.databases:
            given = outcome(partial(database.do, program(database)))
            assert given == expected, database.engine.name
        self.last = expected

    @rule(device=ANY_DEVICE, command=UPLOADS | CROWDS)
    def upload(self, device: Device, command: Upload) -> None:
        def core() -> sql.Stored:
            done = keystore.upload(self.store, device, command, policy=self.policy)
            self.store = done.store
            events = (each.event for each in done.events)
            added = tuple(event.key for event in events if isinstance(event, OneTimeKeyAdded))
            return sql.Stored(added=added, notices=done.notices, wakes=bool(done.woken))

        self.both(core, lambda db: sql.upload(device, command, engine=db.engine, policy=self.policy))

    @rule(device=ANY_DEVICE, algorithm=ANY_ALGORITHM, order=st.sampled_from(Order))
    def claim(self, device: Device, algorithm: str, order: Order) -> None:
        def core() -> sql.Claimed:
            wanted = Wanted(device, algorithm)
            unlimited = attrs.evolve(self.policy, max_devices_in_claim=None)
            done = keystore.claim(self.store, [wanted], policy=unlimited)
            self.store = done.store
            return sql.Claimed(key=done.keys.get(wanted), wakes=bool(done.woken))

        self.both(core, lambda db: sql.claim(device, algorithm, engine=db.engine, order=order))

    @rule(wanted=WANTED)
    def claim_many(self, wanted: list[Wanted]) -> None:
        def core() -> sql.ClaimedMany:
            done = keystore.claim(self.store, wanted, policy=self.policy)
            self.store = done.store
            return sql.ClaimedMany(keys=done.keys, woken=done.woken)

        self.both(core, lambda db: sql.claim_many(wanted, engine=db.engine, policy=self.policy))

    @rule(device=ANY_DEVICE, command=DROPS | st.builds(Drop, st.just((KeyName("curve25519", "id0"),) * 2)))
    def drop(self, device: Device, command: Drop) -> None:
        def core() -> sql.Removed:
            done = keystore.drop(self.store, device, command.names)
            self.store = done.store
            return sql.Removed(rows=len(done.events), wakes=bool(done.woken))

        self.both(core, lambda db: sql.drop(device, command.names, engine=db.engine))

    @rule(device=ANY_DEVICE)
    def remove(self, device: Device) -> None:
        for database in self.databases:
            database.do(sql.upload(device, Upload(), engine=database.engine))  # known, and without keys

        def core() -> sql.Removed:
            done = keystore.remove_device(self.store, device)
            self.store = done.store
            return sql.Removed(rows=1, wakes=bool(done.woken))

        self.both(core, lambda db: sql.remove(device, engine=db.engine))

    @rule(device=ANY_DEVICE)
    def prune(self, device: Device) -> None:
        for database in self.databases:
            database.do(sql.prune(device, engine=database.engine, policy=self.policy))

    @invariant()
    def states_and_views_agree(self) -> None:
        views = {device: core_sync(self.store.state(device)) for device in DEVICES}
        for database in self.databases:
            assert dict(database.within(sql.sync_many(DEVICES, engine=database.engine))) == views
            for device in DEVICES:
                assert database.within(sql.sync(device, engine=database.engine)) == views[device]
                assert database.state(device, self.policy) == self.store.state(device)
