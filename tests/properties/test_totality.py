"""Whatever JSON is sent, to whichever endpoint, in whatever order: an answer, and never the wrong key."""

import json
from collections import defaultdict
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fallbackkeys import EMPTY_STORE, Key, KeyStore, Refusal
from fallbackkeys.errors import Errcode
from fallbackkeys.wire import (
    DIALECTS,
    Answer,
    PendingClaim,
    Response,
    claim_keys,
    delete_device,
    federation_claim_keys,
    parse_body,
    sync_keys,
    upload_keys,
)
from tests.properties.strategies import (
    ANY_ALGORITHM,
    ANYTHING,
    DEVICES,
    FALLBACK_MEMBERS,
    SIGNED,
    SMALL_WIRE,
    SURROGATE,
    TEXTS,
    USERS,
    any_bodies,
    budget,
    claim_bodies,
    key_maps,
    upload_bodies,
)

SERVERS: Final = ("one", "one.two")
"""Two that answer. The other servers of `USERS` cannot be reached."""
KNOWN_USERS: Final = tuple(user for user in USERS if user.partition(":")[2] in SERVERS)

Place = tuple[str, str, str]
"""A server, a user and a device: what a key belongs to."""

FEW_PLACES: Final = (
    ("one", "@a:one", "A"),
    ("one", "@a:one", "AB"),
    ("one", "@ab:one", "A"),
    ("one.two", "@a:one.two", "A"),
)
"""Where most requests go, so that they meet each other's keys."""
PLACES: Final = st.one_of(
    st.sampled_from(FEW_PLACES),
    st.sampled_from(FEW_PLACES),
    st.sampled_from(FEW_PLACES),
    st.tuples(
        st.sampled_from(SERVERS),
        st.sampled_from(KNOWN_USERS) | TEXTS,
        st.sampled_from(DEVICES) | TEXTS,
    ),
)
CLAIMS_OF_FEW: Final = claim_bodies(users=("@a:one", "@ab:one", "@a:one.two"), devices=("A", "AB"))
CLAIM_BODIES: Final = st.one_of(CLAIMS_OF_FEW, CLAIMS_OF_FEW, any_bodies(CLAIMS_OF_FEW | claim_bodies()))


def check_reply(response: Response) -> None:
    """A status and a body that can be sent: FK-FORM-11."""
    json.dumps(response.body, ensure_ascii=False, allow_nan=False).encode()
    if response.status == 200:
        return
    assert response.status == 400
    assert set(response.body) == {"errcode", "error"}
    assert response.body["errcode"] in set(Errcode)
    message = response.body["error"]
    assert isinstance(message, str)
    assert message
    if not message.startswith("One time key "):  # which shows both keys whole, as its readers expect
        assert message.isascii()
        assert message.isprintable()
        assert len(message) < 1000


def check_refused(answer: Answer, store: KeyStore) -> None:
    assert answer.response.status == 400
    assert answer.store is store
    assert (answer.events, answer.woken, answer.notices, answer.device_keys) == ((), frozenset(), (), None)


def key_maps_of(body: Any, member: str) -> dict[str, Any]:
    """A map of keys in a body that was accepted."""
    keys = body.get(member)
    return keys if isinstance(keys, dict) else {}


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def public_key(value: Any) -> str:
    return str(value if isinstance(value, str) else value["key"])


class AnyRequests(RuleBasedStateMachine):
    """Two servers, several users and devices whose ids are prefixes of one another, and no manners."""

    def __init__(self) -> None:
        super().__init__()
        self.stores: dict[str, KeyStore] = dict.fromkeys(SERVERS, EMPTY_STORE)
        self.places: list[Place] = []
        self.uploaded: dict[Place, set[tuple[str, str]]] = defaultdict(set)
        self.issued: dict[Place, set[tuple[str, str]]] = defaultdict(set)

    @rule(place=PLACES, data=st.data())
    def upload(self, place: Place, data: st.DataObject) -> None:
        server, user_id, device_id = place
        if place not in self.places:
            self.places.append(place)
        body = data.draw(any_bodies(upload_bodies(tag=f" of {self.places.index(place)}")))
        store = self.stores[server]
        answer = upload_keys(store, user_id, device_id, body, spoken=DIALECTS, policy=SMALL_WIRE)
        check_reply(answer.response)
        if answer.response.status == 400:
            check_refused(answer, store)
            return
        for member in ("one_time_keys", *FALLBACK_MEMBERS):
            self.uploaded[place] |= {(name, text(key)) for name, key in key_maps_of(body, member).items()}
        self.stores[server] = answer.store

    @rule(server=st.sampled_from(SERVERS), body=CLAIM_BODIES, data=st.data())
    def claim(self, server: str, body: Any, data: st.DataObject) -> None:
        store = self.stores[server]
        pending = claim_keys(store, server, body, policy=SMALL_WIRE)
        if isinstance(pending, Answer):
            check_reply(pending.response)
            check_refused(pending, store)
            return
        self.stores[server] = pending.store
        assert server not in pending.requests
        answers: dict[str, Any] = {}
        for other, request in pending.requests.items():
            json.dumps(request, ensure_ascii=False).encode()
            if other in self.stores:
                answers[other] = self.ask(other, request)
            answers[other] = data.draw(any_answers(request, answers.get(other)), label=f"answer of {other}")
            if answers[other] == "silence":
                del answers[other]
        response = pending.finish(answers)
        assert pending.finish(answers) == response
        check_reply(response)
        assert response.status == 200
        self.check_merged(server, body, store, response, answers)

    def check_merged(
        self, server: str, body: Any, before: KeyStore, response: Response, answers: dict[str, Any]
    ) -> None:
        """Own keys are the own devices'; others' are what was asked of whoever answered (FK-FED-02)."""
        merged: Any = response.body["one_time_keys"]
        own = {user: merged[user] for user in merged if user.partition(":")[2] == server}
        self.check_given(server, body, before, own)
        asked_servers = {user.partition(":")[2] for user, devices in body["one_time_keys"].items() if devices}
        usable = {
            other
            for other, answer in answers.items()
            if isinstance(answer, dict) and isinstance(answer.get("one_time_keys"), dict)
        }
        failures: Any = response.body["failures"]
        assert set(failures) == asked_servers - usable - {server}
        for user in set(merged) - set(own):
            assert merged[user]
            for device, keys in merged[user].items():
                asked = body["one_time_keys"][user][device]
                ((name, value),) = keys.items()
                offered = answers[user.partition(":")[2]]["one_time_keys"][user][device]
                assert text(offered[name]) == text(value)
                assert Key.parse(name, value, policy=SMALL_WIRE).algorithm == asked

    @rule(server=st.sampled_from(SERVERS), body=CLAIM_BODIES)
    def claim_of_another_server(self, server: str, body: Any) -> None:
        self.ask(server, body)

    def ask(self, server: str, body: Any) -> Any:
        store = self.stores[server]
        answer = federation_claim_keys(store, server, body, policy=SMALL_WIRE)
        check_reply(answer.response)
        if answer.response.status == 400:
            check_refused(answer, store)
            return answer.response.body
        self.stores[server] = answer.store
        given: Any = answer.response.body["one_time_keys"]
        assert set(answer.response.body) == {"one_time_keys"}
        assert all(user.partition(":")[2] == server for user in body["one_time_keys"])  # FK-FED-03
        self.check_given(server, body, store, given)
        return answer.response.body

    def check_given(self, server: str, body: Any, before: KeyStore, given: dict[str, Any]) -> None:
        """Each key was uploaded by that very device, and a one-time key was not given before."""
        for user, devices in given.items():
            assert devices  # FK-CLAIM-08
            for device, keys in devices.items():
                place = (server, user, device)
                ((name, value),) = keys.items()
                algorithm = name.partition(":")[0]
                assert algorithm == body["one_time_keys"][user][device]
                assert (name, text(value)) in self.uploaded[place]
                counts: Any = sync_keys(before, user, device).response.body["device_one_time_keys_count"]
                if counts.get(algorithm, 0):
                    assert (algorithm, public_key(value)) not in self.issued[place]
                    self.issued[place].add((algorithm, public_key(value)))

    @rule(place=PLACES)
    def sync(self, place: Place) -> None:
        server, user_id, device_id = place
        answer = sync_keys(self.stores[server], user_id, device_id, spoken=DIALECTS)
        check_reply(answer.response)
        assert answer.store is self.stores[server]
        if answer.response.status == 400:
            check_refused(answer, self.stores[server])
            return
        view: Any = answer.response.body
        counts = view.pop("device_one_time_keys_count")
        assert set(view) == {dialect.sync_member for dialect in DIALECTS}
        uploaded = self.uploaded[place]
        mine = {name.partition(":")[0] for name, _ in uploaded}
        assert set(counts) <= mine | {SIGNED}
        assert all(set(unused) <= mine for unused in view.values())
        assert sum(counts.values()) <= len(uploaded)

    @rule(place=PLACES)
    def delete(self, place: Place) -> None:
        server, user_id, device_id = place
        answer = delete_device(self.stores[server], user_id, device_id)
        check_reply(answer.response)
        if answer.response.status == 400:
            check_refused(answer, self.stores[server])
            return
        self.stores[server] = answer.store
        self.uploaded.pop(place, None)
        self.issued.pop(place, None)

    @invariant()
    def every_key_is_its_own_devices(self) -> None:
        for server, store in self.stores.items():
            for device, state in store:
                uploaded = self.uploaded[server, device.user_id, device.device_id]
                waiting = [one.key for pool in state.pools.values() for one in pool]
                for key in (*waiting, *(slot.key for slot in state.slots.values())):
                    assert (str(key.name), text(key.value)) in uploaded


@st.composite
def any_answers(draw: st.DrawFn, request: Any, honest: Any) -> Any:
    """What another server may say: the truth if it is one of ours, more than was asked, nonsense, nothing."""
    match draw(st.integers(0, 5)):
        case 0:
            return "silence"
        case 1:
            return draw(ANYTHING)
        case 2 if honest is not None:
            return honest
        case _:
            pass
    answer = json.loads(json.dumps(honest)) if isinstance(honest, dict) else {}
    given = answer.setdefault("one_time_keys", {})
    of_devices = st.dictionaries(st.sampled_from(DEVICES), key_maps(3) | ANYTHING, max_size=3)
    for user in sorted({*request["one_time_keys"], draw(st.sampled_from(USERS))}):
        extra = draw(of_devices | ANYTHING)
        given[user] = {**given.get(user, {}), **extra} if isinstance(extra, dict) else extra
    return answer


@pytest.mark.requirement(
    "FK-FORM-05", "FK-FORM-07", "FK-FORM-10", "FK-FORM-11", "FK-UPLOAD-17", "FK-CLAIM-02", "FK-CLAIM-08",
    "FK-CLAIM-09", "FK-FED-01", "FK-FED-02", "FK-FED-03", "FK-FED-04", "FK-DEVICE-03",
)  # fmt: skip
def test_any_request_is_answered_and_no_key_goes_astray() -> None:
    run_state_machine_as_test(AnyRequests, settings=budget(200, steps=40))


# --- Bytes ---

VALID: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(codec="utf-8"), max_size=6)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
TOKENS: Final = (
    *(b"{ } [ ] : , 0 -0 -1 1e5 -0.0 1.5 1E400 01 NaN Infinity -Infinity null true false nul".split()),
    *(b'"" "a" "b" "a" "one_time_keys" "\\ud800" "\\ud83d\\ude00" "\\u0000" "\\x" " \' // \\'.split()),
    b"9" * 25, b"9" * 5000, b" ", b"\n", b"\t", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    "é".encode(),
)  # fmt: skip


@st.composite
def damaged_bytes(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of a body with some cut out, doubled, or others put in."""
    damaged = draw(data)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(damaged)))
        end = min(len(damaged), start + draw(st.integers(0, 3)))
        within = draw(st.sampled_from(TOKENS) | st.binary(max_size=2) | st.just(damaged[start:end] * 2))
        damaged = damaged[:start] + within + damaged[end:]
    return damaged


def nested(depth: int) -> bytes:
    return (
        b'{"a":' * (depth // 2)
        + b"[" * (depth - depth // 2)
        + b"]" * (depth - depth // 2)
        + b"}" * (depth // 2)
    )


WIRE_BODIES: Final = (upload_bodies() | claim_bodies()).map(lambda body: json.dumps(body).encode())
BYTES: Final = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join),
    VALID.map(lambda value: json.dumps(value, ensure_ascii=False).encode()),
    damaged_bytes(WIRE_BODIES | VALID.map(lambda value: json.dumps(value).encode())),
    st.integers(95, 105).map(nested),
    st.sampled_from((300, 5_000, 100_000)).map(nested),
)


def faults(data: bytes) -> set[Errcode]:
    """What is wrong with bytes, by Python's parser and a look at what it read."""
    if len(data) > 1000 and data.count(b"[") > 100:
        return {Errcode.TOO_LARGE}
    constants: list[str] = []
    repeated: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        repeated.extend({name for name in names if names.count(name) > 1})
        texts.extend(names)
        return dict(pairs)

    texts: list[str] = []
    try:
        value = json.loads(
            data.decode("utf-8"), parse_constant=constants.append, object_pairs_hook=members, parse_int=float
        )
    except ValueError:
        return {Errcode.NOT_JSON}
    found: set[Errcode] = set()
    if constants:
        found.add(Errcode.NOT_JSON)
    if repeated or any(SURROGATE <= c <= "\udfff" for t in (*texts, *strings(value)) for c in t):
        found.add(Errcode.BAD_JSON)
    if depth(value) > 100:
        found.add(Errcode.TOO_LARGE)
    return found


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for item in inner for found in strings(item)]


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@pytest.mark.requirement("FK-FORM-09", "FK-FORM-11")
@budget(1500)
@given(data=BYTES)
def test_any_bytes_are_a_body_or_refused_for_what_is_wrong_with_them(data: bytes) -> None:
    expected = faults(data)
    try:
        body = parse_body(data)
    except Refusal as refusal:
        check_reply(
            Response(status=refusal.status, body={"errcode": refusal.errcode, "error": refusal.message})
        )
        errcode = refusal.errcode
    else:
        assert not expected
        answer = upload_keys(EMPTY_STORE, "@a:one", "A", body, spoken=DIALECTS)
        check_reply(answer.response)
        pending = claim_keys(EMPTY_STORE, "one", body)
        check_reply(pending.finish({}) if isinstance(pending, PendingClaim) else pending.response)
        return
    assert errcode in expected


@pytest.mark.requirement("FK-FORM-09")
@budget(300)
@given(value=VALID)
def test_a_body_is_read_as_it_was_written(value: Any) -> None:
    for ensure_ascii in (True, False):
        assert text(parse_body(json.dumps(value, ensure_ascii=ensure_ascii).encode())) == text(value)


@pytest.mark.requirement("FK-FORM-11", "FK-UPLOAD-17")
@budget(300)
@given(body=ANYTHING, algorithm=ANY_ALGORITHM)
def test_a_body_of_anything_is_answered(body: Any, algorithm: str) -> None:
    """Without the detour over a store: whatever stands in the one place that is looked at."""
    for placed in (
        body,
        {"one_time_keys": body},
        {"fallback_keys": body},
        {"device_keys": body},
        {"one_time_keys": {f"{algorithm}:a": body}},
        {"one_time_keys": {f"{algorithm}:a": {"key": "a", "signatures": body}}},
        {"one_time_keys": {f"{algorithm}:a": {"key": "a", "signatures": {}, "unknown": body}}},
        {"fallback_keys": {f"{algorithm}:a": {"key": "a", "signatures": {}, "fallback": body}}},
        {"device_keys": {"user_id": "@a:one", "device_id": "A", "algorithms": body, "keys": body,
                         "signatures": body}},
        {"one_time_keys": {"@a:one": body, "@b:two": body}},
    ):  # fmt: skip
        answer = upload_keys(EMPTY_STORE, "@a:one", "A", placed, spoken=DIALECTS)
        check_reply(answer.response)
        if answer.response.status == 400:
            check_refused(answer, EMPTY_STORE)
        pending = claim_keys(EMPTY_STORE, "one", placed)
        check_reply(pending.finish({"two": body}) if isinstance(pending, PendingClaim) else pending.response)
        check_reply(federation_claim_keys(EMPTY_STORE, "one", placed).response)
