"""Names and values of keys: which forms are refused, and as what; what is kept; which keys are the same."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from fallbackkeys import Errcode, Key, KeyName, Limit, Malformed, Policy, Refusal, Rule, TooLarge, fingerprint
from fallbackkeys.keys import check_signatures, check_text
from tests.builders import CURVE, fallback_key, one_time_key, signed_value

NAME = f"{CURVE}:AAAAHQ"


def refusal_of(name: str, value: object, **policy: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        Key.parse(name, value, policy=Policy(**policy), member="one_time_keys")
    return refused.value


def malformed(name: str, value: object) -> Malformed:
    refusal = refusal_of(name, value)
    assert isinstance(refusal, Malformed)
    return refusal


class TestNames:
    @pytest.mark.requirement("FK-FORM-01")
    @pytest.mark.parametrize(
        ("text", "algorithm", "key_id"),
        [
            (NAME, CURVE, "AAAAHQ"),
            ("a:b", "a", "b"),
            ("org.example.new alg:id/+=", "org.example.new alg", "id/+="),
            ("é:日本語", "é", "日本語"),
            ("a:" + 253 * "b", "a", 253 * "b"),
            ("a:b" + 126 * "é", "a", "b" + 126 * "é"),
        ],
        ids=["common", "short", "unusual", "not ASCII", "255 bytes", "255 bytes of UTF-8"],
    )
    def test_a_name_is_split_at_its_colon(self, text: str, algorithm: str, key_id: str) -> None:
        name = KeyName.parse(text)
        assert (name.algorithm, name.key_id) == (algorithm, key_id)
        assert str(name) == text

    @pytest.mark.requirement("FK-FORM-01", "FK-FORM-05")
    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("", Rule.NAME_FORM),
            (":", Rule.NAME_FORM),
            ("AAAAHQ", Rule.NAME_FORM),
            (":AAAAHQ", Rule.NAME_FORM),
            (f"{CURVE}:", Rule.NAME_FORM),
            ("a:b:c", Rule.NAME_FORM),
            ("a::b", Rule.NAME_FORM),
            ("a:b:", Rule.NAME_FORM),
            ("a:b\x00", Rule.NO_CONTROL),
            ("a\n:b", Rule.NO_CONTROL),
            ("a:\x1f", Rule.NO_CONTROL),
            ("\x7f:b", Rule.NO_CONTROL),
            ("a:\x85b", Rule.NO_CONTROL),
            ("a:\ud800", Rule.UNICODE),
            ("a\udfff:b", Rule.UNICODE),
            ("a:" + 254 * "b", Rule.NAME_LENGTH),
            ("a:" + 127 * "é", Rule.NAME_LENGTH),
            ("a:" + 1_000_000 * "b", Rule.NAME_LENGTH),
        ],
        ids=lambda value: ascii(value)[:12],
    )
    @pytest.mark.parametrize("value", ["public", signed_value("public")], ids=["string", "object"])
    def test_any_other_name_is_refused(self, text: str, rule: Rule, value: object) -> None:
        refusal = malformed(text, value)
        assert refusal.rule is rule
        assert refusal.errcode is Errcode.BAD_JSON
        assert refusal.member.startswith("one_time_keys.")
        assert refusal.message.isprintable()
        assert len(refusal.message) < 2_000

    def test_without_a_map_the_name_alone_is_the_path(self) -> None:
        with pytest.raises(Malformed) as refused:
            Key.parse("AAAAHQ", "public")
        assert (refused.value.member, refused.value.found) == ("AAAAHQ", "AAAAHQ")


class TestText:
    @pytest.mark.requirement("FK-FORM-10")
    @pytest.mark.parametrize("text", ["", "JLAFKJWSCS", "two words", "日本語", "\U0001f511", "\xa0"])
    def test_an_identifier_may_be_any_other_text(self, text: str) -> None:
        check_text(text, "device_id")

    @pytest.mark.requirement("FK-FORM-10")
    @pytest.mark.parametrize(
        ("text", "rule", "found"),
        [
            ("a\x00", Rule.NO_CONTROL, r"'a\x00'"),
            ("\x9f", Rule.NO_CONTROL, r"'\x9f'"),
            ("é\ud800", Rule.UNICODE, r"'\xe9\ud800'"),
        ],
    )
    def test_control_characters_and_lone_surrogates_are_refused(
        self, text: str, rule: Rule, found: str
    ) -> None:
        with pytest.raises(Malformed) as refused:
            check_text(text, "device_id", Errcode.INVALID_PARAM)
        assert (refused.value.member, refused.value.rule, refused.value.found) == ("device_id", rule, found)
        assert refused.value.errcode is Errcode.INVALID_PARAM


class TestValues:
    @pytest.mark.requirement("FK-FORM-02", "FK-FORM-03", "FK-FORM-04", "FK-FORM-06")
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("curve25519:AAAAHQ", "public+key", b'"public+key"'),
            ("curve25519:AAAAHQ", "", b'""'),
            (NAME, {"signatures": {}, "key": "k"}, b'{"key":"k","signatures":{}}'),
            (
                NAME,
                {"signatures": {"@b:c": {"x:1": "s"}, "@a:c": {}}, "key": "k"},
                b'{"key":"k","signatures":{"@a:c":{},"@b:c":{"x:1":"s"}}}',
            ),
            ("curve25519:AAAAHQ", {"key": "k", "signatures": {}}, b'{"key":"k","signatures":{}}'),
            (
                NAME,
                {"key": "k", "fallback": False, "signatures": {}},
                b'{"fallback":false,"key":"k","signatures":{}}',
            ),
            (
                NAME,
                {"key": "k", "signatures": {}, "é": [None, {"b": 2, "a": -1}], "unsigned": {}},
                '{"key":"k","signatures":{},"unsigned":{},"é":[null,{"a":-1,"b":2}]}'.encode(),
            ),
        ],
        ids=["string", "empty", "object", "signed", "unsigned algorithm", "fallback", "unknown members"],
    )
    def test_a_key_is_kept_as_canonical_json_with_all_its_members(
        self, name: str, value: Any, expected: bytes
    ) -> None:
        key = Key.parse(name, value)
        assert key.json == expected
        assert key.value == value
        assert key.is_object is isinstance(value, dict)
        assert key.public_key == (value if isinstance(value, str) else value["key"])
        assert key.name == KeyName.parse(name)

    @pytest.mark.requirement("FK-FORM-02")
    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (None, "null"),
            (True, "true"),
            (5, "the number 5"),
            (1.5, "the number 1.5"),
            (["k"], "a list of 1"),
            (("k",), "a tuple"),
            (b"k", "a bytes"),
            (Decimal(1), "a Decimal"),
            (pytest.param(10**5000, "an integer of more than 64 bits", id="5,000 digits")),
        ],
    )
    @pytest.mark.parametrize("name", [NAME, "curve25519:AAAAHQ"])
    def test_neither_a_string_nor_an_object(self, name: str, value: object, found: str) -> None:
        refusal = malformed(name, value)
        assert (refusal.member, refusal.found) == (f"one_time_keys.{name}", found)
        assert refusal.rule is Rule.KEY_FORM
        assert refusal.errcode is Errcode.BAD_JSON

    @pytest.mark.requirement("FK-FORM-03")
    @pytest.mark.parametrize("algorithm", [CURVE, "signed_", "signed_org.example.new"])
    def test_a_signed_algorithm_needs_an_object(self, algorithm: str) -> None:
        refusal = malformed(f"{algorithm}:AAAAHQ", "public+key")
        assert (refusal.member, refusal.rule) == (f"one_time_keys.{algorithm}:AAAAHQ", Rule.SIGNED_FORM)
        assert refusal.found == "the string public+key"

    @pytest.mark.requirement("FK-FORM-03")
    @pytest.mark.parametrize("algorithm", ["signed", "unsigned_curve25519", "Signed_curve25519"])
    def test_any_other_algorithm_takes_a_string(self, algorithm: str) -> None:
        assert Key.parse(f"{algorithm}:AAAAHQ", "public+key").public_key == "public+key"

    @pytest.mark.requirement("FK-FORM-02", "FK-FORM-04", "FK-FORM-05")
    @pytest.mark.parametrize(
        ("value", "member", "rule", "found"),
        [
            ({"signatures": {}}, ".key", Rule.REQUIRED, "an object of 1 members"),
            ({"key": "k"}, ".signatures", Rule.REQUIRED, "an object of 1 members"),
            ({}, ".key", Rule.REQUIRED, "an object of 0 members"),
            (signed_value("k") | {"key": None}, ".key", Rule.STRING, "null"),
            (signed_value("k") | {"key": ["k"]}, ".key", Rule.STRING, "a list of 1"),
            (signed_value("k") | {"key": b"k"}, ".key", Rule.STRING, "a bytes"),
            (signed_value("k") | {"key": "\ud800"}, ".key", Rule.UNICODE, r"'\ud800'"),
            (signed_value("k", fallback=None), ".fallback", Rule.BOOLEAN, "null"),
            (signed_value("k", fallback=1), ".fallback", Rule.BOOLEAN, "the number 1"),
            (signed_value("k", fallback="true"), ".fallback", Rule.BOOLEAN, "the string true"),
            (signed_value("k", extra=1.5), ".extra", Rule.INTEGER, "the number 1.5"),
            (signed_value("k", extra=-0.0), ".extra", Rule.INTEGER, "the number -0.0"),
            (signed_value("k", extra=1e10), ".extra", Rule.INTEGER, "the number 10000000000.0"),
            (
                signed_value("k", fallback=True, extra=[{"a": 2**53}]),
                ".extra[0].a",
                Rule.INTEGER_RANGE,
                "the number 9007199254740992",
            ),
            (signed_value("k", extra=(1,)), ".extra", Rule.JSON_VALUE, "a tuple"),
            (signed_value("k") | {5: 5}, ": a member name", Rule.STRING, "the number 5"),
            (signed_value("k", extra="\udfff"), "", Rule.UNICODE, r"'\udfff'"),
            (signed_value("k") | {"\ud800": 1}, "", Rule.UNICODE, r"'\ud800'"),
        ],
    )
    def test_an_object_of_another_form(
        self, value: dict[str, Any], member: str, rule: Rule, found: str
    ) -> None:
        refusal = malformed(NAME, value)
        assert refusal.member == f"one_time_keys.{NAME}{member}"
        assert (refusal.rule, refusal.found) == (rule, found)
        assert refusal.errcode is Errcode.BAD_JSON

    @pytest.mark.requirement("FK-FORM-05")
    def test_a_string_with_a_lone_surrogate(self) -> None:
        refusal = malformed("curve25519:AAAAHQ", "é\ud800")
        assert (refusal.member, refusal.rule) == ("one_time_keys.curve25519:AAAAHQ", Rule.UNICODE)
        assert refusal.found == r"'\xe9\ud800'"

    @pytest.mark.requirement("FK-FORM-02", "FK-FORM-05")
    @pytest.mark.parametrize(
        ("signatures", "member", "rule", "found"),
        [
            (None, "", Rule.OBJECT, "null"),
            ("sig", "", Rule.OBJECT, "the string sig"),
            ([], "", Rule.OBJECT, "a list of 0"),
            ({"@a:b": "sig"}, ".@a:b", Rule.OBJECT, "the string sig"),
            ({"@a:b": {}, "@c:d": None}, ".@c:d", Rule.OBJECT, "null"),
            ({5: {}}, ": a member name", Rule.STRING, "the number 5"),
            ({"@a:b": {None: "sig"}}, ".@a:b: a member name", Rule.STRING, "null"),
            ({"@a:b": {"x:1": "sig", "x:2": 5}}, ".@a:b.x:2", Rule.STRING, "the number 5"),
            ({"@a:b": {"x:1": {}}}, ".@a:b.x:1", Rule.STRING, "an object of 0 members"),
        ],
    )
    def test_signatures_are_an_object_of_objects_of_strings(
        self, signatures: object, member: str, rule: Rule, found: str
    ) -> None:
        refusal = malformed(NAME, {"key": "k", "signatures": signatures})
        assert refusal.member == f"one_time_keys.{NAME}.signatures{member}"
        assert (refusal.rule, refusal.found) == (rule, found)
        with pytest.raises(Malformed) as refused:
            check_signatures(signatures, "signatures")
        assert (refused.value.member, refused.value.rule) == (f"signatures{member}", rule)

    @pytest.mark.requirement("FK-FORM-05")
    @pytest.mark.parametrize(
        "signatures", [{"\ud800": {}}, {"@a:b": {"\ud800": "s"}}, {"@a:b": {"x:1": "\ud800"}}]
    )
    def test_signatures_are_unicode(self, signatures: object) -> None:
        refusal = malformed(NAME, {"key": "k", "signatures": signatures})
        assert refusal.rule is Rule.UNICODE
        assert refusal.member.startswith(f"one_time_keys.{NAME}")

    @pytest.mark.requirement("FK-UPLOAD-19")
    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            (NAME, signed_value("k", fallback=True), True),
            (NAME, signed_value("k", fallback=False), False),
            (NAME, signed_value("k"), False),
            (NAME, signed_value("k", extra={"fallback": True}), False),
            (NAME, signed_value("k", fallback=False, extra={"fallback": True}), False),
            ("curve25519:AAAAHQ", '"fallback":true', False),
        ],
        ids=["true", "false", "absent", "further down", "further down only", "within a string"],
    )
    def test_only_the_objects_own_member_says_fallback(self, name: str, value: object, *, says: bool) -> None:
        assert Key.parse(name, value).says_fallback is says


class TestLimits:
    @pytest.mark.requirement("FK-LIMIT-04")
    @pytest.mark.parametrize(
        ("name", "value", "size"),
        [
            ("curve25519:AAAAHQ", "12345678", 10),
            ("curve25519:AAAAHQ", "éééé", 10),
            (NAME, {"key": "", "signatures": {}}, 26),
            (NAME, {"key": "", "signatures": {}, "extra": 10}, 37),
        ],
    )
    def test_the_size_is_that_of_the_canonical_json(self, name: str, value: object, size: int) -> None:
        assert len(Key.parse(name, value, policy=Policy(max_value_bytes=size)).json) == size
        refusal = refusal_of(name, value, max_value_bytes=size - 1)
        assert isinstance(refusal, TooLarge)
        assert (refusal.member, refusal.limit) == (f"one_time_keys.{name}", Limit.VALUE_BYTES)
        assert (refusal.allowed, refusal.actual) == (size - 1, size)
        assert refusal.errcode is Errcode.TOO_LARGE

    @pytest.mark.requirement("FK-LIMIT-04")
    @pytest.mark.parametrize(
        ("value", "depth"),
        [
            ({"key": "k", "signatures": {}}, 2),
            ({"key": "k", "signatures": {"@a:b": {}}}, 3),
            ({"key": "k", "signatures": {"@a:b": {"x:1": "s"}}, "fallback": True}, 3),
            ({"key": "k", "signatures": {}, "extra": [[[[]]]]}, 5),
        ],
    )
    def test_the_depth_counts_every_container(self, value: object, depth: int) -> None:
        assert Key.parse(NAME, value, policy=Policy(max_value_depth=depth)).value == value
        refusal = refusal_of(NAME, value, max_value_depth=depth - 1)
        assert isinstance(refusal, TooLarge)
        assert (refusal.member, refusal.limit) == (f"one_time_keys.{NAME}", Limit.VALUE_DEPTH)
        assert (refusal.allowed, refusal.actual) == (depth - 1, depth)

    @pytest.mark.parametrize("policy", [{}, {"max_value_depth": 5_000}], ids=["no limit", "a larger limit"])
    def test_whatever_the_policy_a_hundred_levels_are_enough(self, policy: dict[str, Any]) -> None:
        nested: list[object] = []
        for _ in range(98):
            nested = [nested]
        assert Key.parse(NAME, signed_value("k", extra=nested), policy=Policy(**policy)).is_object
        refusal = refusal_of(NAME, signed_value("k", extra=[nested]), **policy)
        assert isinstance(refusal, TooLarge)
        assert (refusal.limit, refusal.allowed, refusal.actual) == (Limit.VALUE_DEPTH, 100, 101)


class TestSameKey:
    @pytest.mark.parametrize(
        "other",
        [
            one_time_key("other-id", "public"),
            fallback_key("a", "public"),
            one_time_key("a", "public", signatures={}),
            one_time_key("a", "public", unsigned={"age": 1}),
            Key.parse(f"{CURVE}:a", {"signatures": {}, "key": "public"}),
        ],
        ids=["id", "fallback", "signatures", "unknown members", "member order"],
    )
    def test_algorithm_and_public_key_alone_tell(self, other: Key) -> None:
        assert other.fingerprint == one_time_key("a", "public").fingerprint

    def test_a_string_is_its_own_public_key(self) -> None:
        string = Key.parse("curve25519:a", "public")
        assert string.fingerprint == Key.parse("curve25519:b", signed_value("public")).fingerprint

    @pytest.mark.parametrize(
        "other",
        [
            one_time_key("a", "Public"),
            one_time_key("a", ""),
            one_time_key("a", "public="),
            one_time_key("signed_curve2551:a", "9public"),
            one_time_key("signed_curve25519public:a", ""),
            one_time_key("curve25519:a", "public"),
        ],
        ids=["case", "empty", "padding", "boundary", "all algorithm", "algorithm"],
    )
    def test_another_public_key_or_algorithm_is_another_key(self, other: Key) -> None:
        assert other.fingerprint != one_time_key("a", "public").fingerprint

    def test_a_fingerprint_is_short_whatever_the_key(self) -> None:
        lengths = {len(fingerprint(CURVE, public)) for public in ("", "k", "é", "k" * 1_000_000)}
        assert lengths == {15}

    def test_equality_is_of_every_byte(self) -> None:
        assert one_time_key("a", "k", x=[1], y=2) == one_time_key("a", "k", y=2, x=[1])
        assert hash(one_time_key("a", "k", x=[1])) == hash(one_time_key("a", "k", x=[1]))
        assert one_time_key("a", "k", x=1) != one_time_key("a", "k", x=2)
        assert one_time_key("a", "k") != one_time_key("b", "k")


class TestImmutability:
    def test_the_callers_object_is_read_and_not_kept(self) -> None:
        value = signed_value("k", extra=[1])
        key = Key.parse(NAME, value)
        value["extra"].append(2)
        value["signatures"].clear()
        assert key.value == signed_value("k", extra=[1])

    def test_what_a_key_gives_out_is_the_receivers(self) -> None:
        key = one_time_key("a", "k", extra=[1])
        given = key.value
        assert isinstance(given, dict)
        given.clear()
        assert key.value == signed_value("k", extra=[1])

    @pytest.mark.parametrize("member", ["algorithm", "key_id", "json", "fingerprint"])
    def test_no_member_can_be_set(self, member: str) -> None:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(one_time_key("a"), member, "b")
