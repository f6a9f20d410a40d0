"""A homeserver in memory: the pure wire endpoints, and what clients need around them to exchange messages.

It trusts nothing that it can check: every signature in an upload is verified before anything is stored.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

import attrs

from fallbackkeys import EMPTY_STORE, Device, Key, KeyStore, Notice
from fallbackkeys.errors import Refusal
from fallbackkeys.signing import verify_device_keys, verify_key
from fallbackkeys.wire import PendingClaim, Response, claim_keys, sync_keys, upload_keys

SERVER_NAME = "example.org"
CURVE = "signed_curve25519"


@attrs.define
class Homeserver:
    """All of a server's state. Bodies go in and come out as parsed JSON."""

    store: KeyStore = EMPTY_STORE
    device_keys: dict[Device, dict[str, Any]] = attrs.field(factory=dict)
    ed25519: dict[Device, str] = attrs.field(factory=dict)
    inboxes: dict[Device, list[dict[str, Any]]] = attrs.field(factory=lambda: defaultdict(list))
    uploads: list[tuple[Device, dict[str, Any]]] = attrs.field(factory=list)
    """Every upload that arrived, refused ones too."""
    notices: list[Notice] = attrs.field(factory=list)
    """What the core accepted and still found worth a note."""
    claimed: list[dict[str, Any]] = attrs.field(factory=list)
    """The `one_time_keys` of every answer to a claim."""

    def upload(self, device: Device, body: dict[str, Any]) -> Response:
        """`POST /keys/upload`."""
        self.uploads.append((device, body))
        try:
            ed25519 = self._verified(device, body)
        except Refusal as refusal:
            return Response(
                status=refusal.status, body={"errcode": refusal.errcode, "error": refusal.message}
            )
        answer = upload_keys(self.store, device.user_id, device.device_id, body)
        self.store = answer.store
        self.notices += answer.notices
        if answer.device_keys is not None:
            self.device_keys[device] = json.loads(answer.device_keys)
            self.ed25519[device] = ed25519
        return answer.response

    def _verified(self, device: Device, body: dict[str, Any]) -> str:
        """Check every signature in an upload; the device's ed25519 key."""
        if "device_keys" in body:
            ed25519 = verify_device_keys(body["device_keys"], device)
        else:
            ed25519 = self.ed25519.get(device, "")
        for member in ("one_time_keys", "fallback_keys"):
            for name, value in body.get(member, {}).items():
                verify_key(Key.parse(name, value), device, ed25519)
        return ed25519

    def claim(self, body: dict[str, Any]) -> Response:
        """`POST /keys/claim`."""
        pending = claim_keys(self.store, SERVER_NAME, body)
        if not isinstance(pending, PendingClaim):
            return pending.response
        self.store = pending.store
        response = pending.finish({})
        self.claimed.append(cast("dict[str, Any]", response.body["one_time_keys"]))
        return response

    def claim_one(self, device: Device, algorithm: str = CURVE) -> tuple[str, dict[str, Any]]:
        """A claim of one key: its name and value."""
        response = self.claim({"one_time_keys": {device.user_id: {device.device_id: algorithm}}})
        keys: Any = response.body["one_time_keys"]
        ((name, value),) = keys[device.user_id][device.device_id].items()
        return name, value

    def drain(self, device: Device) -> list[str]:
        """Claim all one-time keys of a device, as anyone may; their names."""
        return [self.claim_one(device)[0] for _ in range(self.counts(device).get(CURVE, 0))]

    def query(self, body: Mapping[str, Any]) -> Response:
        """`POST /keys/query`."""
        found: dict[str, Any] = {user_id: {} for user_id in body["device_keys"]}
        for device, keys in self.device_keys.items():
            if device.user_id in found:
                found[device.user_id][device.device_id] = keys
        return Response(status=200, body={"device_keys": found, "failures": {}})

    def send_to_device(self, sender: str, event_type: str, body: Mapping[str, Any]) -> Response:
        """`PUT /sendToDevice/{eventType}/{txnId}`."""
        for user_id, by_device in body["messages"].items():
            for device_id, content in by_device.items():
                event = {"type": event_type, "sender": sender, "content": content}
                self.inboxes[Device(user_id, device_id)].append(event)
        return Response(status=200, body={})

    def sync(self, device: Device) -> dict[str, Any]:
        """What `/sync` has of encryption: the two fields, and the messages since the last one."""
        return {**self._fields(device), "to_device": {"events": self.inboxes.pop(device, [])}}

    def _fields(self, device: Device) -> dict[str, Any]:
        return {**sync_keys(self.store, device.user_id, device.device_id).response.body}

    def counts(self, device: Device) -> dict[str, int]:
        """The device's one-time keys by algorithm."""
        return cast("dict[str, int]", self._fields(device)["device_one_time_keys_count"])

    def unused(self, device: Device) -> list[str]:
        """The algorithms whose fallback key is unused."""
        return cast("list[str]", self._fields(device)["device_unused_fallback_key_types"])

    def fallback_key(self, device: Device) -> Key | None:
        """The key in the device's slot."""
        slot = self.store.state(device).slots.get(CURVE)
        return None if slot is None else slot.key
