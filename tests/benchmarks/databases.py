"""Clients of a database that all claim at once, as `tests.benchmarks.sql` times them."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

import asyncpg
import attrs

from fallbackkeys import Device, sql
from fallbackkeys.sql import POSTGRESQL, SQLITE, Engine, Program, Style
from tests.benchmarks.contenders import Contender

T = TypeVar("T")


@attrs.define
class Tally:
    """What the clients were answered."""

    left: dict[Device, int]
    """One-time keys of each device when it began."""
    answers: int = 0
    one_time_keys: int = 0
    wrong: int = 0
    """The fallback key or nothing while a one-time key was left throughout, or a key a second time."""
    seconds: float = 0
    _began: Counter[Device] = attrs.Factory(Counter)
    _seen: set[tuple[Device, str]] = attrs.Factory(set)

    def begin(self, device: Device) -> None:
        self._began[device] += 1

    def end(self, device: Device, key_id: str | None) -> None:
        self.answers += 1
        self._began[device] -= 1
        if key_id is None:
            # Each claim still under way may have taken one, whenever it began.
            self.wrong += self.left[device] > self._began[device]
            return
        self.one_time_keys += 1
        self.left[device] -= 1
        self.wrong += (device, key_id) in self._seen
        self._seen.add((device, key_id))


class Clients(Protocol):
    """Connections to one database."""

    engine: Engine
    kind: str

    def do(self, program: Program[T]) -> T:
        """Run a program in a transaction of its own, as the first client."""

    def clear(self, tables: Sequence[str]) -> None:
        """Empty the tables."""

    def tidy(self, tables: Sequence[str]) -> None:
        """Bring the database to rest once the tables are filled."""

    def claim(self, contender: Contender, schedule: Iterator[Device], tally: Tally) -> None:
        """Let all clients claim until the schedule is empty."""

    def claim_alone(self, contender: Contender, device: Device) -> None:
        """Let the first client claim once."""


class PostgreSQL:
    """Connections of asyncpg in one process; a claim is in autocommit."""

    engine = POSTGRESQL

    def __init__(self, url: str, version: str, count: int) -> None:
        self.kind = f"PostgreSQL {version}, {count} clients"
        self.loop = asyncio.new_event_loop()
        self.connections = [self.loop.run_until_complete(asyncpg.connect(url)) for _ in range(count)]

    def do(self, program: Program[T]) -> T:
        async def run() -> T:
            async with self.connections[0].transaction():
                return await sql.run_asyncpg(program, self.connections[0])

        return self.loop.run_until_complete(run())

    def clear(self, tables: Sequence[str]) -> None:
        self.loop.run_until_complete(self.connections[0].execute(f"TRUNCATE {', '.join(tables)}"))

    def tidy(self, tables: Sequence[str]) -> None:
        async def run() -> None:
            for table in tables:
                await self.connections[0].execute(f"VACUUM ANALYZE {table}")
            await self.connections[0].execute("CHECKPOINT")

        self.loop.run_until_complete(run())

    def claim(self, contender: Contender, schedule: Iterator[Device], tally: Tally) -> None:
        async def client(connection: Any) -> None:
            for device in schedule:
                tally.begin(device)
                key_id = await sql.run_asyncpg(contender.claim(device, self.engine), connection)
                tally.end(device, key_id)

        async def run() -> None:
            await asyncio.gather(*map(client, self.connections))

        start = time.perf_counter()
        self.loop.run_until_complete(run())
        tally.seconds = time.perf_counter() - start

    def claim_alone(self, contender: Contender, device: Device) -> None:
        program = contender.claim(device, self.engine)
        self.loop.run_until_complete(sql.run_asyncpg(program, self.connections[0]))

    def close(self) -> None:
        for connection in self.connections:
            self.loop.run_until_complete(connection.close())
        self.loop.close()


class SQLite:
    """Threads with a connection each, in WAL mode; a claim is an immediate transaction.

    `synchronous = FULL`: with less, a power failure takes back what was answered.
    """

    engine = SQLITE

    def __init__(self, path: Path, count: int) -> None:
        self.kind = f"SQLite {sqlite3.sqlite_version}, {count} clients"
        self.connections = [
            sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)
            for _ in range(count)
        ]
        for connection in self.connections:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

    def do(self, program: Program[T]) -> T:
        return self._do(program, self.connections[0])

    def _do(self, program: Program[T], connection: sqlite3.Connection) -> T:
        connection.execute("BEGIN IMMEDIATE")
        value = sql.run(program, connection.cursor(), Style.QMARK)
        connection.execute("COMMIT")
        return value

    def clear(self, tables: Sequence[str]) -> None:
        for table in tables:
            self.connections[0].execute(f"DELETE FROM {table}")

    def tidy(self, tables: Sequence[str]) -> None:
        for table in tables:
            self.connections[0].execute(f"ANALYZE {table}")
        self.connections[0].execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def claim(self, contender: Contender, schedule: Iterator[Device], tally: Tally) -> None:
        lock = Lock()

        def client(connection: sqlite3.Connection) -> None:
            while True:
                with lock:
                    device = next(schedule, None)
                    if device is None:
                        return
                    tally.begin(device)
                key_id = self._do(contender.claim(device, self.engine), connection)
                with lock:
                    tally.end(device, key_id)

        start = time.perf_counter()
        with ThreadPoolExecutor(len(self.connections)) as pool:
            for done in pool.map(client, self.connections):
                assert done is None
        tally.seconds = time.perf_counter() - start

    def claim_alone(self, contender: Contender, device: Device) -> None:
        self.do(contender.claim(device, self.engine))

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
