"""Results become bodies: counts, unused types in every form they have, answers of claims, refusals."""

from typing import Any

import pytest

from fallbackkeys import (
    EMPTY,
    Device,
    DeviceState,
    Errcode,
    Key,
    Malformed,
    Rule,
    SyncView,
    Upload,
    Wanted,
    claim,
    sync,
    upload,
)
from fallbackkeys.persistent import Map
from fallbackkeys.wire import dialects, encode
from tests.builders import ALICE, CURVE, fallback_key, one_time_key, signed_value, uploaded

ALICE2 = Device("@alice:example.org", "ALICE2")
BOB = Device("@bob:example.org", "ALICE1")


def view(counts: dict[str, int] | None = None, *unused: str) -> SyncView:
    return SyncView(one_time_key_counts=Map(counts or {}), unused_fallback_key_types=unused)


def several() -> DeviceState:
    """One-time keys of two algorithms; unused fallback keys of two and a used one of a third."""
    keys = ("x25519:a", "x25519:b", f"{CURVE}:a")
    slots = ("z:f", f"{CURVE}:f", "b:f")
    command = Upload(
        one_time_keys=tuple(one_time_key(name) for name in keys),
        fallback_keys=tuple(fallback_key(name) for name in slots),
    )
    return claim(upload(EMPTY, command).state, "b").state


class TestSync:
    @pytest.mark.requirement("FK-SYNC-01", "FK-SYNC-02", "FK-SYNC-03")
    @pytest.mark.parametrize(
        ("state", "counts", "unused"),
        [
            (EMPTY, {CURVE: 0}, []),
            (uploaded("a", "b"), {CURVE: 2}, []),
            (uploaded(fallback=fallback_key("f")), {CURVE: 0}, [CURVE]),
            (uploaded("x25519:a"), {CURVE: 0, "x25519": 1}, []),
            (claim(uploaded("x25519:a"), "x25519").state, {CURVE: 0}, []),
            (claim(uploaded("a"), CURVE).state, {CURVE: 0}, []),
            (claim(uploaded(fallback=fallback_key("f")), CURVE).state, {CURVE: 0}, []),
            (several(), {CURVE: 1, "x25519": 2}, [CURVE, "z"]),
        ],
        ids=["never seen", "two", "unused", "another", "another exhausted", "exhausted", "used", "several"],
    )
    def test_both_fields_are_always_present(
        self, state: DeviceState, counts: dict[str, int], unused: list[str]
    ) -> None:
        fields = encode.sync_fields(sync(state))
        assert fields == {"device_one_time_keys_count": counts, "device_unused_fallback_key_types": unused}

    @pytest.mark.requirement("FK-UPLOAD-01", "FK-SYNC-03")
    @pytest.mark.parametrize(
        ("counts", "expected"),
        [({}, {CURVE: 0}), ({"x25519": 2}, {CURVE: 0, "x25519": 2}), ({CURVE: 50}, {CURVE: 50})],
        ids=str,
    )
    def test_an_upload_is_answered_with_counts_alone(
        self, counts: dict[str, int], expected: dict[str, int]
    ) -> None:
        assert encode.upload_answer(view(counts, CURVE)) == {"one_time_key_counts": expected}

    @pytest.mark.requirement("FK-DIALECT-06")
    @pytest.mark.parametrize(
        ("names", "members"),
        [
            (["stable"], ["device_unused_fallback_key_types"]),
            (["unstable"], ["org.matrix.msc2732.device_unused_fallback_key_types"]),
            (["draft"], ["device_unused_fallback_keys"]),
            (["draft-unstable"], ["org.matrix.msc2732.device_unused_fallback_keys"]),
            (
                ["stable", "unstable"],
                ["device_unused_fallback_key_types", "org.matrix.msc2732.device_unused_fallback_key_types"],
            ),
            (
                ["draft", "draft-unstable", "stable", "unstable"],
                [
                    "device_unused_fallback_key_types",
                    "org.matrix.msc2732.device_unused_fallback_key_types",
                    "device_unused_fallback_keys",
                    "org.matrix.msc2732.device_unused_fallback_keys",
                ],
            ),
        ],
    )
    @pytest.mark.parametrize("unused", [[], [CURVE], ["a", "b"]], ids=str)
    def test_the_unused_types_stand_under_every_name_spoken(
        self, names: list[str], members: list[str], unused: list[str]
    ) -> None:
        fields = encode.sync_fields(view({CURVE: 5}, *unused), dialects(names))
        expected: dict[str, Any] = {"device_one_time_keys_count": {CURVE: 5}}
        assert fields == expected | dict.fromkeys(members, unused)

    def test_what_was_encoded_is_the_receivers(self) -> None:
        seen = view({CURVE: 1}, CURVE)
        fields: dict[str, Any] = encode.sync_fields(seen, dialects(["stable", "unstable"]))
        fields["device_unused_fallback_key_types"].clear()
        fields["device_one_time_keys_count"].clear()
        assert fields["org.matrix.msc2732.device_unused_fallback_key_types"] == [CURVE]
        assert encode.sync_fields(seen)["device_one_time_keys_count"] == {CURVE: 1}


class TestSlidingSync:
    @pytest.mark.requirement("FK-FORMS-02", "FK-SYNC-01", "FK-SYNC-03")
    @pytest.mark.parametrize("unused", [[], [CURVE]], ids=str)
    def test_in_full_both_fields_are_present(self, unused: list[str]) -> None:
        expected = {"device_one_time_keys_count": {CURVE: 0}, "device_unused_fallback_key_types": unused}
        assert encode.sliding_sync_fields(view({}, *unused)) == expected
        assert encode.sliding_sync_delta(None, view({}, *unused)) == expected, "as at a connection's start"

    @pytest.mark.requirement("FK-FORMS-02")
    @pytest.mark.parametrize(
        ("before", "after", "delta"),
        [
            (view(), view(), {}),
            (view({CURVE: 1}, CURVE), view({CURVE: 1}, CURVE), {}),
            (view({CURVE: 1}, CURVE), view({}, CURVE), {"device_one_time_keys_count": {CURVE: 0}}),
            (view({CURVE: 1}), view({CURVE: 2}), {"device_one_time_keys_count": {CURVE: 2}}),
            (
                view({CURVE: 1}),
                view({CURVE: 1, "x": 1}),
                {"device_one_time_keys_count": {CURVE: 1, "x": 1}},
            ),
            (view({CURVE: 1}, CURVE), view({CURVE: 1}), {"device_unused_fallback_key_types": []}),
            (view({}), view({}, CURVE), {"device_unused_fallback_key_types": [CURVE]}),
            (view({}, "a", "b"), view({}, "b"), {"device_unused_fallback_key_types": ["b"]}),
            (
                view({CURVE: 1}),
                view({}, CURVE),
                {
                    "device_one_time_keys_count": {CURVE: 0},
                    "device_unused_fallback_key_types": [CURVE],
                },
            ),
        ],
    )
    def test_as_a_delta_an_absent_field_is_unchanged_and_an_empty_list_means_used(
        self, before: SyncView, after: SyncView, delta: dict[str, Any]
    ) -> None:
        assert encode.sliding_sync_delta(before, after) == delta


class TestAppservice:
    @pytest.mark.requirement("FK-FORMS-01", "FK-SYNC-03", "FK-DEVICE-03")
    def test_both_fields_stand_per_user_and_device_without_a_forced_zero(self) -> None:
        views = {
            ALICE: view({CURVE: 3, "x25519": 1}, CURVE),
            ALICE2: view(),
            BOB: view({}, "x25519", "z"),
        }
        assert encode.appservice_fields(views) == {
            "org.matrix.msc3202.device_one_time_keys_count": {
                "@alice:example.org": {"ALICE1": {CURVE: 3, "x25519": 1}, "ALICE2": {}},
                "@bob:example.org": {"ALICE1": {}},
            },
            "org.matrix.msc3202.device_unused_fallback_key_types": {
                "@alice:example.org": {"ALICE1": [CURVE], "ALICE2": []},
                "@bob:example.org": {"ALICE1": ["x25519", "z"]},
            },
        }

    @pytest.mark.requirement("FK-FORMS-01")
    def test_without_devices_both_are_empty(self) -> None:
        assert encode.appservice_fields({}) == {
            "org.matrix.msc3202.device_one_time_keys_count": {},
            "org.matrix.msc3202.device_unused_fallback_key_types": {},
        }


class TestClaim:
    keys = Map(
        {
            Wanted(BOB, CURVE): one_time_key("b"),
            Wanted(ALICE2, CURVE): fallback_key("f", extra={"é": [1]}),
            Wanted(ALICE, "curve25519"): Key.parse("curve25519:a", "public"),
        }
    )

    @pytest.mark.requirement("FK-CLAIM-07", "FK-CLAIM-08", "FK-FORM-06")
    def test_keys_stand_by_user_device_and_name_as_they_were_uploaded(self) -> None:
        assert encode.claim_answer(self.keys) == {
            "one_time_keys": {
                "@alice:example.org": {
                    "ALICE1": {"curve25519:a": "public"},
                    "ALICE2": {f"{CURVE}:f": signed_value("f", fallback=True, extra={"é": [1]})},
                },
                "@bob:example.org": {"ALICE1": {f"{CURVE}:b": signed_value("b")}},
            },
            "failures": {},
        }

    @pytest.mark.requirement("FK-FED-01")
    def test_failures_are_named_and_the_federation_answer_has_none(self) -> None:
        answer: dict[str, Any] = encode.claim_answer(Map(), ["a.net", "b.net:8448"])
        assert answer["one_time_keys"] == {}
        assert set(answer["failures"]) == {"a.net", "b.net:8448"}
        assert all(isinstance(failure, dict) for failure in answer["failures"].values())
        assert encode.claim_answer(Map(), None) == {"one_time_keys": {}}

    @pytest.mark.requirement("FK-FED-01")
    def test_a_request_to_another_server_has_what_was_asked(self) -> None:
        asked = [Wanted(BOB, CURVE), Wanted(ALICE, "x25519"), Wanted(ALICE2, CURVE)]
        assert encode.claim_request(asked) == {
            "one_time_keys": {
                "@bob:example.org": {"ALICE1": CURVE},
                "@alice:example.org": {"ALICE1": "x25519", "ALICE2": CURVE},
            }
        }


@pytest.mark.requirement("FK-FORM-11")
def test_a_refusal_has_errcode_and_error() -> None:
    refusal = Malformed(member="m", rule=Rule.STRING, found="null", errcode=Errcode.INVALID_PARAM)
    answer = encode.refusal_answer(refusal)
    assert answer == {"errcode": "M_INVALID_PARAM", "error": "m must be a string; found null"}
    assert type(answer["errcode"]) is str
