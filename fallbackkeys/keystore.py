"""Many devices: the keys of a whole homeserver as one value.

Each function looks up a device, lets `transitions` decide, and puts the new state back. Nothing of one device
is reachable through another (FK-DEVICE-03): the store is keyed by user id and device id, never by a prefix or
a concatenation of them.

Here too is what concerns several devices at once: a claim for many, and its split and merge when some of them
live on other servers. Not here: bodies and field names (`wire`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

import attrs

from fallbackkeys import transitions
from fallbackkeys.devices import Device, Wanted
from fallbackkeys.errors import Limit
from fallbackkeys.events import Event
from fallbackkeys.keys import Key, KeyName
from fallbackkeys.notices import Notice
from fallbackkeys.outcomes import Dropped, Upload, Uploaded
from fallbackkeys.persistent import Map
from fallbackkeys.policy import PURE, Policy, check_limit
from fallbackkeys.state import EMPTY, DeviceState


@attrs.frozen
class DeviceEvent:
    """What happened to a device's keys."""

    device: Device
    event: Event


_NO_DEVICES: Final[Map[str, DeviceState]] = Map()
_NO_USERS: Final[Map[str, Map[str, DeviceState]]] = Map()


@attrs.frozen
class KeyStore:
    """The key states of all devices. Immutable; changing one costs O(log n) in users and in devices."""

    users: Map[str, Map[str, DeviceState]] = _NO_USERS
    """User id → device id → state; only devices of which anything is known."""

    def state(self, device: Device) -> DeviceState:
        """The device's state; `EMPTY` for one never seen."""
        return self.users.get(device.user_id, _NO_DEVICES).get(device.device_id, EMPTY)

    def with_state(self, device: Device, state: DeviceState) -> "KeyStore":
        """The store with one device's state exchanged; `EMPTY` removes the device."""
        devices = self.users.get(device.user_id, _NO_DEVICES)
        if state is not EMPTY and state != EMPTY:
            return KeyStore(self.users.set(device.user_id, devices.set(device.device_id, state)))
        if device.device_id not in devices:
            return self
        devices = devices.delete(device.device_id)
        if devices:
            return KeyStore(self.users.set(device.user_id, devices))
        return KeyStore(self.users.delete(device.user_id))

    def __iter__(self) -> Iterator[tuple[Device, DeviceState]]:
        """Every device with its state, sorted by user id and device id."""
        for user_id, devices in sorted(self.users.items(), key=_first):
            for device_id, state in sorted(devices.items(), key=_first):
                yield Device(user_id, device_id), state


def _first(pair: tuple[str, object]) -> str:
    return pair[0]


EMPTY_STORE: Final = KeyStore()
"""A homeserver on which no device was ever seen."""


@attrs.frozen(kw_only=True)
class Stored:
    """A store after an upload, a removal or a drop."""

    store: KeyStore
    events: tuple[DeviceEvent, ...]
    woken: frozenset[Device]
    """Devices whose `/sync` view changed (FK-SYNC-04)."""
    notices: tuple[Notice, ...] = ()


@attrs.frozen(kw_only=True)
class StoreClaimed:
    """A store after a claim, and the keys to hand out."""

    store: KeyStore
    keys: Map[Wanted, Key]
    """What was given; an entry that got nothing is left out (FK-CLAIM-05)."""
    events: tuple[DeviceEvent, ...]
    woken: frozenset[Device]


def upload(store: KeyStore, device: Device, command: Upload, *, policy: Policy = PURE) -> Stored:
    """Let one device upload keys.

    Raises:
        Refusal: as `transitions.upload`; the store is unchanged.
    """
    done = transitions.upload(store.state(device), command, policy=policy)
    return _stored(store, device, done, done.notices)


def remove_device(store: KeyStore, device: Device) -> Stored:
    """Remove a device with all its keys and the memory of them (FK-DEVICE-01, FK-DEVICE-02)."""
    return _stored(store, device, transitions.remove(store.state(device)))


def drop(store: KeyStore, device: Device, names: Iterable[KeyName]) -> Stored:
    """Drop waiting one-time keys of a device (FK-DEVICE-04)."""
    return _stored(store, device, transitions.drop(store.state(device), names))


def claim(store: KeyStore, wanted: Iterable[Wanted], *, policy: Policy = PURE) -> StoreClaimed:
    """Claim a key for each entry, one device after the other (FK-CLAIM-07).

    Not atomic as a whole: nothing ties the devices together, and each one's claim is complete in itself.

    Raises:
        TooLarge: more devices than the policy allows, before any key is taken (FK-LIMIT-05).
    """
    entries = tuple(dict.fromkeys(wanted))  # asking twice is asking once: the answer has one place for it
    check_limit("a claim", Limit.DEVICES_IN_CLAIM, policy.max_devices_in_claim, len(entries))
    keys: dict[Wanted, Key] = {}
    events: list[DeviceEvent] = []
    for entry in entries:
        claimed = transitions.claim(store.state(entry.device), entry.algorithm, policy=policy)
        if claimed.key is not None:
            keys[entry] = claimed.key
        if claimed.events:
            store = store.with_state(entry.device, claimed.state)
            events.extend(DeviceEvent(entry.device, event) for event in claimed.events)
    return StoreClaimed(
        store=store, keys=Map(keys), events=tuple(events), woken=frozenset(event.device for event in events)
    )


def _stored(
    store: KeyStore,
    device: Device,
    done: Uploaded | Dropped,
    notices: tuple[Notice, ...] = (),
) -> Stored:
    return Stored(
        store=store.with_state(device, done.state) if done.events else store,
        events=tuple(DeviceEvent(device, event) for event in done.events),
        woken=frozenset((device,)) if done.wakes else frozenset(),
        notices=notices,
    )


# --- Federation ---

Unreachable: TypeAlias = Literal["unreachable"]
UNREACHABLE: Final = "unreachable"
"""In place of a server's answer: it did not answer, or not with anything readable."""


def split(
    wanted: Iterable[Wanted], server_name: str
) -> tuple[tuple[Wanted, ...], Map[str, tuple[Wanted, ...]]]:
    """Split a claim into what this server answers and what each other server must be asked (FK-FED-01).

    Args:
        wanted: the whole claim.
        server_name: this server's; names are compared case-sensitively (Appendices, "Server Name").

    Returns:
        The local entries, and the others by server name; both in the claim's order.
    """
    local: list[Wanted] = []
    remote: dict[str, list[Wanted]] = {}
    for entry in wanted:
        if entry.device.server_name == server_name:
            local.append(entry)
        else:
            remote.setdefault(entry.device.server_name, []).append(entry)
    return tuple(local), Map({server: tuple(entries) for server, entries in remote.items()})


def merge(
    local: Map[Wanted, Key],
    asked: Map[str, tuple[Wanted, ...]],
    answers: Mapping[str, Mapping[Wanted, Key] | Unreachable],
) -> tuple[Map[Wanted, Key], tuple[str, ...]]:
    """Merge the local part of a claim with other servers' answers.

    Of an answer only what that server was asked for is kept (FK-FED-02); a server that is missing from
    `answers` is unreachable (FK-FED-01).

    Returns:
        The keys, and the names of the servers that failed, sorted.
    """
    keys = dict(local)
    failures: list[str] = []
    for server, entries in asked.items():
        answer = answers.get(server, UNREACHABLE)
        if isinstance(answer, str):
            failures.append(server)
            continue
        for entry in entries:
            key = answer.get(entry)
            if key is not None and key.algorithm == entry.algorithm:
                keys[entry] = key
    return Map(keys), tuple(sorted(failures))
