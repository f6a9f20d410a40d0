"""Signatures of keys: make them for tests and clients, verify uploaded and claimed ones.

An optional step of the embedder's, before `upload` or after a claim; no transition looks at a signature. What
is verified is the whole object but `signatures` and `unsigned`, as canonical bytes, so a fallback key's
`fallback` member is covered like every other (CS "Key algorithms"; Appendices, "Signing JSON").

The only module that imports `signedjson`, which loads PyNaCl: import it where you need it. `signedjson`
itself changes the object it is given, and fails with whatever its input leads to; here the caller's objects
stay as they are, and a signature that cannot be trusted is one error, `BadSignature`.
"""

import base64
import binascii
import enum
from collections.abc import Mapping
from typing import cast

import attrs
import signedjson.key
import signedjson.sign
from signedjson.types import SigningKey

from fallbackkeys import canonical
from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON, Errcode, Malformed, Misuse, Refusal, Rule, TooLarge, describe
from fallbackkeys.keys import Key, check_signatures, check_unicode
from fallbackkeys.outcomes import Upload

ED25519 = "ed25519"
"""Matrix's one signing algorithm (Appendices, "Signing Details")."""

SEED_BYTES = PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


class Fault(enum.StrEnum):
    """Why a signature is not trusted; each value completes the sentence "*object* …"."""

    NOT_SIGNABLE = "is no object that can carry a signature"
    MISSING = "has no signature of its device"
    ENCODING = "has a signature of its device that is no base64 of 64 bytes"
    PUBLIC_KEY = "cannot be verified: the device's ed25519 key is no base64 of 32 bytes"
    WRONG = "has a signature of its device that does not verify"
    IDENTITY = "is of another user or device"


@attrs.frozen(kw_only=True, eq=False, str=False)
class BadSignature(Refusal):
    """An object is not signed by the device it is said to be of."""

    subject: str
    """The name of the key, or `device_keys`."""
    device: Device
    """Whose signature was looked for."""
    fault: Fault
    errcode: Errcode = attrs.field(default=Errcode.INVALID_SIGNATURE, init=False)

    @property
    def message(self) -> str:
        """The sentence: what, and why."""
        return f"{self.subject} {self.fault.value} ({self.device.user_id}, {ED25519}:{self.device.device_id})"


def signing_key(device_id: str, seed: bytes) -> SigningKey:
    """A device's signing key from a seed; randomness is the caller's.

    Args:
        device_id: becomes the key's identifier, as Matrix names device keys.
        seed: `SEED_BYTES` bytes.

    Raises:
        Misuse: the seed has another length.
    """
    if len(seed) != SEED_BYTES:
        raise Misuse(f"a seed must have {SEED_BYTES} bytes, and has {len(seed)}")
    return signedjson.key.decode_signing_key_base64(ED25519, device_id, _encode(seed))


def public_key(key: SigningKey) -> str:
    """The public half, in unpadded base64, as `/keys/query` gives it."""
    return signedjson.key.encode_verify_key_base64(signedjson.key.get_verify_key(key))


def sign(value: object, entity: str, key: SigningKey) -> dict[str, JSON]:
    """Sign an object (Appendices, "Signing JSON").

    Args:
        value: the object; signatures that it has stay, and `unsigned` is not covered. It is not changed.
        entity: who signs, for a device its user id.
        key: from `signing_key`.

    Returns:
        A new object with the signature under `signatures`.

    Raises:
        Malformed, TooLarge: the object has no canonical JSON, or its `signatures` are not of the right form.
    """
    if not isinstance(value, Mapping):
        raise Malformed(member="the object", rule=Rule.OBJECT, found=describe(value))
    check_unicode(entity, "the signing entity")
    copied = dict(value)
    canonical.check(copied, "the object")
    canonical.encode(copied, "the object")
    # signedjson changes its argument and what that holds in `signatures`: it gets copies of both.
    signatures = copied.get("signatures", {})
    check_signatures(signatures, "signatures")
    by_entity = cast("dict[str, dict[str, str]]", signatures)
    copied["signatures"] = {name: dict(by_key) for name, by_key in by_entity.items()}
    return cast("dict[str, JSON]", signedjson.sign.sign_json(copied, entity, key))


def verify_key(key: Key, device: Device, ed25519: str) -> None:
    """Check that a device has signed one of its keys.

    Args:
        key: uploaded or claimed.
        device: whose key it is said to be.
        ed25519: the device's public ed25519 key in base64, padded or not, from its verified `device_keys`.

    Raises:
        BadSignature: the key is a mere string, is not signed by the device, or the signature is malformed or
            wrong.
    """
    _verify(key.value, str(key.name), device, ed25519)


def verify_upload(command: Upload, device: Device, ed25519: str) -> None:
    """Check every key of an upload that can carry a signature, before `upload`.

    Keys that are mere strings are passed over: their algorithms have no signatures.

    Raises:
        BadSignature: for the first key that is not signed by the device.
    """
    for key in (*command.one_time_keys, *command.fallback_keys):
        if key.is_object:
            verify_key(key, device, ed25519)


def verify_device_keys(device_keys: object, device: Device) -> str:
    """Check that identity keys are signed by the ed25519 key that they name.

    Args:
        device_keys: the member of an upload or of a `/keys/query` answer.
        device: whose they are said to be.

    Returns:
        The device's ed25519 key, for the other functions. Whether to trust it is another matter.

    Raises:
        BadSignature: they are of another device, malformed, or not signed by it.
    """
    subject = "device_keys"
    if not isinstance(device_keys, Mapping):
        raise BadSignature(subject=subject, device=device, fault=Fault.NOT_SIGNABLE)
    if (device_keys.get("user_id"), device_keys.get("device_id")) != (device.user_id, device.device_id):
        raise BadSignature(subject=subject, device=device, fault=Fault.IDENTITY)
    keys = device_keys.get("keys")
    ed25519 = keys.get(f"{ED25519}:{device.device_id}") if isinstance(keys, dict) else None
    if not isinstance(ed25519, str):
        raise BadSignature(subject=subject, device=device, fault=Fault.PUBLIC_KEY)
    _verify(device_keys, subject, device, ed25519)
    return ed25519


def _verify(value: object, subject: str, device: Device, ed25519: str) -> None:
    """The steps of Appendices, "Checking for a Signature", with the one verification key already known."""

    def bad(fault: Fault) -> BadSignature:
        return BadSignature(subject=subject, device=device, fault=fault)

    if not isinstance(value, Mapping):
        raise bad(Fault.NOT_SIGNABLE)
    key_id = f"{ED25519}:{device.device_id}"
    # Steps 1 and 2: an entry of the entity, under an algorithm that is understood.
    by_entity = value.get("signatures")
    by_key = by_entity.get(device.user_id) if isinstance(by_entity, dict) else None
    signature = by_key.get(key_id) if isinstance(by_key, dict) else None
    if not isinstance(signature, str):
        raise bad(Fault.MISSING)
    # Step 3: the verification key, which the caller has looked up.
    public = _decode(ed25519, PUBLIC_KEY_BYTES)
    if public is None:
        raise bad(Fault.PUBLIC_KEY)
    # Step 4: "If base64 decoding fails then the check fails."
    if _decode(signature, SIGNATURE_BYTES) is None:
        raise bad(Fault.ENCODING)
    # Steps 5 to 7, once it is certain that the object has canonical JSON.
    checked = dict(value)
    try:
        canonical.check(checked, subject)
        canonical.encode(checked, subject)
    except (Malformed, TooLarge):
        raise bad(Fault.NOT_SIGNABLE) from None
    verifier = signedjson.key.decode_verify_key_bytes(key_id, public)
    try:
        signedjson.sign.verify_signed_json(checked, device.user_id, verifier)
    except signedjson.sign.SignatureVerifyException:
        raise bad(Fault.WRONG) from None


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decode(text: str, length: int) -> bytes | None:
    """Base64 of so many bytes, padded or not (Appendices, "Unpadded Base64"), and nothing else; or None."""
    unpadded = text.rstrip("=")
    try:
        decoded = base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if len(decoded) == length else None
