"""The statements for SQLite 3.35 and later.

One connection writes at a time, so nothing is locked here. Begin every transaction that writes with
`BEGIN IMMEDIATE`: one that reads first, and finds at its first write that another has written meanwhile, is
refused by SQLite and must be run again.
"""

from typing import Final

from fallbackkeys.sql.engine import Engine, ManyQueries
from fallbackkeys.sql.portable import MIGRATIONS, issue, portable, use
from fallbackkeys.sql.statement import Query


def _records(marker: str, fields: str) -> str:
    columns = ", ".join(f"json_extract(value, '$.{field}') AS {field}" for field in fields)
    return f"(SELECT {columns} FROM json_each({marker})) AS o"


# The index is named because after ANALYZE, with pools of very different sizes, the planner may prefer another
# and sort the pool.
_LOOK = f"""
    SELECT o.u, o.d, o.a, k.rowid IS NOT NULL AS waits, k.key_id, k.fingerprint, k.json,
      s.key_id AS slot_key_id, s.fingerprint AS slot_fingerprint, s.json AS slot_json, s.used
    FROM {_records("$1", "uda")}
    LEFT JOIN fallbackkeys_keys k ON k.rowid = (
      SELECT w.rowid FROM fallbackkeys_keys w INDEXED BY fallbackkeys_waiting
      WHERE w.user_id = o.u AND w.device_id = o.d AND w.algorithm = o.a AND w.json IS NOT NULL
      ORDER BY w.upload, w.position LIMIT 1)
    LEFT JOIN fallbackkeys_slots s ON s.user_id = o.u AND s.device_id = o.d AND s.algorithm = o.a"""


_PORTABLE = portable(_records)

SQLITE: Final = Engine(
    name="SQLite",
    migrations=MIGRATIONS,
    **_PORTABLE,
    lock_version=_PORTABLE["read_version"],
    claim_one=None,
    claim_many=ManyQueries(look=Query.of(_LOOK), issue=issue(_records), use=use(_records)),
)
"""SQLite."""
