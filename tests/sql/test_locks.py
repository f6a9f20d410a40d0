"""Transactions that meet: who waits for whom, and what each gets when the other commits or aborts."""

from collections.abc import Callable

import psycopg
import pytest

from fallbackkeys import EMPTY, Device, Upload, Wanted, sql
from fallbackkeys.sql import POSTGRESQL, Order, Retry, Statement, TransactionConflict
from tests.builders import ALICE, CURVE, fallback_key, one_time_key
from tests.sql.conftest import NewSession
from tests.sql.embedding import watched
from tests.sql.sessions import PATIENCE, READ_COMMITTED, REPEATABLE_READ, Session, a_claim, given

orders = pytest.mark.parametrize("order", Order)
isolations = pytest.mark.parametrize("isolation", [READ_COMMITTED, REPEATABLE_READ])


@pytest.fixture
def setup(new_session: NewSession) -> Session:
    """Writes what was there before."""
    return new_session()


def before(setup: Session, *uploads: tuple[str, ...], fallback: str | None = None) -> None:
    """Commit these uploads, the fallback key with the first."""
    for index, ids in enumerate(uploads):
        setup.begin()
        setup.upload(*ids, fallback=fallback if index == 0 else None)
        setup.commit()


class TestOrder:
    @pytest.mark.requirement("FK-SQL-10")
    @orders
    @isolations
    def test_claims_do_not_wait_for_each_other_within_an_upload(
        self, setup: Session, new_session: NewSession, order: Order, isolation: str
    ) -> None:
        before(setup, ("k1", "k2"))
        one, other = new_session().begin(isolation), new_session().begin(isolation)
        assert (one.claim(order), other.claim(order)) == ("k1", "k2")
        one.abort()
        other.commit()
        assert setup.claim() == "k1"

    @pytest.mark.requirement("FK-SQL-10")
    @isolations
    def test_the_next_upload_waits_until_the_oldest_is_surely_gone(
        self, setup: Session, new_session: NewSession, isolation: str
    ) -> None:
        before(setup, ("k1",), ("k2",))
        one, other = new_session().begin(isolation), new_session().begin(isolation)
        assert one.claim() == "k1"
        waiting = other.starts_waiting(a_claim())
        one.abort()
        assert given(waiting.result(PATIENCE)) == "k1"
        other.commit()
        assert setup.claim() == "k2"

    @pytest.mark.requirement("FK-SQL-10")
    def test_and_then_it_is_its_turn(self, setup: Session, new_session: NewSession) -> None:
        before(setup, ("k1",), ("k2",))
        one, other = new_session().begin(), new_session().begin()
        assert one.claim() == "k1"
        waiting = other.starts_waiting(a_claim())
        one.commit()
        assert given(waiting.result(PATIENCE)) == "k2"
        other.commit()

    @pytest.mark.requirement("FK-SQL-13")
    def test_a_relaxed_claim_passes_over_what_is_locked(
        self, setup: Session, new_session: NewSession
    ) -> None:
        before(setup, ("k1",), ("k2",))
        one, other = new_session().begin(), new_session().begin()
        assert one.claim(Order.RELAXED) == "k1"
        assert other.claim(Order.RELAXED) == "k2"
        other.commit()
        one.abort()
        assert setup.claim() == "k1", "after the younger k2: what relaxed gives up"

    @pytest.mark.requirement("FK-SQL-12")
    def test_uploads_of_a_device_commit_in_the_order_of_their_ordinals(
        self, setup: Session, new_session: NewSession
    ) -> None:
        one, other = new_session().begin(), new_session().begin()
        one.upload("k1")
        upload = Upload(one_time_keys=(one_time_key("k2"),))
        waiting = other.starts_waiting(sql.upload(ALICE, upload, engine=POSTGRESQL))
        one.commit()
        waiting.result(PATIENCE)
        other.commit()
        assert [setup.claim(), setup.claim()] == ["k1", "k2"]


class TestTheLastKey:
    @pytest.mark.requirement("FK-SQL-11")
    @orders
    @pytest.mark.parametrize(("end", "expected"), [(Session.abort, "k1"), (Session.commit, "f")])
    def test_no_fallback_key_while_the_last_one_time_key_may_come_back(
        self,
        setup: Session,
        new_session: NewSession,
        order: Order,
        end: Callable[[Session], None],
        expected: str,
    ) -> None:
        before(setup, ("k1",), fallback="f")
        one, other = new_session().begin(), new_session().begin()
        assert one.claim(order) == "k1"
        waiting = other.starts_waiting(a_claim(order))
        end(one)
        assert given(waiting.result(PATIENCE)) == expected
        other.commit()

    @pytest.mark.requirement("FK-SQL-11")
    def test_nor_in_a_claim_for_many(self, setup: Session, new_session: NewSession) -> None:
        before(setup, ("k1",), fallback="f")
        one, other = new_session().begin(), new_session().begin()
        assert one.claim() == "k1"
        wanted = Wanted(ALICE, CURVE)
        waiting = other.starts_waiting(sql.claim_many([wanted], engine=POSTGRESQL))
        one.abort()
        assert waiting.result(PATIENCE).keys[wanted].key_id == "k1"
        other.commit()

    @pytest.mark.requirement("FK-SQL-11")
    def test_an_upload_that_replaces_the_fallback_key_and_brings_keys_is_seen_whole(
        self, setup: Session, new_session: NewSession
    ) -> None:
        before(setup, (), fallback="f")
        uploading, claiming = new_session().begin(), new_session().begin()
        uploading.upload("k1", fallback="g")
        waiting = claiming.starts_waiting(a_claim())
        uploading.commit()
        assert given(waiting.result(PATIENCE)) == "k1", "g came with k1, so g cannot be given before it"
        claiming.commit()

    def test_two_claims_mark_the_fallback_key_one_after_the_other(
        self, setup: Session, new_session: NewSession
    ) -> None:
        before(setup, (), fallback="f")
        one, other = new_session().begin(), new_session().begin()
        first = one.run(a_claim())
        waiting = other.starts_waiting(a_claim())
        one.commit()
        second = waiting.result(PATIENCE)
        other.commit()
        assert (given(first), first.wakes, given(second), second.wakes) == ("f", True, "f", False)


class TestRepeatableRead:
    @pytest.mark.requirement("FK-SQL-14")
    @orders
    def test_a_key_that_went_meanwhile_is_a_conflict(
        self, setup: Session, new_session: NewSession, order: Order
    ) -> None:
        before(setup, ("k1",), fallback="f")
        one, other = new_session().begin(), new_session().begin(REPEATABLE_READ)
        assert one.claim() == "k1"
        waiting = other.starts_waiting(a_claim(order))
        one.commit()
        with pytest.raises(TransactionConflict) as caught:
            waiting.result(PATIENCE)
        assert (caught.value.sqlstate, caught.value.retry) == ("40001", Retry.TRANSACTION)
        other.abort()
        assert other.begin(REPEATABLE_READ).claim(order) == "f"
        other.commit()


class TestManyDevices:
    @pytest.mark.requirement("FK-SQL-15")
    def test_claims_for_many_wait_in_one_order_and_never_in_a_circle(
        self, setup: Session, new_session: NewSession
    ) -> None:
        devices = [Device("@alice:example.org", name) for name in ("A", "B")]
        for device in devices:
            upload = Upload(one_time_keys=(one_time_key("k1"),), fallback_keys=(fallback_key("f"),))
            setup.run(sql.upload(device, upload, engine=POSTGRESQL))
        wanted = [Wanted(device, CURVE) for device in devices]
        one, other = new_session().begin(), new_session().begin()
        first = one.run(sql.claim_many(wanted, engine=POSTGRESQL))
        waiting = other.starts_waiting(sql.claim_many(wanted[::-1], engine=POSTGRESQL))
        one.commit()
        second = waiting.result(PATIENCE)
        other.commit()
        assert [key.key_id for key in first.keys.values()] == ["k1", "k1"]
        assert [key.key_id for key in second.keys.values()] == ["f", "f"]


class TestRemoval:
    @pytest.mark.requirement("FK-SQL-16")
    def test_a_key_that_is_being_claimed_goes_with_its_memory(
        self, setup: Session, new_session: NewSession
    ) -> None:
        before(setup, ("k1", "k2"), fallback="f")
        claiming, removing = new_session().begin(), new_session().begin()
        assert claiming.claim() == "k1"
        waiting = removing.starts_waiting(sql.remove(ALICE, engine=POSTGRESQL))
        claiming.commit()
        waiting.result(PATIENCE)
        removing.commit()
        assert setup.run(sql.load(ALICE, engine=POSTGRESQL)) == EMPTY
        before(setup, ("k1",))
        assert setup.claim() == "k1"

    def test_a_claim_that_waited_for_a_removal_gets_nothing(
        self, setup: Session, new_session: NewSession
    ) -> None:
        before(setup, ("k1",), fallback="f")
        removing, claiming = new_session().begin(), new_session().begin()
        removing.run(sql.remove(ALICE, engine=POSTGRESQL))
        waiting = claiming.starts_waiting(a_claim())
        removing.commit()
        assert given(waiting.result(PATIENCE)) is None
        claiming.commit()


@pytest.mark.requirement("FK-SQL-10")
def test_a_key_locked_between_look_and_issue_is_looked_for_again(setup: Session) -> None:
    """Without a transaction of the caller's, somebody else may take what was found: never the same key."""
    before(setup, ("k1", "k2"))
    raced: list[str | None] = []

    def race(statement: Statement) -> None:
        if statement.query is POSTGRESQL.claim_many.issue and not raced:
            raced.extend((setup.claim(), setup.claim()))
            before(setup, ("k3",))

    program = watched(sql.claim_many([Wanted(ALICE, CURVE)], engine=POSTGRESQL), race)
    claimed = setup.database.within(program)
    assert (raced, [key.key_id for key in claimed.keys.values()]) == (["k1", "k2"], ["k3"])


@pytest.mark.requirement("FK-SQL-15")
def test_a_claim_for_many_locks_its_devices_to_its_end_and_a_single_claim_none(
    setup: Session, new_session: NewSession
) -> None:
    before(setup, ("k1", "k2", "k3"))
    look = f"SELECT 1 FROM fallbackkeys_devices WHERE user_id = '{ALICE.user_id}' FOR UPDATE NOWAIT"
    one = new_session().begin()
    assert one.claim() == "k1"
    setup.begin()
    setup.database.execute(look)
    setup.abort()
    one.commit()
    one.begin()
    one.database.within(sql.claim_many([Wanted(ALICE, CURVE)], engine=POSTGRESQL))
    setup.begin()
    with pytest.raises(psycopg.errors.LockNotAvailable):
        setup.database.execute(look)
    setup.abort()
    one.commit()
