"""Versioned JSON of states, for embedders that persist whole states and for tests.

Format 1 of a device:

    {"format": 1, "uploads": 3,
     "pools": {"signed_curve25519": [{"issued": "<fingerprint, base64>"}, …,
                                     {"key_id": "AAAAHQ", "upload": 2, "value": …}, …]},
     "slots": {"signed_curve25519": {"key_id": "AAAAGj", "value": …, "used": false}}}

A pool is its sequence: waiting keys in claim order and remembered fingerprints, the first to be forgotten
first. `uploads` is the next ordinal. A store is `{"format": 1, "users": {user_id: {device_id: device without
"format"}}}`. A member that a format does not name is an error: a later version adds a number, not a member.
`restore(save(x)) == x`, always.
"""

import base64
import binascii
from typing import cast

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON, Refusal, SnapshotError
from fallbackkeys.keys import FINGERPRINT_BYTES, Key, KeyName, check_unicode
from fallbackkeys.keystore import EMPTY_STORE, KeyStore
from fallbackkeys.node import Node
from fallbackkeys.persistent import Map
from fallbackkeys.state import DeviceState, FallbackSlot, OneTimeKey, Pool

FORMAT = 1
"""The version this module writes, and the only one it reads."""


def save_device(state: DeviceState) -> dict[str, JSON]:
    """The snapshot of one device, as fresh JSON."""
    return {"format": FORMAT, **_save_device(state)}


def save_store(store: KeyStore) -> dict[str, JSON]:
    """The snapshot of a store, as fresh JSON."""
    users: dict[str, JSON] = {}
    for device, state in store:
        devices = cast("dict[str, JSON]", users.setdefault(device.user_id, {}))
        devices[device.device_id] = _save_device(state)
    return {"format": FORMAT, "users": users}


def restore_device(snapshot: object) -> DeviceState:
    """Read what `save_device` wrote.

    Raises:
        SnapshotError: another version, a missing, unknown or malformed member; with the place.
    """
    root = Node.root(snapshot, version=FORMAT)
    root.members("format", "uploads", "pools", "slots")
    return _restore_device(root)


def restore_store(snapshot: object) -> KeyStore:
    """Read what `save_store` wrote.

    Raises:
        SnapshotError: as `restore_device`.
    """
    root = Node.root(snapshot, version=FORMAT)
    root.members("format", "users")
    store = EMPTY_STORE
    for user_id, devices in root["users"].items():
        for device_id, node in devices.items():
            for name in (user_id, device_id):
                node.checked(check_unicode, name)
            node.members("uploads", "pools", "slots")
            store = store.with_state(Device(user_id, device_id), _restore_device(node))
    return store


def _save_device(state: DeviceState) -> dict[str, JSON]:
    return {
        "uploads": state.uploads,
        "pools": {
            algorithm: [_save_entry(entry) for entry in pool.sequence]
            for algorithm, pool in sorted(state.pools.items())
        },
        "slots": {
            algorithm: {"key_id": slot.key.key_id, "value": slot.key.value, "used": slot.used}
            for algorithm, slot in sorted(state.slots.items())
        },
    }


def _save_entry(entry: OneTimeKey | bytes) -> JSON:
    if isinstance(entry, bytes):
        return {"issued": base64.b64encode(entry).decode()}
    return {"key_id": entry.key.key_id, "upload": entry.upload, "value": entry.key.value}


def _restore_device(node: Node) -> DeviceState:
    uploads = node["uploads"].integer()
    for member in ("pools", "slots"):
        for algorithm, saved in node[member].items():
            saved.checked(KeyName.parse, f"{algorithm}:k")  # the shortest name it can stand in
    pools = {
        algorithm: _restore_pool(saved, algorithm, uploads) for algorithm, saved in node["pools"].items()
    }
    slots: dict[str, FallbackSlot] = {}
    for algorithm, saved in node["slots"].items():
        saved.members("key_id", "value", "used")
        slots[algorithm] = FallbackSlot(_key(saved, algorithm), saved["used"].boolean())
    return DeviceState(Map(pools), Map(slots), uploads)


def _restore_pool(saved: Node, algorithm: str, uploads: int) -> Pool:
    sequence: list[OneTimeKey | bytes] = []
    waiting: list[OneTimeKey] = []
    for item in saved.elements():
        if item.has("issued"):
            item.members("issued")
            sequence.append(_fingerprint(item["issued"]))
            continue
        item.members("key_id", "upload", "value")
        upload = item["upload"].integer()
        if upload >= uploads or (waiting and upload < waiting[-1].upload):
            raise SnapshotError(place=item["upload"].place, reason="is out of order")
        waiting.append(OneTimeKey(_key(item, algorithm), upload))
        sequence.append(waiting[-1])
    if not sequence:
        raise SnapshotError(place=saved.place, reason="is a pool that holds and remembers nothing")
    if len({entry if isinstance(entry, bytes) else entry.key.fingerprint for entry in sequence}) < len(
        sequence
    ):
        raise SnapshotError(place=saved.place, reason="holds a public key twice")
    if len({one.key.key_id for one in waiting}) < len(waiting):
        raise SnapshotError(place=saved.place, reason="holds a key id twice")
    return Pool.of(sequence)


def _fingerprint(saved: Node) -> bytes:
    """A fingerprint in base64."""
    try:
        decoded = base64.b64decode(saved.string(), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != FINGERPRINT_BYTES:
        raise SnapshotError(place=saved.place, reason=f"must be {FINGERPRINT_BYTES} bytes in base64")
    return decoded


def _key(saved: Node, algorithm: str) -> Key:
    """The key whose id and value an object holds."""
    name = f"{algorithm}:{saved['key_id'].string()}"
    try:
        return Key.parse(name, saved["value"].value)
    except Refusal as refusal:
        raise SnapshotError(place=saved.place, reason=refusal.message) from refusal
