"""Fixtures with databases; `tests/conftest.py` makes them known to every test.

Each worker of pytest-xdist has a server of its own, started with the first test that asks for it: workers
share nothing, and a server is idle for most of a test run. Each test has a database of its own on it.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.databases.installation import Installation, give_to_server, install
from tests.databases.server import Server, create

NewServer = Callable[[Mapping[str, str]], Server]


@pytest.fixture(scope="session")
def postgres_installation() -> Iterator[Installation]:
    """The programs of the server; without one the test fails and says what to install."""
    scratch = Path(tempfile.mkdtemp(prefix="fk-postgres-programs-"))
    give_to_server(scratch)
    yield install(scratch)
    shutil.rmtree(scratch)


@pytest.fixture(scope="session")
def postgres(postgres_installation: Installation) -> Iterator[Server]:
    """A running server for many tests; it is never killed, and flushes nothing to the disk."""
    server = create(postgres_installation, {"fsync": "off"})
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """An empty database of this test's own, as a URL for psycopg and asyncpg."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def new_postgres(postgres_installation: Installation) -> Iterator[NewServer]:
    """Make servers of this test's own, to be killed at will; called with settings such as `fsync`."""
    servers: list[Server] = []

    def new(settings: Mapping[str, str]) -> Server:
        servers.append(create(postgres_installation, settings))
        return servers[-1]

    yield new
    for server in servers:
        server.remove()
