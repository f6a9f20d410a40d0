"""Whatever a peer sends: 200 or 400, an answer that can be sent, and on 400 the store that came in."""

import json
from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallbackkeys import PURE, Device, Errcode, Refusal
from fallbackkeys.wire import (
    DIALECTS,
    Answer,
    Response,
    claim_keys,
    delete_device,
    encode,
    federation_claim_keys,
    parse_body,
    sync_keys,
    upload_keys,
)
from tests.builders import (
    ALICE,
    CURVE,
    fallback_key,
    identity,
    signed_value,
    stored,
    with_event,
)

BOB = Device("@bob:example.org", "BOB1")
STORE = stored("a", "b", fallback=fallback_key("f"), store=stored(fallback=fallback_key("f"), device=BOB))
ASKED = {"@alice:example.org": {"ALICE1": CURVE}, "@carol:remote.net": {"CAROL1": CURVE}}

Endpoint: TypeAlias = Callable[[Any], Answer]


def upload(body: Any) -> Answer:
    return upload_keys(STORE, ALICE.user_id, ALICE.device_id, body, spoken=DIALECTS)


def upload_without_limits(body: Any) -> Answer:
    return upload_keys(STORE, ALICE.user_id, ALICE.device_id, body, policy=PURE)


def claim(body: Any) -> Answer:
    pending = claim_keys(STORE, "example.org", body)
    if isinstance(pending, Answer):
        return pending
    json.dumps(pending.requests, ensure_ascii=False).encode()
    return Answer(
        store=pending.store, response=pending.finish({}), events=pending.events, woken=pending.woken
    )


def federation_claim(body: Any) -> Answer:
    return federation_claim_keys(STORE, "example.org", body)


def remote_answer(body: Any) -> Answer:
    """The body is another server's answer to a claim of ours."""
    pending = claim_keys(STORE, "example.org", {"one_time_keys": ASKED})
    assert not isinstance(pending, Answer)
    response = pending.finish({"remote.net": body})
    users: Any = response.body["one_time_keys"]
    assert set(users) - {"@carol:remote.net"} == {"@alice:example.org"}
    assert set(users.get("@carol:remote.net", ["CAROL1"])) == {"CAROL1"}
    return Answer(store=pending.store, response=response, events=pending.events, woken=pending.woken)


UPLOADS: list[Endpoint] = [upload, upload_without_limits]
CLAIMS: list[Endpoint] = [claim, federation_claim]
every_endpoint = pytest.mark.parametrize("endpoint", [*UPLOADS, *CLAIMS, remote_answer])


def check_response(response: Response) -> None:
    json.dumps(response.body, ensure_ascii=False, allow_nan=False).encode()
    assert response.status in {200, 400}
    if response.status == 400:
        errcode, error = response.body["errcode"], response.body["error"]
        assert len(response.body) == 2
        assert errcode in set(Errcode)
        assert isinstance(error, str)
        # 0008: in printable ASCII, long values cut; only that of a conflict shows both keys whole.
        if not error.startswith("One time key "):
            assert error.isascii()
            assert error.isprintable()


def check(answer: Answer) -> None:
    check_response(answer.response)
    if answer.response.status == 400:
        assert answer.store is STORE
        left = (answer.events, answer.woken, answer.notices, answer.device_keys)
        assert left == ((), frozenset(), (), None)
    else:
        assert reduce(with_event, answer.events, STORE) == answer.store
        assert answer.woken <= {event.device for event in answer.events}


# --- Bodies: right ones thinned out and then spoilt, and anything ---


FALLBACK_KEYS = {
    f"{CURVE}:f": signed_value("f", fallback=True),
    f"{CURVE}:g": signed_value("g"),
    "curve25519:a": "k",
    "é:a": "k",
    "é:b": "k",
}
RIGHT: list[dict[str, Any]] = [
    {
        "one_time_keys": {
            f"{CURVE}:a": signed_value("a"),
            f"{CURVE}:b": signed_value("not the one in the store"),
            f"{CURVE}:new": signed_value("new", extra=[{"é": 1}]),
            "é:a": "k",
        },
        "fallback_keys": FALLBACK_KEYS,
        "org.matrix.msc2732.fallback_keys": FALLBACK_KEYS,
        "device_keys": identity(),
    },
    {
        "one_time_keys": {
            "@alice:example.org": {"ALICE1": CURVE, "ALICE2": "é"},
            "@bob:example.org": {"BOB1": CURVE},
            "@é\n:example.org": {"": ""},
            "@carol:remote.net": {"CAROL1": CURVE},
        }
    },
    {
        "one_time_keys": {
            "@alice:example.org": {"ALICE1": {f"{CURVE}:x": signed_value("x")}},
            "@carol:remote.net": {"CAROL1": FALLBACK_KEYS, "CAROL2": FALLBACK_KEYS},
        }
    },
]

texts = st.text(st.characters(), max_size=20) | st.sampled_from([CURVE, "ALICE1", "@alice:example.org", ":"])
plain = st.none() | st.booleans() | st.integers(-(2**300), 2**300) | st.floats() | texts
foreign_names = plain | st.binary(max_size=3) | st.tuples(st.integers())
foreign_values = foreign_names | st.decimals()


def anything(leaves: st.SearchStrategy[Any], names: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )


def thinned(draw: st.DrawFn, value: Any, levels: int) -> Any:
    if not isinstance(value, dict) or not value or not levels:
        return value
    kept = draw(st.lists(st.sampled_from(list(value)), min_size=1, unique=True))
    return {name: thinned(draw, value[name], levels - 1) for name in kept}


def spoilt(
    draw: st.DrawFn, value: Any, anything: st.SearchStrategy[Any], names: st.SearchStrategy[Any]
) -> Any:
    """The value with one part of it, at any depth, exchanged, renamed or added."""
    step = draw(st.sampled_from(["descend", "descend", "descend", "exchange", "rename", "add"]))
    if not isinstance(value, dict) or not value or step == "exchange":
        return draw(anything)
    if step == "add":
        return {**value, draw(names): draw(anything)}
    chosen = draw(st.sampled_from(list(value)))
    if step == "rename":
        return {draw(names) if name == chosen else name: value[name] for name in value}
    return {**value, chosen: spoilt(draw, value[chosen], anything, names)}


@st.composite
def bodies(draw: st.DrawFn, anything: st.SearchStrategy[Any], names: st.SearchStrategy[Any]) -> Any:
    body = thinned(draw, draw(st.sampled_from(RIGHT)), 2)
    for _ in range(draw(st.integers(0, 2))):
        body = spoilt(draw, body, anything, names)
    return body


@pytest.mark.requirement("FK-FORM-11", "FK-CLAIM-09", "FK-UPLOAD-17")
@every_endpoint
@given(body=bodies(anything(foreign_values, foreign_names), foreign_names))
def test_any_object_as_body(endpoint: Endpoint, body: object) -> None:
    check(endpoint(body))


@st.composite
def byte_bodies(draw: st.DrawFn) -> bytes:
    """JSON of such a body, a stretch of it replaced by other bytes."""
    data = json.dumps(draw(bodies(anything(plain, texts), texts))).encode()
    start = draw(st.integers(0, len(data)))
    stop = draw(st.integers(start, len(data)) | st.just(start))
    other = st.binary(max_size=3) | st.sampled_from([b"", b"NaN", b"-0", b"1e400", rb"\ud800", b"[" * 200])
    return data[:start] + draw(other) + data[stop:]


def respond(endpoint: Endpoint, data: bytes) -> Answer:
    """What an embedder does with a request."""
    try:
        body = parse_body(data)
    except Refusal as refusal:
        response = Response(status=refusal.status, body=encode.refusal_answer(refusal))
        return Answer(store=STORE, response=response)
    return endpoint(body)


@pytest.mark.requirement("FK-FORM-09", "FK-FORM-11")
@every_endpoint
@given(data=byte_bodies() | st.binary(max_size=20))
def test_any_bytes_as_body(endpoint: Endpoint, data: bytes) -> None:
    check(respond(endpoint, data))


@pytest.mark.requirement("FK-FORM-10", "FK-FORM-11")
@given(
    user_id=st.text(st.characters()) | st.text("@a:.0\n\x00").map("@{}:h".format),
    device_id=st.text(st.characters()),
)
def test_any_text_as_user_and_device_id(user_id: str, device_id: str) -> None:
    check(upload_keys(STORE, user_id, device_id, {"one_time_keys": {"curve25519:a": "k"}}))
    check(delete_device(STORE, user_id, device_id))
    synced = sync_keys(STORE, user_id, device_id)
    check(synced)
    assert synced.store is STORE
    claim_of_it = {"one_time_keys": {user_id: {device_id: CURVE}}}
    assert claim(claim_of_it).response.status == synced.response.status


# --- Hostile shapes, each in every place ---


def nested(wrap: Callable[[Any], Any]) -> Any:
    """Ten thousand levels, built without recursion."""
    value: Any = "x"
    for _ in range(10_000):
        value = wrap(value)
    return value


HOSTILE_NAMES = {
    "a surrogate": "\ud800",
    "NUL": "signed_curve25519:\x00",
    "a huge text": "@" + "x" * 1_000_000 + ":example.org",
    "an integer": 5,
    "5,000 digits": 10**5000,
    "null": None,
    "NaN": float("nan"),
    "bytes": b"one_time_keys",
    "a tuple": ("@alice:example.org",),
    "tuples, nested": nested(lambda inner: (inner,)),
}
HOSTILE_VALUES = {
    **HOSTILE_NAMES,
    "-5,000 digits": -(10**5000),
    "infinity": float("-inf"),
    "minus zero": -0.0,
    "2^53": 2**53,
    "a Decimal": Decimal("NaN"),
    "an object": object(),
    "a set": {1},
    "lists, nested": nested(lambda inner: [inner]),
    "objects, nested": nested(lambda inner: {"key": inner, "signatures": {}}),
    "objects, nested by name": nested(lambda inner: {f"{CURVE}:a": inner}),
    "a long list": [0] * 100_000,
    "an object with a name that is no string": {5: "x"},
    "an object with a huge name": {"x" * 1_000_000: 1.5},
}

UPLOAD_PLACES: dict[str, Callable[[Any], Any]] = {
    "body": lambda value: value,
    "one_time_keys": lambda value: {"one_time_keys": value},
    "fallback_keys": lambda value: {"fallback_keys": value},
    "singular": lambda value: {"org.matrix.msc2732.fallback_key": value},
    "key": lambda value: {"one_time_keys": {f"{CURVE}:n": value}},
    "string key": lambda value: {"fallback_keys": {"curve25519:n": value}},
    "public key": lambda value: {"one_time_keys": {f"{CURVE}:n": signed_value(value)}},
    "signatures": lambda value: {"one_time_keys": {f"{CURVE}:n": {"key": "n", "signatures": value}}},
    "signature": lambda value: {"one_time_keys": {f"{CURVE}:n": signed_value("n", signatures={"a": value})}},
    "fallback": lambda value: {"fallback_keys": {f"{CURVE}:n": signed_value("n", fallback=value)}},
    "extra": lambda value: {"one_time_keys": {f"{CURVE}:n": signed_value("n", extra=value)}},
    "extra, nested": lambda value: {"one_time_keys": {f"{CURVE}:n": signed_value("n", extra=[{"a": value}])}},
    "device_keys": lambda value: {"device_keys": value},
    "identity": lambda value: {"device_keys": identity(keys={"ed25519:ALICE1": value})},
    "identity's user": lambda value: {"device_keys": identity(user_id=value)},
    "identity's algorithms": lambda value: {"device_keys": identity(algorithms=[value])},
    "identity's extra": lambda value: {"device_keys": identity(extra=value)},
}
CLAIM_PLACES: dict[str, Callable[[Any], Any]] = {
    "body": lambda value: value,
    "one_time_keys": lambda value: {"one_time_keys": value},
    "devices": lambda value: {"one_time_keys": {"@alice:example.org": value}},
    "algorithm": lambda value: {"one_time_keys": {"@alice:example.org": {"ALICE1": value}}},
}
NAME_PLACES: dict[str, Callable[[Any], Any]] = {
    "member": lambda name: {name: {}, "one_time_keys": {}},
    "key": lambda name: {"one_time_keys": {name: signed_value("n")}},
    "fallback key": lambda name: {"fallback_keys": {name: signed_value("n")}},
    "signer": lambda name: {"one_time_keys": {f"{CURVE}:n": signed_value("n", signatures={name: {}})}},
    "key member": lambda name: {"one_time_keys": {f"{CURVE}:n": signed_value("n") | {name: 1}}},
    "identity": lambda name: {"device_keys": identity(keys={name: "k"})},
    "user": lambda name: {"one_time_keys": {name: {"ALICE1": CURVE}}},
    "device": lambda name: {"one_time_keys": {"@alice:example.org": {name: CURVE}}},
    "remote key": lambda name: {
        "one_time_keys": {"@carol:remote.net": {"CAROL1": {name: signed_value("n")}}}
    },
}


def by_name(argument: str, values: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(argument, values.values(), ids=values.keys())


@pytest.mark.requirement("FK-FORM-11", "FK-FORM-05", "FK-UPLOAD-17")
@by_name("value", HOSTILE_VALUES)
@by_name("place", UPLOAD_PLACES)
@pytest.mark.parametrize("endpoint", UPLOADS)
def test_a_hostile_value_in_an_upload(endpoint: Endpoint, place: Callable[[Any], Any], value: object) -> None:
    check(endpoint(place(value)))


@pytest.mark.requirement("FK-FORM-11", "FK-CLAIM-09", "FK-FED-02")
@by_name("value", HOSTILE_VALUES)
@by_name("place", CLAIM_PLACES)
@pytest.mark.parametrize("endpoint", [*CLAIMS, remote_answer])
def test_a_hostile_value_in_a_claim_or_an_answer(
    endpoint: Endpoint, place: Callable[[Any], Any], value: object
) -> None:
    check(endpoint(place(value)))


@pytest.mark.requirement("FK-FORM-11", "FK-FORM-10")
@by_name("name", HOSTILE_NAMES)
@by_name("place", NAME_PLACES)
@every_endpoint
def test_a_hostile_name(endpoint: Endpoint, place: Callable[[Any], Any], name: object) -> None:
    check(endpoint(place(name)))


@pytest.mark.requirement("FK-FORM-08")
@by_name("value", HOSTILE_VALUES)
def test_an_unknown_member_of_a_body_may_hold_any_of_them(value: object) -> None:
    assert upload({"unknown": value}).response.status == 200
    assert claim({"one_time_keys": {}, "unknown": value}).response.status == 200
    assert federation_claim({"one_time_keys": {}, "unknown": value}).response.status == 200


@pytest.mark.requirement("FK-DIALECT-05", "FK-FORM-08")
@by_name("value", HOSTILE_VALUES)
def test_so_may_the_members_of_dialects_that_lose(value: object) -> None:
    body = {
        "org.matrix.msc2732.fallback_key": value,
        "org.matrix.msc2732.fallback_keys": value,
        "fallback_keys": {},
    }
    answer = upload(body)
    assert answer.response.status == 200
    assert answer.store is STORE


@pytest.mark.requirement("FK-LIMIT-01", "FK-FORM-11")
@pytest.mark.parametrize("member", ["one_time_keys", "fallback_keys", "org.matrix.msc2732.fallback_key"])
def test_a_million_keys_are_refused_for_their_number_before_one_is_looked_at(member: str) -> None:
    """0007, rule 3. Each of these keys would be refused for its name and its value."""
    answer = upload({member: dict.fromkeys(range(1_000_000))})
    check(answer)
    assert answer.response.body["errcode"] == "M_TOO_LARGE"
    assert "1000000" in str(answer.response.body["error"])


@pytest.mark.requirement("FK-LIMIT-05", "FK-FORM-11")
@pytest.mark.parametrize("endpoint", CLAIMS)
@pytest.mark.parametrize("users", [1, 100_000])
def test_a_claim_for_a_hundred_thousand_devices_takes_no_key(endpoint: Endpoint, users: int) -> None:
    wanted: dict[str, dict[str, str]] = {"@alice:example.org": {"ALICE1": CURVE}}
    for number in range(100_000):
        wanted.setdefault(f"@{number % users}:example.org", {})[f"D{number}"] = CURVE
    answer = endpoint({"one_time_keys": wanted})
    check(answer)
    assert answer.response.body["errcode"] == "M_TOO_LARGE"
