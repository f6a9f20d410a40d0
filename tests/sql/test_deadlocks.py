"""Circles of transactions that wait for each other: those that cannot come about, and one that is broken up.

What makes them possible: at READ COMMITTED, a statement that waited for a row, and found it changed, has
locked it to the end of its transaction, though it does nothing with it. One that finds it deleted has not.
"""

from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic, sleep
from typing import Generic, TypeVar

import attrs
import pytest

from fallbackkeys import EMPTY, Device, KeyName, Upload, Wanted, sql
from fallbackkeys.sql import (
    POSTGRESQL,
    Claimed,
    ClaimedMany,
    Order,
    Program,
    Retry,
    Statement,
    TransactionConflict,
)
from tests.builders import ALICE, CURVE, fallback_key, one_time_key
from tests.sql.conftest import NewSession
from tests.sql.embedding import watched
from tests.sql.sessions import PATIENCE, Session, a_claim, given

T = TypeVar("T")


def store(session: Session, device: Device, *ids: str, fallback: str | None = None) -> None:
    """Commit an upload."""
    keys = tuple(one_time_key(key_id) for key_id in ids)
    slots = () if fallback is None else (fallback_key(fallback),)
    upload = Upload(one_time_keys=keys, fallback_keys=slots)
    session.database.do(sql.upload(device, upload, engine=POSTGRESQL))


@attrs.define
class Steps(Generic[T]):
    """A program that is followed from outside, statement by statement."""

    session: Session
    program: Program[T]
    meanwhile: Callable[[int], None] = lambda _: None
    """Called before each statement, the first is number 1."""
    count: int = 0

    def start(self) -> "Future[T]":
        return self.session.start(watched(self.program, self._see))

    def _see(self, _: Statement) -> None:
        self.meanwhile(self.count + 1)
        self.count += 1

    def waits(self, future: "Future[T]", number: int) -> None:
        """Return once the program waits in this statement."""
        deadline = monotonic() + PATIENCE
        while self.count < number and monotonic() < deadline:
            sleep(0.002)
        self.session.waits(future)
        assert self.count == number


@pytest.fixture
def setup(new_session: NewSession) -> Session:
    """Writes what was there before."""
    return new_session()


@pytest.mark.requirement("FK-SQL-17")
def test_claims_at_the_end_of_a_pool_that_an_upload_refills(setup: Session, new_session: NewSession) -> None:
    """One waited for the slot that it filled, one for the last key: neither has what the other wants."""
    store(setup, ALICE, fallback="f")
    uploading, taking, one, other = (new_session().begin() for _ in range(4))
    second: list[Future[Claimed]] = []

    def meanwhile(number: int) -> None:
        if number == 4:  # it took, looked, would have marked f, and begins again
            assert taking.claim() == "k1"
            second.append(other.starts_waiting(a_claim()))

    steps = Steps(one, a_claim(), meanwhile)
    uploading.upload("k1", fallback="g")
    first = steps.start()
    steps.waits(first, 3)
    uploading.commit()
    steps.waits(first, 5)
    taking.commit()
    claimed = second[0].result(PATIENCE)
    assert (given(claimed), claimed.wakes) == ("g", True)
    other.commit()
    claimed = first.result(PATIENCE)
    assert (given(claimed), claimed.wakes) == ("g", False)
    one.commit()


# In the order in which they are uploaded. The primary key has them the other way round, by fingerprint.
FIRST, SECOND, THIRD = sorted(
    ("k1", "k2", "k3"), key=lambda name: one_time_key(name).fingerprint, reverse=True
)


@attrs.frozen
class Waiting:
    """A claim that has waited for the first key, which was issued, and now waits for the second."""

    session: Session
    future: "Future[Claimed]"
    holder: Session
    """Has issued the second."""


@pytest.fixture
def waiting(setup: Session, new_session: NewSession) -> Waiting:
    for name in (FIRST, SECOND, THIRD):
        store(setup, ALICE, name, fallback="f")
    taking, holder, claiming = (new_session().begin() for _ in range(3))
    assert (taking.claim(Order.RELAXED), holder.claim(Order.RELAXED)) == (FIRST, SECOND)
    steps = Steps(claiming, a_claim())
    future = steps.start()
    steps.waits(future, 2)
    taking.commit()
    steps.waits(future, 4)
    return Waiting(claiming, future, holder)


@pytest.fixture
def removing(new_session: NewSession) -> Session:
    """A transaction that goes through the keys by the primary key, as in a table of more than a page."""
    session = new_session()
    for scan in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
        session.database.execute(f"SET enable_{scan} = off")
    return session.begin()


@pytest.mark.requirement("FK-SQL-17")
@pytest.mark.parametrize(("end", "expected"), [(Session.commit, THIRD), (Session.abort, SECOND)])
def test_a_removal_lets_a_claim_that_waits_pass(
    setup: Session, removing: Session, waiting: Waiting, end: Callable[[Session], None], expected: str
) -> None:
    removal = removing.starts_waiting(sql.remove(ALICE, engine=POSTGRESQL))
    end(waiting.holder)
    assert given(waiting.future.result(PATIENCE)) == expected
    waiting.session.commit()
    assert removal.result(PATIENCE).rows == 1
    removing.commit()
    assert setup.run(sql.load(ALICE, engine=POSTGRESQL)) == EMPTY


@pytest.mark.requirement("FK-SQL-17")
def test_a_removal_has_no_slot_before_it_has_the_keys(
    setup: Session, removing: Session, waiting: Waiting
) -> None:
    assert setup.claim(Order.RELAXED) == THIRD
    removal = removing.starts_waiting(sql.remove(ALICE, engine=POSTGRESQL))
    waiting.holder.commit()
    assert given(waiting.future.result(PATIENCE)) == "f"
    waiting.session.commit()
    removal.result(PATIENCE)
    removing.commit()


@pytest.mark.requirement("FK-SQL-17")
def test_a_drop_lets_a_claim_that_waits_pass(setup: Session, removing: Session, waiting: Waiting) -> None:
    names = [KeyName(CURVE, key_id) for key_id in (THIRD, SECOND)]
    drop = removing.starts_waiting(sql.drop(ALICE, names, engine=POSTGRESQL))
    waiting.holder.commit()
    assert given(waiting.future.result(PATIENCE)) == THIRD
    waiting.session.commit()
    assert drop.result(PATIENCE).rows == 0
    removing.commit()
    assert setup.claim() == "f"


@pytest.mark.requirement("FK-SQL-08", "FK-SQL-15", "FK-SQL-17")
def test_a_circle_that_is_left_is_broken_up_and_nothing_is_issued_twice(
    setup: Session, new_session: NewSession
) -> None:
    """Two claims for many: one waited for devices that were removed, and that came back before it looked."""
    devices = [Device("@alice:example.org", name) for name in ("A", "B")]
    wanted = [Wanted(device, CURVE) for device in devices]
    removing, one, other, holder = (new_session().begin() for _ in range(4))
    for device in devices:
        store(setup, device, "k1")
        removing.run(sql.remove(device, engine=POSTGRESQL))
    second: list[Future[ClaimedMany]] = []

    def meanwhile(number: int) -> None:
        if number == 2:  # it found no device to lock
            for device in devices:
                store(setup, device, "k2")
            holder.run(sql.claim(devices[1], CURVE, engine=POSTGRESQL))
        if number == 4:  # it has issued A's key and begins to wait for B's
            holder.abort()
            steps = Steps(other, sql.claim_many(wanted, engine=POSTGRESQL))
            second.append(steps.start())
            steps.waits(second[0], 4)

    steps = Steps(one, sql.claim_many(wanted, engine=POSTGRESQL), meanwhile)
    first = steps.start()
    steps.waits(first, 1)
    removing.commit()
    outcomes = [(one, first.exception(PATIENCE), first), (other, second[0].exception(PATIENCE), second[0])]
    ((loser, conflict, _),) = [outcome for outcome in outcomes if outcome[1] is not None]
    ((winner, _, future),) = [outcome for outcome in outcomes if outcome[1] is None]
    assert isinstance(conflict, TransactionConflict)
    assert (conflict.sqlstate, conflict.retry) == ("40P01", Retry.TRANSACTION)
    loser.abort()
    winner.commit()
    assert {entry.device: key.key_id for entry, key in future.result().keys.items()} == dict.fromkeys(
        devices, "k2"
    )
    again = loser.begin().run(sql.claim_many(wanted, engine=POSTGRESQL))
    loser.commit()
    assert not again.keys
