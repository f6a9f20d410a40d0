"""What a homeserver does with programs: one connection, one transaction for each, and keys as they come."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import attrs
import psycopg

from fallbackkeys import Device, DeviceState, Policy, sql
from fallbackkeys.sql import POSTGRESQL, SQLITE, Engine, Program, Statement, Style

T = TypeVar("T")
TABLES = ("fallbackkeys_keys", "fallbackkeys_slots", "fallbackkeys_devices")


class Connection(Protocol):
    def cursor(self) -> Any: ...


@attrs.frozen
class Database:
    """A connection to one engine, with every statement a transaction of its own until one is begun."""

    engine: Engine
    connection: Connection
    style: Style

    def execute(self, text: str) -> Any:
        cursor = self.connection.cursor()
        cursor.execute(text)
        return cursor.fetchall() if cursor.description else []

    def within(self, program: Program[T]) -> T:
        """Run a program in whatever transaction there is."""
        return sql.run(program, self.connection.cursor(), self.style)

    @contextmanager
    def transaction(self, *, abort: bool = False) -> Iterator[None]:
        self.execute("BEGIN IMMEDIATE" if self.engine is SQLITE else "BEGIN")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("ROLLBACK" if abort else "COMMIT")

    def do(self, program: Program[T]) -> T:
        """Run a program in a transaction and commit it, or roll back if it is refused."""
        with self.transaction():
            return self.within(program)

    def state(self, device: Device, policy: Policy) -> DeviceState:
        """The whole state; what the policy would forget at the next upload is forgotten."""
        with self.transaction(abort=True):
            self.within(sql.prune(device, engine=self.engine, policy=policy))
            return self.within(sql.load(device, engine=self.engine))

    def clear(self) -> None:
        for table in TABLES:
            self.execute(f"DELETE FROM {table}")

    def migrated(self) -> "Database":
        self.do(sql.migrate(engine=self.engine))
        return self


def sqlite_database(path: str = ":memory:") -> Database:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    return Database(SQLITE, connection, Style.QMARK)


@contextmanager
def postgresql_database(url: str) -> Iterator[Database]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield Database(POSTGRESQL, connection, Style.FORMAT)


def watched(program: Program[T], see: Callable[[Statement], None]) -> Program[T]:
    """The same program; `see` is called before each statement."""
    rows: Any = None
    while True:
        try:
            statement = program.send(rows)
        except StopIteration as stop:
            result: T = stop.value
            return result
        see(statement)
        rows = yield statement
