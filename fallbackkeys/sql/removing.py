"""Taking away: a device, keys that nobody claimed, the memory of keys that were."""

from collections.abc import Iterable

from fallbackkeys.devices import Device
from fallbackkeys.keys import KeyName
from fallbackkeys.policy import Policy
from fallbackkeys.sql.engine import Engine
from fallbackkeys.sql.listing import listed
from fallbackkeys.sql.outcomes import Removed
from fallbackkeys.sql.statement import Program
from fallbackkeys.sql.uploading import State, forget


def remove(device: Device, *, engine: Engine) -> Program[Removed]:
    """Remove a device with all its keys and the memory of them (FK-DEVICE-01, FK-DEVICE-02).

    Needs a transaction.
    """
    names = device.user_id, device.device_id
    if not (yield engine.remove_device(*names)):
        return Removed(rows=0, wakes=False)
    seen = yield engine.view(*names)
    # Keys before slots, as claims go.
    if engine.lock_keys is not None:
        yield engine.lock_keys(*names)
    # An issued key is its own row's memory: what a claim in progress has taken goes with it (FK-SQL-16).
    yield engine.remove_keys(*names)
    yield engine.remove_slots(*names)
    return Removed(rows=1, wakes=bool(seen))


def drop(device: Device, names: Iterable[KeyName], *, engine: Engine) -> Program[Removed]:
    """Drop waiting one-time keys by name: they are neither issued nor remembered (FK-DEVICE-04).

    A name that no waiting key has is passed over. Needs a transaction.
    """
    listing = listed("ak", [(name.algorithm, name.key_id) for name in names])
    if not (yield engine.lock_device(device.user_id, device.device_id)):
        return Removed(rows=0, wakes=False)
    if engine.lock_keys is not None:
        yield engine.lock_keys(device.user_id, device.device_id)
    rows = yield engine.drop(device.user_id, device.device_id, listing)
    return Removed(rows=len(rows), wakes=bool(rows))


def prune(device: Device, *, engine: Engine, policy: Policy) -> Program[Removed]:
    """Forget issued keys beyond the policy's bound, the first uploaded first (FK-UPLOAD-14).

    An upload does it by itself; this is for a device that no longer uploads. Needs a transaction.
    """
    names = device.user_id, device.device_id
    if policy.max_remembered is None or not (yield engine.lock_device(*names)):
        return Removed(rows=0, wakes=False)
    state = State.of((yield engine.state(*names)))
    rows = yield from forget(device, state, engine=engine, policy=policy)
    return Removed(rows=rows, wakes=False)
