"""The statements for SQLite 3.35 and later.

One connection writes at a time, so nothing is locked here. Begin every transaction that writes with
`BEGIN IMMEDIATE`: one that reads first, and finds at its first write that another has written meanwhile, is
refused by SQLite and must be run again.
"""

from typing import Final

from fallbackkeys.sql.common import common, issue, use
from fallbackkeys.sql.engine import Engine, ManyQueries
from fallbackkeys.sql.statement import Query

_SCHEMA_1 = (
    """
    CREATE TABLE fallbackkeys_devices (
      user_id text NOT NULL,
      device_id text NOT NULL,
      uploads integer NOT NULL,
      PRIMARY KEY (user_id, device_id)
    )""",
    """
    CREATE TABLE fallbackkeys_slots (
      user_id text NOT NULL,
      device_id text NOT NULL,
      algorithm text NOT NULL,
      key_id text NOT NULL,
      fingerprint text NOT NULL,
      json text NOT NULL,
      used boolean NOT NULL,
      PRIMARY KEY (user_id, device_id, algorithm)
    )""",
    """
    CREATE TABLE fallbackkeys_keys (
      user_id text NOT NULL,
      device_id text NOT NULL,
      algorithm text NOT NULL,
      fingerprint text NOT NULL,
      upload integer NOT NULL,
      position integer NOT NULL,
      key_id text NOT NULL,
      json text,
      PRIMARY KEY (user_id, device_id, algorithm, fingerprint)
    )""",
    """
    CREATE UNIQUE INDEX fallbackkeys_waiting
    ON fallbackkeys_keys (user_id, device_id, algorithm, upload, position) WHERE json IS NOT NULL""",
    """
    CREATE UNIQUE INDEX fallbackkeys_named
    ON fallbackkeys_keys (user_id, device_id, algorithm, key_id) WHERE json IS NOT NULL""",
)


def _records(marker: str, fields: str) -> str:
    columns = ", ".join(f"json_extract(value, '$.{field}') AS {field}" for field in fields)
    return f"(SELECT {columns} FROM json_each({marker})) AS o"


_LOOK = f"""
    SELECT o.u, o.d, o.a, k.rowid IS NOT NULL, k.key_id, k.fingerprint, k.json,
      s.key_id, s.fingerprint, s.json, s.used
    FROM {_records("$1", "uda")}
    LEFT JOIN fallbackkeys_keys k ON k.rowid = (
      SELECT w.rowid FROM fallbackkeys_keys w
      WHERE w.user_id = o.u AND w.device_id = o.d AND w.algorithm = o.a AND w.json IS NOT NULL
      ORDER BY w.upload, w.position LIMIT 1)
    LEFT JOIN fallbackkeys_slots s ON s.user_id = o.u AND s.device_id = o.d AND s.algorithm = o.a"""


_COMMON = common(_records)

SQLITE: Final = Engine(
    name="SQLite",
    migrations=(tuple(Query.of(text) for text in _SCHEMA_1),),
    **_COMMON,
    lock_version=_COMMON["read_version"],
    claim_one=None,
    claim_many=ManyQueries(look=Query.of(_LOOK), issue=issue(_records), use=use(_records)),
)
"""SQLite."""
