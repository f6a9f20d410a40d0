"""The PostgreSQL server killed in the middle of claims and uploads, and started again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.concurrency.history import Operation
from tests.concurrency.judge import Rule
from tests.crashes.killing import Account, Workers, account, prepare
from tests.databases.fixtures import NewServer
from tests.databases.server import Server

Report = Callable[[str, str], None]


def _kill_server(server: Server, folder: Path, kills: int) -> tuple[list[Operation], Account]:
    target = server.dsn()
    prepare(target)
    with Workers(target, folder, seed=1) as workers:
        workers.start(4)
        for _ in range(kills):
            # Every worker is at work again.
            workers.wait_for_work(*workers.alive, bytes_written=workers.random.randint(1, 5000))
            server.kill()
            server.start()
        operations = workers.finish()
    return operations, account(target, operations)


@pytest.mark.requirement("FK-SQL-26")
def test_a_server_killed_and_started_again(
    new_postgres: NewServer, tmp_path: Path, server_kills: int, report: Report
) -> None:
    operations, done = _kill_server(new_postgres({}), tmp_path, server_kills)
    assert done.lost == []
    assert done.findings == []
    # Each kill cut something off.
    assert sum(one.returned is None for one in operations) >= server_kills
    report("server", f"killed {server_kills} times; {done.summary}")


def test_a_server_that_answers_before_it_has_written_is_convicted(
    new_postgres: NewServer, tmp_path: Path
) -> None:
    """With `synchronous_commit = off` what was answered may be lost; the account must show it."""
    forgetful = new_postgres({"synchronous_commit": "off", "wal_writer_delay": "10s"})
    prepare(forgetful.dsn())
    with forgetful.connect() as connection:
        connection.execute("CHECKPOINT")  # the tables themselves are kept
    _, done = _kill_server(forgetful, tmp_path, 2)
    assert done.lost or Rule.ONCE in {finding.rule for finding in done.findings}
