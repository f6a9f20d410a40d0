"""Workers whose transactions meet at points that the test chooses: no sleeping, no luck."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, Self, TypeVar

import attrs

from fallbackkeys import Upload, sql
from fallbackkeys.sql import POSTGRESQL, Order, Program
from tests.builders import ALICE, CURVE, one_time_key
from tests.sql.embedding import Database, postgresql_database

T = TypeVar("T")
PATIENCE = 30
READ_COMMITTED, REPEATABLE_READ = "READ COMMITTED", "REPEATABLE READ"


@attrs.frozen
class Session:
    """A connection and a thread of its own, so that what waits for a lock does not stop the test."""

    database: Database
    watching: Database
    thread: ThreadPoolExecutor

    @classmethod
    @contextmanager
    def connected(cls, url: str) -> Iterator[Self]:
        with (
            postgresql_database(url) as database,
            postgresql_database(url) as watching,
            ThreadPoolExecutor(1) as thread,
        ):
            session = cls(database, watching, thread)
            try:
                yield session
            finally:
                thread.shutdown(wait=False, cancel_futures=True)

    def begin(self, isolation: str = READ_COMMITTED) -> Self:
        self.database.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        return self

    def commit(self) -> None:
        self.database.execute("COMMIT")

    def abort(self) -> None:
        self.database.execute("ROLLBACK")

    def run(self, program: Program[T]) -> T:
        return self.start(program).result(PATIENCE)

    def start(self, program: Program[T]) -> "Future[T]":
        return self.thread.submit(self.database.within, program)

    def starts_waiting(self, program: Program[T]) -> "Future[T]":
        """Start a program and return once it waits for somebody's lock."""
        return self.waits(self.start(program))

    def waits(self, future: "Future[T]") -> "Future[T]":
        """Return once the program waits for somebody's lock."""
        pid = self.database.connection.info.backend_pid  # type: ignore[attr-defined]
        deadline = monotonic() + PATIENCE
        while not future.done() and monotonic() < deadline:
            if self.watching.execute(
                f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
            ):
                return future
            sleep(0.002)
        raise AssertionError(f"it did not wait, but gave {future.result(0)}")

    def upload(self, *ids: str, fallback: str | None = None) -> None:
        keys = tuple(one_time_key(key_id) for key_id in ids)
        slots = () if fallback is None else (one_time_key(fallback, fallback=True),)
        self.run(sql.upload(ALICE, Upload(one_time_keys=keys, fallback_keys=slots), engine=POSTGRESQL))

    def claim(self, order: Order = Order.STRICT) -> str | None:
        return given(self.run(a_claim(order)))


def a_claim(order: Order = Order.STRICT) -> Program[sql.Claimed]:
    return sql.claim(ALICE, CURVE, engine=POSTGRESQL, order=order)


def given(claimed: Any) -> str | None:
    return None if claimed.key is None else str(claimed.key.key_id)
