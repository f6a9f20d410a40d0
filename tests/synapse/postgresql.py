"""A PostgreSQL of a run's own, as the member `database` of Synapse's configuration."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.databases.installation import give_to_server, install
from tests.databases.server import USER, create
from tests.synapse.server import Database

_NAME = "postgres"
"""The database that every server begins with."""


@contextmanager
def postgresql() -> Iterator[Database]:
    """Run a server, made without locale as Synapse asks for, for as long as the block runs."""
    programs = Path(tempfile.mkdtemp(prefix="fk-postgres-programs-"))
    give_to_server(programs)
    try:
        server = create(install(programs), {"fsync": "off"})
        try:
            reached = {"host": str(server.scratch), "port": server.port, "user": USER, "dbname": _NAME}
            yield {"name": "psycopg2", "args": {**reached, "cp_min": 5, "cp_max": 10}}
        finally:
            server.remove()
    finally:
        shutil.rmtree(programs)
