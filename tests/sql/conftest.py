import contextlib
from collections.abc import Callable, Iterator

import pytest

from fallbackkeys.sql import POSTGRESQL, SQLITE
from tests.databases.server import Server
from tests.sql.embedding import Database, postgresql_database, sqlite_database
from tests.sql.sessions import Session


@pytest.fixture
def sqlite_db() -> Iterator[Database]:
    """An empty SQLite database in memory, migrated."""
    database = sqlite_database()
    with contextlib.closing(database.connection):  # type: ignore[type-var]
        yield database.migrated()


@pytest.fixture(scope="session")
def shared_url(postgres: Server) -> Iterator[str]:
    """One PostgreSQL database for every test of a worker that cleans up before it begins."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_session(shared_url: str) -> Iterator[Database]:
    """A connection to it, migrated."""
    with postgresql_database(shared_url) as database:
        yield database.migrated()


@pytest.fixture
def postgresql_db(postgresql_session: Database) -> Database:
    """A migrated PostgreSQL database without any key."""
    postgresql_session.clear()
    return postgresql_session


@pytest.fixture(params=[SQLITE.name, POSTGRESQL.name])
def database(request: pytest.FixtureRequest) -> Database:
    """Either, migrated and without any key."""
    name = "sqlite_db" if request.param == SQLITE.name else "postgresql_db"
    found: Database = request.getfixturevalue(name)
    return found


NewSession = Callable[[], Session]


@pytest.fixture
def new_session(postgresql_db: Database, shared_url: str) -> Iterator[NewSession]:
    """Make sessions of homeserver workers on the same database, which has no key yet."""
    del postgresql_db
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(Session.connected(shared_url))
