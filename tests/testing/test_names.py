"""Names of traces and names of servers: carried over and back, whatever the form of the bodies."""

from typing import Any

import pytest
from hypothesis import given

from fallbackkeys import Device, Key
from fallbackkeys.signing import BadSignature, public_key, signing_key, verify_key
from fallbackkeys.testing import Lodging, NotSupported, ReferenceAdapter
from fallbackkeys.testing.adapter import SharedDevices
from fallbackkeys.testing.keys import key_name, seed_of, signed_anew, signed_key, unsorted
from fallbackkeys.testing.names import Naming
from fallbackkeys.testing.strategies import JSON_VALUES, malformed_claims, malformed_uploads
from tests.testing.servers import FarAway

ALICE = Device("@alice:example.org", "ALICE")
REAL = Device("@run7-alice:far.example", "RUN7ALICE")
NAME = key_name(0)


def naming(suffix: str = "_fk3") -> Naming:
    names = Naming(suffix=suffix)
    names.lodge(ALICE, REAL)
    return names


def uploaded(names: Naming, key: Any) -> Any:
    body: Any = names.upload(ALICE, {"one_time_keys": {NAME: key}})
    [(name, written)] = body["one_time_keys"].items()
    assert name == "signed_curve25519_fk3:AAAAAA"
    return written


def test_keys_are_signed_for_the_device_that_uploads_them() -> None:
    written = uploaded(naming(), signed_key(ALICE, "x", more="é"))
    ed25519 = public_key(signing_key(REAL.device_id, seed_of(REAL)))
    verify_key(Key.parse(NAME, written), REAL, ed25519)
    assert "ALICE" not in str(written).replace("RUN7ALICE", "")


def test_the_order_of_members_stays() -> None:
    key = unsorted(signed_key(ALICE, "x", fallback=True))
    assert list(key) != sorted(key)
    assert list(uploaded(naming(), key)) == list(key)


def test_a_second_signature_of_one_content_stays_a_second_one() -> None:
    names, key = naming(), signed_key(ALICE, "x")
    anew: dict[str, Any] = {**key, "signatures": {ALICE.user_id: {"ed25519:ALICE": "B" * 86}}}
    first, second = uploaded(names, key), uploaded(names, anew)
    assert first != second
    assert uploaded(names, key) == first
    answer: dict[str, Any] = {
        "one_time_keys": {REAL.user_id: {REAL.device_id: {"signed_curve25519_fk3:AAAAAA": second}}}
    }
    back: Any = names.claim_answer(answer)
    assert back == {"one_time_keys": {ALICE.user_id: {"ALICE": {NAME: anew}}}}
    ed25519 = public_key(signing_key(REAL.device_id, seed_of(REAL)))
    with pytest.raises(BadSignature):
        verify_key(Key.parse(NAME, second), REAL, ed25519)


@pytest.mark.parametrize(
    "key",
    [
        signed_key(ALICE, "x") | {"signatures": {}},
        signed_key(ALICE, "x") | {"signatures": {ALICE.user_id: {"ed25519:ALICE": "short"}}},
        signed_key(ALICE, "x") | {"more": 1.5},
        {"key": "x", "signatures": 3},
        "a string",
        None,
    ],
)
def test_what_has_no_signature_or_cannot_be_signed_keeps_what_it_has(key: Any) -> None:
    written = uploaded(naming(), key)
    assert str(written).replace(REAL.user_id, ALICE.user_id).replace("RUN7", "") == str(key)


def test_identity_keys_are_renamed_too() -> None:
    device_keys = signed_key(ALICE, "x") | {
        "user_id": ALICE.user_id,
        "device_id": "ALICE",
        "keys": {"ed25519:ALICE": "x", "curve25519:ALICE": "y"},
        "algorithms": ["ALICE"],
    }
    body: Any = naming().upload(ALICE, {"device_keys": device_keys})
    written = body["device_keys"]
    assert (written["user_id"], written["device_id"]) == (REAL.user_id, REAL.device_id)
    assert list(written["keys"]) == ["ed25519:RUN7ALICE", "curve25519:RUN7ALICE"]
    assert written["algorithms"] == ["ALICE"]


def test_claims_name_what_the_server_knows_and_leave_other_servers_alone() -> None:
    wanted: dict[str, Any] = {
        "@alice:example.org": {"ALICE": "signed_curve25519", "NONE": "x"},
        "@nobody:example.org": {"X": "x"},
        "@alice:elsewhere": {"ALICE": "x"},
        "@list:example.org": [],
    }
    body: Any = naming().claim({"one_time_keys": wanted, "timeout": 1})
    assert body == {
        "one_time_keys": {
            "@run7-alice:far.example": {"RUN7ALICE": "signed_curve25519_fk3", "NONE": "x_fk3"},
            "@nobody:far.example": {"X": "x_fk3"},
            "@alice:elsewhere": {"ALICE": "x_fk3"},
            "@list:far.example": [],
        },
        "timeout": 1,
    }
    answered: dict[str, Any] = {
        "@run7-alice:far.example": {"RUN7ALICE": {"x_fk3:a": "k"}, "LIST": []},
        "@nobody:far.example": {},
        "@alice:elsewhere": [],
    }
    back: Any = naming().claim_answer({"one_time_keys": answered, "failures": {}})
    assert back["one_time_keys"] == {
        "@alice:example.org": {"ALICE": {"x:a": "k"}, "LIST": []},
        "@nobody:example.org": {},
        "@alice:elsewhere": [],
    }


def test_what_other_examples_left_is_not_shown() -> None:
    names = naming()
    counts: dict[str, Any] = {
        "signed_curve25519_fk3": 2,
        "signed_curve25519_fk2": 9,
        "signed_curve25519": 0,
        "": 1,
    }
    synced: Any = names.sync_answer(
        {
            "device_one_time_keys_count": counts,
            "device_unused_fallback_key_types": ["a_fk3", "a_fk13", "b", 3],
        }
    )
    assert synced == {
        "device_one_time_keys_count": {"signed_curve25519": 2, "": 1},
        "device_unused_fallback_key_types": ["a", "b", 3],
    }
    assert naming("").sync_answer({"device_unused_fallback_key_types": ["a_fk1", "a"]}) == {
        "device_unused_fallback_key_types": ["a"]
    }


@given(body=malformed_uploads(ALICE) | JSON_VALUES, claim=malformed_claims([ALICE]) | JSON_VALUES)
def test_any_body_passes(body: Any, claim: Any) -> None:
    names = naming()
    names.upload(ALICE, body)
    names.claim(claim)
    for answer in (body, claim):
        members = answer if isinstance(answer, dict) else {}
        names.upload_answer({"one_time_key_counts": answer, **members})
        names.sync_answer({"device_unused_fallback_key_types": answer})
        names.claim_answer({"one_time_keys": answer})
        names.claim_answer({"one_time_keys": {REAL.user_id: {REAL.device_id: answer}}})


@pytest.mark.parametrize("answered", [None, 3, "signed_curve25519_fk3", [], {}])
def test_a_server_that_answers_in_another_form_is_quoted_as_it_answered(answered: Any) -> None:
    names = naming()
    counts: dict[str, Any] = {"one_time_key_counts": answered}
    sync: dict[str, Any] = {
        "device_one_time_keys_count": answered,
        "device_unused_fallback_key_types": answered,
    }
    assert names.upload_answer(counts) == counts
    assert names.sync_answer(sync) == sync


def test_signing_anew_adds_a_signature() -> None:
    key = signed_key(ALICE, "x")
    assert signed_anew(key) != key
    assert signed_anew({**key, "signatures": {"@a:b": 3}})["signatures"] == {"@a:b": 3}
    assert signed_anew({**key, "signatures": 3})["signatures"] == {}


# --- Stages ---

STABLE = ("stable",)


@pytest.mark.parametrize(("user", "device"), [("@A b:example.org", "X"), ("@a:example.org", "X\0")])
def test_names_that_no_server_takes_are_not_asked_for(user: str, device: str) -> None:
    with pytest.raises(NotSupported, match=r"the adapter cannot (register|choose)"):
        Lodging(ReferenceAdapter()).fresh().sync(user=user, device=device, dialects=STABLE)


def test_a_removed_device_comes_back_under_its_id_and_claims_go_on() -> None:
    server = FarAway()
    stage = Lodging(server).stage()
    alice = {"user": ALICE.user_id, "device": ALICE.device_id}
    stage.upload(**alice, body={"one_time_keys": {"x:a": "k"}}, dialects=STABLE)
    stage.delete_device(**alice)
    claimed = stage.claim(
        user=ALICE.user_id, body={"one_time_keys": {ALICE.user_id: {"ALICE": "x"}}}, remote={}
    )
    assert claimed.body == {"one_time_keys": {}, "failures": {}}
    assert stage.sync(**alice, dialects=STABLE).body["device_one_time_keys_count"] == {"signed_curve25519": 0}
    assert [device.device_id for device in server.made].count("RUN7K1ALICE") == 2


def test_a_device_that_has_had_many_algorithms_makes_room_for_another() -> None:
    server = FarAway()
    lodging = Lodging(server)
    for number in range(20):
        body: Any = {"one_time_keys": {f"a{one}:a": "k" for one in range(3)}, "x": number}
        response = lodging.stage().upload(user=ALICE.user_id, device="ALICE", body=body, dialects=STABLE)
        assert response.status == 200
    assert [device.device_id for device in server.made] == [f"RUN7K{number}ALICE" for number in range(1, 6)]


def test_two_devices_of_a_trace_are_never_one_on_the_server() -> None:
    class OneDevice(ReferenceAdapter, SharedDevices):
        def new_device(self, *, user: str, device: str) -> Device:
            del device
            return super().new_device(user=user, device="ONLY")

    stage = Lodging(OneDevice()).fresh()
    stage.sync(user=ALICE.user_id, device="ONE", dialects=STABLE)
    with pytest.raises(NotSupported, match=r"give @alice:.* more devices"):
        stage.sync(user=ALICE.user_id, device="TWO", dialects=STABLE)


def test_a_name_that_just_fits_cannot_be_renamed() -> None:
    names = naming()
    long = "signed_curve25519:" + "k" * (255 - len("signed_curve25519:"))
    with pytest.raises(NotSupported, match="names of this length"):
        names.upload(ALICE, {"one_time_keys": {long: "x"}})
    for fine in (long + "k", long[: -len("_fk3")]):  # too long anyway; not too long either way
        assert names.upload(ALICE, {"one_time_keys": {fine: "x"}})
    assert naming("").upload(ALICE, {"one_time_keys": {long: "x"}})


def test_two_users_that_are_one_on_the_server_cannot_be_claimed_for() -> None:
    names = naming()
    names.lodge(Device("@bob:example.org", "BOB"), REAL)
    wanted: Any = {user: {"X": "signed_curve25519"} for user in ("@alice:example.org", "@bob:example.org")}
    with pytest.raises(NotSupported, match="tell all these users"):
        names.claim({"one_time_keys": wanted})
