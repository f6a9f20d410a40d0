"""A PostgreSQL of a run's own, as the member `database` of Synapse's configuration."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.synapse.server import Database


@contextmanager
def postgresql() -> Iterator[Database]:
    """Run an empty database for as long as the block runs."""
    yield {}
