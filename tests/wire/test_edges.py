"""Edges of the wire: whose policy counts in a claim, and what a refusal says it found."""

import json
from typing import Any

import pytest

from fallbackkeys import (
    PURE,
    Device,
    DeviceEvent,
    Errcode,
    IssuedKeyForgotten,
    KeyStore,
    Malformed,
    Misuse,
    OneTimeKeyIssued,
    Policy,
    Rule,
    TooLarge,
)
from fallbackkeys.wire import (
    Answer,
    PendingClaim,
    claim_keys,
    decode,
    dialects,
    federation_claim_keys,
    parse_body,
)
from tests.builders import ALICE, CURVE, one_time_key, stored

SERVER = "example.org"
CAROL = Device("@carol:remote.net", "CAROL1")
BOTH_CLAIMS = pytest.mark.parametrize("endpoint", [claim_keys, federation_claim_keys])


def asking(*devices: Device) -> dict[str, Any]:
    users: dict[str, dict[str, str]] = {}
    for device in devices:
        users.setdefault(device.user_id, {})[device.device_id] = CURVE
    return {"one_time_keys": users}


class TestPolicyOfAClaim:
    @pytest.mark.requirement("FK-LIMIT-05", "FK-FED-01")
    def test_devices_are_counted_over_all_servers(self) -> None:
        """0007, rule 4."""
        store = stored("a")
        policy = Policy(max_devices_in_claim=1)
        answer = claim_keys(store, SERVER, asking(ALICE, CAROL), policy=policy)
        assert isinstance(answer, Answer)
        assert answer.response.body["errcode"] == "M_TOO_LARGE"
        assert answer.store is store
        assert isinstance(claim_keys(store, SERVER, asking(CAROL), policy=policy), PendingClaim)

    @pytest.mark.requirement("FK-LIMIT-05")
    @BOTH_CLAIMS
    def test_the_pure_policy_has_no_limit(self, endpoint: Any) -> None:
        devices = (Device(ALICE.user_id, f"D{number}") for number in range(10_000))
        answer = endpoint(stored("a"), SERVER, asking(ALICE, *devices), policy=PURE)
        assert answer.events == (DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("a"))),)

    @pytest.mark.requirement("FK-UPLOAD-14")
    @BOTH_CLAIMS
    def test_it_bounds_the_memory_of_issued_keys(self, endpoint: Any) -> None:
        policy = Policy(max_pool=1, max_remembered=1)

        def claim(store: KeyStore) -> Any:
            return endpoint(store, SERVER, asking(ALICE), policy=policy)

        assert claim(claim(stored("a", "b")).store).events == (
            DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("b"))),
            DeviceEvent(ALICE, IssuedKeyForgotten(CURVE, one_time_key("a").fingerprint)),
        )


class TestWhatARefusalNames:
    @pytest.mark.requirement("FK-FORM-11", "FK-CLAIM-09")
    @pytest.mark.parametrize(
        ("devices", "member", "rule", "found"),
        [
            ([CURVE], "one_time_keys.@alice:h", Rule.OBJECT, "a list of 1"),
            ({"D": {CURVE: 1}}, "one_time_keys.@alice:h.D", Rule.STRING, "an object of 1 members"),
        ],
        ids=["devices", "algorithm"],
    )
    def test_what_a_malformed_claim_has_instead(
        self, devices: object, member: str, rule: Rule, found: str
    ) -> None:
        with pytest.raises(Malformed) as refused:
            decode.claim({"one_time_keys": {"@alice:h": devices}})
        assert (refused.value.member, refused.value.rule, refused.value.found) == (member, rule, found)
        assert refused.value.errcode is Errcode.INVALID_PARAM

    @pytest.mark.requirement("FK-FORM-11")
    @pytest.mark.parametrize(
        ("data", "found"),
        [
            (b"[NaN]", "NaN"),
            (b"[-0, x]", "Expecting value at line 1, column 6"),
            (b'"\xff"', "invalid start byte at byte 1"),
            (rb'["%s\ud800%s"]' % (b"x" * 30, b"y" * 30), f"'{'x' * 20}\\ud800{'y' * 20}'"),
        ],
        ids=["constant", "syntax", "encoding", "surrogate"],
    )
    def test_where_bytes_are_no_json(self, data: bytes, found: str) -> None:
        with pytest.raises(Malformed) as refused:
            parse_body(data)
        assert refused.value.found == found

    @pytest.mark.requirement("FK-FORM-08")
    def test_every_list_of_a_body_is_looked_into(self) -> None:
        with pytest.raises(Malformed) as refused:
            parse_body(rb'[["\ud800"], ["fine"]]')
        assert refused.value.rule is Rule.UNICODE

    @pytest.mark.requirement("FK-FORM-08", "FK-FORM-11")
    def test_a_negative_zero_is_named_as_it_stands(self) -> None:
        key = {"key": "k", "signatures": {}, "extra": "-0"}
        body = parse_body(json.dumps({"one_time_keys": {f"{CURVE}:a": key}}).replace('"-0"', "-0").encode())
        with pytest.raises(Malformed, match=r"the number -0\.0"):
            decode.upload(body, ALICE)

    @pytest.mark.requirement("FK-FORM-11")
    def test_a_name_that_no_json_parser_returns(self) -> None:
        with pytest.raises(Malformed) as refused:
            decode.upload({"one_time_keys": {7: "k"}}, ALICE)
        assert refused.value.found == "the number 7"

    @pytest.mark.requirement("FK-UPLOAD-18", "FK-FORM-11")
    def test_what_stands_in_place_of_device_keys(self) -> None:
        with pytest.raises(Malformed) as refused:
            decode.upload({"device_keys": [1]}, ALICE)
        assert refused.value.found == "a list of 1"

    @pytest.mark.requirement("FK-UPLOAD-18", "FK-LIMIT-04")
    def test_device_keys_are_as_small_as_the_policy_says(self) -> None:
        keys = {
            "user_id": ALICE.user_id,
            "device_id": ALICE.device_id,
            "algorithms": [],
            "keys": {},
            "signatures": {},
        }
        assert decode.upload({"device_keys": keys}, ALICE).device_keys is not None
        with pytest.raises(TooLarge) as refused:
            decode.upload({"device_keys": keys}, ALICE, policy=Policy(max_value_bytes=10))
        assert refused.value.member == "device_keys"

    @pytest.mark.requirement("FK-FORM-11", "FK-LIMIT-01", "FK-LIMIT-05")
    def test_which_request_is_too_large(self) -> None:
        with pytest.raises(TooLarge) as refused:
            decode.claim(asking(ALICE, CAROL), policy=Policy(max_devices_in_claim=1))
        assert (refused.value.member, refused.value.actual) == ("a claim", 2)
        body = {"one_time_keys": {f"curve25519:{key_id}": "k" for key_id in "ab"}}
        with pytest.raises(TooLarge) as refused:
            decode.upload(body, ALICE, policy=Policy(max_keys_in_upload=1))
        assert (refused.value.member, refused.value.actual) == ("an upload", 2)

    @pytest.mark.parametrize(
        ("names", "found"),
        [([], "none"), (["stable", "latest"], "latest"), (["newest", "latest"], "latest, newest")],
    )
    def test_which_names_are_no_dialects(self, names: list[str], found: str) -> None:
        with pytest.raises(Misuse, match=f", not {found}$"):
            dialects(names)


class TestServersThatFailed:
    @pytest.mark.requirement("FK-FED-04")
    def test_a_failure_reads_like_an_error_response(self) -> None:
        pending = claim_keys(stored("a"), SERVER, asking(CAROL))
        assert isinstance(pending, PendingClaim)
        assert pending.finish({}).body["failures"] == {
            "remote.net": {"status": 503, "message": "No usable answer"}
        }
