"""The core, SQLite and PostgreSQL get the same commands and must not differ in anything that can be seen."""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.strategies import budget
from tests.sql.embedding import Database
from tests.sql.machine import SqlAgainstCore


@pytest.mark.requirement("FK-SQL-01", "FK-SQL-02", "FK-UPLOAD-14")
def test_core_sqlite_and_postgresql_do_not_differ(sqlite_db: Database, postgresql_db: Database) -> None:
    class Machine(SqlAgainstCore):
        def __init__(self) -> None:
            super().__init__((sqlite_db, postgresql_db))

    run_state_machine_as_test(Machine, settings=budget(40, steps=30))
