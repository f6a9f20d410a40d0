"""A primary that dies for good, and its standby that takes over: what is kept, and what is not."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

import psycopg
import pytest

from fallbackkeys.sql import POSTGRESQL, ConnectionLost, Style
from tests.concurrency.history import Operation
from tests.concurrency.judge import Rule, judge
from tests.concurrency.workers import Plan, Worker
from tests.crashes.killing import Workers, account, prepare
from tests.crashes.worker import DEVICES
from tests.databases.fixtures import NewServer
from tests.databases.server import LOOPBACK, Server, follow
from tests.sql.embedding import Database

Report = Callable[[str, str], None]
SYNCHRONOUS = LOOPBACK | {"synchronous_standby_names": "second"}
DEVICE = DEVICES[0]


@contextmanager
def _standby(primary: Server) -> Iterator[Server]:
    standby = follow(primary, name="second")
    try:
        yield standby
    finally:
        standby.remove()


def _either(first: Server, second: Server) -> str:
    """Spell a URL that leads to whichever of two servers accepts writes."""
    hosts = f"host={first.scratch},{second.scratch}&port={first.port},{second.port}"
    return f"postgresql://tests@/postgres?{hosts}&target_session_attrs=read-write"


@pytest.mark.requirement("FK-SQL-27")
def test_a_synchronous_standby_has_everything_that_was_answered(
    new_postgres: NewServer, tmp_path: Path, fail_overs: int, report: Report
) -> None:
    summaries = []
    for number in range(fail_overs):
        primary = new_postgres(SYNCHRONOUS)
        with _standby(primary) as standby:
            target = _either(primary, standby)
            prepare(target)
            folder = tmp_path / str(number)
            folder.mkdir()
            with Workers(target, folder, seed=number) as workers:
                workers.start(4)
                workers.wait_for_work(*workers.alive, bytes_written=10_000)
                primary.kill()
                standby.promote()
                workers.wait_for_work(*workers.alive, bytes_written=10_000)
                operations = workers.finish()
            done = account(target, operations)
            assert done.lost == []
            assert done.findings == []
            summaries.append(done.summary)
    report("fail-over", f"{fail_overs} times; {'; '.join(summaries)}")


@contextmanager
def _worker(server: Server, client: int, record: list[Operation]) -> Iterator[Worker]:
    plan = Plan(devices=(DEVICE,), aborts=0, hold=0)
    random = Random(client)  # noqa: S311 - no secret
    with closing(server.connect()) as connection:
        database = Database(POSTGRESQL, connection, Style.FORMAT)
        yield Worker(client=client, database=database, plan=plan, random=random, record=record.append)


@pytest.mark.requirement("FK-SQL-27")
def test_an_asynchronous_standby_issues_again_what_it_had_not_received(new_postgres: NewServer) -> None:
    """What specs/sql.md says may be lost: this test holds the sentence to the servers."""
    primary = new_postgres(LOOPBACK)
    history: list[Operation] = []
    with _standby(primary) as standby:
        with _worker(primary, 1, history) as before:
            before.database.migrated()
            before.upload(DEVICE, 3)
            _wait_until_received(primary)
            standby.stop()
            # The standby is behind, and the primary answers all the same.
            assert before.claim(DEVICE)
            before.upload(DEVICE, 1)
            primary.kill()
        standby.start()
        standby.promote()
        with _worker(standby, 2, history) as after:
            after.drain()
    findings = judge(history)
    assert [finding.rule for finding in findings] == [Rule.ONCE, Rule.LEFT, Rule.LEFT]


def _wait_until_received(primary: Server) -> None:
    with primary.connect() as connection:
        while connection.execute(
            "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()"
        ).fetchone() != (1,):
            pass


@pytest.mark.requirement("FK-SQL-27")
def test_without_its_synchronous_standby_a_primary_answers_nobody(new_postgres: NewServer) -> None:
    primary = new_postgres(SYNCHRONOUS)
    history: list[Operation] = []
    with _standby(primary) as standby:
        with _worker(primary, 1, history) as before:
            before.database.migrated()
            before.upload(DEVICE, 3)
            standby.stop()
            claiming = threading.Thread(target=_claim_in_vain, args=(before,))
            claiming.start()
            _wait_for_commit(primary)
            primary.kill()
            claiming.join()
        standby.start()
        standby.promote()
        with _worker(standby, 2, history) as after:
            after.drain()
    # The claim that waited has no line: nobody was told of its key, and another got it.
    assert [operation.client for operation in history] == [1, 2, 2, 2, 2, 2]
    assert judge(history) == []


@pytest.mark.requirement("FK-SQL-27")
def test_a_cancelled_wait_for_the_standby_is_an_answer_that_may_be_lost(new_postgres: NewServer) -> None:
    """PostgreSQL answers such a COMMIT as done, with a warning: specs/sql.md says what follows."""
    primary = new_postgres(SYNCHRONOUS)
    history: list[Operation] = []
    with _standby(primary) as standby:
        with _worker(primary, 1, history) as before:
            before.database.migrated()
            before.upload(DEVICE, 3)
            standby.stop()
            claiming = threading.Thread(target=before.claim, args=(DEVICE,))
            claiming.start()
            _wait_for_commit(primary)
            with primary.connect() as connection:
                connection.execute(f"SELECT pg_cancel_backend(pid) FROM ({_WAITING}) AS waiting")
            claiming.join()
            primary.kill()
        standby.start()
        standby.promote()
        with _worker(standby, 2, history) as after:
            after.drain()
    assert [finding.rule for finding in judge(history)] == [Rule.ONCE]


def _claim_in_vain(worker: Worker) -> None:
    with suppress(ConnectionLost, psycopg.OperationalError):
        worker.claim(DEVICE)


_WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def _wait_for_commit(primary: Server) -> None:
    with primary.connect() as connection:
        while connection.execute(_WAITING).fetchone() is None:
            pass
