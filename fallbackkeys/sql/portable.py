"""The schema, and the statements that both databases run as they are, but for how a list comes in as JSON."""

from collections.abc import Callable
from typing import Final

from fallbackkeys.persistent import Map
from fallbackkeys.sql.statement import Query

Records = Callable[[str, str], str]
"""From a marker and the letters of its fields to a table expression: see `FIELDS`."""

FIELDS: Final = Map(u="text", d="text", a="text", k="text", f="text", j="text", p="integer", w="boolean")
"""User, device, algorithm, key id, fingerprint, JSON, position, used: the members of a listed entry."""


# No collation is named, as CockroachDB takes one for another type; give PostgreSQL's database the locale C.
# SQLite reads `bigint` as its integer.
_SCHEMA_1 = (
    """
    CREATE TABLE fallbackkeys_devices (
      user_id text NOT NULL,
      device_id text NOT NULL,
      uploads bigint NOT NULL,
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
      upload bigint NOT NULL,
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
MIGRATIONS: Final = (tuple(Query.of(text) for text in _SCHEMA_1),)
"""What leads from version n of the schema to n + 1, at index n."""


def portable(records: Records) -> Map[str, Query]:
    """The statements, with lists read by `records`."""
    return Map({name: Query.of(text) for name, text in _texts(records).items()})


def _texts(records: Records) -> dict[str, str]:
    return {
        "create_version": """
            CREATE TABLE IF NOT EXISTS fallbackkeys_schema (
              id integer PRIMARY KEY CHECK (id = 1),
              version integer NOT NULL
            )""",
        "begin_version": "INSERT INTO fallbackkeys_schema (id, version) VALUES (1, 0) ON CONFLICT DO NOTHING",
        "read_version": "SELECT version FROM fallbackkeys_schema WHERE id = 1",
        "write_version": "UPDATE fallbackkeys_schema SET version = $1 WHERE id = 1",
        "add_device": """
            INSERT INTO fallbackkeys_devices AS d (user_id, device_id, uploads) VALUES ($1, $2, 0)
            ON CONFLICT (user_id, device_id) DO UPDATE SET uploads = d.uploads
            RETURNING uploads""",
        "lock_device": """
            UPDATE fallbackkeys_devices SET uploads = uploads WHERE user_id = $1 AND device_id = $2
            RETURNING uploads""",
        "count_upload": """
            UPDATE fallbackkeys_devices SET uploads = uploads + 1 WHERE user_id = $1 AND device_id = $2""",
        "state": """
            SELECT algorithm, count(json) AS waiting, count(*) AS total,
              NULL AS key_id, NULL AS fingerprint, NULL AS json, NULL AS used
            FROM fallbackkeys_keys WHERE user_id = $1 AND device_id = $2 GROUP BY algorithm
            UNION ALL
            SELECT algorithm, 0, 0, key_id, fingerprint, json, used
            FROM fallbackkeys_slots WHERE user_id = $1 AND device_id = $2""",
        # CROSS JOIN: SQLite then reads the list first, and not the pool, of which it would read the list anew
        # for each key.
        "matches": f"""
            SELECT k.algorithm, k.key_id, k.fingerprint, k.json
            FROM {records("$3", "af")} CROSS JOIN fallbackkeys_keys k
            WHERE k.user_id = $1 AND k.device_id = $2 AND k.algorithm = o.a AND k.fingerprint = o.f
            UNION
            SELECT k.algorithm, k.key_id, k.fingerprint, k.json
            FROM {records("$3", "ak")} CROSS JOIN fallbackkeys_keys k
            WHERE k.user_id = $1 AND k.device_id = $2 AND k.algorithm = o.a AND k.key_id = o.k
              AND k.json IS NOT NULL""",
        "add_keys": f"""
            INSERT INTO fallbackkeys_keys
              (user_id, device_id, algorithm, upload, position, key_id, fingerprint, json)
            SELECT $1, $2, o.a, $3, o.p, o.k, o.f, o.j FROM {records("$4", "apkfj")}""",
        "empty_slots": f"""
            DELETE FROM fallbackkeys_slots
            WHERE user_id = $1 AND device_id = $2 AND algorithm IN (SELECT o.a FROM {records("$3", "a")})
            RETURNING algorithm, used""",
        "fill_slots": f"""
            INSERT INTO fallbackkeys_slots (user_id, device_id, algorithm, key_id, fingerprint, json, used)
            SELECT $1, $2, o.a, o.k, o.f, o.j, o.w FROM {records("$3", "akfjw")}""",
        "prune": """
            DELETE FROM fallbackkeys_keys
            WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 AND json IS NULL
              AND (upload, position) <= (
                SELECT k.upload, k.position FROM fallbackkeys_keys k
                WHERE k.user_id = $1 AND k.device_id = $2 AND k.algorithm = $3 AND k.json IS NULL
                ORDER BY k.upload DESC, k.position DESC LIMIT 1 OFFSET $4)
            RETURNING algorithm""",
        "view": """
            SELECT algorithm, count(*) FROM fallbackkeys_keys
            WHERE user_id = $1 AND device_id = $2 AND json IS NOT NULL GROUP BY algorithm
            UNION ALL
            SELECT algorithm, 0 FROM fallbackkeys_slots WHERE user_id = $1 AND device_id = $2 AND NOT used""",
        "views": f"""
            SELECT k.user_id, k.device_id, k.algorithm, count(*) FROM {records("$1", "ud")}
            JOIN fallbackkeys_keys k ON k.user_id = o.u AND k.device_id = o.d AND k.json IS NOT NULL
            GROUP BY k.user_id, k.device_id, k.algorithm
            UNION ALL
            SELECT s.user_id, s.device_id, s.algorithm, 0 FROM {records("$1", "ud")}
            JOIN fallbackkeys_slots s ON s.user_id = o.u AND s.device_id = o.d AND NOT s.used""",
        "load": """
            SELECT 'upload' AS kind, '' AS algorithm, uploads AS upload, 0 AS position,
              NULL AS key_id, NULL AS fingerprint, NULL AS json, false AS used
            FROM fallbackkeys_devices WHERE user_id = $1 AND device_id = $2
            UNION ALL
            SELECT 'key', algorithm, upload, position, key_id, fingerprint, json, false
            FROM fallbackkeys_keys WHERE user_id = $1 AND device_id = $2
            UNION ALL
            SELECT 'slot', algorithm, 0, 0, key_id, fingerprint, json, used
            FROM fallbackkeys_slots WHERE user_id = $1 AND device_id = $2
            ORDER BY algorithm, upload, position""",
        "remove_device": """
            DELETE FROM fallbackkeys_devices WHERE user_id = $1 AND device_id = $2 RETURNING uploads""",
        "remove_slots": "DELETE FROM fallbackkeys_slots WHERE user_id = $1 AND device_id = $2",
        "remove_keys": "DELETE FROM fallbackkeys_keys WHERE user_id = $1 AND device_id = $2",
        "drop": f"""
            DELETE FROM fallbackkeys_keys
            WHERE user_id = $1 AND device_id = $2 AND json IS NOT NULL
              AND (algorithm, key_id) IN (SELECT o.a, o.k FROM {records("$3", "ak")})
            RETURNING algorithm""",
    }


def issue(records: Records) -> Query:
    """`ManyQueries.issue`."""
    return Query.of(f"""
        UPDATE fallbackkeys_keys AS t SET json = NULL FROM {records("$1", "udaf")}
        WHERE t.user_id = o.u AND t.device_id = o.d AND t.algorithm = o.a AND t.fingerprint = o.f
          AND t.json IS NOT NULL
        RETURNING user_id, device_id, algorithm""")


def use(records: Records) -> Query:
    """`ManyQueries.use`."""
    return Query.of(f"""
        UPDATE fallbackkeys_slots AS t SET used = true FROM {records("$1", "udakj")}
        WHERE t.user_id = o.u AND t.device_id = o.d AND t.algorithm = o.a
          AND NOT t.used AND t.key_id = o.k AND t.json = o.j
          AND NOT EXISTS (
            SELECT 1 FROM fallbackkeys_keys k
            WHERE k.user_id = o.u AND k.device_id = o.d AND k.algorithm = o.a AND k.json IS NOT NULL)
        RETURNING user_id, device_id, algorithm""")
