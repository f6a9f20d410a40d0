"""The same rules as SQL, for a homeserver that keeps keys in a database with many workers.

Every operation is a *program*: a generator that yields statements and is sent their rows. It knows no driver
and does no I/O, so it runs on any connection, in synchronous or asynchronous code, inside whatever
transaction the caller has begun:

    with connection.transaction():
        program = claim(device, "signed_curve25519", engine=POSTGRESQL)
        claimed = run(program, connection.cursor(), Style.FORMAT)

`specs/sql.md` has the schema, how to run it with several workers, shards and replicas, and what holds when
transactions abort and servers die. Not here: connections, pools, retries, `BEGIN` and `COMMIT`.
"""

from fallbackkeys.sql.claiming import claim, claim_many
from fallbackkeys.sql.engine import Engine, ManyQueries, OneQueries
from fallbackkeys.sql.errors import (
    ConnectionLost,
    DatabaseError,
    Retry,
    SchemaError,
    TransactionConflict,
    explain,
    explained,
)
from fallbackkeys.sql.migrating import check_schema, migrate
from fallbackkeys.sql.outcomes import Claimed, ClaimedMany, Order, Removed, Stored
from fallbackkeys.sql.postgresql import POSTGRESQL
from fallbackkeys.sql.removing import drop, prune, remove
from fallbackkeys.sql.runners import AsyncCursor, AsyncpgConnection, Cursor, run, run_async, run_asyncpg
from fallbackkeys.sql.sqlite import SQLITE
from fallbackkeys.sql.statement import Parameter, Program, Query, Row, Statement, Style
from fallbackkeys.sql.uploading import upload
from fallbackkeys.sql.viewing import load, sync, sync_many

__all__ = [
    "POSTGRESQL",
    "SQLITE",
    "AsyncCursor",
    "AsyncpgConnection",
    "Claimed",
    "ClaimedMany",
    "ConnectionLost",
    "Cursor",
    "DatabaseError",
    "Engine",
    "ManyQueries",
    "OneQueries",
    "Order",
    "Parameter",
    "Program",
    "Query",
    "Removed",
    "Retry",
    "Row",
    "SchemaError",
    "Statement",
    "Stored",
    "Style",
    "TransactionConflict",
    "check_schema",
    "claim",
    "claim_many",
    "drop",
    "explain",
    "explained",
    "load",
    "migrate",
    "prune",
    "remove",
    "run",
    "run_async",
    "run_asyncpg",
    "sync",
    "sync_many",
    "upload",
]
