"""Every program under every driver, in the caller's own transaction."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import asyncpg
import psycopg
import pytest

from fallbackkeys import EMPTY, PURE, WIRE, Device, Upload, Wanted, sql
from fallbackkeys.sql import POSTGRESQL, SQLITE, Engine, Program, Style
from tests.builders import ALICE, CURVE, fallback_key, one_time_key

T = TypeVar("T")
BOB = Device("@bób:example.org", "B𝄞")
"""Text beyond ASCII and beyond the basic plane goes through every driver."""
ONE, TWO, THREE = one_time_key("k1"), one_time_key("k2", unsigned={"\x00": "𝄞é\\"}), one_time_key("k3")
LAST = fallback_key("f")


async def every_program(
    engine: Engine, do: Callable[[Program[Any]], Awaitable[Any]], migrated: int = 0
) -> None:
    """Run each program once and check what it gives."""
    upload = Upload(one_time_keys=(ONE, TWO), fallback_keys=(LAST,))
    assert await do(sql.migrate(engine=engine)) == migrated
    assert await do(sql.migrate(engine=engine)) == engine.version
    assert await do(sql.check_schema(engine=engine)) is None
    stored = await do(sql.upload(ALICE, upload, engine=engine, policy=WIRE))
    assert (stored.added, stored.notices, stored.wakes) == ((ONE, TWO), (), True)
    await do(sql.upload(BOB, upload, engine=engine))
    assert (await do(sql.claim(ALICE, CURVE, engine=engine))).key == ONE
    wanted = Wanted(ALICE, CURVE), Wanted(BOB, CURVE), Wanted(Device("@c:d", ""), CURVE)
    claimed = await do(sql.claim_many(wanted, engine=engine))
    assert dict(claimed.keys) == {wanted[0]: TWO, wanted[1]: ONE}
    assert (await do(sql.claim(ALICE, CURVE, engine=engine))).key == LAST
    assert (await do(sql.claim(ALICE, CURVE, engine=engine))).key == LAST
    views = await do(sql.sync_many([ALICE, BOB], engine=engine))
    assert views[BOB] == await do(sql.sync(BOB, engine=engine))
    assert dict(views[BOB].one_time_key_counts) == {CURVE: 1}
    assert (await do(sql.drop(BOB, [TWO.name], engine=engine))).rows == 1
    state = await do(sql.load(ALICE, engine=engine))
    assert list(state.pool(CURVE).issued) == [ONE.fingerprint, TWO.fingerprint]
    assert (await do(sql.prune(ALICE, engine=engine, policy=PURE))).rows == 0
    assert (await do(sql.prune(ALICE, engine=engine, policy=WIRE))).rows == 0
    assert (await do(sql.remove(ALICE, engine=engine))).wakes is False
    assert await do(sql.load(ALICE, engine=engine)) == EMPTY


def synchronous(cursor: Any, style: Style) -> Callable[[Program[Any]], Awaitable[Any]]:
    async def do(program: Program[T]) -> T:
        await asyncio.sleep(0)
        return sql.run(program, cursor, style)

    return do


def asynchronous(cursor: Any, style: Style) -> Callable[[Program[Any]], Awaitable[Any]]:
    async def do(program: Program[T]) -> T:
        return await sql.run_async(program, cursor, style)

    return do


pytestmark = pytest.mark.requirement("FK-SQL-03")


def test_sqlite3() -> None:
    with sqlite3.connect(":memory:") as connection:
        asyncio.run(every_program(SQLITE, synchronous(connection.cursor(), Style.QMARK)))
    connection.close()


def test_sqlite3_with_rows_of_the_callers_own_making() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = sqlite3.Row
        asyncio.run(every_program(SQLITE, synchronous(connection.cursor(), Style.QMARK)))
        connection.rollback()
    connection.close()
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = lambda cursor, row: dict(
            zip((column[0] for column in cursor.description), row, strict=True)
        )
        asyncio.run(every_program(SQLITE, synchronous(connection.cursor(), Style.QMARK)))
    connection.close()


def test_aiosqlite(tmp_path: Path) -> None:
    async def main() -> None:
        async with aiosqlite.connect(tmp_path / "keys.db", isolation_level=None) as connection:
            await connection.execute("BEGIN IMMEDIATE")
            async with connection.cursor() as cursor:
                await every_program(SQLITE, asynchronous(cursor, Style.QMARK))
            await connection.commit()

    asyncio.run(main())


def test_psycopg(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        asyncio.run(every_program(POSTGRESQL, synchronous(connection.cursor(), Style.FORMAT)))


@pytest.mark.parametrize("rows", [psycopg.rows.dict_row, psycopg.rows.namedtuple_row])
def test_psycopg_with_rows_of_the_callers_own_making(postgres_url: str, rows: Any) -> None:
    with psycopg.connect(postgres_url, row_factory=rows) as connection:
        asyncio.run(every_program(POSTGRESQL, synchronous(connection.cursor(), Style.FORMAT)))


def test_psycopg_in_a_pipeline(postgres_url: str) -> None:
    """It sends a statement before it has read the answer to the one before."""
    with psycopg.connect(postgres_url) as connection, connection.pipeline():
        asyncio.run(every_program(POSTGRESQL, synchronous(connection.cursor(), Style.FORMAT)))


def test_psycopg_speaking_postgresqls_own_style(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        cursor = psycopg.RawCursor(connection)
        asyncio.run(every_program(POSTGRESQL, synchronous(cursor, Style.DOLLAR)))


def test_psycopg_asynchronously(postgres_url: str) -> None:
    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
            await every_program(POSTGRESQL, asynchronous(connection.cursor(), Style.FORMAT))

    asyncio.run(main())


def test_asyncpg(postgres_url: str) -> None:
    async def main() -> None:
        connection = await asyncpg.connect(postgres_url)
        async with connection.transaction():
            await every_program(POSTGRESQL, lambda program: sql.run_asyncpg(program, connection))
        await connection.close()

    asyncio.run(main())


def test_asyncpg_with_a_json_codec_of_the_callers_own(postgres_url: str) -> None:
    async def main() -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        async with connection.transaction():
            await every_program(POSTGRESQL, lambda program: sql.run_asyncpg(program, connection))
        await connection.close()

    asyncio.run(main())


@pytest.mark.requirement("FK-SQL-04")
def test_on_tables_partitioned_by_user(postgres_url: str) -> None:
    """Made by an operator before the first migration, which then finds the version it would have made."""
    with psycopg.connect(postgres_url) as connection:
        cursor = psycopg.RawCursor(connection)
        for query in (statement for version in POSTGRESQL.migrations for statement in version):
            table = re.match(r"CREATE TABLE (\w+)", query.text)
            cursor.execute(query.text + (" PARTITION BY HASH (user_id)" if table else ""))
            for part in range(3 if table else 0):
                assert table is not None
                cursor.execute(
                    f"CREATE TABLE {table[1]}_{part} PARTITION OF {table[1]} "
                    f"FOR VALUES WITH (MODULUS 3, REMAINDER {part})"
                )
        cursor.execute(POSTGRESQL.create_version.text)
        cursor.execute(f"INSERT INTO fallbackkeys_schema VALUES (1, {POSTGRESQL.version})")
        do = synchronous(cursor, Style.DOLLAR)
        asyncio.run(every_program(POSTGRESQL, do, migrated=POSTGRESQL.version))


@pytest.mark.requirement("FK-SQL-03")
def test_a_program_neither_begins_nor_ends_a_transaction(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        sql.run(sql.migrate(engine=POSTGRESQL), connection.cursor(), Style.FORMAT)
        connection.commit()
        upload = Upload(one_time_keys=(ONE,), fallback_keys=(LAST,))
        sql.run(sql.upload(ALICE, upload, engine=POSTGRESQL), connection.cursor(), Style.FORMAT)
        connection.rollback()
        assert sql.run(sql.load(ALICE, engine=POSTGRESQL), connection.cursor(), Style.FORMAT) == EMPTY
