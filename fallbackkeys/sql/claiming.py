"""Claims: of one device, in one statement where the database can, and of many in a constant number."""

from collections.abc import Iterable, Sequence

from fallbackkeys.devices import Device, Wanted
from fallbackkeys.errors import Limit
from fallbackkeys.keys import Key
from fallbackkeys.persistent import Map
from fallbackkeys.policy import PURE, Policy, check_limit
from fallbackkeys.sql.engine import Engine, ManyQueries, OneQueries
from fallbackkeys.sql.listing import digest, key_of, listed
from fallbackkeys.sql.outcomes import Claimed, ClaimedMany, Order
from fallbackkeys.sql.statement import Parameter, Program, Row


def claim(device: Device, algorithm: str, *, engine: Engine, order: Order = Order.STRICT) -> Program[Claimed]:
    """Hand out one key of a device: a one-time key, else the fallback key, else nothing (FK-CLAIM-01 to 05).

    On PostgreSQL one statement, where a one-time key is free; right in a transaction and without one. Within
    a transaction of the caller's it should be the only claim: use `claim_many` for several, which locks in
    one order.
    """
    if engine.claim_one is not None:
        return (yield from _claim_one(device, algorithm, engine.claim_one, order))
    wanted = Wanted(device, algorithm)
    claimed = yield from _claim_many((wanted,), engine.claim_many)
    return Claimed(key=claimed.keys.get(wanted), wakes=bool(claimed.woken))


def _claim_one(device: Device, algorithm: str, queries: OneQueries, order: Order) -> Program[Claimed]:
    names = device.user_id, device.device_id, algorithm
    take = queries.take if order is Order.STRICT else queries.take_any
    while True:
        rows = yield take(*names)
        if rows:
            return Claimed(key=key_of(algorithm, tuple(rows[0])), wakes=True)
        # Nothing was free. If keys are there, this waits for the first one's holder to commit or abort.
        waits, _, *slot, used = (yield queries.look(*names))[0]
        if waits:
            continue
        if slot[0] is None:
            return Claimed(key=None, wakes=False)
        key = key_of(algorithm, tuple(slot))
        if used:
            return Claimed(key=key, wakes=False)
        if (yield queries.use(*names, key.key_id, key.json.decode())):
            return Claimed(key=key, wakes=True)


def claim_many(wanted: Iterable[Wanted], *, engine: Engine, policy: Policy = PURE) -> Program[ClaimedMany]:
    """Hand out a key for each entry, in strict order.

    The number of statements does not grow with the entries (FK-SQL-06). Needs a transaction: it locks the
    devices first, sorted, and holds them to its end, so that no two claims for many wait for each other
    (FK-SQL-15).

    Raises:
        TooLarge: more devices than the policy allows, before any statement (FK-LIMIT-05).
    """
    entries = tuple(dict.fromkeys(wanted))  # asking twice is asking once: the answer has one place for it
    check_limit("a claim", Limit.DEVICES_IN_CLAIM, policy.max_devices_in_claim, len(entries))
    return (yield from _claim_many(entries, engine.claim_many))


def _claim_many(wanted: Sequence[Wanted], queries: ManyQueries) -> Program[ClaimedMany]:
    """Look, issue what was found, and look again for those whom another transaction forestalled."""
    keys: dict[Wanted, Key] = {}
    woken: set[Device] = set()
    if queries.lock is not None and wanted:
        yield queries.lock(listed("uda", [_names(entry) for entry in wanted]))
    pending = wanted
    while pending:
        rows = yield queries.look(listed("uda", [_names(entry) for entry in pending]))
        issue: dict[Wanted, Key] = {}
        use: dict[Wanted, Key] = {}
        blocked: list[Wanted] = []
        for row in rows:
            entry, waits, one_time_key, fallback_key, used = _found(row)
            if one_time_key is not None:
                issue[entry] = one_time_key
            elif waits:
                # Every key that may be given is locked by somebody who may yet abort.
                blocked.append(entry)
            elif fallback_key is not None and used:
                keys[entry] = fallback_key
            elif fallback_key is not None:
                use[entry] = fallback_key
        done: set[Wanted] = set()
        if issue:
            entries = [(*_names(entry), digest(key)) for entry, key in issue.items()]
            done |= _entries((yield queries.issue(listed("udaf", entries))))
        if use:
            entries = [(*_names(entry), key.key_id, key.json.decode()) for entry, key in use.items()]
            done |= _entries((yield queries.use(listed("udakj", entries))))
        keys |= {entry: key for entry, key in (issue | use).items() if entry in done}
        woken |= {entry.device for entry in done}
        pending = [*blocked, *(entry for entry in issue | use if entry not in done)]
        if blocked and queries.wait is not None:
            yield queries.wait(listed("uda", [_names(entry) for entry in blocked]))
    return ClaimedMany(keys=Map(keys), woken=frozenset(woken))


def _names(entry: Wanted) -> tuple[Parameter, ...]:
    return entry.device.user_id, entry.device.device_id, entry.algorithm


def _found(row: Row) -> tuple[Wanted, bool, Key | None, Key | None, bool]:
    user_id, device_id, algorithm, waits = row[:4]
    one_time_key = None if row[4] is None else key_of(algorithm, tuple(row[4:7]))
    fallback_key = None if row[7] is None else key_of(algorithm, tuple(row[7:10]))
    return (
        Wanted(Device(user_id, device_id), algorithm),
        bool(waits),
        one_time_key,
        fallback_key,
        bool(row[10]),
    )


def _entries(rows: Sequence[Row]) -> set[Wanted]:
    return {Wanted(Device(row[0], row[1]), row[2]) for row in rows}
