"""Running a program on a connection of the caller's, within the caller's transaction.

A runner executes each statement, fetches its rows and sends them in; nothing else. It neither begins nor ends
a transaction (FK-SQL-03). What the driver raises is explained (`errors.explained`) where it can be.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

import attrs

from fallbackkeys.sql.errors import explained
from fallbackkeys.sql.statement import Program, Row, Statement, Style

T = TypeVar("T")


class Cursor(Protocol):
    """The part of a DB-API cursor that is needed (PEP 249).

    Rows may come from any row factory that keeps every column: sequences, or mappings in their order.
    """

    def execute(self, text: Any, parameters: Any, /) -> Any:
        """Run a statement."""

    def fetchall(self) -> Sequence[Any]:
        """Its rows."""


class AsyncCursor(Protocol):
    """The same, as psycopg's `AsyncCursor` and aiosqlite's `Cursor` have it."""

    def execute(self, text: Any, parameters: Any, /) -> Awaitable[Any]:
        """Run a statement."""

    def fetchall(self) -> Awaitable[Any]:
        """Its rows."""


class AsyncpgConnection(Protocol):
    """The part of an asyncpg connection that is needed."""

    def fetch(self, query: str, /, *args: Any) -> Awaitable[Sequence[Any]]:
        """Run a statement and return its rows."""


@attrs.frozen
class _Result(Generic[T]):
    value: T


def _advance(program: Program[T], rows: Sequence[Row] | None) -> Statement | _Result[T]:
    if rows and isinstance(rows[0], Mapping):  # a row factory of the caller's, such as psycopg's dict_row
        rows = [tuple(row.values()) for row in cast("Sequence[Mapping[str, Any]]", rows)]
    try:
        # A generator is begun by sending it None.
        return program.send(cast("Sequence[Row]", rows))
    except StopIteration as stop:
        return _Result(stop.value)


def run(program: Program[T], cursor: Cursor, style: Style) -> T:
    """Run a program on a DB-API cursor: sqlite3, psycopg, or any other.

    Raises:
        DatabaseError: a statement failed in a way that the caller can do something about; anything else that
            the driver raises passes through.
        Refusal: the program refuses its input.
    """
    step = _advance(program, None)
    while isinstance(step, Statement):
        with explained():
            cursor.execute(*step.rendered(style))
            rows = cursor.fetchall() if step.query.has_rows else ()
        step = _advance(program, rows)
    return step.value


async def run_async(program: Program[T], cursor: AsyncCursor, style: Style) -> T:
    """The same on an asynchronous cursor: psycopg, aiosqlite.

    Raises:
        DatabaseError, Refusal: as `run`.
    """
    step = _advance(program, None)
    while isinstance(step, Statement):
        with explained():
            await cursor.execute(*step.rendered(style))
            rows = await cursor.fetchall() if step.query.has_rows else ()
        step = _advance(program, rows)
    return step.value


async def run_asyncpg(program: Program[T], connection: AsyncpgConnection) -> T:
    """The same on an asyncpg connection.

    Raises:
        DatabaseError, Refusal: as `run`.
    """
    step = _advance(program, None)
    while isinstance(step, Statement):
        text, parameters = step.rendered(Style.DOLLAR)
        with explained():
            rows = await connection.fetch(text, *parameters)
        step = _advance(program, rows)
    return step.value
