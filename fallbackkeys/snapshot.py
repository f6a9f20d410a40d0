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
from collections.abc import Callable
from typing import TypeVar, cast

import attrs

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON, Refusal, SnapshotError, describe, quote
from fallbackkeys.keys import FINGERPRINT_BYTES, Key, KeyName, check_unicode
from fallbackkeys.keystore import EMPTY_STORE, KeyStore
from fallbackkeys.persistent import Map
from fallbackkeys.state import DeviceState, FallbackSlot, OneTimeKey, Pool

_T = TypeVar("_T")

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
    root = _Node.root(snapshot)
    root.members("format", "uploads", "pools", "slots")
    return _restore_device(root)


def restore_store(snapshot: object) -> KeyStore:
    """Read what `save_store` wrote.

    Raises:
        SnapshotError: as `restore_device`.
    """
    root = _Node.root(snapshot)
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


def _restore_device(node: "_Node") -> DeviceState:
    uploads = node["uploads"].integer()
    for member in ("pools", "slots"):
        for algorithm, saved in node[member].items():
            saved.checked(KeyName.parse, f"{algorithm}:id")
    pools = {
        algorithm: _restore_pool(saved, algorithm, uploads) for algorithm, saved in node["pools"].items()
    }
    slots: dict[str, FallbackSlot] = {}
    for algorithm, saved in node["slots"].items():
        saved.members("key_id", "value", "used")
        slots[algorithm] = FallbackSlot(saved.key(algorithm), saved["used"].boolean())
    return DeviceState(Map(pools), Map(slots), uploads)


def _restore_pool(saved: "_Node", algorithm: str, uploads: int) -> Pool:
    sequence: list[OneTimeKey | bytes] = []
    waiting: list[OneTimeKey] = []
    for item in saved.elements():
        if item.has("issued"):
            item.members("issued")
            sequence.append(item["issued"].fingerprint())
            continue
        item.members("key_id", "upload", "value")
        upload = item["upload"].integer()
        if upload >= uploads or (waiting and upload < waiting[-1].upload):
            raise SnapshotError(place=item["upload"].place, reason="is out of order")
        waiting.append(OneTimeKey(item.key(algorithm), upload))
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


@attrs.frozen
class _Node:
    """A value within a snapshot, which knows its place."""

    value: object
    place: str

    @classmethod
    def root(cls, snapshot: object) -> "_Node":
        node = cls(snapshot, "the snapshot")
        version = node["format"].integer()
        if version != FORMAT:
            raise SnapshotError(place="format", reason=f"is {version}; this version reads {FORMAT} only")
        return node

    def __getitem__(self, name: str) -> "_Node":
        value = self._expect(dict, "an object")
        if name not in value:
            raise SnapshotError(place=self.place, reason=f"lacks the member {name}")
        return _Node(value[name], name if self.place == "the snapshot" else f"{self.place}.{quote(name)}")

    def has(self, name: str) -> bool:
        """Whether an object has the member."""
        return name in self._expect(dict, "an object")

    def members(self, *names: str) -> None:
        """Refuse members that the format does not name."""
        for name in self._expect(dict, "an object"):
            if name not in names:
                raise SnapshotError(place=self.place, reason=f"has the unknown member {quote(str(name))}")

    def items(self) -> list[tuple[str, "_Node"]]:
        """An object's members."""
        names = list(self._expect(dict, "an object"))
        for name in names:
            if not isinstance(name, str):
                raise SnapshotError(place=self.place, reason=f"has the member name {describe(name)}")
        return [(name, self[name]) for name in names]

    def elements(self) -> list["_Node"]:
        """A list's elements."""
        return [
            _Node(item, f"{self.place}[{index}]") for index, item in enumerate(self._expect(list, "a list"))
        ]

    def integer(self) -> int:
        """An integer of at least 0."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 0:
            raise SnapshotError(
                place=self.place, reason=f"must be an integer of at least 0, not {describe(self.value)}"
            )
        return self.value

    def boolean(self) -> bool:
        """True or false."""
        return self._expect(bool, "a boolean")

    def checked(self, check: Callable[[str, str], object], name: str) -> None:
        """Refuse a member's name that no identifier may have."""
        try:
            check(name, "its name")
        except Refusal as refusal:
            raise SnapshotError(place=self.place, reason=refusal.message) from refusal

    def fingerprint(self) -> bytes:
        """A fingerprint in base64."""
        try:
            decoded = base64.b64decode(self._expect(str, "a string"), validate=True)
        except (binascii.Error, ValueError):
            decoded = b""
        if len(decoded) != FINGERPRINT_BYTES:
            raise SnapshotError(place=self.place, reason=f"must be {FINGERPRINT_BYTES} bytes in base64")
        return decoded

    def key(self, algorithm: str) -> Key:
        """The key whose id and value this object holds."""
        key_id = self["key_id"]
        name = f"{algorithm}:{key_id._expect(str, 'a string')}"  # noqa: SLF001 - another node
        try:
            return Key.parse(name, self["value"].value)
        except Refusal as refusal:
            raise SnapshotError(place=self.place, reason=refusal.message) from refusal

    def _expect(self, kind: type[_T], description: str) -> _T:
        if not isinstance(self.value, kind):
            raise SnapshotError(place=self.place, reason=f"must be {description}, not {describe(self.value)}")
        return self.value
