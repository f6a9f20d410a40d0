"""Many workers on one database: no history of theirs shows what no order of their operations could explain.

Claims, uploads, re-uploads, removals and syncs, in transactions and without, some rolled back. That the same
workers and the same judge find what is wrong is shown with claims as deployed servers have them.
"""

from pathlib import Path

import attrs
import pytest

from fallbackkeys import Device, sql
from fallbackkeys.sql import Claimed, Engine, Order, Program
from tests.concurrency.judge import Rule, judge
from tests.concurrency.planted import ranked_delete, select_then_delete, skip_locked, sync_in_two_looks
from tests.concurrency.running import postgresql, run, sqlite
from tests.concurrency.workers import ClaimOne, Plan, Worker

HOT = Plan(devices=(Device("@hot:example.org", "HOT"),))
_SPREAD = tuple(Device(f"@user{n % 8}:example.org", f"DEVICE{n}") for n in range(32))
SPREAD = Plan(devices=_SPREAD, removable=_SPREAD[24:], removals=2, bulk_claims=15)
MIXED = attrs.evolve(HOT, removable=HOT.devices, removals=2, bulk_claims=15)
ABORTING = attrs.evolve(HOT, repeated_uploads=0, keys=1, stock=300, aborts=0.5, hold=0.01)
"""A key an upload, and half of everything rolled back: the order of uploads is hard to keep here."""


def claim_relaxed(device: Device, algorithm: str, engine: Engine) -> Program[Claimed]:
    return sql.claim(device, algorithm, engine=engine, order=Order.RELAXED)


@pytest.mark.requirement("FK-SQL-17", "FK-SQL-20", "FK-SQL-21", "FK-SQL-22", "FK-SQL-23")
@pytest.mark.parametrize("plan", [HOT, MIXED, SPREAD, ABORTING], ids=["hot", "mixed", "spread", "aborting"])
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_sixteen_workers_on_postgresql(
    postgres_url: str, isolation: str, plan: Plan, tmp_path: Path, rounds: int
) -> None:
    connect = postgresql(postgres_url, isolation)
    done = run(connect, plan, tmp_path / "history.jsonl", workers=16, steps=100 * rounds, seed=1)
    assert judge(done.operations) == []
    # Only where devices are removed may workers meet in a circle: specs/sql.md, "Locks".
    assert done.conflicts.keys() <= ({"40001", "40P01"} if plan.removals else {"40001"})


@pytest.mark.requirement("FK-SQL-20", "FK-SQL-21", "FK-SQL-22", "FK-SQL-23")
@pytest.mark.parametrize("plan", [HOT, MIXED, SPREAD, ABORTING], ids=["hot", "mixed", "spread", "aborting"])
def test_eight_workers_on_sqlite(plan: Plan, tmp_path: Path, rounds: int) -> None:
    connect = sqlite(tmp_path / "keys.sqlite")
    done = run(connect, plan, tmp_path / "history.jsonl", workers=8, steps=100 * rounds, seed=1)
    assert judge(done.operations) == []


@pytest.mark.requirement("FK-SQL-24")
def test_the_relaxed_order_is_weaker_and_the_judge_says_so(postgres_url: str, tmp_path: Path) -> None:
    plan = attrs.evolve(ABORTING, claim=claim_relaxed)
    connect = postgresql(postgres_url, "READ COMMITTED")
    done = run(connect, plan, tmp_path / "history.jsonl", workers=16, steps=100, seed=1)
    assert judge(done.operations, order=Order.RELAXED) == []
    assert {finding.rule for finding in judge(done.operations)} == {Rule.ORDERED}


@pytest.mark.parametrize(
    ("claim", "rule"),
    [(select_then_delete, Rule.ONCE), (skip_locked, Rule.ORDERED), (ranked_delete, Rule.LEFT)],
)
def test_a_wrong_claim_is_convicted(postgres_url: str, claim: ClaimOne, rule: Rule, tmp_path: Path) -> None:
    connect = postgresql(postgres_url, "READ COMMITTED")
    plan = attrs.evolve(ABORTING, claim=claim)
    done = run(connect, plan, tmp_path / "history.jsonl", workers=16, steps=60, seed=1)
    assert rule in {finding.rule for finding in judge(done.operations)}


def _one_writer(worker: Worker) -> None:
    """Five one-time keys and a new fallback key at once, then claims until both are used up; and again."""
    for _ in range(20):
        worker.upload(worker.plan.devices[0], 5)
        worker.drain()


WATCHED = attrs.evolve(HOT, claims=0, uploads=0, repeated_uploads=0, aborts=0)


@pytest.mark.requirement("FK-SQL-25")
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_sync_on_postgresql_is_one_snapshot(postgres_url: str, isolation: str, tmp_path: Path) -> None:
    connect = postgresql(postgres_url, isolation)
    done = run(connect, WATCHED, tmp_path / "h.jsonl", workers=4, steps=400, seed=1, script=_one_writer)
    assert judge(done.operations) == []


@pytest.mark.requirement("FK-SQL-25")
def test_a_sync_on_sqlite_is_one_snapshot(tmp_path: Path) -> None:
    connect = sqlite(tmp_path / "keys.sqlite")
    done = run(connect, WATCHED, tmp_path / "h.jsonl", workers=4, steps=400, seed=1, script=_one_writer)
    assert judge(done.operations) == []


def test_a_sync_of_two_statements_is_convicted(postgres_url: str, tmp_path: Path) -> None:
    connect = postgresql(postgres_url, "READ COMMITTED")
    plan = attrs.evolve(WATCHED, sync=sync_in_two_looks)
    done = run(connect, plan, tmp_path / "h.jsonl", workers=4, steps=400, seed=1, script=_one_writer)
    assert {finding.rule for finding in judge(done.operations)} == {Rule.SNAPSHOT}
