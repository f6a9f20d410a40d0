"""Signing and verifying, by the vectors of Matrix's appendices and against every malformed input."""

import base64
import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from fallbackkeys import Device, Errcode, Key, Malformed, Misuse, TooLarge, Upload
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


def test_signing_changes_nothing_of_the_callers() -> None:
    value: dict[str, Any] = {
        "key": "public",
        "signatures": {ALICE.user_id: {"ed25519:OLD": "c2ln"}},
        "unsigned": {"age": 1},
    }
    before = copy.deepcopy(value)
    result: dict[str, Any] = sign(value, ALICE.user_id, SECRET)
    assert value == before
    assert set(result["signatures"][ALICE.user_id]) == {"ed25519:OLD", "ed25519:ALICE1"}
    assert result["unsigned"] == {"age": 1}


def test_unsigned_is_not_covered() -> None:
    verify_key(key_of({**signed(), "unsigned": {"age": 2}}), ALICE, PUBLIC)


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


@pytest.mark.parametrize("ed25519", ["", "AAAA", "é" * 43, "\ud800", PUBLIC + "A", "\x00"])
def test_a_malformed_device_key(ed25519: str) -> None:
    with pytest.raises(BadSignature) as error:
        verify_key(key_of(signed()), ALICE, ed25519)
    assert error.value.fault is Fault.PUBLIC_KEY


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
    def device_keys(self, **members: Any) -> dict[str, Any]:
        keys = {"ed25519:ALICE1": PUBLIC, "curve25519:ALICE1": "x"}
        value = {"user_id": ALICE.user_id, "device_id": "ALICE1", "algorithms": [], "keys": keys, **members}
        return sign(value, ALICE.user_id, SECRET)

    def test_they_name_the_key_that_signed_them(self) -> None:
        assert verify_device_keys(self.device_keys(), ALICE) == PUBLIC

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
            verify_device_keys(self.device_keys(**members), ALICE)
        assert (error.value.fault, error.value.subject) == (fault, "device_keys")

    @pytest.mark.parametrize(
        "signatures", [None, [], {ALICE.user_id: []}, {ALICE.user_id: {"ed25519:ALICE1": 1}}]
    )
    def test_malformed_signatures(self, signatures: Any) -> None:
        with pytest.raises(BadSignature) as error:
            verify_device_keys({**self.device_keys(), "signatures": signatures}, ALICE)
        assert error.value.fault is Fault.MISSING

    @pytest.mark.parametrize("extra", [1.5, 2**60, "\ud800", object()])
    def test_what_has_no_canonical_json_is_not_signed(self, extra: Any) -> None:
        with pytest.raises(BadSignature) as error:
            verify_device_keys({**self.device_keys(), "extra": extra}, ALICE)
        assert error.value.fault is Fault.NOT_SIGNABLE


@pytest.mark.parametrize("value", [{"a": 1.5}, {"a": 2**53}, {"a": "\ud800"}, {"signatures": []}, {1: 2}])
def test_what_has_no_canonical_json_cannot_be_signed(value: Any) -> None:
    with pytest.raises(Malformed):
        sign(value, ALICE.user_id, SECRET)


def test_nor_what_is_nested_too_deep() -> None:
    value: Any = {}
    for _ in range(10_000):
        value = {"a": value}
    with pytest.raises(TooLarge):
        sign(value, ALICE.user_id, SECRET)


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


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        sign(value, ALICE.user_id, SECRET)
    with pytest.raises(BadSignature) as error:
        verify_device_keys(value, ALICE)
    assert error.value.fault is Fault.NOT_SIGNABLE


def test_an_entity_without_utf_8_cannot_sign() -> None:
    with pytest.raises(Malformed):
        sign({}, "\ud800", SECRET)
