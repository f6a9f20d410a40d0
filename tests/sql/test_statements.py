"""What the statements are made of, read from their text, and how the databases plan them."""

import re
from typing import Any

import pytest

from fallbackkeys import Device, Upload, Wanted, sql
from fallbackkeys.sql import POSTGRESQL, SQLITE, Engine, Query, Statement, Style
from tests.builders import ALICE, CURVE, one_time_key
from tests.sql.embedding import Database, watched

QUERIES = [
    pytest.param(engine, query, id=f"{engine.name}-{name}")
    for engine in (SQLITE, POSTGRESQL)
    for name, query in engine
]
MIGRATIONS = [
    (engine, query) for engine in (SQLITE, POSTGRESQL) for version in engine.migrations for query in version
]
every_query = pytest.mark.parametrize(("engine", "query"), QUERIES)
ABOUT_MANY = ("views", "claim_many.")
OF_SCHEMA = ("create_version", "begin_version", "lock_version", "read_version", "write_version")


@pytest.mark.requirement("FK-SQL-04")
@every_query
def test_nothing_that_a_sharded_engine_lacks(engine: Engine, query: Query) -> None:
    del engine
    text = query.text.lower()
    for word in (
        "ctid",
        "advisory",
        "nextval",
        "sequence",
        "serial",
        "create function",
        "call ",
        "do $",
        "notify",
    ):
        assert word not in text
    assert set(re.findall(r"fallbackkeys_\w+", text)) <= {
        "fallbackkeys_schema", "fallbackkeys_devices", "fallbackkeys_slots", "fallbackkeys_keys",
    }  # fmt: skip
    called = set(re.findall(r"\b([a-z_]+)\(", text)) - {"fallbackkeys_devices", "fallbackkeys_slots"}
    assert called <= {
        "count", "row_number", "json_to_recordset", "json_extract", "json_each", "cast", "o",
    }, "built-in functions only"  # fmt: skip


@pytest.mark.requirement("FK-SQL-04")
def test_the_user_id_leads_every_key_and_index() -> None:
    for _, query in MIGRATIONS:
        text = query.text
        keys = re.findall(r"PRIMARY KEY \((\w+)", text) + re.findall(r"ON fallbackkeys_\w+ \((\w+)", text)
        assert keys == ["user_id"], text
        assert not re.search(r"REFERENCES|DEFAULT|SERIAL|IDENTITY", text, re.IGNORECASE)


@pytest.mark.requirement("FK-SQL-04")
def test_a_statement_of_one_device_names_its_user_in_each_table() -> None:
    """Of PostgreSQL's; SQLite has no shards."""
    for name, query in POSTGRESQL:
        if name in OF_SCHEMA or name.startswith(ABOUT_MANY):
            continue
        text = " ".join(query.text.split())
        if "INSERT INTO" in text:
            assert "(user_id, device_id" in text, name
            assert re.search(r"(VALUES \(|SELECT )\$1, \$2", text), name
            continue
        tables = len(re.findall(r"(?:FROM|UPDATE|JOIN) fallbackkeys_", text))
        compared = len(re.findall(r"user_id = (?:CAST\()?\$1", text))
        assert compared == tables > 0, name


@every_query
def test_markers_are_rendered_in_every_style(engine: Engine, query: Query) -> None:
    del engine
    numbers = sorted({int(number) for number in re.findall(r"\$(\d+)", query.text)})
    assert numbers == list(range(1, len(numbers) + 1))
    parameters = tuple(f"p{number}" for number in numbers)
    statement = query(*parameters)
    assert statement.rendered(Style.DOLLAR) == (query.text, parameters)
    for style in (Style.QMARK, Style.FORMAT):
        text, given = statement.rendered(style)
        assert "%" not in text.replace("%s", "")
        assert text.count(style.value) == len(given)
        for parameter in given:
            number = parameters.index(str(parameter)) + 1
            text = text.replace(style.value, f"${number}", 1)
        assert text == query.text


def a_pool(database: Database, size: int) -> None:
    keys = tuple(one_time_key(f"k{number}") for number in range(size))
    for start in range(0, size, 500):
        upload = Upload(one_time_keys=keys[start : start + 500])
        database.do(sql.upload(ALICE, upload, engine=database.engine))


def plan(database: Database, query: Query, *parameters: Any) -> str:
    explain = {"SQLite": "EXPLAIN QUERY PLAN", "PostgreSQL": "EXPLAIN"}[database.engine.name]
    text, given = query(*parameters).rendered(database.style)
    cursor = database.connection.cursor()
    cursor.execute(f"{explain} {text}", given)
    return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.requirement("FK-SQL-05")
def test_postgresql_finds_a_key_by_its_index(postgresql_db: Database) -> None:
    a_pool(postgresql_db, 3000)
    postgresql_db.execute("ANALYZE fallbackkeys_keys")
    names = ALICE.user_id, ALICE.device_id, CURVE
    assert POSTGRESQL.claim_one is not None
    for query in (POSTGRESQL.claim_one.take, POSTGRESQL.claim_one.take_any, POSTGRESQL.claim_one.look):
        text = plan(postgresql_db, query, *names)
        assert "using fallbackkeys_waiting" in text
        assert "Seq Scan on fallbackkeys_keys" not in text
        assert "Sort Key" not in text
    listing = '[{"u": "@a:b", "d": "A", "a": "x"}]'
    text = plan(postgresql_db, POSTGRESQL.claim_many.look, listing)
    assert "using fallbackkeys_waiting" in text
    assert "Seq Scan on fallbackkeys_keys" not in text


@pytest.mark.requirement("FK-SQL-05")
def test_sqlite_finds_a_key_by_its_index(sqlite_db: Database) -> None:
    a_pool(sqlite_db, 1000)
    text = plan(sqlite_db, SQLITE.claim_many.look, '[{"u": "@a:b", "d": "A", "a": "x"}]')
    assert "USING INDEX fallbackkeys_waiting" in text
    assert "SCAN fallbackkeys_keys" not in text
    assert "TEMP B-TREE" not in text


@pytest.mark.requirement("FK-SQL-06")
@pytest.mark.parametrize("size", [1, 40])
def test_a_claim_for_many_takes_a_constant_number_of_statements(database: Database, size: int) -> None:
    devices = [Device("@alice:example.org", f"D{number}") for number in range(size)]
    for device in devices:
        upload = Upload(one_time_keys=(one_time_key("k"),), fallback_keys=(one_time_key("f"),))
        database.do(sql.upload(device, upload, engine=database.engine))
    wanted = [Wanted(device, CURVE) for device in devices]
    of_keys, of_slots, again = (count_statements(database, wanted) for _ in range(3))
    locking = int(database.engine.claim_many.lock is not None)
    assert (of_keys, of_slots, again) == (locking + 2, locking + 2, locking + 1)
    assert count_statements(database, []) == 0


def count_statements(database: Database, wanted: list[Wanted]) -> int:
    seen: list[Statement] = []
    database.do(watched(sql.claim_many(wanted, engine=database.engine), seen.append))
    return len(seen)
