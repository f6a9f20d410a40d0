"""What holds in every trace, whatever it expects.

- No one-time key is returned twice: by device since its last removal, and by algorithm and public key.
- A refused step leaves the next sync of every device as it was.

Both are judged from what crosses the wire, never from a server's state, so they hold any server to account.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON
from fallbackkeys.traces.model import (
    ClaimStep,
    DeleteDeviceStep,
    Expectation,
    FederationClaimStep,
    Step,
    UploadStep,
)
from fallbackkeys.traces.patterns import Difference, compare_answer
from fallbackkeys.traces.places import place_of
from fallbackkeys.traces.server import Server
from fallbackkeys.wire import DIALECTS, Response, dialects
from fallbackkeys.wire.decode import ONE_TIME_KEYS
from fallbackkeys.wire.dialects import fallback_member
from fallbackkeys.wire.encode import COUNTS

REFUSED = 400
"""The lowest status that refuses a step."""

Views: TypeAlias = Mapping[Device, Response]
"""What each device would be told if it synced."""


def views(server: Server, devices: Iterable[Device], spoken: tuple[str, ...]) -> Views:
    """Sync every device of a trace in the dialects it speaks; servers take that as the reading it is."""
    return {
        device: server.sync(user=device.user_id, device=device.device_id, dialects=spoken)
        for device in devices
    }


def changes(before: Views, after: Views) -> Iterator[Difference]:
    """How the devices' syncs changed over a step that was refused."""
    for device, response in before.items():
        for change in compare_answer(_same(response), after[device], sync=True):
            path = f"next sync of {ascii(f'{device.user_id} {device.device_id}')[1:-1]}: {change.path}"
            yield Difference(path, f"{change.expected}, as before the refusal", change.actual)


def _same(response: Response) -> Expectation:
    """What a sync that says the same would be."""
    if response.status >= REFUSED:
        return Expectation(status=response.status)
    pattern: dict[str, JSON] = {COUNTS: {"$counts": response.body.get(COUNTS, {})}}
    for member in (dialect.sync_member for dialect in DIALECTS):
        types = response.body.get(member)
        if member not in response.body:
            pattern[member] = {"$absent": True}
        else:
            pattern[member] = {"$set": types} if isinstance(types, list) else types
    return Expectation(status=response.status, body=pattern)


class Ledger:
    """The one-time keys returned so far in one trace.

    An answer does not say of which kind a key is, and a public key may have been uploaded as both. So a
    returned key is taken for a fallback key if its device has uploaded that public key under that name as one
    since its last removal, and for a one-time key otherwise. Keys of other servers' users are left aside:
    nothing here says which of them are fallback keys.
    """

    def __init__(self, server_name: str) -> None:
        self._server_name = server_name
        self._fallback: dict[Device, set[tuple[str, str]]] = {}
        self._returned: dict[Device, dict[tuple[str, str], int]] = {}

    def enter(self, number: int, step: Step, response: Response) -> Iterator[Difference]:
        """Enter an answer, and name the one-time keys in it that were returned before.

        Args:
            number: the step's, from 1.
            step: what was done.
            response: what was answered.
        """
        if response.status >= REFUSED:
            return
        match step:
            case UploadStep():
                keys = self._fallback.setdefault(Device(step.user, step.device), set())
                keys.update(_fallback_keys(step))
            case DeleteDeviceStep():
                self._fallback.pop(Device(step.user, step.device), None)
                self._returned.pop(Device(step.user, step.device), None)
            case ClaimStep() | FederationClaimStep():
                for device, name, public_key in _claimed(response):
                    if device.server_name == self._server_name:
                        yield from self._enter_key(number, device, name, public_key)
            case _:
                pass

    def _enter_key(self, number: int, device: Device, name: str, public_key: str) -> Iterator[Difference]:
        if (name, public_key) in self._fallback.get(device, ()):
            return
        returned = self._returned.setdefault(device, {})
        identity = name.partition(":")[0], public_key
        if identity in returned:
            path = place_of(("body", ONE_TIME_KEYS, device.user_id, device.device_id, name))
            before = f"step {returned[identity]}" if returned[identity] != number else "this answer"
            yield Difference(path, "a key that was not returned yet", f"a one-time key of {before} again")
        returned.setdefault(identity, number)


def _fallback_keys(step: UploadStep) -> Iterator[tuple[str, str]]:
    if isinstance(step.body, dict):
        member = fallback_member(dict(step.body), dialects(step.dialects))
        yield from _public_keys(step.body.get(member) if member else None)


def _claimed(response: Response) -> Iterator[tuple[Device, str, str]]:
    for user_id, devices in _members(response.body.get(ONE_TIME_KEYS)):
        for device_id, keys in _members(devices):
            for name, public_key in _public_keys(keys):
                yield Device(user_id, device_id), name, public_key


def _public_keys(keys: JSON) -> Iterator[tuple[str, str]]:
    """Name and public key of every key in a map that has one."""
    for name, value in _members(keys):
        public_key = value.get("key") if isinstance(value, dict) else value
        if isinstance(public_key, str):
            yield name, public_key


def _members(value: JSON) -> Iterator[tuple[str, JSON]]:
    yield from value.items() if isinstance(value, dict) else ()
