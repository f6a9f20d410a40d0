"""What happened to a device's keys: the facts that `transitions` returns and `evolve.apply` replays.

Each event is one row changed (but for a device's end, which is all of them), so an embedder may persist
events instead of states. Which device they are about is said by whoever carries them
(`keystore.DeviceEvent`).
"""

from typing import TypeAlias

import attrs

from fallbackkeys.keys import Key
from fallbackkeys.slots import setters


@attrs.frozen(weakref_slot=False)
class OneTimeKeyAdded:
    """A one-time key joined the pool, behind all others: a row inserted."""

    key: Key
    upload: int
    """Ordinal of the upload that brought it; within one upload, events come in body order."""


@attrs.frozen(weakref_slot=False, init=False)
class OneTimeKeyIssued:
    """A claim returned a one-time key; it is remembered from now on: a row's value replaced by its digest."""

    key: Key

    def __init__(self, key: Key) -> None:
        _set_issued_key(self, key)


(_set_issued_key,) = setters(OneTimeKeyIssued)


@attrs.frozen(weakref_slot=False)
class OneTimeKeyDropped:
    """A waiting one-time key was removed and is not remembered: a row deleted."""

    key: Key


@attrs.frozen(weakref_slot=False)
class IssuedKeyForgotten:
    """The memory of issued keys was full and gave up its first: a digest's row deleted."""

    algorithm: str
    fingerprint: bytes


@attrs.frozen(weakref_slot=False)
class FallbackKeyReplaced:
    """The fallback slot of the key's algorithm holds this key now: a row upserted."""

    key: Key
    used: bool
    """Kept from the slot if it held the same public key, else False (FK-UPLOAD-07)."""


@attrs.frozen(weakref_slot=False)
class FallbackKeyUsed:
    """A claim returned the fallback key for the first time: a row's mark set."""

    key: Key


@attrs.frozen(weakref_slot=False)
class DeviceRemoved:
    """The device is gone with all its keys and the memory of them: every row of it deleted."""


Event: TypeAlias = (
    OneTimeKeyAdded
    | OneTimeKeyIssued
    | OneTimeKeyDropped
    | IssuedKeyForgotten
    | FallbackKeyReplaced
    | FallbackKeyUsed
    | DeviceRemoved
)
"""Any of the above."""
