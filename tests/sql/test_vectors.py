"""Every vector, played against the programs on a real database."""

from pathlib import Path

import pytest

from fallbackkeys.traces import Trace, read_traces, replay, vectors
from tests.sql.embedding import Database
from tests.sql.server import SqlServer

VECTORS = list(read_traces(vectors()))


@pytest.mark.requirement("FK-SQL-01")
def test_every_vector_passes(database: Database) -> None:
    failing: dict[str, list[str]] = {}
    for file in VECTORS:
        assert isinstance(file.trace, Trace)
        database.clear()
        replayed = replay(file.trace, server=SqlServer(file.trace.server_name, database))
        if replayed.failing:
            differences = [str(one) for step in replayed.failing for one in step.differences]
            failing[Path(file.path).name] = differences
    assert not failing
    assert len(VECTORS) > 200
