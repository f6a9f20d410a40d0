"""The SQL programs on both engines through the whole kit, a connection for each thread."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fallbackkeys import Device
from fallbackkeys.errors import JSON
from fallbackkeys.sql import POSTGRESQL, SQLITE, Style
from fallbackkeys.testing import TOPICS, Ended, examine
from fallbackkeys.wire import Response
from tests.sql.embedding import Database, postgresql_database
from tests.sql.server import SqlServer
from tests.testing.servers import EFFORT

SERVER_NAME = "sql.example.org"


class SqlAdapter:
    """The programs as a server under test: what a server author writes."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._of_thread = threading.local()

    @property
    def _server(self) -> SqlServer:
        if not hasattr(self._of_thread, "server"):
            self._of_thread.server = SqlServer(SERVER_NAME, self._connect())
        server: SqlServer = self._of_thread.server
        return server

    def new_device(self, *, user: str, device: str) -> Device:
        return Device(f"@{user}:{SERVER_NAME}", device)

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        return self._server.upload(user=user, device=device, body=body, dialects=dialects)

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        return self._server.claim(user=user, body=body, remote=remote)

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        return self._server.federation_claim(origin=origin, body=body)

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        return self._server.sync(user=user, device=device, dialects=dialects)

    def delete_device(self, *, user: str, device: str) -> Response:
        return self._server.delete_device(user=user, device=device)


@pytest.fixture(params=[SQLITE.name, POSTGRESQL.name])
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlAdapter]:
    with contextlib.ExitStack() as open_ones:

        def sqlite() -> Database:
            path = tmp_path / "keys.sqlite"
            connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
            open_ones.callback(connection.close)
            connection.execute("PRAGMA synchronous = OFF")
            return Database(SQLITE, connection, Style.QMARK)

        def postgresql() -> Database:
            return open_ones.enter_context(postgresql_database(request.getfixturevalue("postgres_url")))

        connect = sqlite if request.param == SQLITE.name else postgresql
        connect().migrated()
        yield SqlAdapter(connect)


def test_nothing_is_found(adapter: SqlAdapter) -> None:
    results = list(examine(adapter, effort=EFFORT))
    assert [(one.id, one.ended, one.findings) for one in results] == [
        *((topic.id, Ended.COMPLETE, ()) for topic in TOPICS),
        ("parallel.claims", Ended.COMPLETE, ()),
    ]
