"""Bad input and bad luck: each is one error that says whether the operation may be retried."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
import psycopg
import pytest

from fallbackkeys import Upload, sql
from fallbackkeys.sql import (
    POSTGRESQL,
    SQLITE,
    ConnectionLost,
    DatabaseError,
    Retry,
    SchemaError,
    Style,
    TransactionConflict,
)
from tests.builders import ALICE, CURVE, one_time_key
from tests.sql.embedding import Database, postgresql_database, sqlite_database

UPLOAD = Upload(one_time_keys=(one_time_key("k1"),))


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def bare(request: pytest.FixtureRequest) -> Any:
    """A database without tables."""
    if request.param == "SQLite":
        database = sqlite_database()
        yield database
        database.connection.close()  # type: ignore[attr-defined]
    else:
        with postgresql_database(request.getfixturevalue("postgres_url")) as database:
            yield database


class TestSchema:
    @pytest.mark.requirement("FK-SQL-07")
    def test_without_tables(self, bare: Database) -> None:
        engine = bare.engine
        programs = (
            sql.check_schema(engine=engine),
            sql.upload(ALICE, UPLOAD, engine=engine),
            sql.claim(ALICE, CURVE, engine=engine),
            sql.sync(ALICE, engine=engine),
            sql.remove(ALICE, engine=engine),
        )
        for program in programs:
            with pytest.raises(SchemaError) as caught:
                bare.within(program)
            error = caught.value
            assert error.retry is Retry.NEVER
            assert "fallbackkeys_" in error.reason
            assert "not retry" in str(error)
            assert isinstance(error.__cause__, (sqlite3.Error, psycopg.Error))

    @pytest.mark.requirement("FK-SQL-07")
    def test_without_one_table_or_column(self, bare: Database) -> None:
        bare.migrated()
        bare.execute("ALTER TABLE fallbackkeys_slots RENAME COLUMN used TO worn")
        with pytest.raises(SchemaError):
            bare.within(sql.sync(ALICE, engine=bare.engine))
        bare.execute("DROP TABLE fallbackkeys_slots")
        with pytest.raises(SchemaError):
            bare.within(sql.sync(ALICE, engine=bare.engine))

    @pytest.mark.requirement("FK-SQL-07")
    def test_of_another_version(self, bare: Database) -> None:
        bare.migrated()
        known = bare.engine.version
        for found in (known + 1, 0):
            bare.execute(f"UPDATE fallbackkeys_schema SET version = {found}")
            with pytest.raises(SchemaError) as caught:
                bare.within(sql.check_schema(engine=bare.engine))
            error = caught.value
            assert (error.found, error.known, error.retry) == (found, known, Retry.NEVER)
            assert f"version {found}" in str(error)
            assert ("newer" in str(error)) == (found > known)
        bare.execute("DELETE FROM fallbackkeys_schema")
        with pytest.raises(SchemaError):
            bare.within(sql.check_schema(engine=bare.engine))

    @pytest.mark.requirement("FK-SQL-07")
    def test_a_newer_one_is_not_migrated(self, bare: Database) -> None:
        bare.migrated()
        bare.execute("UPDATE fallbackkeys_schema SET version = 99")
        with pytest.raises(SchemaError, match="newer"):
            bare.do(sql.migrate(engine=bare.engine))
        assert bare.execute("SELECT version FROM fallbackkeys_schema")[0][0] == 99

    @pytest.mark.requirement("FK-SQL-07")
    def test_a_migration_that_is_rolled_back_leaves_nothing(self, bare: Database) -> None:
        with bare.transaction(abort=True):
            assert bare.within(sql.migrate(engine=bare.engine)) == 0
        assert bare.migrated().within(sql.check_schema(engine=bare.engine)) is None

    @pytest.mark.requirement("FK-SQL-07")
    def test_tables_whose_version_is_not_known(self, bare: Database) -> None:
        bare.migrated()
        bare.execute("DROP TABLE fallbackkeys_schema")
        with pytest.raises(SchemaError, match="already exists"):
            bare.do(sql.migrate(engine=bare.engine))

    def test_two_first_migrations_at_once(self, postgres_url: str) -> None:
        async def main() -> list[Any]:
            connections = [await psycopg.AsyncConnection.connect(postgres_url) for _ in range(4)]

            async def migrate(connection: psycopg.AsyncConnection) -> int:
                while True:
                    try:
                        async with connection.transaction():
                            program = sql.migrate(engine=POSTGRESQL)
                            return await sql.run_async(program, connection.cursor(), Style.FORMAT)
                    except TransactionConflict:
                        continue

            found = await asyncio.gather(*(migrate(connection) for connection in connections))
            for connection in connections:
                await connection.close()
            return sorted(found)

        assert asyncio.run(main()) == [0, 1, 1, 1]


class TestConflict:
    @pytest.mark.requirement("FK-SQL-08")
    def test_a_busy_sqlite_file(self, tmp_path: Path) -> None:
        one, other = (sqlite_database(str(tmp_path / "keys.db")) for _ in range(2))
        with contextlib.closing(one.connection), contextlib.closing(other.connection):  # type: ignore[type-var]
            one.migrated()
            one.execute("PRAGMA journal_mode = WAL")
            other.execute("PRAGMA busy_timeout = 1")
            with one.transaction():
                one.within(sql.upload(ALICE, UPLOAD, engine=SQLITE))
                with pytest.raises(TransactionConflict) as caught, sql.explained():
                    other.execute("BEGIN IMMEDIATE")
                assert caught.value.retry is Retry.TRANSACTION
                other.execute("BEGIN")  # deferred: it reads, and only then wants to write
                other.within(sql.sync(ALICE, engine=SQLITE))
            with pytest.raises(TransactionConflict) as caught:
                other.within(sql.upload(ALICE, UPLOAD, engine=SQLITE))
            assert caught.value.sqlstate == "SQLITE_BUSY_SNAPSHOT"
            assert "run the whole transaction again" in str(caught.value)

    @pytest.mark.requirement("FK-SQL-08")
    def test_of_asyncpg_and_at_commit(self, postgres_url: str) -> None:
        async def main() -> None:
            one, other = [await asyncpg.connect(postgres_url) for _ in range(2)]
            async with one.transaction():
                await sql.run_asyncpg(sql.migrate(engine=POSTGRESQL), one)
            await sql.run_asyncpg(sql.upload(ALICE, UPLOAD, engine=POSTGRESQL), one)
            await other.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            await sql.run_asyncpg(sql.sync(ALICE, engine=POSTGRESQL), other)
            await sql.run_asyncpg(sql.claim(ALICE, CURVE, engine=POSTGRESQL), one)
            with pytest.raises(TransactionConflict) as caught:
                await sql.run_asyncpg(sql.claim(ALICE, CURVE, engine=POSTGRESQL), other)
            assert isinstance(caught.value.__cause__, asyncpg.SerializationError)
            await one.close()
            await other.close()

        asyncio.run(main())


class TestConnection:
    @pytest.mark.requirement("FK-SQL-09")
    def test_lost_half_way(self, postgres_url: str) -> None:
        with postgresql_database(postgres_url) as database, postgresql_database(postgres_url) as killer:
            database.migrated()
            database.execute("BEGIN")
            program = sql.upload(ALICE, UPLOAD, engine=POSTGRESQL)
            cursor = database.connection.cursor()
            cursor.execute(*next(program).rendered(database.style))
            (pid,) = database.execute("SELECT pg_backend_pid()")[0]
            killer.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            for _ in range(2):  # as it is lost, and once it is known to be
                with pytest.raises(ConnectionLost) as caught:
                    sql.run(sql.upload(ALICE, UPLOAD, engine=POSTGRESQL), cursor, database.style)
                assert caught.value.retry is Retry.NEW_CONNECTION
                assert "on a new connection" in str(caught.value)
            assert not killer.within(sql.sync(ALICE, engine=POSTGRESQL)).one_time_key_counts
            assert killer.do(sql.upload(ALICE, UPLOAD, engine=POSTGRESQL)).wakes

    @pytest.mark.requirement("FK-SQL-09")
    def test_lost_in_every_driver(self, postgres_url: str, tmp_path: Path) -> None:
        async def main() -> None:
            program = sql.sync(ALICE, engine=POSTGRESQL)
            pg = await asyncpg.connect(postgres_url)
            await pg.close()
            with pytest.raises(ConnectionLost):
                await sql.run_asyncpg(program, pg)
            psy = await psycopg.AsyncConnection.connect(postgres_url)
            cursor = psy.cursor()
            await psy.close()
            with pytest.raises(ConnectionLost):
                await sql.run_async(sql.sync(ALICE, engine=POSTGRESQL), cursor, Style.FORMAT)
            lite = await aiosqlite.connect(tmp_path / "keys.db")
            lite_cursor = await lite.cursor()
            await lite.close()
            with pytest.raises(ConnectionLost):
                await sql.run_async(sql.sync(ALICE, engine=SQLITE), lite_cursor, Style.QMARK)

        asyncio.run(main())
        connection = sqlite3.connect(":memory:")
        cursor = connection.cursor()
        connection.close()
        with pytest.raises(ConnectionLost):
            sql.run(sql.sync(ALICE, engine=SQLITE), cursor, Style.QMARK)

    @pytest.mark.requirement("FK-SQL-09")
    def test_a_server_that_is_read_only(self, postgres_url: str) -> None:
        with postgresql_database(postgres_url) as database:
            database.migrated()
            database.execute("SET default_transaction_read_only = on")
            with pytest.raises(ConnectionLost, match="read-only") as caught:
                database.within(sql.claim(ALICE, CURVE, engine=POSTGRESQL))
            assert caught.value.sqlstate == "25006"


class _Odd(Exception):
    """A driver's exception, as far as anybody looks."""

    def __init__(self, text: str, sqlstate: str | None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("text", "sqlstate", "kind"),
    [
        ("deadlock detected", "40P01", TransactionConflict),
        ("lock timeout", "55P03", TransactionConflict),
        ("a key of fallbackkeys_keys is there", "23505", TransactionConflict),
        ("a key of somebody's table is there", "23505", None),
        ('relation "fallbackkeys_keys" does not exist', "42P01", SchemaError),
        ("terminating", "57P01", ConnectionLost),
        ("idle for too long", "57P05", ConnectionLost),
        ("transaction took too long", "25P04", ConnectionLost),
        ("", "08006", ConnectionLost),
        ("disk full", "53100", None),
        ("closed", None, None),
    ],
)
def test_what_codes_mean(text: str, sqlstate: str | None, kind: type[DatabaseError] | None) -> None:
    meaning = sql.explain(_Odd(text, sqlstate))
    assert (None if meaning is None else type(meaning)) is kind
    if meaning is not None:
        assert meaning.reason == (text or "_Odd")


class _OfPsycopg2(Exception):
    """As psycopg2's `errors.SerializationFailure`, which is an `OperationalError` as well."""

    pgcode = "40001"


class OperationalError(Exception):
    """Its base, by name."""


class InterfaceError(Exception):
    """As pg8000's."""


@pytest.mark.requirement("FK-SQL-08", "FK-SQL-09")
def test_where_other_drivers_keep_the_code() -> None:
    of_psycopg2 = type("SerializationFailure", (_OfPsycopg2, OperationalError), {})("could not serialize")
    of_pg8000 = Exception({"S": "ERROR", "C": "40001", "M": "could not serialize"})
    for error in (of_psycopg2, of_pg8000):
        meaning = sql.explain(error)
        assert isinstance(meaning, TransactionConflict)
        assert meaning.sqlstate == "40001"
    lost = InterfaceError("network error")
    assert sql.explain(lost) is None
    lost.__cause__ = BrokenPipeError()
    assert isinstance(sql.explain(lost), ConnectionLost)
    assert sql.explain(Exception({"C": 40001})) is None


@pytest.mark.parametrize("error", [ConnectionResetError("reset"), BrokenPipeError("pipe")])
def test_what_the_socket_says(error: Exception) -> None:
    assert isinstance(sql.explain(error), ConnectionLost)


def test_other_faults_pass_through_as_they_are(sqlite_db: Database) -> None:
    sqlite_db.execute("PRAGMA query_only = on")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        sqlite_db.within(sql.upload(ALICE, UPLOAD, engine=SQLITE))
    for error in (ValueError("x"), sqlite3.ProgrammingError("Incorrect number of bindings")):
        with pytest.raises(type(error)), sql.explained():
            raise error
