"""What a device has: its `/sync` view, and its whole state. Each is one statement, so one snapshot."""

import base64
from collections.abc import Iterable

from fallbackkeys.devices import Device
from fallbackkeys.outcomes import SyncView
from fallbackkeys.persistent import Map
from fallbackkeys.sql.engine import Engine
from fallbackkeys.sql.listing import key_of, listed
from fallbackkeys.sql.statement import Program
from fallbackkeys.state import DeviceState, FallbackSlot, OneTimeKey, Pool


def sync(device: Device, *, engine: Engine) -> Program[SyncView]:
    """Tell a device what it has left (FK-SYNC-01, FK-SYNC-02); a device never seen has nothing."""
    rows = yield engine.view(device.user_id, device.device_id)
    return _view([(row[0], row[1]) for row in rows])


def sync_many(devices: Iterable[Device], *, engine: Engine) -> Program[Map[Device, SyncView]]:
    """The same for many devices, all in one snapshot; every device asked for is in the result."""
    asked = tuple(dict.fromkeys(devices))
    found: dict[Device, list[tuple[str, int]]] = {device: [] for device in asked}
    if asked:
        rows = yield engine.views(listed("ud", [(device.user_id, device.device_id) for device in asked]))
        for user_id, device_id, algorithm, count in rows:
            found[Device(user_id, device_id)].append((algorithm, count))
    return Map({device: _view(rows) for device, rows in found.items()})


def _view(rows: Iterable[tuple[str, int]]) -> SyncView:
    """From pairs of an algorithm and its count; a count of zero stands for an unused fallback key."""
    pairs = tuple(rows)
    return SyncView(
        one_time_key_counts=Map({algorithm: count for algorithm, count in pairs if count}),
        unused_fallback_key_types=tuple(sorted(algorithm for algorithm, count in pairs if not count)),
    )


def load(device: Device, *, engine: Engine) -> Program[DeviceState]:
    """A device's whole state as the core's value: to export it, or to compare it."""
    rows = yield engine.load(device.user_id, device.device_id)
    uploads = 0
    slots: dict[str, FallbackSlot] = {}
    sequences: dict[str, list[OneTimeKey | bytes]] = {}
    for kind, algorithm, upload, _, key_id, fingerprint, json, used in rows:
        if kind == "upload":
            uploads = upload
        elif kind == "slot":
            slots[algorithm] = FallbackSlot(key_of(algorithm, (key_id, fingerprint, json)), bool(used))
        elif json is None:
            sequences.setdefault(algorithm, []).append(base64.b64decode(fingerprint))
        else:
            key = OneTimeKey(key_of(algorithm, (key_id, fingerprint, json)), upload)
            sequences.setdefault(algorithm, []).append(key)
    pools = {algorithm: Pool.of(sequence) for algorithm, sequence in sequences.items()}
    return DeviceState(Map(pools), Map(slots), uploads)
