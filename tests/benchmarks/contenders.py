"""The claims that `tests.benchmarks.sql` compares: this library's and Synapse's.

Both are written as programs, so that the same runner and the same driver run them. Synapse's statements are
written from a description of what they do: rank the pool of each claimed device by age, delete the first,
and return it; where that gave nothing, look for the fallback key and mark it.
"""

from collections.abc import Callable, Sequence

import attrs

from fallbackkeys import Device, Key, Upload, sql
from fallbackkeys.sql import Engine, Order, Program, Query

CURVE = "signed_curve25519"
Names = tuple[str, str, str]


@attrs.frozen(kw_only=True)
class Contender:
    """One way; a claim returns a one-time key's id, or None for the fallback key or nothing."""

    name: str
    create: Callable[[Engine], Program[object]]
    upload: Callable[[Device, Sequence[Key], Key, Engine], Program[object]]
    claim: Callable[[Device, Engine], Program[str | None]]
    tables: tuple[str, ...]


def _names(device: Device) -> Names:
    return device.user_id, device.device_id, CURVE


def _inserted(table: str, rows: Sequence[Sequence[str | int | bool]]) -> Program[object]:
    width = len(rows[0])
    places = (
        ", ".join(f"${row * width + column + 1}" for column in range(width)) for row in range(len(rows))
    )
    text = f"INSERT INTO {table} VALUES {', '.join(f'({place})' for place in places)}"
    return (yield Query.of(text)(*(value for row in rows for value in row)))


# --- this library ---


def _upload(device: Device, keys: Sequence[Key], fallback: Key, engine: Engine) -> Program[object]:
    return sql.upload(device, Upload(one_time_keys=tuple(keys), fallback_keys=(fallback,)), engine=engine)


def _claim(order: Order) -> Callable[[Device, Engine], Program[str | None]]:
    def claim(device: Device, engine: Engine) -> Program[str | None]:
        claimed = yield from sql.claim(device, CURVE, engine=engine, order=order)
        return None if claimed.key is None or claimed.key.says_fallback else claimed.key.key_id

    return claim


STRICT, RELAXED = (
    Contender(
        name=f"this library, {order.value}",
        create=lambda engine: sql.migrate(engine=engine),
        upload=_upload,
        claim=_claim(order),
        tables=("fallbackkeys_keys", "fallbackkeys_slots", "fallbackkeys_devices"),
    )
    for order in Order
)

# --- Synapse's statements ---

_RANKED = Query.of("""
    WITH claims (user_id, device_id, algorithm, claim_count) AS (
      VALUES (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text), 1)
    ), ranked AS (
      SELECT user_id, device_id, algorithm, key_id, claim_count,
        ROW_NUMBER() OVER (PARTITION BY user_id, device_id, algorithm ORDER BY added_ms) AS place
      FROM theirs_keys JOIN claims USING (user_id, device_id, algorithm)
    )
    DELETE FROM theirs_keys WHERE (user_id, device_id, algorithm, key_id) IN (
      SELECT user_id, device_id, algorithm, key_id FROM ranked WHERE place <= claim_count)
    RETURNING key_id, key_json""")
_SLOT = Query.of(
    "SELECT key_id, key_json, used FROM theirs_slots WHERE user_id = $1 AND device_id = $2 AND algorithm = $3"
)
_USE = Query.of(
    "UPDATE theirs_slots SET used = true "
    "WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 AND key_id = $4"
)
_NEXT_MS = Query.of("SELECT count(*) FROM theirs_keys WHERE user_id = $1 AND device_id = $2")


def _their_upload(device: Device, keys: Sequence[Key], fallback: Key, _: Engine) -> Program[object]:
    ((ordinal,),) = yield _NEXT_MS(device.user_id, device.device_id)
    rows = [(*_names(device), key.key_id, ordinal, key.json.decode()) for key in keys]
    yield from _inserted("theirs_keys", rows)
    slot = Query.of("INSERT INTO theirs_slots VALUES ($1, $2, $3, $4, $5, false) ON CONFLICT DO NOTHING")
    return (yield slot(*_names(device), fallback.key_id, fallback.json.decode()))


def _their_claim(device: Device, _: Engine) -> Program[str | None]:
    rows = yield _RANKED(*_names(device))
    if rows:
        return str(rows[0][0])
    rows = yield _SLOT(*_names(device))
    if rows and not rows[0][2]:
        yield _USE(*_names(device), rows[0][0])
    return None


_TABLES = (
    """CREATE TABLE theirs_keys (
        user_id text NOT NULL, device_id text NOT NULL, algorithm text NOT NULL, key_id text NOT NULL,
        added_ms bigint NOT NULL, key_json text NOT NULL, UNIQUE (user_id, device_id, algorithm, key_id))""",
    "CREATE INDEX theirs_by_age ON theirs_keys (user_id, device_id, algorithm, added_ms)",
    """CREATE TABLE theirs_slots (
        user_id text NOT NULL, device_id text NOT NULL, algorithm text NOT NULL, key_id text NOT NULL,
        key_json text NOT NULL, used boolean NOT NULL, UNIQUE (user_id, device_id, algorithm))""",
)


def _create(_: Engine) -> Program[object]:
    for text in _TABLES:
        yield Query.of(text)()
    return None


SYNAPSE = Contender(
    name="Synapse's statement",
    create=_create,
    upload=_their_upload,
    claim=_their_claim,
    tables=("theirs_keys", "theirs_slots"),
)
