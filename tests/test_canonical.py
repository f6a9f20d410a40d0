"""Matrix's canonical JSON: the examples of its appendix, what it forbids, and how deep a value may be."""

import json
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallbackkeys import Errcode, Limit, Malformed, Rule, TooLarge
from fallbackkeys.canonical import MAX_DEPTH, MAX_INTEGER, check, encode


def lists(depth: int, innermost: Any = "x") -> Any:
    """A value within as many lists; built without recursion."""
    value = innermost
    for _ in range(depth):
        value = [value]
    return value


JOHN = """{
    "auth": {
        "success": true,
        "mxid": "@john.doe:example.com",
        "profile": {
            "display_name": "John Doe",
            "three_pids": [
                {"medium": "email", "address": "john.doe@example.org"},
                {"medium": "msisdn", "address": "123456789"}
            ]
        }
    }
}"""
JOHN_CANONICAL = (
    '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":'
    '[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},'
    '"success":true}}'
)


# Appendices, "Canonical JSON", "Examples", but for the last: its numbers are refused here (FK-FORM-05).
@pytest.mark.requirement("FK-FORM-05")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "{}"),
        ('{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'),
        ('{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'),
        (JOHN, JOHN_CANONICAL),
        ('{"a": "日本語"}', '{"a":"日本語"}'),
        ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
        (r'{"a": "\u65E5"}', '{"a":"日"}'),
        ('{"a": null}', '{"a":null}'),
    ],
)
def test_the_examples_of_the_appendix(text: str, expected: str) -> None:
    value = json.loads(text)
    check(value, "k")
    assert encode(value, "k") == expected.encode()


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("\b\t\n\f\r", rb"\b\t\n\f\r"),
        ('"\\', rb"\"\\"),
        ("\x00\x0b\x1f", rb"\u0000\u000b\u001f"),
        ("/\x7f", b"/\x7f"),
        ("\u2028", "\u2028".encode()),
    ],
)
def test_only_what_must_be_escaped_is_escaped(character: str, expected: bytes) -> None:
    """Appendices, "Canonical JSON", "Grammar"."""
    assert encode(character, "k") == b'"' + expected + b'"'


def test_members_are_sorted_by_code_point_not_by_utf_16() -> None:
    assert encode({"\U00010000": 1, "\uffff": 2}, "k") == '{"\uffff":2,"\U00010000":1}'.encode()


@pytest.mark.requirement("FK-FORM-05")
@pytest.mark.parametrize(
    "value",
    ["\ud800", "fine, then \udfff", {"\udc00": 1}, [{"a": ["\ud83d"]}], "\udc00\ud800"],
    ids=["alone", "at the end", "in a name", "nested", "a pair the wrong way round"],
)
def test_lone_surrogates_are_refused(value: object) -> None:
    with pytest.raises(Malformed) as refused:
        encode(value, "k")
    assert refused.value.member == "k"
    assert refused.value.rule is Rule.UNICODE
    assert refused.value.errcode is Errcode.BAD_JSON
    assert "\\ud" in refused.value.found
    assert refused.value.message.isascii()


@pytest.mark.requirement("FK-FORM-05")
@pytest.mark.parametrize(
    "value", [None, True, False, "", "\x00", 0, 2**53 - 1, -(2**53) + 1, [], {}, [[], {}], {"a": [{"b": 0}]}]
)
def test_what_canonical_json_holds_is_accepted(value: object) -> None:
    check(value, "k")
    assert json.loads(encode(value, "k")) == value


def test_the_largest_integer_is_of_53_bits() -> None:
    assert MAX_INTEGER == 9_007_199_254_740_991


@pytest.mark.requirement("FK-FORM-05")
@pytest.mark.parametrize(
    ("value", "rule", "found"),
    [
        (1.5, Rule.INTEGER, "the number 1.5"),
        (1e10, Rule.INTEGER, "the number 10000000000.0"),
        (-0.0, Rule.INTEGER, "the number -0.0"),
        (float("nan"), Rule.INTEGER, "the number nan"),
        (float("-inf"), Rule.INTEGER, "the number -inf"),
        (2**53, Rule.INTEGER_RANGE, "the number 9007199254740992"),
        (-(2**53), Rule.INTEGER_RANGE, "the number -9007199254740992"),
        (1 << 5_000, Rule.INTEGER_RANGE, "an integer of more than 64 bits"),
        (("a",), Rule.JSON_VALUE, "a tuple"),
        (b"a", Rule.JSON_VALUE, "a bytes"),
        (Decimal(1), Rule.JSON_VALUE, "a Decimal"),
    ],
)
@pytest.mark.parametrize(
    ("path", "nest"),
    [
        ("k", lambda value: value),
        ("k.a", lambda value: {"b": "fine", "a": value}),
        ("k[1]", lambda value: ["fine", value]),
        ("k.a[0].b[2]", lambda value: {"a": [{"b": [0, None, value]}, "fine"]}),
    ],
    ids=["alone", "member", "item", "nested"],
)
def test_anything_else_is_refused_wherever_it_stands(
    value: object, rule: Rule, found: str, path: str, nest: Any
) -> None:
    with pytest.raises(Malformed) as refused:
        check(nest(value), "k")
    assert (refused.value.member, refused.value.rule, refused.value.found) == (path, rule, found)
    assert refused.value.errcode is Errcode.BAD_JSON


@pytest.mark.requirement("FK-FORM-05")
@pytest.mark.parametrize("name", [1, None, b"a", 1.5, ("a",), pytest.param(10**5000, id="huge")])
def test_a_member_name_that_is_no_string_is_refused(name: object) -> None:
    with pytest.raises(Malformed) as refused:
        check({"a": [{name: 1}]}, "k")
    assert refused.value.member == "k.a[0]: a member name"
    assert refused.value.rule is Rule.STRING


@pytest.mark.requirement("FK-LIMIT-04")
@pytest.mark.parametrize(
    ("value", "depth"),
    [
        ("x", 0),
        ([], 1),
        ({}, 1),
        ([1, 2, 3], 1),
        ([[]], 2),
        ({"a": {}, "b": [{}]}, 3),
        ([[], [[["x"]]], []], 4),
        (lists(16), 16),
    ],
)
def test_each_container_is_one_level_of_nesting_an_empty_one_too(value: object, depth: int) -> None:
    check(value, "k", depth)
    if depth:
        with pytest.raises(TooLarge) as refused:
            check(value, "k", depth - 1)
        assert (refused.value.member, refused.value.limit) == ("k", Limit.VALUE_DEPTH)
        assert (refused.value.allowed, refused.value.actual) == (depth - 1, depth)
        assert refused.value.errcode is Errcode.TOO_LARGE


def test_without_a_limit_of_ones_own_a_hundred_levels_are_the_limit() -> None:
    assert MAX_DEPTH == 100
    check(lists(100), "k")
    assert encode(lists(100), "k") == b"[" * 100 + b'"x"' + b"]" * 100
    with pytest.raises(TooLarge) as refused:
        check(lists(101), "k")
    assert (refused.value.allowed, refused.value.actual) == (100, 101)


def test_a_peers_nesting_is_left_at_the_first_level_too_deep() -> None:
    """It costs neither the interpreter's stack nor a walk to the bottom, where a wrong value stands."""
    with pytest.raises(TooLarge) as refused:
        check(lists(10_000, innermost=1.5), "k", 16)
    assert (refused.value.allowed, refused.value.actual) == (16, 17)


texts = st.text(st.characters(exclude_categories=["Cs"]))
canonical_values = st.recursive(
    st.none() | st.booleans() | texts | st.integers(-MAX_INTEGER, MAX_INTEGER),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


@pytest.mark.requirement("FK-FORM-05", "FK-FORM-06")
@given(canonical_values)
def test_encoding_is_that_of_the_appendix_and_loses_nothing(value: object) -> None:
    """Appendices, "Canonical JSON", gives the encoding in Python too."""
    check(value, "k")
    encoded = encode(value, "k")
    expected = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("UTF-8")
    assert encoded == expected
    assert json.loads(encoded) == value


@pytest.mark.requirement("FK-FORM-11")
def test_many_values_under_long_names_take_no_more_memory_than_themselves() -> None:
    value = {"a" * 1_000: {"b" * 1_000: [0] * 100_000}}
    tracemalloc.start()
    try:
        check(value, "the body")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000  # a path in words for each number would be 200 MB


def test_a_value_that_holds_itself_many_times_is_too_deep() -> None:
    value: dict[str, Any] = {}
    value["one"] = value["two"] = value
    with pytest.raises(TooLarge) as refused:
        check(value, "the body")
    assert refused.value.limit is Limit.VALUE_DEPTH
