"""Workers killed in the middle of claims and uploads: nothing is issued twice, nothing answered is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crashes.killing import Workers, account, prepare

Report = Callable[[str, str], None]


def _kill_workers(target: str, folder: Path, *, together: int, kills: int) -> str:
    """Kill until so many workers have died in the middle of an operation; returns what happened."""
    prepare(target)
    with Workers(target, folder, seed=1) as workers:
        workers.start(together)
        in_the_middle = 0
        while in_the_middle < kills:
            victim = workers.random.choice(workers.alive)
            workers.wait_for_work(victim, bytes_written=workers.random.randint(1, 5000))
            in_the_middle += workers.kill(victim)
            workers.start(1)
        operations = workers.finish()
        killed = workers.started - together
    done = account(target, operations)
    assert done.lost == []
    assert done.findings == []
    return f"{killed} workers killed, {in_the_middle} in the middle of an operation; {done.summary}"


@pytest.mark.requirement("FK-SQL-26")
def test_workers_killed_on_postgresql(postgres_url: str, tmp_path: Path, kills: int, report: Report) -> None:
    report("PostgreSQL", _kill_workers(postgres_url, tmp_path, together=4, kills=kills))


@pytest.mark.requirement("FK-SQL-26")
def test_workers_killed_on_sqlite(tmp_path: Path, kills: int, report: Report) -> None:
    # Two: with more, SQLite's way of waiting lets single ones starve for long.
    report("SQLite", _kill_workers(str(tmp_path / "keys.sqlite"), tmp_path, together=2, kills=kills))
