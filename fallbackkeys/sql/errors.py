"""What can go wrong between a program and a database, whatever the driver.

A driver's exception is known by its code: the SQLSTATE of PostgreSQL's (its Appendix A), which drivers keep
in different places, or the `sqlite_errorname` of SQLite's; without one, by the class names of the DB-API
(PEP 249). An exception that is none of the three kinds here is a fault of the program or the machine, and
passes through as it is.
"""

import enum
from contextlib import AbstractContextManager
from typing import ClassVar, Final

import attrs

from fallbackkeys.errors import FallbackKeysError


class Retry(enum.Enum):
    """Whether the operation may be repeated; each value completes the sentence "You may …"."""

    TRANSACTION = "roll back and run the whole transaction again"
    NEW_CONNECTION = "run the whole transaction again on a new connection"
    NEVER = "not retry: the same will happen again"


@attrs.frozen(kw_only=True, eq=False, str=False)
class DatabaseError(FallbackKeysError):
    """A statement failed. The driver's exception is the `__cause__`."""

    reason: str
    """What the driver said, or what was found."""
    sqlstate: str | None = None
    """PostgreSQL's code, or SQLite's name of the error, if there is one."""
    retry: ClassVar[Retry] = Retry.NEVER
    """Whether the operation may be repeated."""

    def __str__(self) -> str:
        code = "" if self.sqlstate is None else f" [{self.sqlstate}]"
        return f"{self.reason}{code}. You may {self.retry.value}"


@attrs.frozen(kw_only=True, eq=False, str=False)
class TransactionConflict(DatabaseError):
    """Another transaction stood in the way; nothing of this one happens. Run it again (FK-SQL-08).

    A serialization failure, a deadlock that PostgreSQL has broken up, a lock that was not granted in time, a
    busy SQLite file.
    """

    retry: ClassVar[Retry] = Retry.TRANSACTION


@attrs.frozen(kw_only=True, eq=False, str=False)
class ConnectionLost(DatabaseError):
    """The server is gone, or is none that can be written to (FK-SQL-09).

    If `COMMIT` had been sent, nobody knows whether the transaction took place. To repeat is safe all the
    same: an upload repeated changes nothing, and a claim repeated takes the next key; the first may be lost,
    but is never issued to a second claimer.
    """

    retry: ClassVar[Retry] = Retry.NEW_CONNECTION


@attrs.frozen(kw_only=True, eq=False, str=False)
class SchemaError(DatabaseError):
    """The tables are not those that this library knows: migrate them, or run a newer version (FK-SQL-07)."""

    known: int | None = None
    """The version of the schema that this library works with; None if a statement found a table missing."""
    found: int | None = None
    """The database's, if it was read."""


_CONFLICTS: Final = frozenset({"40001", "40P01", "55P03"})
_LOST: Final = frozenset({"25006", "25P03", "25P04", "40003", "57P01", "57P02", "57P03", "57P05"})
_SCHEMA: Final = frozenset({"42P01", "42703", "42P07"})
"""A table or a column is missing, or a table is there that the version says is not."""
_RACE: Final = "23505"
"""Two first migrations at once: one finds what the other has just made."""
_CATALOGUE: Final = ("fallbackkeys_", "pg_type_typname", "pg_class_relname")
_SQLITE_SCHEMA: Final = ("no such table", "no such column", "already exists")
_CLOSED: Final = "closed"


def explained() -> AbstractContextManager[None]:
    """Turn a driver's exceptions into those of this module.

    The runners do this for the statements of programs. A caller does it for its own `BEGIN` and `COMMIT`:

        with explained():
            connection.commit()

    Raises:
        DatabaseError: with the driver's exception as its cause; what is none of its kinds passes through.
    """
    return _EXPLAINING


class _Explaining:
    """Written by hand, as every statement passes through it: a generator would cost five times as much."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            meaning = explain(error)
            if meaning is not None:
                raise meaning from error


_EXPLAINING: Final = _Explaining()


def explain(error: BaseException) -> DatabaseError | None:
    """Say what a driver's exception means; None if it is none of the kinds above.

    It is one that a statement of a program has raised, or the transaction around it.
    """
    code = _code(error)
    reason = " ".join(str(error).split()) or type(error).__name__
    of_ours = any(name in reason for name in _CATALOGUE)
    if code in _CONFLICTS or _is_busy(code) or (code == _RACE and of_ours):
        return TransactionConflict(reason=reason, sqlstate=code)
    if code in _SCHEMA or (_is_sqlite(code) and any(words in reason for words in _SQLITE_SCHEMA)):
        return SchemaError(reason=reason, sqlstate=code)
    if code in _LOST or (isinstance(code, str) and code.startswith("08")) or _is_lost(error, code, reason):
        return ConnectionLost(reason=reason, sqlstate=code)
    return None


def _code(error: BaseException) -> str | None:
    for name in ("sqlstate", "pgcode", "sqlite_errorname"):  # psycopg and asyncpg; psycopg2; sqlite3
        code = getattr(error, name, None)
        if isinstance(code, str):
            return code
    fields = error.args[0] if error.args else None
    code = fields.get("C") if isinstance(fields, dict) else None  # pg8000: the server's message as it came
    return code if isinstance(code, str) else None


def _is_sqlite(code: str | None) -> bool:
    return code is not None and code.startswith("SQLITE_")


def _is_busy(code: str | None) -> bool:
    return code is not None and code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _is_lost(error: BaseException, code: str | None, reason: str) -> bool:
    """Without a code: the socket's own errors, and what drivers raise on a connection that is no more."""
    if code is not None:
        return False
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & {"InterfaceError", "ProgrammingError", "ValueError"}:
        return _CLOSED in reason or isinstance(error.__cause__, OSError)
    return isinstance(error, ConnectionError) or "OperationalError" in names
