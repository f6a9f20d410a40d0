"""Refusals say which member breaks which rule; nothing a peer sends gets into a message unescaped."""

import copy
import json
import pickle
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallbackkeys import (
    Errcode,
    EventMismatch,
    FallbackKeysError,
    Limit,
    Malformed,
    Misuse,
    NotClaimable,
    OneTimeKeyConflict,
    Refusal,
    Rule,
    SeveralFallbackKeys,
    SnapshotError,
    TooLarge,
)
from fallbackkeys.errors import describe, quote

MALFORMED = Malformed(member="one_time_keys.a:b.key", rule=Rule.STRING, found="the number 5")
TOO_LARGE = TooLarge(member="an upload", limit=Limit.KEYS_IN_UPLOAD, allowed=500, actual=501)
CONFLICT = OneTimeKeyConflict(
    algorithm="signed_curve25519",
    key_id="AAAAHQ",
    stored=b'{"key":"old","signatures":{}}',
    uploaded='{"key":"néw","signatures":{}}'.encode(),
)
SEVERAL = SeveralFallbackKeys(algorithm="signed_curve25519", key_ids=("AAAAHQ", "AAAAHg"))
NOT_CLAIMABLE = NotClaimable(algorithm="signed_curve25519", key_id="AAAAHQ")
MISMATCH = EventMismatch(event="OneTimeKeyIssued", subject="signed_curve25519:AAAAHQ")
SNAPSHOT = SnapshotError(place="users", reason="is no object")


@pytest.mark.requirement("FK-FORM-11")
@pytest.mark.parametrize(
    ("refusal", "errcode", "parts"),
    [
        (MALFORMED, "M_BAD_JSON", ["one_time_keys.a:b.key", "must be a string", "the number 5"]),
        (TOO_LARGE, "M_TOO_LARGE", ["an upload", "keys in one upload", "500", "501"]),
        (CONFLICT, "M_UNKNOWN", ["signed_curve25519:AAAAHQ", "already exists"]),
        (SEVERAL, "M_INVALID_PARAM", ["signed_curve25519", "AAAAHQ", "AAAAHg", "at most one"]),
    ],
    ids=["malformed", "too large", "conflict", "several fallback keys"],
)
def test_a_refusal_has_a_status_an_errcode_and_a_message(
    refusal: Refusal, errcode: str, parts: list[str]
) -> None:
    assert refusal.status == 400
    assert refusal.errcode == errcode
    assert all(part in refusal.message for part in parts)
    assert str(refusal) == refusal.message


@pytest.mark.parametrize(
    "error",
    [MALFORMED, TOO_LARGE, CONFLICT, SEVERAL, NOT_CLAIMABLE, MISMATCH, SNAPSHOT, Misuse("no dialect")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301 - ours
def test_an_error_comes_through_a_pool_of_processes(
    error: FallbackKeysError, again: Callable[[FallbackKeysError], FallbackKeysError]
) -> None:
    made = again(error)
    assert type(made) is type(error)
    assert str(made) == str(error)
    assert getattr(made, "errcode", None) == getattr(error, "errcode", None)


@pytest.mark.requirement("FK-FORM-11")
@pytest.mark.parametrize("rule", Rule)
def test_every_rule_completes_a_sentence_in_printable_ascii(rule: Rule) -> None:
    """0008: "Each message names the member, the rule and what was found, in printable ASCII"."""
    message = Malformed(member="m", rule=rule, found="null").message
    assert message == f"m {rule}; found null"
    assert message.isascii()
    assert message.isprintable()


@pytest.mark.requirement("FK-FORM-11")
def test_ids_that_are_not_ascii_are_escaped() -> None:
    message = SeveralFallbackKeys(algorithm="é", key_ids=("\u202e", "b")).message
    assert message.isascii()
    assert r"\u202e" in message


def test_whoever_finds_malformed_input_says_with_which_errcode() -> None:
    refusal = Malformed(member="m", rule=Rule.JSON, found="NaN", errcode=Errcode.NOT_JSON)
    assert refusal.errcode == "M_NOT_JSON"


@pytest.mark.requirement("FK-FORM-12")
def test_a_conflict_is_worded_as_matrix_rust_sdk_parses_it() -> None:
    assert CONFLICT.message.startswith("One time key signed_curve25519:AAAAHQ already exists. Old key: ")
    old, new = CONFLICT.message.partition(" Old key: ")[2].split("; new key: ")
    assert json.loads(old) == {"key": "old", "signatures": {}}
    assert json.loads(new) == {"key": "néw", "signatures": {}}


@pytest.mark.requirement("FK-FORM-12")
@pytest.mark.parametrize(
    ("errcode", "spelling"),
    [
        (Errcode.DUPLICATE_ONE_TIME_KEY, "M_DUPLICATE_ONE_TIME_KEY"),
        (
            Errcode.UNSTABLE_DUPLICATE_ONE_TIME_KEY,
            "io.github.johennes.msc4420.M_DUPLICATE_ONE_TIME_KEY",
        ),
    ],
)
def test_msc4420_has_two_spellings_of_its_errcode(errcode: Errcode, spelling: str) -> None:
    """The second while the proposal is not merged ("Unstable prefix")."""
    assert str(errcode) == spelling


@pytest.mark.parametrize("error", [MALFORMED, TOO_LARGE, CONFLICT, SEVERAL])
def test_a_peers_fault_is_no_misuse(error: FallbackKeysError) -> None:
    assert isinstance(error, Refusal)
    assert not isinstance(error, Misuse | SnapshotError)


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (NOT_CLAIMABLE, ["signed_curve25519:AAAAHQ"]),
        (MISMATCH, ["OneTimeKeyIssued", "signed_curve25519:AAAAHQ"]),
        (SNAPSHOT, ["users", "is no object"]),
    ],
)
def test_a_callers_fault_is_no_refusal(error: FallbackKeysError, parts: list[str]) -> None:
    assert isinstance(error, FallbackKeysError)
    assert not isinstance(error, Refusal)
    assert isinstance(error, Misuse) is not isinstance(error, SnapshotError)
    assert all(part in str(error) for part in parts)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        ("AAAAHQ", "the string AAAAHQ"),
        ("", "the string ''"),
        (0, "the number 0"),
        (-5, "the number -5"),
        (1.5, "the number 1.5"),
        (2**64 - 1, "the number 18446744073709551615"),
        (2**64, "an integer of more than 64 bits"),
        (-(2**64), "an integer of more than 64 bits"),
        (1 << 20_000, "an integer of more than 64 bits"),
        ([], "a list of 0"),
        ([1, [2]], "a list of 2"),
        ({}, "an object of 0 members"),
        ({"a": {}, "b": {}}, "an object of 2 members"),
        ((1,), "a tuple"),
        (b"x", "a bytes"),
        (Decimal(1), "a Decimal"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_described_in_a_few_words(value: object, expected: str) -> None:
    assert describe(value) == expected


def test_describing_does_not_recurse() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert describe(nested) == "a list of 1"


@pytest.mark.parametrize("text", ["signed_curve25519:AAAAHQ", "@alice:example.org", "a" * 80, "+/=_-."])
def test_a_plain_name_is_shown_as_it_is(text: str) -> None:
    assert quote(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "''"),
        ("two words", "'two words'"),
        ("line\nbreak", r"'line\nbreak'"),
        ("\x00\x7f", r"'\x00\x7f'"),
        ("é", r"'\xe9'"),
        ("\ud800", r"'\ud800'"),
        ("a" * 81, "a" * 77 + "..."),
    ],
)
def test_anything_else_is_quoted_and_escaped_or_cut(text: str, expected: str) -> None:
    assert quote(text) == expected


@pytest.mark.requirement("FK-FORM-11")
@given(st.text(st.characters()) | st.text(min_size=70, max_size=10_000))
def test_no_message_carries_what_a_log_or_a_database_chokes_on(text: str) -> None:
    shown = quote(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 80 * len(r"\U00010000") + 2
