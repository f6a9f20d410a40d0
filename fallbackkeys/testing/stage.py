"""Where a trace is played on a server under test: traces' `Server`, over an `Adapter`.

    lodging = Lodging(adapter)
    replay(trace, server=lodging.fresh(trace.server_name))

A `Stage` serves one trace. It makes each device when a step first names it, maps the trace's names to the
server's (`names`), and keeps answers apart from what earlier examples left. A device that was removed is made
anew, under the same id, by the next upload or sync. `Lodging.fresh` gives a stage on new devices;
`Lodging.stage` one on devices used before, under algorithms of its own, since a login is dear.
"""

import itertools
import re
from collections.abc import Mapping

import attrs

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON
from fallbackkeys.testing.adapter import Adapter, NotSupported, SharedDevices
from fallbackkeys.testing.names import MARK, Naming
from fallbackkeys.traces.model import DEFAULT_SERVER_NAME
from fallbackkeys.wire import Response

_LOCALPART = re.compile(r"[a-z0-9._=-]+")

CLAIMER = "claimer"
"""The user who claims where a trace leaves it open."""

ALGORITHMS_PER_DEVICE = 12
"""Algorithms that a device is used for before another takes its place: servers limit them, the wire's own
policy at 16."""


@attrs.define
class Lodging:
    """A server's devices, kept from example to example."""

    adapter: Adapter
    tag: str = ""
    """What tells the algorithms of this run from those of others, where devices outlive a run."""
    _rooms: dict[Device, Device] = attrs.field(factory=dict)
    _floors: dict[str, int] = attrs.field(factory=dict)
    _wishes: dict[Device, str] = attrs.field(factory=dict)
    _algorithms: dict[Device, set[str]] = attrs.field(factory=dict)
    _numbers: "itertools.count[int]" = attrs.field(factory=lambda: itertools.count(1))
    _examples: "itertools.count[int]" = attrs.field(factory=lambda: itertools.count(1))

    def stage(self) -> "Stage":
        """A stage on the devices that are there, under algorithms never used before."""
        self._leave_full_rooms()
        return Stage(self, suffix=self._new_suffix())

    def fresh(self, server_name: str = DEFAULT_SERVER_NAME) -> "Stage":
        """A stage on new devices, under the very algorithms of the trace, whose server is `server_name`.

        Where the adapter has no new devices to give, the algorithms are new instead.
        """
        lodging = Lodging(self.adapter, self.tag, numbers=self._numbers)
        shared = isinstance(self.adapter, SharedDevices)
        return Stage(lodging, suffix=self._new_suffix() if shared else "", server_name=server_name)

    def _new_suffix(self) -> str:
        return f"{MARK}{self.tag}{next(self._examples)}"

    def room(self, device: Device) -> Device:
        """The server's device that stands for a trace's.

        Devices of one user get the same prefix, so that ids which begin alike do so on the server.
        """
        if device not in self._rooms:
            if device.user_id not in self._floors:
                self._floors[device.user_id] = next(self._numbers)
            real = self._make(device, f"K{self._floors[device.user_id]}{device.device_id}")
            if real in self._rooms.values():  # one device for two would be taken for a fault of the server
                raise NotSupported(what=f"give {device.user_id} more devices")
            self._rooms[device] = real
        return self._rooms[device]

    def again(self, device: Device, removed: Device) -> Device:
        """Make a device that was removed once more, under the id it had."""
        return self._make(device, self._wishes[removed])

    def _make(self, device: Device, name: str) -> Device:
        """A new device for the user of `device`."""
        localpart = device.user_id[1:].partition(":")[0]
        if not _LOCALPART.fullmatch(localpart):
            raise NotSupported(what=f"register the user {device.user_id!r}")
        if not device.device_id.isprintable():
            raise NotSupported(what=f"choose the device id {device.device_id!r}")
        real = self.adapter.new_device(user=localpart, device=name)
        self._wishes[real] = name
        return real

    def enter(self, device: Device, body: JSON) -> None:
        """Count the algorithms that an upload may have brought to a device."""
        names = [
            name
            for member in (body.values() if isinstance(body, dict) else ())
            for name in (member if isinstance(member, dict) else ())
        ]
        self._algorithms.setdefault(device, set()).update(name.partition(":")[0] for name in names)

    def vacate(self, user: str) -> None:
        """Use the devices of a trace's user no more."""
        self._floors.pop(user, None)
        self._rooms = {device: room for device, room in self._rooms.items() if device.user_id != user}

    def _leave_full_rooms(self) -> None:
        for device, real in list(self._rooms.items()):
            if len(self._algorithms.get(real, ())) >= ALGORITHMS_PER_DEVICE:
                self.vacate(device.user_id)


class Stage:
    """A `Server` for one trace, played on the server under test."""

    def __init__(self, lodging: Lodging, *, suffix: str = "", server_name: str = DEFAULT_SERVER_NAME) -> None:
        """Set the stage.

        Args:
            lodging: whose devices are used.
            suffix: of the algorithms' names.
            server_name: the trace's.
        """
        self._adapter = lodging.adapter
        self._lodging = lodging
        self._names = Naming(trace_server=server_name, suffix=suffix)
        self._removed: dict[Device, Device] = {}

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        """See `Server.upload`."""
        one = Device(user, device)
        real = self._lodge(one)
        written = self._names.upload(one, body)
        self._lodging.enter(real, written)
        response = self._adapter.upload(
            user=real.user_id, device=real.device_id, body=written, dialects=dialects
        )
        return attrs.evolve(response, body=self._names.upload_answer(response.body))

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        """See `Server.claim`."""
        claimer = self._claimer(user)
        written = self._names.claim(body)
        response = self._adapter.claim(user=claimer.user_id, body=written, remote=remote)
        return attrs.evolve(response, body=self._names.claim_answer(response.body))

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        """See `Server.federation_claim`."""
        if not self._names.devices:  # a device tells what the server's name is
            self._claimer(None)
        response = self._adapter.federation_claim(origin=origin, body=self._names.claim(body))
        return attrs.evolve(response, body=self._names.claim_answer(response.body))

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        """See `Server.sync`."""
        real = self._lodge(Device(user, device))
        response = self._adapter.sync(user=real.user_id, device=real.device_id, dialects=dialects)
        return attrs.evolve(response, body=self._names.sync_answer(response.body))

    def delete_device(self, *, user: str, device: str) -> Response:
        """See `Server.delete_device`."""
        one = Device(user, device)
        real = self._lodge(one)
        response = self._adapter.delete_device(user=real.user_id, device=real.device_id)
        self._lodging.vacate(user)
        self._removed[one] = real
        return response

    def _lodge(self, device: Device) -> Device:
        """The server's device for a trace's, made if there is none or it was removed."""
        if device in self._removed:
            removed = self._removed.pop(device)
            self._names.lodge(device, self._lodging.again(device, removed))
        elif device not in self._names.devices:
            self._names.lodge(device, self._lodging.room(device))
        return self._names.devices[device]

    def _claimer(self, user: str | None) -> Device:
        """A device of the claiming user; if it has none in the trace, one of its own."""
        server = self._names.trace_server
        name = f"@{CLAIMER}:{server}" if user is None else user
        lodged = (one for one in self._names.devices if one.user_id == name and one not in self._removed)
        return self._lodge(next(lodged, Device(name, "CLAIMER")))
