"""Signing and verifying, by the vectors of Matrix's appendices and against every malformed input."""

import base64
import copy
import enum
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import signedjson.key
import signedjson.sign

from fallbackkeys import Device, Errcode, Key, Malformed, Misuse, Upload
from fallbackkeys.signing import (
    BadSignature,
    Fault,
    public_key,
    sign,
    signing_key,
    verify_device_keys,
    verify_key,
    verify_upload,
)

ALICE = Device("@alice:example.org", "ALICE1")
SECRET = signing_key("ALICE1", bytes(range(32)))
PUBLIC = public_key(SECRET)
OTHER = signing_key("ALICE1", bytes(32))
NAME = "signed_curve25519:AAAAHQ"


def device_keys(**members: Any) -> dict[str, Any]:
    keys = {"ed25519:ALICE1": PUBLIC, "curve25519:ALICE1": "x"}
    value = {"user_id": ALICE.user_id, "device_id": "ALICE1", "algorithms": [], "keys": keys, **members}
    return sign(value, ALICE.user_id, SECRET)


def signed(**members: Any) -> dict[str, Any]:
    return sign({"key": "public", **members}, ALICE.user_id, SECRET)


def key_of(value: Any) -> Key:
    return Key.parse(NAME, value)


@pytest.mark.parametrize(
    ("value", "signature"),
    [
        ({}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
        (
            {"one": 1, "two": "Two"},
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ],
)
def test_the_signing_vectors_of_the_appendices(value: dict[str, Any], signature: str) -> None:
    seed = base64.b64decode("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1=")
    assert sign(value, "domain", signing_key("1", seed)) == {
        **value,
        "signatures": {"domain": {"ed25519:1": signature}},
    }


def test_a_signed_key_verifies() -> None:
    verify_key(key_of(signed()), ALICE, PUBLIC)
    verify_key(key_of(signed()), ALICE, PUBLIC + "=")
    verify_key(key_of(signed(unknown={"a": [1, None, "é"]})), ALICE, PUBLIC)


@pytest.mark.requirement("FK-SIGN-03")
def test_signing_changes_nothing_of_the_callers() -> None:
    value: dict[str, Any] = {
        "key": "public",
        "list": [{}],
        "signatures": {ALICE.user_id: {"ed25519:OLD": "c2ln"}, "@bob:example.org": {"ed25519:B": "c2ln"}},
        "unsigned": {"ages": [1]},
    }
    before = copy.deepcopy(value)
    result: dict[str, Any] = sign(value, ALICE.user_id, SECRET)
    assert set(result["signatures"][ALICE.user_id]) == {"ed25519:OLD", "ed25519:ALICE1"}
    del result["signatures"][ALICE.user_id]["ed25519:ALICE1"]
    assert result == before
    # Nor does it change later, by way of the result.
    result["list"][0]["more"] = result["unsigned"]["ages"].append(2)
    result["signatures"]["@bob:example.org"].clear()
    assert value == before


def test_reading_the_public_half_changes_no_key() -> None:
    key = signing_key("ALICE1", bytes(32))
    before = dict(vars(key.verify_key))
    public_key(key)
    assert vars(key.verify_key) == before


UNCOVERED: list[dict[str, Any]] = [
    {"unsigned": {"age": 2}},
    {"unsigned": None},
    {"unsigned": {"a": 1.5, "b": 2**60, "c": "\ud800"}},
    {"signatures": {"@mallory:example.org": {"ed25519:M": 1.5}}},
    {"signatures": {"@mallory:example.org": [2**60], "\ud800": None}},
]
"""Members beside a good signature that it does not cover."""


@pytest.mark.requirement("FK-SIGN-01")
@pytest.mark.parametrize("beside", UNCOVERED)
def test_what_a_signature_does_not_cover_changes_no_verdict(beside: dict[str, Any]) -> None:
    value = device_keys()
    value |= {**beside, "signatures": {**beside.get("signatures", {}), **value["signatures"]}}
    assert verify_device_keys(value, ALICE) == PUBLIC
    # Matrix's own library agrees. It is given a copy, since what it does to its argument is its affair.
    verifier = signedjson.key.decode_verify_key_base64("ed25519", "ALICE1", PUBLIC)
    signedjson.sign.verify_signed_json(copy.deepcopy(value), ALICE.user_id, verifier)


@pytest.mark.requirement("FK-SIGN-01")
@pytest.mark.parametrize("unsigned", [each["unsigned"] for each in UNCOVERED if "unsigned" in each])
def test_unsigned_of_any_kind_stays_beside_a_new_signature(unsigned: Any) -> None:
    result = sign({"key": "public", "unsigned": unsigned}, ALICE.user_id, SECRET)
    assert result == {**signed(), "unsigned": unsigned}


@pytest.mark.requirement("FK-SIGN-01")
@pytest.mark.parametrize(
    "change",
    [{"fallback": True}, {"key": "other"}, {"new": 1}],
    ids=["fallback added", "key exchanged", "member added"],
)
def test_everything_else_is(change: dict[str, Any]) -> None:
    with pytest.raises(BadSignature) as error:
        verify_key(key_of({**signed(), **change}), ALICE, PUBLIC)
    assert error.value.fault is Fault.WRONG
    assert error.value.errcode is Errcode.INVALID_SIGNATURE
    assert str(error.value) == (
        f"{NAME} has a signature of its device that does not verify (@alice:example.org, ed25519:ALICE1)"
    )


@pytest.mark.requirement("FK-SIGN-01")
@pytest.mark.parametrize("flag", [{}, {"fallback": False}])
def test_the_fallback_member_cannot_be_taken_off_a_fallback_key(flag: dict[str, Any]) -> None:
    value = signed(fallback=True)
    verify_key(key_of(value), ALICE, PUBLIC)
    del value["fallback"]
    with pytest.raises(BadSignature):
        verify_key(key_of({**value, **flag}), ALICE, PUBLIC)


def with_signature(signature: Any) -> dict[str, Any]:
    return {"key": "public", "signatures": {ALICE.user_id: {"ed25519:ALICE1": signature}}}


REAL = signed()["signatures"][ALICE.user_id]["ed25519:ALICE1"]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"key": "public", "signatures": {}}, Fault.MISSING),
        ({"key": "public", "signatures": {"@bob:example.org": {"ed25519:ALICE1": REAL}}}, Fault.MISSING),
        ({"key": "public", "signatures": {ALICE.user_id: {"ed25519:OTHER": REAL}}}, Fault.MISSING),
        ({"key": "public", "signatures": {ALICE.user_id: {"rsa:ALICE1": REAL}}}, Fault.MISSING),
        (with_signature(""), Fault.ENCODING),
        (with_signature("c2ln"), Fault.ENCODING),
        (with_signature("é" * 86), Fault.ENCODING),
        (with_signature("!" + REAL), Fault.ENCODING),
        (with_signature(REAL[:-1]), Fault.ENCODING),
        (with_signature(REAL.replace("A", "-", 1) if "A" in REAL else f"-{REAL[1:]}"), Fault.ENCODING),
        (with_signature("A" * 86), Fault.WRONG),
        (sign({"key": "public"}, ALICE.user_id, OTHER), Fault.WRONG),
    ],
)
def test_a_malformed_or_foreign_signature(value: dict[str, Any], fault: Fault) -> None:
    with pytest.raises(BadSignature) as error:
        verify_key(key_of(value), ALICE, PUBLIC)
    assert error.value.fault is fault
    assert (error.value.subject, error.value.device) == (NAME, ALICE)


class Word(enum.StrEnum):
    PUBLIC = PUBLIC


@pytest.mark.parametrize(
    "ed25519",
    ["", "AAAA", "é" * 43, "\ud800", PUBLIC + "A", "\x00", None, 5, [], PUBLIC.encode(), Word.PUBLIC],
)
def test_a_malformed_device_key(ed25519: Any) -> None:
    with pytest.raises(BadSignature) as error:
        verify_key(key_of(signed()), ALICE, ed25519)
    assert error.value.fault is Fault.PUBLIC_KEY


def next_letter(text: str) -> str:
    """The same but for the lowest bit of the last letter, which no byte is made of."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


@pytest.mark.requirement("FK-SIGN-02")
def test_base64_has_all_of_its_padding_or_none() -> None:
    verify_key(key_of(with_signature(REAL + "==")), ALICE, PUBLIC + "=")
    for signature in (f"{REAL}=", f"{REAL}===", REAL + "=" * 50, f"={REAL}", f"{REAL}==\n", f" {REAL}"):
        with pytest.raises(BadSignature) as error:
            verify_key(key_of(with_signature(signature)), ALICE, PUBLIC)
        assert error.value.fault is Fault.ENCODING
    with pytest.raises(BadSignature) as error:
        verify_key(key_of(signed()), ALICE, f"{PUBLIC}==")
    assert error.value.fault is Fault.PUBLIC_KEY


@pytest.mark.requirement("FK-SIGN-02")
def test_base64_has_no_bits_beyond_the_last_byte() -> None:
    assert base64.b64decode(next_letter(PUBLIC) + "=") == base64.b64decode(PUBLIC + "=")
    with pytest.raises(BadSignature) as error:
        verify_key(key_of(signed()), ALICE, next_letter(PUBLIC))
    assert error.value.fault is Fault.PUBLIC_KEY
    with pytest.raises(BadSignature) as error:
        verify_key(key_of(with_signature(next_letter(REAL))), ALICE, PUBLIC)
    assert error.value.fault is Fault.ENCODING


def test_a_message_shows_ids_in_printable_ascii_and_cut() -> None:
    device = Device("@\u202e:example.org", "D" * 5_000)
    key = Key.parse("signed_curve25519:" + "\u202e" * 79, with_signature(REAL))
    with pytest.raises(BadSignature) as error:
        verify_key(key, device, PUBLIC)
    assert error.value.device is device
    message = str(error.value)
    assert message.isascii()
    assert message.isprintable()
    assert r"('@\u202e:example.org', ed25519:DDD" in message
    assert len(message) < 700


def test_a_string_cannot_be_signed() -> None:
    with pytest.raises(BadSignature) as error:
        verify_key(Key.parse("curve25519:a", "public"), ALICE, PUBLIC)
    assert error.value.fault is Fault.NOT_SIGNABLE


class TestUpload:
    def test_keys_of_both_kinds_are_checked_and_strings_are_not(self) -> None:
        good, fallback = key_of(signed()), key_of(signed(fallback=True))
        text = Key.parse("curve25519:a", "public")
        verify_upload(Upload(one_time_keys=(text, good), fallback_keys=(fallback,)), ALICE, PUBLIC)
        for command in (Upload(one_time_keys=(good,)), Upload(fallback_keys=(fallback,))):
            with pytest.raises(BadSignature):
                verify_upload(command, ALICE, public_key(OTHER))


class TestDeviceKeys:
    def test_they_name_the_key_that_signed_them(self) -> None:
        assert verify_device_keys(device_keys(), ALICE) == PUBLIC

    @pytest.mark.parametrize(
        ("members", "fault"),
        [
            ({"user_id": "@bob:example.org"}, Fault.IDENTITY),
            ({"device_id": "ALICE2"}, Fault.IDENTITY),
            ({"keys": []}, Fault.PUBLIC_KEY),
            ({"keys": {"ed25519:ALICE2": PUBLIC}}, Fault.PUBLIC_KEY),
            ({"keys": {"ed25519:ALICE1": 5}}, Fault.PUBLIC_KEY),
            ({"keys": {"ed25519:ALICE1": public_key(OTHER)}}, Fault.WRONG),
        ],
    )
    def test_malformed_ones(self, members: dict[str, Any], fault: Fault) -> None:
        with pytest.raises(BadSignature) as error:
            verify_device_keys(device_keys(**members), ALICE)
        assert (error.value.fault, error.value.subject) == (fault, "device_keys")

    @pytest.mark.parametrize(
        "signatures", [None, [], {ALICE.user_id: []}, {ALICE.user_id: {"ed25519:ALICE1": 1}}]
    )
    def test_malformed_signatures(self, signatures: Any) -> None:
        with pytest.raises(BadSignature) as error:
            verify_device_keys({**device_keys(), "signatures": signatures}, ALICE)
        assert error.value.fault is Fault.MISSING

    @pytest.mark.parametrize("extra", [1.5, 2**60, "\ud800", object()])
    def test_what_has_no_canonical_json_is_not_signed(self, extra: Any) -> None:
        with pytest.raises(BadSignature) as error:
            verify_device_keys({**device_keys(), "extra": extra}, ALICE)
        assert error.value.fault is Fault.NOT_SIGNABLE


UNSIGNABLE: list[tuple[Any, type[Exception]]] = [
    ({"a": 1.5}, Malformed),
    ({"a": 2**53}, Malformed),
    ({"a": "\ud800"}, Malformed),
    ({"signatures": []}, Malformed),
    ({"signatures": {"\ud800": {}}}, Malformed),
    ({"signatures": {ALICE.user_id: {"ed25519:ALICE1": "\ud800"}}}, Malformed),
]


@pytest.mark.requirement("FK-SIGN-03")
@pytest.mark.parametrize(("value", "cause"), UNSIGNABLE)
def test_what_has_no_canonical_json_cannot_be_signed(value: Any, cause: type[Exception]) -> None:
    with pytest.raises(Misuse, match="cannot be signed: ") as error:
        sign(value, ALICE.user_id, SECRET)
    assert isinstance(error.value.__cause__, cause)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_has_32_bytes(length: int) -> None:
    with pytest.raises(Misuse, match=str(length)):
        signing_key("D", bytes(length))


def seeds(device: Device) -> list[bytes]:
    """The identities that specs/traces.md derives for a device: its first, and one that signs anew."""
    text = f"fallbackkeys vector {device.user_id}|{device.device_id}"
    return [hashlib.sha256(each.encode()).digest() for each in (text, f"{text}|2")]


def verifies(key: Key, device: Device) -> bool:
    for seed in seeds(device):
        try:
            verify_key(key, device, public_key(signing_key(device.device_id, seed)))
        except BadSignature:
            continue
        return True
    return False


def test_the_signatures_of_the_vectors_verify() -> None:
    """Every signed key that a vector expects to be accepted is signed by the device that uploads it."""
    folder = Path(__file__).parent.parent / "specs" / "vectors"
    verified = 0
    for path in folder.rglob("*.json"):
        for step in json.loads(path.read_bytes())["steps"]:
            if step["do"] != "upload" or not isinstance(step["body"], dict):
                continue
            if step["expect"].get("status", 200) != 200:
                continue
            for member in ("one_time_keys", "fallback_keys"):
                keys = step["body"].get(member)
                for name, value in keys.items() if isinstance(keys, dict) else ():
                    if name.startswith("signed_"):
                        key, device = Key.parse(name, value), Device(step["user"], step["device"])
                        assert verifies(key, device), f"{path.stem}: {name}"
                        verified += 1
    assert verified > 100
