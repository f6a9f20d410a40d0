"""Claims and a view that are wrong on purpose, the way deployed servers are: the judge must convict each.

They work on the library's own tables, so that everything else in the harness stays as it is.
"""

import json

import attrs

from fallbackkeys import Device, Key, SyncView
from fallbackkeys.persistent import Map
from fallbackkeys.sql import Claimed, Engine, Program, Query, Row

_WAITING = "user_id = $1 AND device_id = $2 AND algorithm = $3 AND json IS NOT NULL"
_PICK = f"""
    SELECT key_id, json, fingerprint FROM fallbackkeys_keys
    WHERE {_WAITING} ORDER BY upload, position LIMIT 1"""
_LOOK = Query.of(_PICK)
_FORGET = Query.of(
    "UPDATE fallbackkeys_keys SET json = NULL "
    "WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 AND fingerprint = $4"
)
_SKIP = Query.of(f"""
    WITH taken AS MATERIALIZED ({_PICK} FOR UPDATE SKIP LOCKED)
    UPDATE fallbackkeys_keys t SET json = NULL FROM taken
    WHERE t.user_id = $1 AND t.device_id = $2 AND t.algorithm = $3 AND t.fingerprint = taken.fingerprint
    RETURNING taken.key_id, taken.json""")
_RANKED = Query.of("""
    WITH claims (user_id, device_id, algorithm, claim_count) AS (
      VALUES (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text), 1)
    ), ranked AS (
      SELECT user_id, device_id, algorithm, fingerprint, claim_count,
        ROW_NUMBER() OVER (PARTITION BY user_id, device_id, algorithm ORDER BY upload, position) AS place
      FROM fallbackkeys_keys JOIN claims USING (user_id, device_id, algorithm) WHERE json IS NOT NULL
    )
    DELETE FROM fallbackkeys_keys WHERE (user_id, device_id, algorithm, fingerprint) IN (
      SELECT user_id, device_id, algorithm, fingerprint FROM ranked WHERE place <= claim_count)
    RETURNING key_id, json""")
_SLOT = Query.of(
    "UPDATE fallbackkeys_slots SET used = true "
    "WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 RETURNING key_id, json"
)
_COUNT = Query.of(f"SELECT count(*) FROM fallbackkeys_keys WHERE {_WAITING}")
_UNUSED = Query.of(
    "SELECT algorithm FROM fallbackkeys_slots WHERE user_id = $1 AND device_id = $2 AND NOT used"
)


def select_then_delete(device: Device, algorithm: str, engine: Engine) -> Program[Claimed]:
    """As Dendrite and Palpo on PostgreSQL: two claims read the same key before either has deleted it."""
    del engine
    names = device.user_id, device.device_id, algorithm
    rows = yield _LOOK(*names)
    if rows:
        yield _FORGET(*names, rows[0][2])
        return _claimed(algorithm, rows[0])
    return (yield from _fallback(device, algorithm))


def skip_locked(device: Device, algorithm: str, engine: Engine) -> Program[Claimed]:
    """`SKIP LOCKED` over all uploads, and the fallback key when everything is locked."""
    return _one_statement(_SKIP, device, algorithm, engine)


def ranked_delete(device: Device, algorithm: str, engine: Engine) -> Program[Claimed]:
    """As Synapse on PostgreSQL: of claims that rank the same key first, all but one delete nothing."""
    return _one_statement(_RANKED, device, algorithm, engine)


def sync_in_two_looks(device: Device, engine: Engine) -> Program[SyncView]:
    """At READ COMMITTED each statement sees another state."""
    del engine
    names = device.user_id, device.device_id
    algorithm = "signed_curve25519"
    ((count,),) = yield _COUNT(*names, algorithm)
    unused = yield _UNUSED(*names)
    return SyncView(
        one_time_key_counts=Map({algorithm: count}), unused_fallback_key_types=tuple(row[0] for row in unused)
    )


def _one_statement(query: Query, device: Device, algorithm: str, engine: Engine) -> Program[Claimed]:
    del engine
    rows = yield query(device.user_id, device.device_id, algorithm)
    return _claimed(algorithm, rows[0]) if rows else (yield from _fallback(device, algorithm))


def _fallback(device: Device, algorithm: str) -> Program[Claimed]:
    rows = yield _SLOT(device.user_id, device.device_id, algorithm)
    # Not woken: nobody waits for this device, and a drain ends here.
    return attrs.evolve(_claimed(algorithm, rows[0]), wakes=False) if rows else Claimed(key=None, wakes=False)


def _claimed(algorithm: str, row: Row) -> Claimed:
    return Claimed(key=Key.parse(f"{algorithm}:{row[0]}", json.loads(row[1])), wakes=True)
