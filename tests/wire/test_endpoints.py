"""Each endpoint from body to response, and what the embedder must do besides."""

import json
from typing import Any

import pytest

from fallbackkeys import (
    EMPTY_STORE,
    WIRE,
    Device,
    DeviceEvent,
    DeviceRemoved,
    Errcode,
    FallbackFlagOnOneTimeKey,
    FallbackKeyNotFlagged,
    FallbackKeyReplaced,
    FallbackKeyUsed,
    KeyStore,
    OneTimeKeyAdded,
    OneTimeKeyIssued,
    Policy,
)
from fallbackkeys.wire import (
    DIALECTS,
    Answer,
    PendingClaim,
    Response,
    claim_keys,
    delete_device,
    dialects,
    federation_claim_keys,
    sync_keys,
    upload_keys,
)
from tests.builders import (
    ALICE,
    CURVE,
    fallback_key,
    identity,
    one_time_key,
    signed_value,
    stored,
)

SERVER = "example.org"
ALICE2 = Device("@alice:example.org", "ALICE2")
BOB = Device("@bob:example.org", "BOB1")
CAROL = Device("@carol:remote.net", "CAROL1")
DAVE = Device("@dave:other.net:8448", "DAVE1")


def one_time(*key_ids: str) -> dict[str, Any]:
    return {"one_time_keys": {f"{CURVE}:{key_id}": signed_value(key_id) for key_id in key_ids}}


def fallback(key_id: str) -> dict[str, Any]:
    return {"fallback_keys": {f"{CURVE}:{key_id}": signed_value(key_id, fallback=True)}}


def asking(*devices: Device, algorithm: str = CURVE) -> dict[str, Any]:
    users: dict[str, dict[str, str]] = {}
    for device in devices:
        users.setdefault(device.user_id, {})[device.device_id] = algorithm
    return {"one_time_keys": users}


def given(keys: dict[Device, str]) -> dict[str, Any]:
    """The `one_time_keys` of an answer that gives these devices' keys of these ids."""
    users: dict[str, dict[str, Any]] = {}
    for device, key_id in keys.items():
        value = signed_value(key_id, fallback=True) if key_id == "f" else signed_value(key_id)
        users.setdefault(device.user_id, {})[device.device_id] = {f"{CURVE}:{key_id}": value}
    return users


def upload(store: KeyStore, body: object, device: Device = ALICE, **options: Any) -> Answer:
    return upload_keys(store, device.user_id, device.device_id, body, **options)


def pending(store: KeyStore, body: object, **options: Any) -> PendingClaim:
    claim = claim_keys(store, SERVER, body, **options)
    assert isinstance(claim, PendingClaim)
    return claim


def refused(answer: Answer | PendingClaim, store: KeyStore, errcode: Errcode) -> str:
    """The message of a refusal, of which nothing but the response is left."""
    assert isinstance(answer, Answer)
    assert answer.store is store
    assert (answer.events, answer.woken, answer.notices, answer.device_keys) == ((), frozenset(), (), None)
    assert answer.response.status == 400
    assert set(answer.response.body) == {"errcode", "error"}
    assert answer.response.body["errcode"] == errcode
    error = answer.response.body["error"]
    assert isinstance(error, str)
    return error


class TestUpload:
    @pytest.mark.requirement("FK-UPLOAD-01", "FK-SYNC-02", "FK-SYNC-04")
    def test_an_accepted_upload(self) -> None:
        store = stored("c", device=BOB)
        assert upload(store, one_time("a", "b") | fallback("f")) == Answer(
            store=stored("a", "b", fallback=fallback_key("f"), store=store),
            response=Response(status=200, body={"one_time_key_counts": {CURVE: 2}}),
            events=(
                DeviceEvent(ALICE, OneTimeKeyAdded(one_time_key("a"), 0)),
                DeviceEvent(ALICE, OneTimeKeyAdded(one_time_key("b"), 0)),
                DeviceEvent(ALICE, FallbackKeyReplaced(fallback_key("f"), used=False)),
            ),
            woken=frozenset({ALICE}),
        )

    @pytest.mark.requirement("FK-UPLOAD-05", "FK-UPLOAD-06", "FK-FORM-08", "FK-SYNC-03")
    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"one_time_keys": {}, "fallback_keys": {}},
            {"one_time_keys": None, "fallback_keys": None, "device_keys": None},
            {"one_time_key": 5, "unknown": [1.5]},
            {"org.matrix.msc2732.fallback_keys": {"malformed": 5}},
        ],
        ids=["empty", "empty maps", "null", "unknown members", "another dialect"],
    )
    def test_one_without_keys_changes_nothing_and_is_answered_with_the_counts(self, body: object) -> None:
        store = stored("x25519:a", fallback=fallback_key("f"))
        answer = upload(store, body)
        assert answer.store is store
        assert answer == Answer(
            store=store, response=Response(status=200, body={"one_time_key_counts": {CURVE: 0, "x25519": 1}})
        )

    @pytest.mark.requirement("FK-UPLOAD-19")
    @pytest.mark.parametrize("flag", [{}, {"fallback": False}], ids=["absent", "false"])
    def test_a_flag_that_does_not_fit_the_kind_is_accepted_and_reported(self, flag: dict[str, Any]) -> None:
        body = {
            "one_time_keys": {f"{CURVE}:a": signed_value("a", fallback=True)},
            "fallback_keys": {f"{CURVE}:f": signed_value("f", **flag), "curve25519:f": "cannot have one"},
        }
        answer = upload(EMPTY_STORE, body)
        assert answer.response.status == 200
        assert answer.notices == (
            FallbackFlagOnOneTimeKey(fallback_key("a")),
            FallbackKeyNotFlagged(one_time_key("f", **flag)),
        )

    @pytest.mark.requirement("FK-UPLOAD-19")
    def test_flags_that_fit_are_not(self) -> None:
        body = one_time("a") | fallback("f")
        body["one_time_keys"][f"{CURVE}:b"] = signed_value("b", fallback=False)
        assert upload(EMPTY_STORE, body).notices == ()

    @pytest.mark.requirement("FK-UPLOAD-18")
    def test_identity_keys_are_handed_on_and_changed_ones_wipe_nothing(self) -> None:
        store = stored("a", fallback=fallback_key("f"))
        for public_key in ("old", "new"):
            device_keys = identity(keys={"ed25519:ALICE1": public_key})
            answer = upload(store, {"device_keys": device_keys})
            assert answer.store is store
            assert answer.response == Response(status=200, body={"one_time_key_counts": {CURVE: 1}})
            assert answer.device_keys is not None
            assert json.loads(answer.device_keys) == device_keys

    @pytest.mark.requirement("FK-UPLOAD-18", "FK-UPLOAD-17")
    @pytest.mark.parametrize(
        ("members", "errcode", "error"),
        [
            ({"user_id": BOB.user_id}, Errcode.INVALID_PARAM, "device_keys.user_id must be the user"),
            ({"device_id": "ALICE2"}, Errcode.INVALID_PARAM, "device_keys.device_id must be the device"),
            ({"keys": None}, Errcode.BAD_JSON, "device_keys.keys must be an object"),
        ],
    )
    def test_foreign_or_malformed_identity_keys_refuse_the_keys_too(
        self, members: dict[str, Any], errcode: Errcode, error: str
    ) -> None:
        store = stored("a")
        answer = upload(store, one_time("b") | {"device_keys": identity(**members)})
        assert refused(answer, store, errcode).startswith(error)

    @pytest.mark.requirement("FK-UPLOAD-17", "FK-FORM-11")
    @pytest.mark.parametrize(
        ("body", "errcode", "error"),
        [
            ([], Errcode.BAD_JSON, "the body must be an object; found a list of 0"),
            ({"one_time_keys": []}, Errcode.BAD_JSON, "one_time_keys must be an object; found a list of 0"),
            (
                one_time("b") | {"fallback_keys": {f"{CURVE}:f": "k"}},
                Errcode.BAD_JSON,
                f"fallback_keys.{CURVE}:f must be an object, since its algorithm is signed",
            ),
            (
                fallback("f") | {"one_time_keys": {f"{CURVE}:b": signed_value("b"), ":": "k"}},
                Errcode.BAD_JSON,
                "one_time_keys.: must be named <algorithm>:<key_id>",
            ),
            (
                {"fallback_keys": {f"{CURVE}:f": signed_value("f"), f"{CURVE}:g": signed_value("g")}},
                Errcode.INVALID_PARAM,
                "fallback_keys",
            ),
            (
                fallback("f") | {"one_time_keys": {f"{CURVE}:b": signed_value("b", x="y" * 16_384)}},
                Errcode.TOO_LARGE,
                f"one_time_keys.{CURVE}:b",
            ),
        ],
        ids=["body", "map", "value", "name", "two fallback keys", "size"],
    )
    def test_a_refusal_names_member_and_rule_and_leaves_the_very_same_store(
        self, body: object, errcode: Errcode, error: str
    ) -> None:
        store = stored("a", fallback=fallback_key("old"))
        assert refused(upload(store, body), store, errcode).startswith(error)

    @pytest.mark.requirement("FK-FORM-11")
    def test_a_refusal_names_the_member_of_the_dialect_that_was_read(self) -> None:
        member = "org.matrix.msc2732.fallback_keys"
        body = {member: {f"{CURVE}:f": signed_value("f"), f"{CURVE}:g": signed_value("g")}}
        answer = upload(EMPTY_STORE, body, spoken=dialects(["unstable"]))
        assert member in refused(answer, EMPTY_STORE, Errcode.INVALID_PARAM)

    @pytest.mark.requirement("FK-FORM-12", "FK-UPLOAD-10", "FK-UPLOAD-17")
    @pytest.mark.parametrize(
        "errcode", [Errcode.UNKNOWN, Errcode.DUPLICATE_ONE_TIME_KEY, Errcode.UNSTABLE_DUPLICATE_ONE_TIME_KEY]
    )
    def test_a_conflict_is_refused_as_the_policy_says(self, errcode: Errcode) -> None:
        store = stored("a")
        body = one_time("b") | fallback("f") | {"device_keys": identity()}
        body["one_time_keys"][f"{CURVE}:a"] = signed_value("another")
        answer = upload(store, body, policy=Policy(conflict_errcode=errcode))
        error = refused(answer, store, errcode)
        assert error.startswith(f"One time key {CURVE}:a already exists. Old key: ")
        old, new = error.partition(" Old key: ")[2].split("; new key: ")
        assert (json.loads(old), json.loads(new)) == (signed_value("a"), signed_value("another"))

    @pytest.mark.requirement("FK-FORM-10", "FK-FORM-11")
    @pytest.mark.parametrize(
        "device",
        [
            Device("alice", "ALICE1"),
            Device("@alice:", "ALICE1"),
            Device("@al\x00ice:example.org", "ALICE1"),
            Device("@alice:example.org", "\ud800"),
        ],
        ids=ascii,
    )
    def test_malformed_ids_of_user_or_device_are_refused(self, device: Device) -> None:
        answer = upload(EMPTY_STORE, one_time("a"), device)
        assert refused(answer, EMPTY_STORE, Errcode.INVALID_PARAM)
        synced = sync_keys(EMPTY_STORE, device.user_id, device.device_id)
        assert refused(synced, EMPTY_STORE, Errcode.INVALID_PARAM)
        deleted = delete_device(EMPTY_STORE, device.user_id, device.device_id)
        assert refused(deleted, EMPTY_STORE, Errcode.INVALID_PARAM)


class TestUploadLimits:
    @pytest.mark.requirement("FK-LIMIT-01", "FK-LIMIT-02")
    def test_five_hundred_keys_fill_the_pool(self) -> None:
        ids = [str(number) for number in range(500)]
        assert refused(upload(EMPTY_STORE, one_time(*ids, "500")), EMPTY_STORE, Errcode.TOO_LARGE)
        full = upload(EMPTY_STORE, one_time(*ids))
        assert full.response == Response(status=200, body={"one_time_key_counts": {CURVE: 500}})

        error = refused(upload(full.store, one_time("500")), full.store, Errcode.TOO_LARGE)
        assert CURVE in error
        again = upload(full.store, one_time(*ids))
        assert again.response == full.response, "a retry adds nothing"
        assert again.store is full.store
        assert upload(full.store, fallback("f")).response.status == 200
        other = {"one_time_keys": {"x25519:a": "k"}}
        assert upload(full.store, other).response.status == 200, "each algorithm has its own pool"

        body = asking(ALICE)
        freed = pending(full.store, body).store
        assert upload(freed, one_time("500")).response == full.response

    @pytest.mark.requirement("FK-LIMIT-02", "FK-FORM-11")
    def test_an_algorithm_that_is_not_ascii_is_escaped_in_the_message(self) -> None:
        """0008: messages are in printable ASCII."""
        body = {"one_time_keys": {"é:a": "k"}}
        error = refused(upload(EMPTY_STORE, body, policy=Policy(max_pool=0)), EMPTY_STORE, Errcode.TOO_LARGE)
        assert r"\xe9" in error

    @pytest.mark.requirement("FK-LIMIT-03")
    def test_sixteen_algorithms_of_which_remembered_and_slots_count(self) -> None:
        pools = {"one_time_keys": {f"pool{number}:a": "k" for number in range(10)}}
        slots = {"fallback_keys": {f"slot{number}:a": "k" for number in range(6)}}
        full = upload(EMPTY_STORE, pools | slots)
        assert full.response.status == 200
        store = pending(full.store, asking(ALICE, algorithm="pool0")).store

        for body in ({"one_time_keys": {"more:a": "k"}}, {"fallback_keys": {"more:a": "k"}}):
            assert refused(upload(store, body), store, Errcode.TOO_LARGE)
            one_too_many = {**pools["one_time_keys"], "more:a": "k"}
            both = {"one_time_keys": one_too_many} | slots
            assert refused(upload(EMPTY_STORE, both), EMPTY_STORE, Errcode.TOO_LARGE)
        known = {"one_time_keys": {"slot0:b": "k2"}, "fallback_keys": {"pool0:b": "k2"}}
        assert upload(store, known).response.status == 200
        assert upload(store, {"one_time_keys": {"more:a": "k"}}, BOB).response.status == 200

    @pytest.mark.requirement("FK-LIMIT-04")
    def test_a_key_of_17_levels_or_more_than_16_kib(self) -> None:
        nested: list[object] = []
        for _ in range(15):
            nested = [nested]
        for members in ({"x": nested}, {"x": "y" * 16_384}):
            body = {"one_time_keys": {f"{CURVE}:a": signed_value("a", **members)}}
            assert refused(upload(EMPTY_STORE, body), EMPTY_STORE, Errcode.TOO_LARGE)
            assert upload(EMPTY_STORE, body, policy=Policy()).response.status == 200


class TestClaim:
    @pytest.mark.requirement("FK-CLAIM-07", "FK-SYNC-04", "FK-FORM-06")
    def test_a_local_claim_is_finished_without_anybodys_answer(self) -> None:
        store = stored(fallback=fallback_key("f"), device=BOB, store=stored("a", "b"))
        claim = pending(store, asking(BOB, ALICE))
        assert claim.requests == {}
        assert claim.events == (
            DeviceEvent(BOB, FallbackKeyUsed(fallback_key("f"))),
            DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("a"))),
        )
        assert claim.woken == {ALICE, BOB}
        body: dict[str, Any] = {"one_time_keys": given({ALICE: "a", BOB: "f"}), "failures": {}}
        assert claim.finish({}) == Response(status=200, body=body)
        assert claim.finish({"remote.net": {"one_time_keys": given({ALICE: "x"})}}).body == body

    @pytest.mark.requirement("FK-CLAIM-05", "FK-CLAIM-08")
    @pytest.mark.parametrize(
        "body",
        [
            asking(Device("@nobody:example.org", "ALICE1")),
            asking(ALICE2),
            asking(ALICE, algorithm="x25519"),
            asking(ALICE, algorithm=""),
            asking(BOB),
            {"one_time_keys": {"@alice:example.org": {}}},
            {"one_time_keys": {}},
        ],
        ids=["user", "device", "algorithm", "no algorithm", "exhausted", "no device", "nobody"],
    )
    def test_who_gets_no_key_is_left_out_and_no_failure(self, body: dict[str, Any]) -> None:
        store = pending(stored("b", device=BOB, store=stored("a")), asking(BOB)).store
        claim = pending(store, body)
        assert claim.store is store
        assert (claim.events, claim.woken, claim.requests) == ((), frozenset(), {})
        assert claim.finish({}) == Response(status=200, body={"one_time_keys": {}, "failures": {}})

        users = {**body["one_time_keys"], "@alice:example.org": {"ALICE1": CURVE}}
        other = pending(store, {"one_time_keys": users}).finish({})
        assert other.body == {"one_time_keys": given({ALICE: "a"}), "failures": {}}

    @pytest.mark.requirement("FK-CLAIM-06")
    def test_the_keys_of_one_upload_come_in_body_order(self) -> None:
        store = upload(EMPTY_STORE, one_time("z", "a", "m")).store
        order = []
        for _ in "zam":
            claim = pending(store, asking(ALICE))
            store = claim.store
            order.append(claim.finish({}).body["one_time_keys"])
        assert order == [given({ALICE: key_id}) for key_id in "zam"]

    @pytest.mark.requirement("FK-CLAIM-09")
    @pytest.mark.parametrize(
        ("broken", "error"),
        [
            ({"@zoe:example.org": []}, "one_time_keys.@zoe:example.org must be an object"),
            ({"@zoe:example.org": {"Z": [CURVE]}}, "one_time_keys.@zoe:example.org.Z must be a string"),
            ({"@zoe:example.org": {"Z": {CURVE: 1}}}, "one_time_keys.@zoe:example.org.Z must be a string"),
            ({"zoe": {"Z": CURVE}}, "one_time_keys.zoe must be a user id"),
            ({"@zoe:example.org": {"Z": None}}, "one_time_keys.@zoe:example.org.Z must be a string"),
        ],
    )
    @pytest.mark.parametrize("endpoint", [claim_keys, federation_claim_keys])
    def test_a_malformed_entry_at_the_end_takes_no_key(
        self, endpoint: Any, broken: dict[str, Any], error: str
    ) -> None:
        store = stored("a")
        body = {"one_time_keys": asking(ALICE)["one_time_keys"] | broken}
        assert refused(endpoint(store, SERVER, body), store, Errcode.INVALID_PARAM).startswith(error)

    @pytest.mark.requirement("FK-CLAIM-09", "FK-FORM-07")
    @pytest.mark.parametrize(
        "body", [None, [], {}, {"one_time_keys": None}, {"one_time_keys": []}], ids=ascii
    )
    @pytest.mark.parametrize("endpoint", [claim_keys, federation_claim_keys])
    def test_a_body_without_an_object_one_time_keys(self, endpoint: Any, body: object) -> None:
        assert refused(endpoint(EMPTY_STORE, SERVER, body), EMPTY_STORE, Errcode.INVALID_PARAM)

    @pytest.mark.requirement("FK-LIMIT-05")
    @pytest.mark.parametrize("endpoint", [claim_keys, federation_claim_keys])
    def test_more_than_ten_thousand_devices_take_no_key(self, endpoint: Any) -> None:
        store = stored("a")
        devices = [ALICE, *(Device(ALICE.user_id, f"D{number}") for number in range(9_999))]
        assert endpoint(store, SERVER, asking(*devices)).events
        answer = endpoint(store, SERVER, asking(*devices, BOB))
        assert refused(answer, store, Errcode.TOO_LARGE)


class TestRemoteClaim:
    @pytest.mark.requirement("FK-FED-01", "FK-CLAIM-07")
    def test_users_of_other_servers_are_asked_for_there(self) -> None:
        claim = pending(stored("a"), asking(CAROL, ALICE, DAVE) | {"timeout": 10_000})
        assert claim.requests == {"remote.net": asking(CAROL), "other.net:8448": asking(DAVE)}
        assert claim.events == (DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("a"))),)
        assert claim.woken == {ALICE}
        answers: dict[str, Any] = {
            "other.net:8448": {"one_time_keys": given({DAVE: "d"})},
            "remote.net": {"one_time_keys": given({CAROL: "f"})},
        }
        assert claim.finish(answers) == Response(
            status=200, body={"one_time_keys": given({ALICE: "a", CAROL: "f", DAVE: "d"}), "failures": {}}
        )

    @pytest.mark.requirement("FK-FED-01", "FK-FED-04")
    @pytest.mark.parametrize(
        "answers",
        [
            {},
            {"remote.net": "unreachable"},
            {"remote.net": None},
            {"remote.net": []},
            {"remote.net": {}},
            {"remote.net": {"one_time_keys": []}},
            {"remote.net": {"errcode": "M_UNKNOWN", "error": "no"}},
            {"REMOTE.net": {"one_time_keys": given({CAROL: "c"})}},
        ],
        ids=ascii,
    )
    def test_a_server_that_fails_is_named_and_the_other_answers_stand(self, answers: dict[str, Any]) -> None:
        claim = pending(stored("a"), asking(CAROL, ALICE, DAVE))
        answers = answers | {"other.net:8448": {"one_time_keys": given({DAVE: "d"})}}
        response = claim.finish(answers)
        assert response.status == 200
        assert response.body["one_time_keys"] == given({ALICE: "a", DAVE: "d"})
        failures = response.body["failures"]
        assert isinstance(failures, dict)
        assert set(failures) == {"remote.net"}
        assert isinstance(failures["remote.net"], dict)

    @pytest.mark.requirement("FK-FED-02", "FK-CLAIM-05", "FK-CLAIM-08")
    @pytest.mark.parametrize(
        "users",
        [
            {},
            {CAROL.user_id: {}},
            {CAROL.user_id: None},
            {CAROL.user_id: {CAROL.device_id: {}}},
            {CAROL.user_id: {CAROL.device_id: {"x25519:c": "k"}}},
            {CAROL.user_id: {CAROL.device_id: {f"{CURVE}:c": "no object"}}},
            given({Device(CAROL.user_id, "OTHER"): "c"}),
            given({ALICE: "x", BOB: "x", DAVE: "x"}),
        ],
        ids=["empty", "no device", "null", "no key", "algorithm", "malformed", "device", "other users"],
    )
    def test_of_an_answer_only_what_was_asked_for_is_kept(self, users: dict[str, Any]) -> None:
        claim = pending(stored("a"), asking(CAROL, ALICE, DAVE))
        answers: dict[str, Any] = {
            "remote.net": {"one_time_keys": users},
            "other.net:8448": {"one_time_keys": given({DAVE: "d"})},
            "unasked.net": {"one_time_keys": given({CAROL: "x"})},
        }
        body = {"one_time_keys": given({ALICE: "a", DAVE: "d"}), "failures": {}}
        assert claim.finish(answers).body == body

    @pytest.mark.requirement("FK-FED-02", "FK-LIMIT-04")
    def test_the_policy_holds_for_the_keys_of_other_servers_too(self) -> None:
        answers: dict[str, Any] = {"remote.net": {"one_time_keys": given({CAROL: "c"})}}
        kept = pending(EMPTY_STORE, asking(CAROL), policy=WIRE).finish(answers)
        assert kept.body == {"one_time_keys": given({CAROL: "c"}), "failures": {}}
        small = pending(EMPTY_STORE, asking(CAROL), policy=Policy(max_value_bytes=50)).finish(answers)
        assert small.body == {"one_time_keys": {}, "failures": {}}


class TestFederationClaim:
    @pytest.mark.requirement("FK-CLAIM-07", "FK-SYNC-04")
    def test_local_users_are_answered_without_failures(self) -> None:
        store = stored(fallback=fallback_key("f"), device=BOB, store=stored("a"))
        assert federation_claim_keys(store, SERVER, asking(ALICE, ALICE2, BOB)) == Answer(
            store=pending(store, asking(ALICE, BOB)).store,
            response=Response(status=200, body={"one_time_keys": given({ALICE: "a", BOB: "f"})}),
            events=(
                DeviceEvent(ALICE, OneTimeKeyIssued(one_time_key("a"))),
                DeviceEvent(BOB, FallbackKeyUsed(fallback_key("f"))),
            ),
            woken=frozenset({ALICE, BOB}),
        )

    @pytest.mark.requirement("FK-CLAIM-05")
    def test_a_used_fallback_key_again_changes_nothing(self) -> None:
        store = federation_claim_keys(stored(fallback=fallback_key("f")), SERVER, asking(ALICE)).store
        again = federation_claim_keys(store, SERVER, asking(ALICE, BOB))
        assert again.store is store
        assert again == Answer(
            store=store, response=Response(status=200, body={"one_time_keys": given({ALICE: "f"})})
        )

    @pytest.mark.requirement("FK-FED-03")
    @pytest.mark.parametrize(
        "users",
        [
            {CAROL.user_id: {CAROL.device_id: CURVE}},
            {"@alice:EXAMPLE.org": {"ALICE1": CURVE}},
            {"@alice:example.org:8448": {"ALICE1": CURVE}},
            {"@alice:sub.example.org": {"ALICE1": CURVE}},
            {CAROL.user_id: {}},
        ],
        ids=["another server", "case", "port", "subdomain", "no device of hers"],
    )
    def test_a_user_of_another_server_refuses_the_whole_claim(self, users: dict[str, Any]) -> None:
        store = stored("a")
        body = {"one_time_keys": asking(ALICE)["one_time_keys"] | users}
        error = refused(federation_claim_keys(store, SERVER, body), store, Errcode.INVALID_PARAM)
        (user_id,) = users
        assert error.startswith(f"one_time_keys.{user_id} must be a user of this server")


class TestSync:
    @pytest.mark.requirement("FK-SYNC-01", "FK-SYNC-02", "FK-SYNC-03", "FK-DEVICE-03")
    def test_a_device_sees_its_own_keys(self) -> None:
        store = stored("x25519:a", fallback=fallback_key("f"))
        assert sync_keys(store, ALICE.user_id, ALICE.device_id) == Answer(
            store=store,
            response=Response(
                status=200,
                body={
                    "device_one_time_keys_count": {CURVE: 0, "x25519": 1},
                    "device_unused_fallback_key_types": [CURVE],
                },
            ),
        )
        for other in (ALICE2, BOB, Device(ALICE.user_id, "ALICE"), Device(ALICE.user_id, "ALICE11")):
            assert sync_keys(store, other.user_id, other.device_id).response.body == {
                "device_one_time_keys_count": {CURVE: 0},
                "device_unused_fallback_key_types": [],
            }

    @pytest.mark.requirement("FK-DIALECT-05", "FK-DIALECT-06")
    def test_a_server_of_many_dialects_reads_one_member_and_answers_under_every_name(self) -> None:
        body = {
            "org.matrix.msc2732.fallback_keys": {"malformed": 5},
            "fallback_keys": {"curve25519:f": "k"},
        }
        store = upload(EMPTY_STORE, body, spoken=DIALECTS).store
        assert sync_keys(store, ALICE.user_id, ALICE.device_id, spoken=DIALECTS).response.body == {
            "device_one_time_keys_count": {CURVE: 0},
            "device_unused_fallback_key_types": ["curve25519"],
            "org.matrix.msc2732.device_unused_fallback_key_types": ["curve25519"],
            "device_unused_fallback_keys": ["curve25519"],
            "org.matrix.msc2732.device_unused_fallback_keys": ["curve25519"],
        }

    @pytest.mark.requirement("FK-DIALECT-03", "FK-DIALECT-04")
    def test_the_example_of_the_draft(self) -> None:
        value = {
            "key": "base64+public+key",
            "fallback": True,
            "signatures": {"@alice:example.org": {"ed25519:DEVICEID": "base64+signature"}},
        }
        for name, prefix in (("draft", ""), ("draft-unstable", "org.matrix.msc2732.")):
            spoken = dialects([name])
            body = {f"{prefix}fallback_keys": {"signed_curve25519:AAAAAA": value}}
            answer = upload(EMPTY_STORE, body, spoken=spoken)
            assert answer.notices == ()
            synced = sync_keys(answer.store, ALICE.user_id, ALICE.device_id, spoken=spoken).response.body
            assert synced[f"{prefix}device_unused_fallback_keys"] == ["signed_curve25519"]


class TestDelete:
    @pytest.mark.requirement("FK-DEVICE-01", "FK-DEVICE-02", "FK-DEVICE-03", "FK-SYNC-04")
    def test_a_deleted_device_is_one_never_seen(self) -> None:
        others = stored("c", device=ALICE2)
        store = pending(stored("a", "b", fallback=fallback_key("f"), store=others), asking(ALICE)).store
        deleted = delete_device(store, ALICE.user_id, ALICE.device_id)
        assert deleted == Answer(
            store=others,
            response=Response(status=200, body={}),
            events=(DeviceEvent(ALICE, DeviceRemoved()),),
            woken=frozenset({ALICE}),
        )
        assert pending(deleted.store, asking(ALICE)).finish({}).body == {"one_time_keys": {}, "failures": {}}
        assert sync_keys(deleted.store, ALICE.user_id, ALICE.device_id).response.body == {
            "device_one_time_keys_count": {CURVE: 0},
            "device_unused_fallback_key_types": [],
        }
        again = upload(deleted.store, one_time("a"))
        assert again.notices == ()
        assert again.response.body == {"one_time_key_counts": {CURVE: 1}}

    @pytest.mark.requirement("FK-DEVICE-01")
    def test_deleting_a_device_never_seen_changes_nothing(self) -> None:
        store = stored("a")
        answer = delete_device(store, ALICE.user_id, "ALICE")
        assert answer.store is store
        assert answer == Answer(store=store, response=Response(status=200, body={}))
