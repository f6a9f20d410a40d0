"""Run a plan with several workers at once, and keep the history."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random

import attrs

from fallbackkeys.sql import SQLITE, Style
from tests.concurrency.history import Operation, read, write
from tests.concurrency.workers import Plan, Worker
from tests.sql.embedding import Database, postgresql_database

_PATIENCE = 120  # seconds for one statement; a worker that waits longer fails, and nobody has resolved why
Connect = Callable[[], AbstractContextManager[Database]]


@attrs.frozen(kw_only=True)
class Run:
    """What came of it: the history as it was written, and how often a worker had to begin again, by code."""

    operations: list[Operation]
    conflicts: Counter[str]


def postgresql(url: str, isolation: str) -> Connect:
    """Connect at an isolation level."""

    @contextmanager
    def connect() -> Iterator[Database]:
        with postgresql_database(url) as database:
            database.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {isolation}")
            database.execute(f"SET statement_timeout = '{_PATIENCE}s'")
            yield database

    return connect


def sqlite(path: Path) -> Connect:
    """Connect to a file in WAL mode, as several processes or threads share it."""

    @contextmanager
    def connect() -> Iterator[Database]:
        connection = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        try:
            yield Database(SQLITE, connection, Style.QMARK)
        finally:
            connection.close()

    return connect


def run(
    connect: Connect,
    plan: Plan,
    path: Path,
    *,
    workers: int,
    steps: int,
    seed: int,
    script: Callable[[Worker], None] | None = None,
) -> Run:
    """Let workers run, each for a number of steps; the first follows the script if there is one. Then drain.

    The history is written to `path` and read back, so that what is judged is what was recorded.
    """
    operations: list[Operation] = []
    conflicts: Counter[str] = Counter()

    def work(client: int) -> None:
        with connect() as database:
            random = Random(f"{seed} {client}")  # noqa: S311 - no secret
            worker = Worker(
                client=client,
                database=database,
                plan=plan,
                random=random,
                record=operations.append,
                conflicts=conflicts,
            )
            if script is not None and client == 0:
                script(worker)
                return
            for _ in range(steps):
                worker.step()

    with connect() as database:
        calm = attrs.evolve(plan, aborts=0, hold=0)
        first = Worker(
            client=workers,
            database=database.migrated(),
            plan=calm,
            random=Random(seed),  # noqa: S311 - no secret
            record=operations.append,
        )
        for device in plan.devices:
            first.upload(device, 2 * plan.keys)
        with ThreadPoolExecutor(workers) as pool:
            for future in [pool.submit(work, client) for client in range(workers)]:
                future.result()
        first.drain()
    write(path, operations)
    return Run(operations=read(path), conflicts=conflicts)
