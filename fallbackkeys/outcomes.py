"""The command of an upload, and what each transition returns.

Every result holds the new state and the events that lead to it from the old one; an embedder persists the one
or the others.
"""

import attrs

from fallbackkeys.events import Event
from fallbackkeys.keys import Key
from fallbackkeys.notices import Notice
from fallbackkeys.persistent import Map
from fallbackkeys.slots import setters
from fallbackkeys.state import DeviceState


@attrs.frozen(kw_only=True)
class Upload:
    """The keys of one `POST /keys/upload`, in body order."""

    one_time_keys: tuple[Key, ...] = ()
    fallback_keys: tuple[Key, ...] = ()


@attrs.frozen(kw_only=True)
class Uploaded:
    """An upload was accepted."""

    state: DeviceState
    events: tuple[Event, ...]
    """What changed; empty if nothing did."""
    notices: tuple[Notice, ...]
    """What was accepted but is worth knowing."""
    wakes: bool
    """Whether the device's `/sync` view changed (FK-SYNC-04)."""


@attrs.frozen(weakref_slot=False, init=False)
class Claimed:
    """What one claim gave."""

    state: DeviceState
    events: tuple[Event, ...]
    key: Key | None
    """The key to hand out; None if there is neither a one-time key nor a fallback key."""

    def __init__(self, state: DeviceState, events: tuple[Event, ...], key: Key | None) -> None:
        _set_state(self, state)
        _set_events(self, events)
        _set_key(self, key)

    @property
    def wakes(self) -> bool:
        """Whether the device's `/sync` view changed: always, but for a used fallback key or none."""
        return bool(self.events)


_set_state, _set_events, _set_key = setters(Claimed)


@attrs.frozen(kw_only=True)
class ClaimedSeveral:
    """What one claim for several keys gave (MSC3983)."""

    state: DeviceState
    events: tuple[Event, ...]
    one_time_keys: tuple[Key, ...]
    fallback_key: Key | None

    @property
    def wakes(self) -> bool:
        """Whether the device's `/sync` view changed."""
        return bool(self.events)


@attrs.frozen(kw_only=True)
class Dropped:
    """Unissued keys were dropped, or the whole device was removed."""

    state: DeviceState
    events: tuple[Event, ...]
    wakes: bool
    """Whether the device's `/sync` view changed; not, if all it had was a memory of issued keys."""


@attrs.frozen(kw_only=True)
class SyncView:
    """What `/sync` tells a device of its keys."""

    one_time_key_counts: Map[str, int]
    """Algorithm → number of waiting one-time keys; none is zero (FK-SYNC-02)."""
    unused_fallback_key_types: tuple[str, ...]
    """Algorithms whose fallback key is unused, sorted (FK-SYNC-01)."""
