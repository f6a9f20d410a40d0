"""Signatures of keys: make them for tests and clients, verify uploaded and claimed ones.

An optional step of the embedder's, before `upload` or after a claim; no transition looks at a signature. What
is verified is the whole object but `signatures` and `unsigned`, as canonical bytes, so a fallback key's
`fallback` member is covered like every other (CS "Key algorithms"; Appendices, "Signing JSON"). Nothing that
is JSON in these two members, besides the signature looked for, changes the verdict (FK-SIGN-01).

Two errors (FK-SIGN-03). What cannot be trusted is `BadSignature`, whatever is wrong with it: it came from a
peer. What cannot be signed, and an argument of the wrong type, is `Misuse`: it came from the program itself.

Objects are taken as JSON parsers return them: `dict`, `list`, `str`, `int`, `float`, `bool` and `None`. A
subclass (`OrderedDict`, an `IntEnum`) is refused, for its methods may tell something else than its value.
Objects are copied before anything reads them: nothing of the caller's is changed, no method of its own runs.

The only module that imports `signedjson`, which loads PyNaCl: import it where you need it. `signedjson`
changes the object it is given, and fails with whatever its input leads to; it gets only what was checked.
"""

import base64
import enum
import functools
import itertools
from types import NoneType
from typing import TypeVar, cast

import attrs
import signedjson.key
import signedjson.sign
from signedjson.types import SigningKey

from fallbackkeys import canonical
from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON, Errcode, Malformed, Misuse, Refusal, TooLarge, quote
from fallbackkeys.keys import Key, check_signatures, check_unicode
from fallbackkeys.outcomes import Upload

ED25519 = "ed25519"
"""Matrix's one signing algorithm (Appendices, "Signing Details")."""

SEED_BYTES = PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

MAX_VALUES = 100_000
"""Most values in one object, counted wherever they stand: a few that are shared can stand in 2^100 places."""


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
        signer = f"{quote(self.device.user_id)}, {ED25519}:{quote(self.device.device_id)}"
        return f"{quote(self.subject)} {self.fault.value} ({signer})"


def signing_key(device_id: str, seed: bytes) -> SigningKey:
    """A device's signing key from a seed; randomness is the caller's.

    Args:
        device_id: becomes the key's identifier, as Matrix names device keys.
        seed: `SEED_BYTES` bytes.

    Raises:
        Misuse: the seed has another length, the device id has no UTF-8, or one of them another type.
    """
    _check_text(device_id, "a device id")
    if len(_exactly(bytes, seed)) != SEED_BYTES:
        raise Misuse(f"a seed must have {SEED_BYTES} bytes, and has {len(seed)}")
    return signedjson.key.decode_signing_key_base64(ED25519, device_id, _encode(seed))


def public_key(key: SigningKey) -> str:
    """The public half, in unpadded base64, as `/keys/query` gives it.

    Raises:
        Misuse: the key is not from `signing_key`.
    """
    _exactly(_SIGNING_KEY, key)
    return _encode(key.verify_key.encode())


def sign(value: object, entity: str, key: SigningKey) -> dict[str, JSON]:
    """Sign an object (Appendices, "Signing JSON").

    Args:
        value: the object. Signatures that it has stay, and so does `unsigned`, which is not covered.
        entity: who signs, for a device its user id.
        key: from `signing_key`.

    Returns:
        A new object with the signature under `signatures`. It shares nothing with `value` that could change.

    Raises:
        Misuse: the object is not made of plain JSON values, has no canonical JSON but for `unsigned`, has
            `signatures` of another form or more than `MAX_VALUES` values; or the entity is no text that has
            UTF-8, or the key not from `signing_key`.
    """
    _check_text(entity, "the signing entity")
    _check_text(getattr(_exactly(_SIGNING_KEY, key), "version", None), "the id of the signing key")
    signed = _plain(value)
    # signedjson adds to the object that it is given: it gets the covered members, in an object of their own.
    try:
        covered = _covered(signed)
        signatures = signed.setdefault("signatures", {})
        check_signatures(signatures, "signatures")
        canonical.encode(signatures, "signatures")
    except (Malformed, TooLarge) as refusal:
        raise Misuse(f"cannot be signed: {refusal}") from refusal
    made = signedjson.sign.sign_json(covered, entity, key)["signatures"][entity]
    cast("dict[str, dict[str, str]]", signatures).setdefault(entity, {}).update(made)
    return signed


def verify_key(key: Key, device: Device, ed25519: str) -> None:
    """Check that a device has signed one of its keys.

    Args:
        key: uploaded or claimed.
        device: whose key it is said to be.
        ed25519: the device's public ed25519 key, from its verified `device_keys`, in base64 with or without
            padding. Anything else, as the `None` that stands for a missing one, is a `Fault.PUBLIC_KEY`.

    Raises:
        BadSignature: the key is a mere string, is not signed by the device, or the signature is malformed or
            wrong.
        Misuse: the key is no `Key`, or the device no `Device`.
    """
    _check_device(device)
    _verify(_exactly(Key, key).value, str(key.name), device, ed25519)


def verify_upload(command: Upload, device: Device, ed25519: str) -> None:
    """Check every key of an upload that can carry a signature, before `upload`.

    Keys that are mere strings are passed over: their algorithms have no signatures.

    Raises:
        BadSignature: for the first key that is not signed by the device.
        Misuse: the command is no `Upload` of `Key`s, or the device no `Device`.
    """
    _check_device(device)
    for key in (*_exactly(Upload, command).one_time_keys, *command.fallback_keys):
        if _exactly(Key, key).is_object:
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
        Misuse: the device is no `Device`.
    """
    _check_device(device)
    subject = "device_keys"
    bad = functools.partial(BadSignature, subject=subject, device=device)
    try:
        value = _plain(device_keys)
    except Misuse:
        raise bad(fault=Fault.NOT_SIGNABLE) from None
    if (value.get("user_id"), value.get("device_id")) != (device.user_id, device.device_id):
        raise bad(fault=Fault.IDENTITY)
    ed25519 = _member(value.get("keys"), f"{ED25519}:{device.device_id}")
    if not isinstance(ed25519, str):
        raise bad(fault=Fault.PUBLIC_KEY)
    _verify(value, subject, device, ed25519)
    return ed25519


def _verify(value: JSON, subject: str, device: Device, ed25519: str) -> None:
    """The steps of Appendices, "Checking for a Signature", with the one verification key already known."""
    bad = functools.partial(BadSignature, subject=subject, device=device)
    if not isinstance(value, dict):
        raise bad(fault=Fault.NOT_SIGNABLE)
    # Steps 1 and 2: an entry of the entity, under an algorithm that is understood.
    key_id = f"{ED25519}:{device.device_id}"
    signature = _member(_member(value.get("signatures"), device.user_id), key_id)
    if not isinstance(signature, str):
        raise bad(fault=Fault.MISSING)
    # Step 3: the verification key, which the caller has looked up.
    public = _decode(ed25519, PUBLIC_KEY_BYTES)
    if public is None:
        raise bad(fault=Fault.PUBLIC_KEY)
    # Step 4: "If base64 decoding fails then the check fails."
    if _decode(signature, SIGNATURE_BYTES) is None:
        raise bad(fault=Fault.ENCODING)
    # Steps 5 and 6: what the signature covers, if that has canonical JSON.
    try:
        covered = _covered(value)
    except (Malformed, TooLarge):
        raise bad(fault=Fault.NOT_SIGNABLE) from None
    # Step 7, by signedjson, which sees no signature but this one.
    verifier = signedjson.key.decode_verify_key_bytes(key_id, public)
    covered["signatures"] = {device.user_id: {key_id: signature}}
    try:
        signedjson.sign.verify_signed_json(covered, device.user_id, verifier)
    except signedjson.sign.SignatureVerifyException:
        raise bad(fault=Fault.WRONG) from None


def _covered(value: dict[str, JSON]) -> dict[str, JSON]:
    """The members of a plain object that its signatures cover.

    Raises:
        Malformed, TooLarge: they have no canonical JSON.
    """
    covered = {name: item for name, item in value.items() if name not in ("signatures", "unsigned")}
    canonical.check(covered, "the object")
    canonical.encode(covered, "the object")
    return covered


def _plain(value: object) -> dict[str, JSON]:
    """Copy an object of plain JSON values, canonical or not, in which every value has a place of its own.

    Raises:
        Misuse: it is something else, deeper than anything canonical, or larger than `MAX_VALUES`.
    """
    count = itertools.count(1)

    def copy(item: object, depth: int) -> JSON:
        # An object that holds itself ends here too.
        if depth > canonical.MAX_DEPTH or next(count) > MAX_VALUES:
            raise Misuse(f"more than {canonical.MAX_DEPTH} levels or {MAX_VALUES} values are not signed")
        if type(item) is list:
            return [copy(one, depth + 1) for one in item]
        if type(item) is dict:
            return {_exactly(str, name): copy(one, depth + 1) for name, one in item.items()}
        if type(item) not in (str, int, float, bool, NoneType):
            raise Misuse(f"a {type(item).__name__} is no plain JSON value")
        return cast("JSON", item)

    return cast("dict[str, JSON]", copy(_exactly(dict, value), 0))


def _member(value: JSON, name: str) -> JSON:
    return value.get(name) if isinstance(value, dict) else None


_Exact = TypeVar("_Exact")


def _exactly(kind: type[_Exact], value: object) -> _Exact:
    """Refuse what is not of that very type: what the methods of a subclass do, nobody here knows."""
    if type(value) is not kind:
        raise Misuse(f"a {kind.__name__} is needed, not a {type(value).__name__}")
    return value


def _check_text(text: object, what: str) -> None:
    try:
        check_unicode(_exactly(str, text), what)
    except Malformed as refusal:
        raise Misuse(str(refusal)) from refusal


def _check_device(device: Device) -> None:
    for name in (_exactly(Device, device).user_id, device.device_id):
        _exactly(str, name)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decode(text: object, length: int) -> bytes | None:
    """So many bytes from base64, with all of its padding or none (FK-SIGN-02); or None.

    Appendices, "Unpadded Base64", has decoders take both. Bits beyond the last byte must be zero: RFC 4648,
    section 3.5, leaves that to the decoder, and a client with vodozemac would refuse them (decisions/0011).
    """
    if type(text) is not str:
        return None
    try:
        decoded = base64.b64decode(text + "==")  # forgiving: the comparison below is the check
    except ValueError:
        return None
    padded = base64.b64encode(decoded).decode()
    return decoded if len(decoded) == length and text in (padded, padded.rstrip("=")) else None


# PyNaCl's class: signedjson has but a protocol for it, and adds `alg` and `version` to each key.
_SIGNING_KEY: type = type(signing_key("", bytes(SEED_BYTES)))
