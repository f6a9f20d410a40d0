"""Servers that are right, or that fail as networks and adapters do; and how much to look in a test."""

from collections.abc import Mapping
from typing import Any

from hypothesis import settings

from fallbackkeys import Device, OneTimeKeyIssued, apply, claimable
from fallbackkeys.errors import JSON
from fallbackkeys.testing import Effort, NotSupported, ReferenceAdapter, ServerLost
from fallbackkeys.traces import ReferenceServer
from fallbackkeys.wire import Response

EFFORT = Effort(examples=5 * settings().max_examples // 100, seconds=600)
"""Short in the profile `ci`, longer in proportion in any other; no test depends on the time."""


class FarAway(ReferenceAdapter):
    """A server with a name, users and device ids of its own, as one over HTTP has them.

    It knows only devices that were made, and none of them is made twice unless it was removed.
    """

    def __init__(self) -> None:
        super().__init__("far.away.example")
        self.made: list[Device] = []
        self.devices: set[Device] = set()

    def new_device(self, *, user: str, device: str) -> Device:
        real = Device(f"@run7-{user}:far.away.example", f"RUN7{device}")
        assert real not in self.devices
        self.made.append(real)
        self.devices.add(real)
        return real

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        assert Device(user, device) in self.devices
        return super().upload(user=user, device=device, body=body, dialects=dialects)

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        assert user in {device.user_id for device in self.devices}
        return super().claim(user=user, body=body, remote=remote)

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        assert Device(user, device) in self.devices
        return super().sync(user=user, device=device, dialects=dialects)

    def delete_device(self, *, user: str, device: str) -> Response:
        self.devices.remove(Device(user, device))
        return super().delete_device(user=user, device=device)


class ChoosesTheLast(ReferenceAdapter):
    """Right in another way: of the keys that may be claimed it gives the last, and it shows who gets nothing.

    Its refusals have another status, and leave a claim's answer without `failures`.
    """

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        response = super().upload(user=user, device=device, body=body, dialects=dialects)
        return Response(status=422, body=response.body) if response.status == 400 else response

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        with self._one_at_a_time:
            before = self.store
            response = super().claim(user=user, body=body, remote=remote)
            if response.status == 200:
                self.choose(before, body, response.body)
            return response

    def choose(self, before: Any, body: Any, answer: Any) -> None:
        for user, devices in body["one_time_keys"].items():
            for device, algorithm in devices.items():
                shown = answer["one_time_keys"].setdefault(user, {}).setdefault(device, {})
                state = before.state(Device(user, device))
                if state.pool(algorithm):
                    last = claimable(state, algorithm)[-1]
                    shown.clear()
                    shown[str(last.name)] = last.value
                    self.store = self.store.with_state(
                        Device(user, device), apply(state, OneTimeKeyIssued(last))
                    )
        del answer["failures"]


class Mortal(ReferenceAdapter):
    """Stops answering after so many uploads."""

    def __init__(self, uploads: int) -> None:
        super().__init__()
        self.left = uploads

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        if not self.left:
            raise ServerLost(reason="connection refused")
        self.left -= 1
        return super().upload(user=user, device=device, body=body, dialects=dialects)


class Limited(ReferenceAdapter):
    """An adapter that can neither remove devices nor claim as another server."""

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        raise NotSupported(what=f"claim as {origin}, {type(body).__name__}")

    def delete_device(self, *, user: str, device: str) -> Response:
        raise NotSupported(what=f"remove {user} {device}")


def reference() -> ReferenceServer:
    return ReferenceServer("example.org")
