"""Bodies become commands, or are refused with the member's path and the rule; nothing is repaired."""

from typing import Any

import pytest

from fallbackkeys import Device, Errcode, Key, Limit, Malformed, Policy, Rule, TooLarge, Upload, Wanted
from fallbackkeys.wire import decode, dialects
from tests.builders import ALICE, CURVE, fallback_key, one_time_key, signed_value

NAME = f"{CURVE}:AAAAHQ"
BOB = Device("@bob:example.org", "BOB1")
HUGE = pytest.param(10**5000, id="5,000 digits")


def malformed_upload(body: object) -> Malformed:
    with pytest.raises(Malformed) as refused:
        decode.upload(body, ALICE)
    return refused.value


def malformed_claim(body: object) -> Malformed:
    with pytest.raises(Malformed) as refused:
        decode.claim(body)
    assert refused.value.errcode is Errcode.INVALID_PARAM
    return refused.value


class TestIds:
    @pytest.mark.parametrize(
        "name",
        [
            "matrix.org",
            "matrix.org:8888",
            "1.2.3.4",
            "1.2.3.4:1234",
            "[1234:5678::abcd]",
            "[1234:5678::abcd]:5678",
            "localhost",
            "MATRIX.org",
            "a-b.c:1",
        ],
    )
    def test_server_names(self, name: str) -> None:
        """Appendices, "Server Name"."""
        assert decode.is_server_name(name)
        assert decode.device(f"@a:{name}", "D") == Device(f"@a:{name}", "D")

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ":80",
            "matrix.org:",
            "matrix.org:123456",
            "matrix.org:80:80",
            "matrix.org:٣",
            "matrix.org:8a",
            "matrix.org/",
            "mat rix.org",
            "matrix_.org",
            "mätrix.org",
            "::1",
            "[::1",
            "[]",
            "[1]",
            "[::g]",
            "x[::1]",
            "m" * 256,
        ],
        ids=ascii,
    )
    def test_other_texts_are_none(self, name: str) -> None:
        assert not decode.is_server_name(name)
        with pytest.raises(Malformed) as refused:
            decode.device(f"@a:{name}", "D")
        assert (refused.value.member, refused.value.rule) == ("user_id", Rule.USER_ID)
        assert refused.value.errcode is Errcode.INVALID_PARAM

    @pytest.mark.requirement("FK-FORM-10")
    @pytest.mark.parametrize(
        "user_id",
        ["@alice:h", "@Alice Ä!:h", "@a/b=c+d.e_f-g:h", "@a*:h", "@:h", "@\n\x7f:h", "@" + "a" * 252 + ":h"],
        ids=ascii,
    )
    @pytest.mark.parametrize("device_id", ["JLAFKJWSCS", "", "two words", "ä:b", "x" * 10_000])
    def test_localparts_and_device_ids_are_opaque(self, user_id: str, device_id: str) -> None:
        assert decode.device(user_id, device_id) == Device(user_id, device_id)

    @pytest.mark.requirement("FK-FORM-10")
    @pytest.mark.parametrize(
        ("user_id", "rule", "found"),
        [
            ("", Rule.USER_ID, "''"),
            ("alice", Rule.USER_ID, "alice"),
            ("@alice", Rule.USER_ID, "@alice"),
            ("alice:h", Rule.USER_ID, "alice:h"),
            ("!alice:h", Rule.USER_ID, "!alice:h"),
            ("@" + "a" * 253 + ":h", Rule.USER_ID, "@" + "a" * 76 + "..."),
            ("@" + "ä" * 127 + ":h", Rule.USER_ID, "'@" + r"\xe4" * 76 + "...'"),
            (None, Rule.USER_ID, "null"),
            (5, Rule.USER_ID, "the number 5"),
            (b"@a:h", Rule.USER_ID, "a bytes"),
            ("@a\x00:h", Rule.NO_NUL, r"'@a\x00:h'"),
            ("@a:h\n", Rule.USER_ID, r"'@a:h\n'"),
            ("@\ud800:h", Rule.UNICODE, r"'@\ud800:h'"),
        ],
        ids=lambda value: ascii(value)[:12],
    )
    def test_any_other_user_id_is_refused(self, user_id: object, rule: Rule, found: str) -> None:
        with pytest.raises(Malformed) as refused:
            decode.device(user_id, "D")
        assert (refused.value.member, refused.value.rule, refused.value.found) == ("user_id", rule, found)
        assert refused.value.errcode is Errcode.INVALID_PARAM

    @pytest.mark.requirement("FK-FORM-10")
    @pytest.mark.parametrize(
        ("device_id", "rule", "found"),
        [
            (None, Rule.STRING, "null"),
            (5, Rule.STRING, "the number 5"),
            ("\x00", Rule.NO_CONTROL, r"'\x00'"),
            ("\ud800", Rule.UNICODE, r"'\ud800'"),
        ],
    )
    def test_any_other_device_id_is_refused(self, device_id: object, rule: Rule, found: str) -> None:
        with pytest.raises(Malformed) as refused:
            decode.device("@alice:example.org", device_id)
        assert (refused.value.member, refused.value.rule, refused.value.found) == ("device_id", rule, found)
        assert refused.value.errcode is Errcode.INVALID_PARAM


class TestUpload:
    def test_keys_come_in_body_order(self) -> None:
        body = {
            "fallback_keys": {f"{CURVE}:f": signed_value("f", fallback=True), "x25519:f": signed_value("f")},
            "one_time_keys": {f"{CURVE}:{key_id}": signed_value(key_id) for key_id in "zam"},
        }
        assert decode.upload(body, ALICE) == decode.DecodedUpload(
            keys=Upload(
                one_time_keys=(one_time_key("z"), one_time_key("a"), one_time_key("m")),
                fallback_keys=(fallback_key("f"), one_time_key("x25519:f")),
            ),
            device_keys=None,
        )

    @pytest.mark.requirement("FK-UPLOAD-05", "FK-UPLOAD-06")
    @pytest.mark.parametrize("one_time_keys", [{}, {"one_time_keys": {}}, {"one_time_keys": None}], ids=str)
    @pytest.mark.parametrize("fallback_keys", [{}, {"fallback_keys": {}}, {"fallback_keys": None}], ids=str)
    @pytest.mark.parametrize("device_keys", [{}, {"device_keys": None}], ids=str)
    def test_absent_null_and_empty_are_the_same(
        self, one_time_keys: dict[str, Any], fallback_keys: dict[str, Any], device_keys: dict[str, Any]
    ) -> None:
        decoded = decode.upload(one_time_keys | fallback_keys | device_keys, ALICE)
        assert decoded == decode.DecodedUpload(keys=Upload(), device_keys=None)

    @pytest.mark.requirement("FK-FORM-07")
    @pytest.mark.parametrize(
        ("body", "found"),
        [
            (None, "null"),
            (5, "the number 5"),
            ("x", "the string x"),
            ([], "a list of 0"),
            ([{"one_time_keys": {}}], "a list of 1"),
            (({},), "a tuple"),
            (b"{}", "a bytes"),
        ],
        ids=ascii,
    )
    def test_a_body_that_is_no_object(self, body: object, found: str) -> None:
        refusal = malformed_upload(body)
        assert (refusal.member, refusal.rule, refusal.found) == ("the body", Rule.OBJECT, found)
        assert refusal.errcode is Errcode.BAD_JSON

    @pytest.mark.requirement("FK-FORM-07")
    @pytest.mark.parametrize("member", ["one_time_keys", "fallback_keys", "device_keys"])
    @pytest.mark.parametrize("value", [[], "", "x", 0, 5, False, True, 1.5, (), b""], ids=ascii)
    def test_a_map_that_is_no_object(self, member: str, value: object) -> None:
        refusal = malformed_upload({member: value})
        assert (refusal.member, refusal.rule) == (member, Rule.OBJECT)
        assert refusal.errcode is Errcode.BAD_JSON

    @pytest.mark.requirement("FK-FORM-08")
    @pytest.mark.parametrize("value", [None, [], {"a": {"b": 1.5}}, "\ud800", b"x", HUGE], ids=ascii)
    def test_unknown_members_are_ignored(self, value: object) -> None:
        body = {"one_time_keys": {NAME: signed_value("k")}, "one_time_key": value, 5: value, None: value}
        assert decode.upload(body, ALICE).keys == Upload(one_time_keys=(one_time_key("AAAAHQ", "k"),))

    @pytest.mark.requirement("FK-FORM-11", "FK-DIALECT-04")
    @pytest.mark.parametrize(
        "member",
        [
            "one_time_keys",
            "fallback_keys",
            "org.matrix.msc2732.fallback_keys",
            "org.matrix.msc2732.fallback_key",
        ],
    )
    @pytest.mark.parametrize(
        ("name", "value", "path", "rule"),
        [
            (NAME, {"signatures": {}}, f".{NAME}.key", Rule.REQUIRED),
            (NAME, "k", f".{NAME}", Rule.SIGNED_FORM),
            ("AAAAHQ", "k", ".AAAAHQ", Rule.NAME_FORM),
            (f"{CURVE}\x00:a", {}, rf".'{CURVE}\x00:a'", Rule.NO_CONTROL),
        ],
    )
    def test_the_path_of_a_malformed_key_begins_with_the_member_that_was_read(
        self, member: str, name: str, value: object, path: str, rule: Rule
    ) -> None:
        body = {member: {"curve25519:fine": "k", name: value}}
        with pytest.raises(Malformed) as refused:
            decode.upload(body, ALICE, spoken=dialects(["stable", "draft-unstable"]))
        assert (refused.value.member, refused.value.rule) == (f"{member}{path}", rule)
        assert refused.value.errcode is Errcode.BAD_JSON

    @pytest.mark.requirement("FK-FORM-01", "FK-FORM-11")
    @pytest.mark.parametrize("name", [5, None, 1.5, b"a:b", ("a:b",), HUGE])
    @pytest.mark.parametrize("member", ["one_time_keys", "fallback_keys"])
    def test_a_key_whose_name_is_no_string(self, member: str, name: object) -> None:
        refusal = malformed_upload({member: {name: signed_value("k")}})
        assert refusal.rule is Rule.STRING
        assert refusal.member.startswith(member)
        assert refusal.errcode is Errcode.BAD_JSON

    @pytest.mark.requirement("FK-UPLOAD-18")
    def test_identity_keys_are_handed_on_and_checked_against_the_uploader(self) -> None:
        device_keys = {
            "user_id": ALICE.user_id,
            "device_id": ALICE.device_id,
            "algorithms": [],
            "keys": {},
            "signatures": {},
        }
        body = {"device_keys": device_keys}
        assert decode.upload(body, ALICE).device_keys == (
            b'{"algorithms":[],"device_id":"ALICE1","keys":{},"signatures":{},"user_id":"@alice:example.org"}'
        )
        with pytest.raises(Malformed) as refused:
            decode.upload(body, BOB)
        assert (refused.value.member, refused.value.rule) == ("device_keys.user_id", Rule.SAME_USER)


class TestUploadLimits:
    @pytest.mark.requirement("FK-LIMIT-01")
    @pytest.mark.parametrize(("one_time", "fallback"), [(501, 0), (500, 1), (0, 501), (250, 251)])
    def test_more_keys_than_allowed_are_counted_over_both_kinds_and_not_looked_at(
        self, one_time: int, fallback: int
    ) -> None:
        body = {
            "one_time_keys": {f"malformed {number}": None for number in range(one_time)},
            "fallback_keys": {f"malformed {number}": None for number in range(fallback)},
        }
        with pytest.raises(TooLarge) as refused:
            decode.upload(body, ALICE)
        assert refused.value.limit is Limit.KEYS_IN_UPLOAD
        assert (refused.value.allowed, refused.value.actual) == (500, 501)
        assert refused.value.errcode is Errcode.TOO_LARGE

    @pytest.mark.requirement("FK-LIMIT-01")
    def test_as_many_as_allowed_are_decoded(self) -> None:
        body = {
            "one_time_keys": {f"{CURVE}:{number}": signed_value("k") for number in range(499)},
            "fallback_keys": {f"{CURVE}:f": signed_value("f")},
        }
        keys = decode.upload(body, ALICE).keys
        assert (len(keys.one_time_keys), len(keys.fallback_keys)) == (499, 1)

    @pytest.mark.requirement("FK-LIMIT-01", "FK-DIALECT-05")
    def test_the_keys_of_a_losing_member_do_not_count(self) -> None:
        body = {
            "fallback_keys": {f"{CURVE}:f": signed_value("f", fallback=True)},
            "org.matrix.msc2732.fallback_keys": {f"{CURVE}:{number}": 0 for number in range(501)},
        }
        decoded = decode.upload(body, ALICE, spoken=dialects(["stable", "unstable"]))
        assert decoded.keys == Upload(fallback_keys=(fallback_key("f"),))

    @pytest.mark.requirement("FK-LIMIT-01")
    def test_the_policy_may_have_no_limit(self) -> None:
        body = {"one_time_keys": {f"curve25519:{number}": "k" for number in range(501)}}
        assert len(decode.upload(body, ALICE, policy=Policy()).keys.one_time_keys) == 501

    @pytest.mark.requirement("FK-LIMIT-04")
    @pytest.mark.parametrize("member", ["one_time_keys", "fallback_keys"])
    def test_a_key_may_have_16_kib_of_canonical_json(self, member: str) -> None:
        key = {"signatures": {}, "key": "k", "extra": ""}
        around = len('{"extra":"","key":"k","signatures":{}}')
        decode.upload({member: {NAME: key | {"extra": "é" * ((16_384 - around) // 2)}}}, ALICE)
        with pytest.raises(TooLarge) as refused:
            decode.upload({member: {NAME: key | {"extra": "x" * (16_385 - around)}}}, ALICE)
        assert (refused.value.member, refused.value.limit) == (f"{member}.{NAME}", Limit.VALUE_BYTES)
        assert (refused.value.allowed, refused.value.actual) == (16_384, 16_385)

    @pytest.mark.requirement("FK-LIMIT-04")
    @pytest.mark.parametrize("member", ["one_time_keys", "fallback_keys"])
    def test_a_key_may_have_16_levels(self, member: str) -> None:
        nested: list[object] = []
        for _ in range(14):
            nested = [nested]
        decode.upload({member: {NAME: signed_value("k", extra=nested)}}, ALICE)
        with pytest.raises(TooLarge) as refused:
            decode.upload({member: {NAME: signed_value("k", extra=[nested])}}, ALICE)
        assert (refused.value.member, refused.value.limit) == (f"{member}.{NAME}", Limit.VALUE_DEPTH)
        assert (refused.value.allowed, refused.value.actual) == (16, 17)


class TestClaim:
    @pytest.mark.requirement("FK-CLAIM-07", "FK-FORM-08")
    def test_entries_come_in_body_order_and_other_members_are_ignored(self) -> None:
        body = {
            "timeout": "soon",
            "one_time_keys": {
                "@bob:example.org": {"B2": CURVE, "B1": "x25519"},
                "@nobody:example.org": {},
                "@alice:remote.net": {"": ""},
            },
            5: None,
        }
        assert decode.claim(body) == (
            Wanted(Device("@bob:example.org", "B2"), CURVE),
            Wanted(Device("@bob:example.org", "B1"), "x25519"),
            Wanted(Device("@alice:remote.net", ""), ""),
        )

    @pytest.mark.requirement("FK-CLAIM-09", "FK-FORM-07")
    @pytest.mark.parametrize(
        ("body", "member", "rule", "found"),
        [
            (None, "the body", Rule.OBJECT, "null"),
            ([], "the body", Rule.OBJECT, "a list of 0"),
            ("one_time_keys", "the body", Rule.OBJECT, "the string one_time_keys"),
            ({}, "one_time_keys", Rule.REQUIRED, "an object of 0 members"),
            ({"timeout": 5}, "one_time_keys", Rule.REQUIRED, "an object of 1 members"),
            ({"one_time_keys": None}, "one_time_keys", Rule.OBJECT, "null"),
            ({"one_time_keys": []}, "one_time_keys", Rule.OBJECT, "a list of 0"),
            ({"one_time_keys": "x"}, "one_time_keys", Rule.OBJECT, "the string x"),
        ],
        ids=ascii,
    )
    def test_one_time_keys_is_a_required_object_of_an_object(
        self, body: object, member: str, rule: Rule, found: str
    ) -> None:
        refusal = malformed_claim(body)
        assert (refusal.member, refusal.rule, refusal.found) == (member, rule, found)

    @pytest.mark.requirement("FK-CLAIM-09")
    @pytest.mark.parametrize("value", [None, [], "D", 5, True, (), b""], ids=ascii)
    def test_a_users_devices_are_an_object(self, value: object) -> None:
        refusal = malformed_claim({"one_time_keys": {"@bob:h": {"B": CURVE}, "@alice:h": value}})
        assert (refusal.member, refusal.rule) == ("one_time_keys.@alice:h", Rule.OBJECT)

    @pytest.mark.requirement("FK-CLAIM-09")
    @pytest.mark.parametrize("value", [None, [], [CURVE], {}, {CURVE: 1}, 5, True, 1.5, b"", HUGE], ids=ascii)
    def test_an_algorithm_is_a_string(self, value: object) -> None:
        refusal = malformed_claim({"one_time_keys": {"@alice:h": {"A": CURVE, "D": value}}})
        assert (refusal.member, refusal.rule) == ("one_time_keys.@alice:h.D", Rule.STRING)

    @pytest.mark.requirement("FK-CLAIM-09", "FK-FORM-10")
    @pytest.mark.parametrize(
        ("user_id", "device_id", "algorithm", "member", "rule"),
        [
            ("alice", "D", CURVE, "one_time_keys.alice", Rule.USER_ID),
            ("@alice", "D", CURVE, "one_time_keys.@alice", Rule.USER_ID),
            ("@a\x00:h", "D", CURVE, r"one_time_keys.'@a\x00:h'", Rule.NO_NUL),
            ("@\ud800:h", "D", CURVE, r"one_time_keys.'@\ud800:h'", Rule.UNICODE),
            ("@a:h", "D\x00", CURVE, r"one_time_keys.@a:h.'D\x00'", Rule.NO_CONTROL),
            ("@a:h", "\ud800", CURVE, r"one_time_keys.@a:h.'\ud800'", Rule.UNICODE),
            ("@a:h", "D", "x\x00", "one_time_keys.@a:h.D", Rule.NO_CONTROL),
            ("@a:h", "D", "\udfff", "one_time_keys.@a:h.D", Rule.UNICODE),
        ],
    )
    def test_identifiers_are_checked(
        self, user_id: str, device_id: str, algorithm: str, member: str, rule: Rule
    ) -> None:
        refusal = malformed_claim({"one_time_keys": {"@b:h": {"B": CURVE}, user_id: {device_id: algorithm}}})
        assert (refusal.member, refusal.rule) == (member, rule)

    @pytest.mark.requirement("FK-CLAIM-09")
    def test_a_user_id_is_checked_even_if_no_device_is_asked_for(self) -> None:
        assert malformed_claim({"one_time_keys": {"alice": {}}}).rule is Rule.USER_ID

    @pytest.mark.requirement("FK-FORM-11", "FK-CLAIM-09")
    @pytest.mark.parametrize("name", [5, None, 1.5, b"@a:h", ("@a:h",), HUGE])
    @pytest.mark.parametrize("where", ["user", "device"])
    def test_a_name_that_is_no_string(self, where: str, name: object) -> None:
        users = {name: {"D": CURVE}} if where == "user" else {"@a:h": {name: CURVE}}
        refusal = malformed_claim({"one_time_keys": users})
        assert refusal.rule is (Rule.USER_ID if where == "user" else Rule.STRING)
        assert refusal.member.startswith("one_time_keys")

    @pytest.mark.requirement("FK-FED-03")
    @pytest.mark.parametrize(
        "user_id", ["@a:remote.net", "@a:EXAMPLE.org", "@a:example.org:8448", "@a:sub.example.org"]
    )
    @pytest.mark.parametrize("devices", [{}, {"D": CURVE}], ids=["no device", "a device"])
    def test_a_claim_may_be_bound_to_the_users_of_one_server(
        self, user_id: str, devices: dict[str, str]
    ) -> None:
        local = {"@a:example.org": {"D": CURVE}}
        body = {"one_time_keys": local | {user_id: devices}}
        with pytest.raises(Malformed) as refused:
            decode.claim(body, only_of="example.org")
        assert (refused.value.member, refused.value.rule) == (f"one_time_keys.{user_id}", Rule.LOCAL_USER)
        assert refused.value.found == user_id.partition(":")[2]
        assert refused.value.errcode is Errcode.INVALID_PARAM
        assert len(decode.claim({"one_time_keys": local}, only_of="example.org")) == 1

    @pytest.mark.requirement("FK-LIMIT-05")
    @pytest.mark.parametrize("users", [1, 3, 10_000])
    def test_ten_thousand_devices_may_be_asked_for(self, users: int) -> None:
        wanted: dict[str, dict[str, str]] = {f"@{number}:h": {} for number in range(users)}
        for number in range(10_000):
            wanted[f"@{number % users}:h"][f"D{number}"] = CURVE
        assert len(decode.claim({"one_time_keys": wanted})) == 10_000
        wanted["@0:h"]["one more"] = CURVE
        with pytest.raises(TooLarge) as refused:
            decode.claim({"one_time_keys": wanted})
        assert refused.value.limit is Limit.DEVICES_IN_CLAIM
        assert (refused.value.allowed, refused.value.actual) == (10_000, 10_001)
        assert refused.value.errcode is Errcode.TOO_LARGE


class TestRemoteAnswer:
    asked = (Wanted(ALICE, CURVE), Wanted(BOB, CURVE))

    @pytest.mark.requirement("FK-FED-02")
    @pytest.mark.parametrize(
        ("devices", "expected"),
        [
            ({"ALICE1": {NAME: signed_value("k")}}, one_time_key("AAAAHQ", "k")),
            ({"ALICE1": {NAME: signed_value("k", fallback=True)}}, fallback_key("AAAAHQ", "k")),
            ({"ALICE1": {NAME: signed_value("k"), f"{CURVE}:b": signed_value("b")}}, one_time_key(NAME, "k")),
            ({"ALICE1": {"x25519:a": "k", NAME: signed_value("k")}}, one_time_key(NAME, "k")),
            ({"ALICE1": {"AAAAHQ": "k", NAME: signed_value("k")}}, one_time_key(NAME, "k")),
            ({"ALICE1": {f"{CURVE}:bad": "k", NAME: signed_value("k")}}, one_time_key(NAME, "k")),
            ({"ALICE1": {5: "k", NAME: signed_value("k")}}, one_time_key(NAME, "k")),
            ({"ALICE1": {"x25519:a": "k"}}, None),
            ({"ALICE1": {NAME: signed_value("x" * 20_000)}}, None),
            ({"ALICE1": {NAME: signed_value("k", extra=1.5)}}, None),
            ({"ALICE1": {}}, None),
            ({"ALICE1": None}, None),
            ({"ALICE1": [NAME]}, None),
            ({"ALICE1": NAME}, None),
            ({"ALICE": {NAME: signed_value("k")}, "ALICE12": {NAME: signed_value("k")}}, None),
            ({"BOB1": {NAME: signed_value("k")}}, None),
            ({}, None),
            (None, None),
            ([], None),
            ("ALICE1", None),
        ],
        ids=[
            "one-time key",
            "fallback key",
            "the first of two",
            "another algorithm first",
            "a malformed name first",
            "a malformed key first",
            "a name that is no string first",
            "another algorithm",
            "too large",
            "not canonical",
            "empty",
            "null",
            "list",
            "string",
            "other devices",
            "another user's device",
            "no device",
            "devices null",
            "devices list",
            "devices string",
        ],
    )
    def test_one_well_formed_key_of_the_asked_algorithm_per_device(
        self, devices: object, expected: Key | None
    ) -> None:
        body = {"one_time_keys": {ALICE.user_id: devices, "@eve:remote.net": devices}}
        kept = {} if expected is None else {Wanted(ALICE, CURVE): expected}
        assert decode.remote_answer(body, self.asked) == kept

    @pytest.mark.requirement("FK-FED-02")
    def test_each_asked_device_gets_its_own(self) -> None:
        body = {
            "one_time_keys": {
                BOB.user_id: {"BOB1": {NAME: signed_value("b")}},
                ALICE.user_id: {"ALICE1": {NAME: signed_value("a")}},
            },
            "failures": "nonsense",
        }
        assert decode.remote_answer(body, self.asked) == {
            Wanted(ALICE, CURVE): one_time_key(NAME, "a"),
            Wanted(BOB, CURVE): one_time_key(NAME, "b"),
        }

    @pytest.mark.requirement("FK-FED-04")
    @pytest.mark.parametrize(
        "body",
        [
            None,
            [],
            "unreachable",
            5,
            b"{}",
            {},
            {"one_time_keys": None},
            {"one_time_keys": []},
            {"one_time_keys": "x"},
            {"errcode": "M_UNKNOWN"},
        ],
        ids=ascii,
    )
    def test_an_answer_without_an_object_one_time_keys_is_none(self, body: object) -> None:
        assert decode.remote_answer(body, self.asked) is None
