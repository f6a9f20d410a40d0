"""Ways to claim a key in strict order on PostgreSQL, measured against each other.

    python -m tests.benchmarks.strategies

16 connections of one process (asyncpg) on a server of its own, its durability as shipped. Each strategy
empties the same pool: one device with 3,200 keys, in 64 uploads of 50 or in one, or 64 devices of 50 keys.
A claim is a transaction of its own. Of the losers only what claims a key is written out here; none of them
sees to the fallback key.
"""

import asyncio
import random
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import asyncpg
import attrs

from fallbackkeys import Device, Upload, sql
from fallbackkeys.sql import POSTGRESQL, Order
from tests.builders import CURVE, one_time_key
from tests.databases.installation import give_to_server, install
from tests.databases.server import create

CLIENTS = 16
KEYS = 3_200
ROUNDS = 3
USER = "@alice:example.org"
Claim = Callable[[asyncpg.Connection, Device], Awaitable[object]]
"""Claims a key; None if it got none."""

POOL = "k.user_id = $1 AND k.device_id = $2 AND k.algorithm = $3 AND k.json IS NOT NULL"
ISSUE = """
    UPDATE fallbackkeys_keys t SET json = NULL FROM taken
    WHERE t.user_id = $1 AND t.device_id = $2 AND t.algorithm = $3 AND t.fingerprint = taken.fingerprint
    RETURNING taken.json"""
BLOCKING = f"""
    WITH taken AS MATERIALIZED (
      SELECT k.fingerprint, k.json FROM fallbackkeys_keys k WHERE {POOL}
      ORDER BY k.upload, k.position LIMIT 1 FOR UPDATE) {ISSUE}"""
# The head of a pool is a number in the device's row; keys stand at numbers without gaps.
HEAD = """
    WITH head AS (
      UPDATE strategy_heads h SET head = head + 1
      WHERE h.user_id = $1 AND h.device_id = $2 AND h.algorithm = $3 AND h.head < h.tail
      RETURNING h.head - 1 AS place)
    UPDATE fallbackkeys_keys t SET json = NULL FROM head, strategy_places p
    WHERE p.user_id = $1 AND p.device_id = $2 AND p.algorithm = $3 AND p.place = head.place
      AND t.user_id = $1 AND t.device_id = $2 AND t.algorithm = $3 AND t.fingerprint = p.fingerprint
    RETURNING t.key_id"""
HEADS = """
    DROP TABLE IF EXISTS strategy_heads, strategy_places;
    CREATE TABLE strategy_places AS SELECT user_id, device_id, algorithm, fingerprint,
      row_number() OVER (PARTITION BY user_id, device_id, algorithm ORDER BY upload, position) AS place
      FROM fallbackkeys_keys;
    ALTER TABLE strategy_places ADD PRIMARY KEY (user_id, device_id, algorithm, place);
    CREATE TABLE strategy_heads AS
      SELECT user_id, device_id, algorithm, 1::bigint AS head, count(*) + 1 AS tail
      FROM fallbackkeys_keys GROUP BY user_id, device_id, algorithm;
    ALTER TABLE strategy_heads ADD PRIMARY KEY (user_id, device_id, algorithm)"""
# The equivalent of what Synapse runs: rank the pool by age, delete the first.
RANKED = """
    WITH claims(user_id, device_id, algorithm, claim_count) AS (
      VALUES ($1::text, $2::text, $3::text, 1::bigint)),
    ranked AS (
      SELECT user_id, device_id, algorithm, fingerprint, claim_count,
        row_number() OVER (PARTITION BY (user_id, device_id, algorithm) ORDER BY upload) AS place
      FROM fallbackkeys_keys JOIN claims USING (user_id, device_id, algorithm))
    DELETE FROM fallbackkeys_keys WHERE (user_id, device_id, algorithm, fingerprint) IN (
      SELECT user_id, device_id, algorithm, fingerprint FROM ranked WHERE place <= claim_count)
    RETURNING json"""
LOCK = "SELECT uploads FROM fallbackkeys_devices WHERE user_id = $1 AND device_id = $2 FOR UPDATE"


def one(text: str) -> Claim:
    async def claim(connection: asyncpg.Connection, device: Device) -> object:
        return await connection.fetchrow(text, device.user_id, device.device_id, CURVE)

    return claim


async def locking(connection: asyncpg.Connection, device: Device) -> object:
    async with connection.transaction():
        await connection.fetch(LOCK, device.user_id, device.device_id)
        return await connection.fetchrow(BLOCKING, device.user_id, device.device_id, CURVE)


def program(order: Order) -> Claim:
    async def claim(connection: asyncpg.Connection, device: Device) -> object:
        claimed = await sql.run_asyncpg(sql.claim(device, CURVE, engine=POSTGRESQL, order=order), connection)
        return claimed.key

    return claim


STRATEGIES: dict[str, Claim] = {
    "rank the pool, delete (as Synapse; wrong)": one(RANKED),
    "lock the device, then claim": locking,
    "FOR UPDATE of the first key": one(BLOCKING),
    "head in a row that moves": one(HEAD),
    "**skip locked in the oldest upload** (strict)": program(Order.STRICT),
    "skip locked in the whole pool (relaxed)": program(Order.RELAXED),
}


@attrs.frozen
class Pool:
    name: str
    devices: int
    keys: int
    upload: int


POOLS = (
    Pool("one device, uploads of 50", 1, KEYS, 50),
    Pool("one device, one upload", 1, KEYS, KEYS),
    Pool("64 devices of 50", 64, KEYS // 64, 50),
)


async def fill(connection: asyncpg.Connection, pool: Pool) -> list[Device]:
    await connection.execute("TRUNCATE fallbackkeys_keys, fallbackkeys_slots, fallbackkeys_devices")
    devices = [Device(USER, f"D{number}") for number in range(pool.devices)]
    signatures = {USER: {"ed25519:D": "c2ln" * 21}}
    keys = tuple(one_time_key(f"{n:07}", f"{n:043}", signatures=signatures) for n in range(pool.keys))
    for device in devices:
        for start in range(0, pool.keys, pool.upload):
            upload = Upload(one_time_keys=keys[start : start + pool.upload])
            async with connection.transaction():
                await sql.run_asyncpg(sql.upload(device, upload, engine=POSTGRESQL), connection)
    await connection.execute(HEADS)
    await connection.execute("VACUUM ANALYZE")
    return devices


async def measure(connections: list[asyncpg.Connection], pool: Pool, claim: Claim) -> tuple[float, float]:
    """Keys and answers per second, until nine tenths of the keys are gone or four seconds are over."""
    devices = await fill(connections[0], pool)
    goal, deadline = KEYS * 9 // 10, perf_counter() + 4
    keys = answers = 0

    async def work(number: int, connection: asyncpg.Connection) -> None:
        nonlocal keys, answers
        choose = random.Random(number)  # noqa: S311 - no secret
        while keys < goal and perf_counter() < deadline:
            key = await claim(connection, choose.choice(devices))
            answers += 1
            keys += key is not None

    begun = perf_counter()
    await asyncio.gather(*(work(*pair) for pair in enumerate(connections)))
    seconds = perf_counter() - begun
    return keys / seconds, answers / seconds


async def table(dsn: str) -> str:
    connections = [await asyncpg.connect(dsn) for _ in range(CLIENTS)]
    await sql.run_asyncpg(sql.migrate(engine=POSTGRESQL), connections[0])
    version: Any = await connections[0].fetchval("SHOW server_version")
    cells: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine meets all of them
        for pool in POOLS:
            for name, claim in STRATEGIES.items():
                cells.setdefault((name, pool.name), []).append(await measure(connections, pool, claim))
    for connection in connections:
        await connection.close()
    lines = [
        f"PostgreSQL {version}, {CLIENTS} clients; keys / answers per second, median of {ROUNDS}\n",
        "| strategy |" + "".join(f" {pool.name} |" for pool in POOLS),
        "|---|" + "---|" * len(POOLS),
    ]
    for name in STRATEGIES:
        row = [zip(*cells[name, pool.name], strict=True) for pool in POOLS]
        shown = (" / ".join(f"{median(numbers):,.0f}" for numbers in cell) for cell in row)
        lines.append(f"| {name} |" + "".join(f" {cell} |" for cell in shown))
    return "\n".join(lines)


def main() -> None:
    scratch = Path(tempfile.mkdtemp(prefix="fk-strategies-"))
    give_to_server(scratch)
    server = create(install(scratch), {})
    try:
        sys.stdout.write(f"{asyncio.run(table(server.dsn()))}\n")
    finally:
        server.remove()
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
