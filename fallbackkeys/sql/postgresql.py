"""The statements for PostgreSQL 15 and later, and what speaks its protocol and its SQL.

**How a claim finds its key.** A statement sees what had committed when it began. A key that an uncommitted
claim has taken is still seen as waiting, though locked. So whatever is older than the oldest upload that is
seen is gone for good, and what may yet come back of that upload is seen. Claims pass over each other's locks
*within that upload* (`FOR UPDATE SKIP LOCKED`): its keys rank equal, and none of a younger one is given while
one of them may come back. When all of them are locked, a claim waits for the first one's holder to commit or
abort, and looks again.

At READ COMMITTED a statement that waited, or found a row changed since it began, goes on with the row's
newest version, and drops it if the condition no longer holds (`json IS NOT NULL`). Hence no row never means
no key: only a look with a new snapshot can say so. At REPEATABLE READ the same event is error 40001
(FK-SQL-14).

What holds with many workers, and when workers and servers die, is FK-SQL-20 to FK-SQL-27 (`specs/sql.md`).
"""

from typing import Final

from fallbackkeys.sql.engine import Engine, ManyQueries, OneQueries
from fallbackkeys.sql.portable import FIELDS, MIGRATIONS, issue, portable, use
from fallbackkeys.sql.statement import Query


def _records(marker: str, fields: str) -> str:
    columns = ", ".join(f"{field} {FIELDS[field]}" for field in fields)
    # First text: of a parameter of type json, asyncpg would want what the caller's own codec encodes.
    return f"json_to_recordset(CAST(CAST({marker} AS text) AS json)) AS o({columns})"


# MATERIALIZED, so that it runs once: as a subquery it may be planned as the inner side of a join, and each of
# its runs would lock, and so issue, another key.
_TAKE = """
    WITH taken AS MATERIALIZED (
      SELECT k.key_id, k.fingerprint, k.json FROM fallbackkeys_keys k
      WHERE k.user_id = $1 AND k.device_id = $2 AND k.algorithm = $3 AND k.json IS NOT NULL{oldest}
      ORDER BY k.upload, k.position LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE fallbackkeys_keys t SET json = NULL FROM taken
    WHERE t.user_id = $1 AND t.device_id = $2 AND t.algorithm = $3 AND t.fingerprint = taken.fingerprint
    RETURNING taken.key_id, taken.fingerprint, taken.json"""
_OLDEST = """
        AND k.upload = (
          SELECT w.upload FROM fallbackkeys_keys w
          WHERE w.user_id = $1 AND w.device_id = $2 AND w.algorithm = $3 AND w.json IS NOT NULL
          ORDER BY w.upload, w.position LIMIT 1)"""

_LOOK_ONE = """
    SELECT oldest.fingerprint IS NOT NULL AS waits, freed.fingerprint IS NOT NULL AS is_free,
      s.key_id, s.fingerprint, s.json, s.used
    FROM (SELECT 1) AS once
    LEFT JOIN LATERAL (
      SELECT w.fingerprint FROM fallbackkeys_keys w
      WHERE w.user_id = $1 AND w.device_id = $2 AND w.algorithm = $3 AND w.json IS NOT NULL
      ORDER BY w.upload, w.position LIMIT 1
    ) AS oldest ON true
    LEFT JOIN LATERAL (
      SELECT w.fingerprint FROM fallbackkeys_keys w
      WHERE w.user_id = $1 AND w.device_id = $2 AND w.algorithm = $3 AND w.json IS NOT NULL
        AND w.fingerprint = oldest.fingerprint FOR UPDATE
    ) AS freed ON true
    LEFT JOIN fallbackkeys_slots s ON s.user_id = $1 AND s.device_id = $2 AND s.algorithm = $3"""

_USE_ONE = """
    UPDATE fallbackkeys_slots SET used = true
    WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 AND NOT used AND key_id = $4 AND json = $5
      AND NOT EXISTS (
        SELECT 1 FROM fallbackkeys_keys k
        WHERE k.user_id = $1 AND k.device_id = $2 AND k.algorithm = $3 AND k.json IS NOT NULL)
    RETURNING used"""

_LOOK = f"""
    SELECT o.u, o.d, o.a, oldest.upload IS NOT NULL AS waits, k.key_id, k.fingerprint, k.json,
      s.key_id AS slot_key_id, s.fingerprint AS slot_fingerprint, s.json AS slot_json, s.used
    FROM {_records("$1", "uda")}
    LEFT JOIN LATERAL (
      SELECT w.upload FROM fallbackkeys_keys w
      WHERE w.user_id = o.u AND w.device_id = o.d AND w.algorithm = o.a AND w.json IS NOT NULL
      ORDER BY w.upload, w.position LIMIT 1
    ) AS oldest ON true
    LEFT JOIN LATERAL (
      SELECT w.key_id, w.fingerprint, w.json FROM fallbackkeys_keys w
      WHERE w.user_id = o.u AND w.device_id = o.d AND w.algorithm = o.a AND w.json IS NOT NULL
        AND w.upload = oldest.upload
      ORDER BY w.position LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS k ON true
    LEFT JOIN fallbackkeys_slots s ON s.user_id = o.u AND s.device_id = o.d AND s.algorithm = o.a"""

_WAIT = f"""
    SELECT count(*) FROM (
      SELECT k.fingerprint FROM {_records("$1", "uda")}
      JOIN fallbackkeys_keys k ON k.user_id = o.u AND k.device_id = o.d AND k.algorithm = o.a
        AND k.json IS NOT NULL AND k.fingerprint = (
          SELECT w.fingerprint FROM fallbackkeys_keys w
          WHERE w.user_id = o.u AND w.device_id = o.d AND w.algorithm = o.a AND w.json IS NOT NULL
          ORDER BY w.upload, w.position LIMIT 1)
      ORDER BY k.user_id, k.device_id, k.algorithm FOR UPDATE OF k
    ) AS freed"""

# Everything that holds locks of several devices locks them here first, in one order. Which circles are left
# all the same is in specs/sql.md, "Locks".
_LOCK = f"""
    SELECT count(*) FROM (
      SELECT t.uploads FROM fallbackkeys_devices t
      JOIN (SELECT DISTINCT o.u, o.d FROM {_records("$1", "uda")}) AS asked
        ON t.user_id = asked.u AND t.device_id = asked.d
      ORDER BY t.user_id, t.device_id FOR UPDATE OF t
    ) AS locked"""

# A claim that waited for a key, and found it issued, has locked it, and next wants one that comes later:
# specs/sql.md, "Locks".
_LOCK_KEYS = """
    SELECT count(*) FROM (
      SELECT k.upload FROM fallbackkeys_keys k WHERE k.user_id = $1 AND k.device_id = $2
      ORDER BY k.json IS NOT NULL, k.algorithm, k.upload, k.position FOR UPDATE
    ) AS locked"""

POSTGRESQL: Final = Engine(
    name="PostgreSQL",
    migrations=MIGRATIONS,
    **portable(_records),
    lock_version=Query.of("SELECT version FROM fallbackkeys_schema WHERE id = 1 FOR UPDATE"),
    lock_keys=Query.of(_LOCK_KEYS),
    claim_one=OneQueries(
        take=Query.of(_TAKE.format(oldest=_OLDEST)),
        take_any=Query.of(_TAKE.format(oldest="")),
        look=Query.of(_LOOK_ONE),
        use=Query.of(_USE_ONE),
    ),
    claim_many=ManyQueries(
        lock=Query.of(_LOCK),
        look=Query.of(_LOOK),
        wait=Query.of(_WAIT),
        issue=issue(_records),
        use=use(_records),
    ),
)
"""PostgreSQL."""
