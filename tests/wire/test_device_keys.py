"""Identity keys that come with an upload: their shape, whose they are, and what is handed on."""

import json
from typing import Any

import pytest

from fallbackkeys import PURE, Errcode, Limit, Malformed, Rule, TooLarge
from fallbackkeys.wire.device_keys import check_device_keys
from tests.builders import ALICE

pytestmark = pytest.mark.requirement("FK-UPLOAD-18")


def device_keys(**members: Any) -> dict[str, Any]:
    """The example of CS definitions, DeviceKeys, for the device of these tests."""
    return {
        "user_id": "@alice:example.org",
        "device_id": "ALICE1",
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {
            "curve25519:ALICE1": "3C5BFWi2Y8MaVvjM8M22DBmh24PmgR0nPvJOIArzgyI",
            "ed25519:ALICE1": "lEuiRJBit0IG6nUf5pUzWTUEsRVVe/HJkoKuEww9ULI",
        },
        "signatures": {"@alice:example.org": {"ed25519:ALICE1": "dSO80A01XiigH3uBiDVx"}},
    } | members


@pytest.mark.parametrize(
    "value",
    [
        device_keys(),
        device_keys(algorithms=[], keys={}, signatures={}),
        device_keys(unsigned={"device_display_name": "Alices Gerät"}, **{"org.example": [{"a": -1}]}),
    ],
    ids=["the example", "empty", "unknown members"],
)
def test_they_are_handed_on_as_canonical_json_with_all_members(value: dict[str, Any]) -> None:
    encoded = check_device_keys(value, ALICE)
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert encoded == expected.encode()


def test_null_counts_as_absent() -> None:
    assert check_device_keys(None, ALICE) is None


@pytest.mark.parametrize("value", ["keys", 5, True, [], (), 1.5, b"{}"], ids=ascii)
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(Malformed) as refused:
        check_device_keys(value, ALICE)
    assert (refused.value.member, refused.value.rule) == ("device_keys", Rule.OBJECT)
    assert refused.value.errcode is Errcode.BAD_JSON


@pytest.mark.parametrize("name", ["user_id", "device_id", "algorithms", "keys", "signatures"])
def test_every_documented_member_is_required(name: str) -> None:
    value = device_keys()
    del value[name]
    with pytest.raises(Malformed) as refused:
        check_device_keys(value, ALICE)
    assert (refused.value.member, refused.value.rule) == (f"device_keys.{name}", Rule.REQUIRED)
    assert refused.value.found == "an object of 4 members"
    assert refused.value.errcode is Errcode.BAD_JSON


@pytest.mark.parametrize(
    ("members", "path", "rule", "found"),
    [
        ({"user_id": None}, ".user_id", Rule.STRING, "null"),
        ({"user_id": ["@alice:example.org"]}, ".user_id", Rule.STRING, "a list of 1"),
        ({"device_id": 5}, ".device_id", Rule.STRING, "the number 5"),
        ({"algorithms": None}, ".algorithms", Rule.LIST_OF_STRINGS, "null"),
        ({"algorithms": "m.olm"}, ".algorithms", Rule.LIST_OF_STRINGS, "the string m.olm"),
        ({"algorithms": {"m.olm": 1}}, ".algorithms", Rule.LIST_OF_STRINGS, "an object of 1 members"),
        ({"algorithms": ["m.olm", 5]}, ".algorithms", Rule.LIST_OF_STRINGS, "a list of 2"),
        ({"keys": []}, ".keys", Rule.OBJECT, "a list of 0"),
        ({"keys": {"ed25519:ALICE1": None}}, ".keys.ed25519:ALICE1", Rule.STRING, "null"),
        ({"keys": {"a:b": "k", "c:d": {}}}, ".keys.c:d", Rule.STRING, "an object of 0 members"),
        ({"signatures": "sig"}, ".signatures", Rule.OBJECT, "the string sig"),
        ({"signatures": {"@a:b": "sig"}}, ".signatures.@a:b", Rule.OBJECT, "the string sig"),
        ({"signatures": {"@a:b": {"x:1": 5}}}, ".signatures.@a:b.x:1", Rule.STRING, "the number 5"),
        ({"extra": 1.5}, ".extra", Rule.INTEGER, "the number 1.5"),
        ({"extra": [2**53]}, ".extra[0]", Rule.INTEGER_RANGE, "the number 9007199254740992"),
        ({"extra": b"x"}, ".extra", Rule.JSON_VALUE, "a bytes"),
        ({"keys": {5: "k"}}, ".keys: a member name", Rule.STRING, "the number 5"),
        ({"extra": "\ud800"}, "", Rule.UNICODE, r"'\ud800'"),
        ({"keys": {"ed25519:\udfff": "k"}}, "", Rule.UNICODE, r"'\udfff'"),
    ],
)
def test_another_shape_is_refused(members: dict[str, Any], path: str, rule: Rule, found: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_device_keys(device_keys(**members), ALICE)
    assert refused.value.member == f"device_keys{path}"
    assert (refused.value.rule, refused.value.found) == (rule, found)
    assert refused.value.errcode is Errcode.BAD_JSON


@pytest.mark.parametrize(
    ("members", "path", "rule", "found"),
    [
        ({"user_id": "@bob:example.org"}, ".user_id", Rule.SAME_USER, "@bob:example.org"),
        ({"user_id": "@alice:example.org "}, ".user_id", Rule.SAME_USER, "'@alice:example.org '"),
        ({"device_id": "ALICE"}, ".device_id", Rule.SAME_DEVICE, "ALICE"),
        ({"device_id": "alice1"}, ".device_id", Rule.SAME_DEVICE, "alice1"),
    ],
)
def test_another_user_or_device_is_refused(
    members: dict[str, Any], path: str, rule: Rule, found: str
) -> None:
    with pytest.raises(Malformed) as refused:
        check_device_keys(device_keys(**members), ALICE)
    assert refused.value.member == f"device_keys{path}"
    assert (refused.value.rule, refused.value.found) == (rule, found)
    assert refused.value.errcode is Errcode.INVALID_PARAM


def test_nesting_has_a_limit_here_too() -> None:
    nested: list[object] = []
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(TooLarge) as refused:
        check_device_keys(device_keys(extra=nested), ALICE)
    assert (refused.value.member, refused.value.limit) == ("device_keys", Limit.VALUE_DEPTH)
    assert (refused.value.allowed, refused.value.actual) == (100, 101)


def test_the_callers_object_stays_as_it_is() -> None:
    value = device_keys()
    check_device_keys(value, ALICE)
    assert value == device_keys()


@pytest.mark.requirement("FK-LIMIT-04")
def test_they_are_no_larger_than_a_key_may_be() -> None:
    value = device_keys(extra="")
    size = len(json.dumps(value, separators=(",", ":")))
    fits = device_keys(extra="x" * (16 * 1024 - size))
    encoded = check_device_keys(fits, ALICE)
    assert encoded is not None
    assert len(encoded) == 16 * 1024
    with pytest.raises(TooLarge) as refused:
        check_device_keys(fits | {"extra": fits["extra"] + "x"}, ALICE)
    assert (refused.value.limit, refused.value.actual) == (Limit.VALUE_BYTES, 16 * 1024 + 1)
    assert check_device_keys(fits | {"extra": "x" * 20_000}, ALICE, PURE) is not None
