"""What the programs return."""

import enum

import attrs

from fallbackkeys.devices import Device, Wanted
from fallbackkeys.keys import Key
from fallbackkeys.notices import Notice
from fallbackkeys.persistent import Map


class Order(enum.Enum):
    """What a claim promises about the order of uploads while other claims are not yet committed."""

    STRICT = "strict"
    """No key of a younger upload while one of an older may still be claimed, aborts of others included
    (FK-SQL-10)."""
    RELAXED = "relaxed"
    """Weaker: keys that others have locked are passed over. If such a claim aborts, its key is issued after
    younger ones (FK-SQL-13). Still never a key twice, and never the fallback key while a one-time key waits
    or may come back (FK-SQL-11)."""


@attrs.frozen(kw_only=True)
class Stored:
    """An upload was accepted."""

    added: tuple[Key, ...]
    """One-time keys that joined their pools, in body order."""
    notices: tuple[Notice, ...]
    """What was accepted but is worth knowing."""
    wakes: bool
    """Whether the device's `/sync` view changed (FK-SYNC-04)."""


@attrs.frozen(kw_only=True)
class Claimed:
    """What one claim gave."""

    key: Key | None
    """The key to hand out, once the transaction has committed; None if there is none."""
    wakes: bool
    """Whether the device's `/sync` view changed: always, but for a used fallback key or none."""


@attrs.frozen(kw_only=True)
class ClaimedMany:
    """What a claim for many devices gave."""

    keys: Map[Wanted, Key]
    """What to hand out, once the transaction has committed; an entry that got nothing is left out."""
    woken: frozenset[Device]
    """Devices whose `/sync` view changed."""


@attrs.frozen(kw_only=True)
class Removed:
    """Keys were dropped or forgotten, or a whole device was removed."""

    rows: int
    """How many keys, or devices, that were."""
    wakes: bool
    """Whether the device's `/sync` view changed."""
