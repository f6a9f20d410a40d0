"""A PostgreSQL of a run's own, as the member `database` of Synapse's configuration."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def postgresql() -> Iterator[dict[str, object]]:
    """Run an empty database for as long as the block runs."""
    raise NotImplementedError
    yield {}
