"""The schema and its versions. Forward only: a version, once released, is never changed."""

from fallbackkeys.sql.engine import Engine
from fallbackkeys.sql.errors import SchemaError
from fallbackkeys.sql.statement import Program


def migrate(*, engine: Engine) -> Program[int]:
    """Bring the schema to the version of this library; returns the version that was found.

    Needs a transaction. Workers may run it at the same time: one waits, or is told to retry.

    Raises:
        SchemaError: the database is newer than this library.
    """
    yield engine.create_version()
    yield engine.begin_version()
    rows = yield engine.lock_version()
    found: int = rows[0][0]
    _check(found, engine, oldest=0)
    for statements in engine.migrations[found:]:
        for statement in statements:
            yield statement()
    if found < engine.version:
        yield engine.write_version(engine.version)
    return found


def check_schema(*, engine: Engine) -> Program[None]:
    """Check that the schema is this library's: once per worker, before it serves.

    Raises:
        SchemaError: it is older, newer, or not there.
    """
    rows = yield engine.read_version()
    _check(rows[0][0] if rows else 0, engine, oldest=engine.version)


def _check(found: int, engine: Engine, *, oldest: int) -> None:
    if oldest <= found <= engine.version:
        return
    remedy = "run migrate" if found < engine.version else "it was made by a newer version of this library"
    raise SchemaError(
        reason=f"the tables are of version {found}, this library needs {engine.version}: {remedy}",
        known=engine.version,
        found=found,
    )
