"""Whatever object is passed to `signing`: a result or one of its two errors, and nothing is changed."""

import collections
import contextlib
import enum
import types
from collections.abc import Callable
from typing import Any

import pytest
import signedjson.key
import signedjson.sign
from hypothesis import given
from hypothesis import strategies as st

from fallbackkeys import Device, Misuse, Upload
from fallbackkeys.signing import (
    MAX_VALUES,
    BadSignature,
    Fault,
    public_key,
    sign,
    signing_key,
    verify_device_keys,
    verify_key,
    verify_upload,
)
from tests.test_signing import ALICE, PUBLIC, REAL, SECRET, device_keys, key_of, signed


class Raises(dict[Any, Any]):
    """A dictionary none of whose methods returns."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError

    __getitem__ = __iter__ = __len__ = __contains__ = __eq__ = __bool__ = _raise
    get = items = keys = values = copy = _raise


class Name(str):
    """Its hash is that of the name, so that a look-up of the name asks it whether it is equal."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


class Word(enum.StrEnum):
    KEY = "key"


class Number(enum.IntEnum):
    ONE = 1


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def shared(levels: int) -> Any:
    """So many objects, and two to the power of so many places where they stand."""
    value: Any = {}
    for _ in range(levels):
        value = {"a": value, "b": value}
    return value


def cyclic() -> Any:
    value: Any = {}
    value |= {"a": value, "b": [value]}
    return value


NO_JSON: list[Any] = [
    Raises(),
    collections.OrderedDict(a=1),
    types.MappingProxyType({"a": 1}),
    {Name("signatures"): {}},
    {Word.KEY: "public"},
    {1: 2},
    {None: 1},
    {b"a": 1},
    Word.KEY,
    Number.ONE,
    b"a",
    {1},
    (1,),
    object(),
    nested(10_000),
    shared(99),
    cyclic(),
    [0] * MAX_VALUES,
]


@pytest.mark.requirement("FK-SIGN-03")
@pytest.mark.parametrize("member", ["a", "keys", "user_id", "signatures", "unsigned"])
@pytest.mark.parametrize("inner", NO_JSON, ids=lambda inner: type(inner).__name__)
def test_what_is_not_made_of_plain_json_values_is_refused(member: str, inner: Any) -> None:
    with pytest.raises(Misuse):
        sign({member: inner}, ALICE.user_id, SECRET)
    with pytest.raises(BadSignature) as error:
        verify_device_keys({**device_keys(), member: inner}, ALICE)
    assert error.value.fault is Fault.NOT_SIGNABLE


@pytest.mark.parametrize("value", [None, [], "x", 5, Raises(), collections.OrderedDict(a=1)])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(Misuse):
        sign(value, ALICE.user_id, SECRET)
    with pytest.raises(BadSignature) as error:
        verify_device_keys(value, ALICE)
    assert error.value.fault is Fault.NOT_SIGNABLE


def test_as_deep_and_as_large_as_can_be_is_signed() -> None:
    assert sign({**nested(99), "unsigned": nested(98)}, ALICE.user_id, SECRET)
    with pytest.raises(Misuse):
        sign(nested(100), ALICE.user_id, SECRET)
    assert sign({"a": [0] * (MAX_VALUES - 2)}, ALICE.user_id, SECRET)
    with pytest.raises(Misuse):
        sign({"a": [0] * (MAX_VALUES - 1)}, ALICE.user_id, SECRET)


KEY = key_of(signed())
WRONG_TYPES: list[Callable[[], object]] = [
    lambda: signing_key(any_(None), bytes(32)),
    lambda: signing_key("\ud800", bytes(32)),
    lambda: signing_key("D", any_(None)),
    lambda: signing_key("D", any_("x" * 32)),
    lambda: public_key(any_(None)),
    lambda: public_key(any_(SECRET.verify_key)),
    *(
        lambda entity=entity: sign({}, entity, SECRET)
        for entity in (None, 5, b"@a:b", "\ud800", Word.KEY, Name("a"))
    ),
    lambda: sign({}, "@a:b", any_(None)),
    lambda: sign({}, "@a:b", any_(SECRET.verify_key)),
    lambda: sign({}, "@a:b", any_(type(SECRET))(bytes(32))),
    lambda: sign({}, "@a:b", signedjson.key.decode_signing_key_base64("ed25519", "\ud800", PUBLIC)),
    lambda: verify_key(any_("public"), ALICE, PUBLIC),
    lambda: verify_key(KEY, any_(None), PUBLIC),
    lambda: verify_key(KEY, Device(any_([]), "D"), PUBLIC),
    lambda: verify_key(KEY, Device("@a:b", any_(None)), PUBLIC),
    lambda: verify_device_keys(device_keys(), any_(ALICE.user_id)),
    lambda: verify_upload(any_([KEY]), ALICE, PUBLIC),
    lambda: verify_upload(Upload(one_time_keys=(any_("public"),)), ALICE, PUBLIC),
    lambda: verify_upload(Upload(), any_(None), PUBLIC),
]


def any_(value: Any) -> Any:
    """Past the type checkers, which would refuse it."""
    return value


@pytest.mark.requirement("FK-SIGN-03")
@pytest.mark.parametrize("call", WRONG_TYPES)
def test_an_argument_of_the_wrong_type_is_misuse(call: Callable[[], object]) -> None:
    with pytest.raises(Misuse):
        call()


LEAVES = st.one_of(
    st.none() | st.booleans() | st.floats() | st.text() | st.binary() | st.integers(),
    st.builds(lambda: 10**5_000),
    st.sampled_from([ALICE.user_id, "ALICE1", "ed25519:ALICE1", PUBLIC, REAL, "\ud800"]),
    st.sampled_from([ALICE, KEY, SECRET, Upload(one_time_keys=(KEY,)), Device(any_(None), any_([]))]),
    st.builds(lambda index: NO_JSON[index], st.integers(0, len(NO_JSON) - 1)),
)
NAMES = st.sampled_from(["key", "keys", "signatures", "unsigned", "user_id", "device_id", ALICE.user_id])
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(NAMES | st.text(max_size=3) | st.none() | st.integers(), inner, max_size=4),
        st.dictionaries(NAMES, inner, max_size=4).map(Raises),
        st.dictionaries(NAMES, inner, max_size=3).map(lambda some: {**device_keys(), **some}),
    ),
    max_leaves=10,
)


def picture(*values: Any) -> dict[int, tuple[type, list[int]]]:
    """What values are made of, found by none of their own methods."""
    found: dict[int, tuple[type, list[int]]] = {}
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if id(value) in found:
            continue
        inner: list[Any] = []
        if isinstance(value, dict):
            inner = [each for pair in dict.items(value) for each in pair]
        elif isinstance(value, list | tuple):
            inner = list(value)
        found[id(value)] = type(value), [id(each) for each in inner]
        waiting += inner
    return found


@pytest.mark.requirement("FK-SIGN-03")
@given(first=ANYTHING, second=ANYTHING | st.just(ALICE), third=ANYTHING | st.just(PUBLIC))
def test_verifying_anything_succeeds_or_is_one_of_two_errors(first: Any, second: Any, third: Any) -> None:
    before = picture(first, second, third)
    for verify in (
        lambda: verify_device_keys(first, second),
        lambda: verify_key(first, second, third),
        lambda: verify_key(KEY, second, third),
        lambda: verify_upload(first, second, third),
    ):
        with contextlib.suppress(BadSignature, Misuse):
            verify()
    assert picture(first, second, third) == before


@pytest.mark.requirement("FK-SIGN-03")
@given(
    value=ANYTHING,
    entity=ANYTHING | st.just(ALICE.user_id),
    key=ANYTHING | st.just(SECRET),
    seed=st.just(bytes(32)) | ANYTHING,
)
def test_signing_anything_succeeds_or_is_misuse(value: Any, entity: Any, key: Any, seed: Any) -> None:
    before = picture(value, entity, key, seed)
    with contextlib.suppress(Misuse):
        result = sign(value, entity, key)
        signedjson.sign.verify_signed_json(result, entity, signedjson.key.get_verify_key(SECRET))
    for call in (lambda: signing_key(entity, seed), lambda: public_key(key)):
        with contextlib.suppress(Misuse):
            call()
    assert picture(value, entity, key, seed) == before
