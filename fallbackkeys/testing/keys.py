"""Keys to test with: numbered, the same in every run, truly signed.

The public keys are no points of a curve and their seeds no secrets: no server looks, and nobody can mistake
them for keys in use.
"""

import base64
import functools
import hashlib
import json
from typing import Any

from fallbackkeys import signing
from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON

SIGNED = "signed_curve25519"
PLAIN = "curve25519"


def seed_of(device: Device, generation: int = 0) -> bytes:
    """The seed of a device's ed25519 key; its first, or that of a later generation."""
    return hashlib.sha256(f"{device.user_id} {device.device_id} {generation}".encode()).digest()


def public_key(text: str) -> str:
    """Key material drawn from a text: 32 bytes in unpadded base64."""
    return _encode(hashlib.sha256(text.encode()).digest())


def key_id(number: int) -> str:
    """An id as libolm makes them: a counter in base64."""
    return _encode(number.to_bytes(4, "big"))


def key_name(number: int, algorithm: str = SIGNED) -> str:
    """The name `<algorithm>:<key_id>` of a numbered key."""
    return f"{algorithm}:{key_id(number)}"


def signed_key(device: Device, text: str, **members: JSON) -> dict[str, JSON]:
    """A key object, signed by its device, its members in sorted order.

    Args:
        device: whose key it is.
        text: what the public key is drawn from.
        members: further ones, signed too, for example `fallback=True`.
    """
    return dict(json.loads(_signed(device, json.dumps({**members, "key": public_key(text)}))))


def unsorted(key: dict[str, JSON]) -> dict[str, JSON]:
    """The same object, its members in another order than canonical JSON's."""
    return dict(sorted(key.items(), reverse=True))


def signed_anew(key: dict[str, JSON]) -> dict[str, Any]:
    """The same key with another signature beside its device's."""
    signatures = key["signatures"] if isinstance(key["signatures"], dict) else {}
    more: dict[str, JSON] = {"ed25519:ANEW": _encode(bytes(64))}
    return {
        **key,
        "signatures": {
            user: {**by_key, **more} if isinstance(by_key, dict) else by_key
            for user, by_key in signatures.items()
        },
    }


@functools.lru_cache(maxsize=10_000)
def _signed(device: Device, unsigned: str) -> str:
    key = signing.signing_key(device.device_id, seed_of(device))
    return json.dumps(signing.sign(json.loads(unsigned), device.user_id, key), sort_keys=True)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
