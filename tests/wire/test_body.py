"""From bytes to JSON: one answer for each kind of bytes that no endpoint should see."""

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallbackkeys import Errcode, Limit, Malformed, Refusal, Rule, TooLarge
from fallbackkeys.wire.body import parse_body


def malformed(data: bytes) -> Malformed:
    with pytest.raises(Malformed) as refused:
        parse_body(data)
    assert refused.value.member == "the body"
    assert refused.value.message.isascii()
    assert refused.value.message.isprintable()
    return refused.value


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", {}),
        (b' \t\r\n{ "a" : [ null , true , false , 0 , -5 , "x" ] } ', {"a": [None, True, False, 0, -5, "x"]}),
        ('{"é": "日本語"}'.encode(), {"é": "日本語"}),
        (rb'{"\u00e9": "\ud83d\udd11\u0000\/"}', {"é": "\U0001f511\x00/"}),
        (b'{"a": {"a": 1}, "b": {"a": 2}}', {"a": {"a": 1}, "b": {"a": 2}}),
        (b"[]", []),
        (b'"text"', "text"),
        (b"null", None),
        (b"7", 7),
    ],
    ids=ascii,
)
def test_json_in_utf_8_is_taken_whatever_its_type(data: bytes, expected: object) -> None:
    assert parse_body(data) == expected


@pytest.mark.requirement("FK-FORM-09", "FK-FORM-11")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"{]",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1} {}',
        b'{"a": 01}',
        b'{"a": +1}',
        b'{"a": .5}',
        b'{"a": "\n"}',
        b'{"a": "\x00"}',
        rb'{"a": "\x"}',
        rb'{"a": "\u12"}',
        b"{a: 1}",
        b"{1: 1}",
        b"NaN",
        b'{"a": NaN}',
        b'{"a": [Infinity]}',
        b'{"a": -Infinity}',
        b"\xff",
        b'{"a": "\xc3"}',
        b'{"a": "\xc0\x80"}',
        b'{"a": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32-be"),
        '{"a": "é"}'.encode("latin-1"),
        b"\x00",
        b"one_time_keys=1",
    ],
    ids=ascii,
)
def test_bytes_that_are_no_json_in_utf_8_are_not_json(data: bytes) -> None:
    """RFC 8259: no NaN, no byte order mark, no other encoding, no control character in a string."""
    refusal = malformed(data)
    assert refusal.rule is Rule.JSON
    assert refusal.errcode == "M_NOT_JSON"


@pytest.mark.requirement("FK-FORM-09")
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"a": 1, "a": 1}', "a twice"),
        (b'{"a": 1, "b": 2, "c": 3, "b": 4}', "b twice"),
        (b'{"x": [{"one_time_keys": {}, "one_time_keys": null}]}', "one_time_keys twice"),
        (rb'{"a": 1, "\u0061": 1}', "a twice"),
        (b'{"a": 1, "b": 1, "b": 1, "a": 1}', "b twice"),
    ],
)
def test_a_member_named_twice_is_refused(data: bytes, found: str) -> None:
    refusal = malformed(data)
    assert (refusal.rule, refusal.found) == (Rule.UNIQUE_MEMBERS, found)
    assert refusal.errcode == "M_BAD_JSON"


def calls_to_refuse(members: int) -> int:
    """How many calls, C functions and generator steps included, a body takes whose last member repeats."""
    names = [*range(members), members - 1]
    data = b"{" + b",".join(b'"%d":0' % name for name in names) + b"}"
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        malformed(data)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.requirement("FK-FORM-09")
def test_the_work_of_finding_a_repetition_is_linear() -> None:
    """A peer chooses how many members there are: comparing each with each would take minutes per megabyte."""
    assert calls_to_refuse(1_000) < 3 * calls_to_refuse(500)


@pytest.mark.requirement("FK-FORM-09")
@pytest.mark.parametrize(
    "data",
    [
        rb'"\ud800"',
        rb'{"a": "\udfff"}',
        rb'{"\ud83d": 1}',
        rb'{"a": [{"b": ["fine", "x\udd11\ud83d"]}]}',
        rb'{"one_time_keys": {"a:\ud800": "k"}}',
        rb'{"unknown": "\ud800"}',
    ],
    ids=ascii,
)
def test_a_lone_surrogate_is_refused_wherever_it_stands(data: bytes) -> None:
    refusal = malformed(data)
    assert refusal.rule is Rule.UNICODE
    assert refusal.errcode == "M_BAD_JSON"
    assert "\\ud" in refusal.found


def too_deep(data: bytes) -> None:
    with pytest.raises(TooLarge) as refused:
        parse_body(data)
    assert (refused.value.member, refused.value.limit) == ("the body", Limit.BODY_DEPTH)
    assert (refused.value.allowed, refused.value.actual) == (100, 101)
    assert refused.value.errcode == "M_TOO_LARGE"


@pytest.mark.requirement("FK-FORM-09")
@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")], ids=["[", "{", "[{"]
)
def test_a_hundred_levels_are_the_limit(opening: bytes, closing: bytes) -> None:
    levels = len(closing)
    times = 100 // levels
    parse_body(opening * times + b"0" + closing * times)
    too_deep(opening * times + b"[]" + closing * times)


@pytest.mark.requirement("FK-FORM-09", "FK-FORM-11")
@pytest.mark.parametrize("depth", [500, 10_000, 1_000_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["[", "{"])
def test_no_nesting_is_deep_enough_to_break_the_parser(opening: bytes, closing: bytes, depth: int) -> None:
    too_deep(opening * depth + b"0" + closing * depth)


@pytest.mark.requirement("FK-FORM-08", "FK-FORM-05")
@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (b"9007199254740991", 2**53 - 1),
        (b"-9007199254740992", -(2**53)),
        (b"18446744073709551616", 2**64),
        (b"1.5", 1.5),
        (b"1e10", 1e10),
    ],
)
def test_numbers_matter_only_where_they_stand_in_a_key(literal: bytes, value: float) -> None:
    assert parse_body(b'{"unknown": ' + literal + b"}") == {"unknown": value}


@pytest.mark.requirement("FK-FORM-08", "FK-FORM-05")
@pytest.mark.parametrize("literal", [b"-0", b"-0.0", b"1e400", b"-1e400", b"9" * 5_000, b"-" + b"9" * 5_000])
def test_a_number_that_no_key_may_hold_does_not_become_one_that_it_may(literal: bytes) -> None:
    body: Any = parse_body(b"[" + literal + b"]")
    assert isinstance(body[0], float) or abs(body[0]) > 2**53
    assert math.copysign(1, body[0]) == (-1 if literal.startswith(b"-") else 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(value=json_values, escaped=st.booleans())
def test_what_any_encoder_writes_is_read_back(value: object, *, escaped: bool) -> None:
    assert parse_body(json.dumps(value, ensure_ascii=escaped).encode()) == value


def outcome(data: bytes) -> object:
    try:
        return parse_body(data)
    except Refusal as refusal:
        return refusal


@pytest.mark.requirement("FK-FORM-09", "FK-FORM-11")
@given(st.binary() | st.text('[]{}",:\\ud8.-+0123eaNI').map(str.encode))
def test_any_other_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    result = outcome(data)
    if isinstance(result, Refusal):
        assert result.errcode in {Errcode.NOT_JSON, Errcode.BAD_JSON, Errcode.TOO_LARGE}
        assert result.message.isascii()
        assert result.message.isprintable()
    else:
        json.loads(data.decode(), parse_int=float)  # raises for what is no JSON
