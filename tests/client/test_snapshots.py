"""Snapshots: the whole state, or one kind of error."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallbackkeys import SnapshotError
from fallbackkeys.client import (
    MSC2732,
    ClientPolicy,
    ClientState,
    Conflict,
    Generated,
    Kind,
    Restored,
    Tick,
    restore,
    save,
    step,
)
from tests.client.policies import ONE, OTHER, small
from tests.client.scenes import rotated, use_up
from tests.client.world import World

POLICY = small(MSC2732)


def full() -> World:
    """A device under way: two algorithms, both halves of one, each used, and an upload of unknown fate."""
    world = rotated(POLICY)
    world.write_late(ONE, "a session with the previous key")
    world.fair_sync()
    use_up(world)
    world.write(ONE, "a session with the current key")
    world.now += 60
    world.fair_sync()
    world.settle()
    world.generate(Kind.ONE_TIME, OTHER)  # by someone else
    world.lose()
    world.answer(world.answers.pop())
    return world


def restored(text: str | bytes, policy: ClientPolicy = POLICY) -> ClientState:
    return restore(text, policy=policy)


@pytest.mark.requirement("FK-CLIENT-15")
def test_what_is_saved_is_restored() -> None:
    world = full()
    text = save(world.state)
    assert restored(text) == attrs.evolve(world.state, persisted=world.state.generation)
    assert restored(text.encode()) == restored(text)
    assert save(restored(text)) == text
    assert world.state.request is not None


@pytest.mark.requirement("FK-CLIENT-15")
def test_every_state_on_the_way_is_restored_as_it_was() -> None:
    world = full()
    world.now += 2
    world.give(Tick())
    world.settle()
    assert world.attempt is not None
    key_id = next(iter(world.attempt.keys.one_time_keys[ONE]))
    world.refuse(Conflict(algorithm=ONE, key_id=key_id))
    world.fair_sync()
    values: dict[str, set[str]] = {}
    for state in (world.first, *(stepped.state for _, _, stepped in world.log)):
        text = save(state)
        assert restored(text) == attrs.evolve(state, persisted=state.generation)
        saved = json.loads(text)
        for path in paths(saved)[1:]:
            values.setdefault(str(path[-1]), set()).add(json.dumps(at(saved, path)))
    constant = {name for name, found in values.items() if name.islower() and len(found) == 1}
    assert constant == {"format"}, "of these members nothing is shown"


@pytest.mark.requirement("FK-CLIENT-15")
def test_a_policy_may_change_between_two_runs() -> None:
    world = full()
    wider = attrs.evolve(POLICY, algorithms=(*POLICY.algorithms, "signed_third"), hold=1)
    state = restored(save(world.state), wider)
    assert "signed_third" in state.algorithms
    with pytest.raises(SnapshotError, match="does not name"):
        restored(save(world.state), attrs.evolve(POLICY, algorithms=(ONE,)))


def document() -> Any:
    return json.loads(save(full().state))


DOCUMENT = document()


@pytest.mark.requirement("FK-CLIENT-15")
def test_a_snapshot_cut_anywhere_is_refused() -> None:
    text = json.dumps(DOCUMENT)
    for end in range(0, len(text), 7):
        with pytest.raises(SnapshotError):
            restored(text[:end])


@pytest.mark.requirement("FK-CLIENT-15")
@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", "nonsense", b"\xff\xfe\xff", None, 3, "[" * 100_000, '{"format":1,"format":1}'],
)
def test_what_is_no_snapshot_at_all(text: Any) -> None:
    with pytest.raises(SnapshotError):
        restored(text)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in paths(item, (*path, key)))]


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(path: tuple[str | int, ...], change: Callable[[Any], None]) -> str:
    copy = json.loads(json.dumps(DOCUMENT))
    change(at(copy, path))
    return json.dumps(copy)


@pytest.mark.requirement("FK-CLIENT-15")
@pytest.mark.parametrize(
    "path", [path for path in paths(DOCUMENT) if isinstance(at(DOCUMENT, path), dict)], ids=str
)
def test_unknown_members_are_refused(path: tuple[str | int, ...]) -> None:
    ids = {"unpublished", "memory", "one_time_keys", "fallback_keys", "algorithms"} & {
        str(key) for key in path
    }
    if ids and path[-1] not in (ONE, OTHER, "one_time"):
        unknown: Any = {"a:b": "no id"}
    else:
        unknown = {"unheard_of": 1}
    with pytest.raises(SnapshotError):
        restored(changed(path, lambda value: value.update(unknown)))


@pytest.mark.requirement("FK-CLIENT-15")
@given(st.data())
def test_a_wrong_type_anywhere_is_refused_or_harmless(data: st.DataObject) -> None:
    """Never a half state, never another error: what is read can be saved and stepped."""
    path = data.draw(st.sampled_from(paths(DOCUMENT)[1:]))
    value = data.draw(
        st.sampled_from(
            [None, True, -1, 1.5, 10**400, "", "text", "a:b", "\ud800", [], [1], {}, {"a": 1}, {"": ""}]
        )
    )
    drop = data.draw(st.booleans())

    def change(parent: Any) -> None:
        if drop:
            del parent[path[-1]]
        else:
            parent[path[-1]] = value

    text = changed(path[:-1], change)
    try:
        state = restored(text)
    except SnapshotError as error:
        assert str(error).startswith("snapshot: ")  # noqa: PT017 - most are refused, some are harmless
        return
    assert restored(save(state)) == state
    step(state, Restored(), now=0)


CURRENT = ("algorithms", ONE, "current")
PREVIOUS = ("algorithms", ONE, "previous")
ONE_TIME = ("algorithms", ONE, "one_time")
CONTRADICTIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "a newer version": ((), {"format": 2}),
    "acknowledged in the future": ((), {"acknowledged": 1_000}),
    "a request never made": ((), {"requests": 0}),
    "a request not saved": (("request",), {"generation": 10_000}),
    "no stage": (("request",), {"stage": "lost"}),
    "waiting, and attempted": (("request",), {"stage": "waiting", "sent": False}),
    "asked for, and never attempted": (("request",), {"stage": "asked", "attempts": 0, "sent": False}),
    "sent, and not sent": (("request",), {"stage": "sent", "sent": False}),
    "sent, and never attempted": (("request",), {"stage": "waiting", "attempts": 0}),
    "no moment": (("request",), {"since": None}),
    "a moment that no clock shows": (("request",), {"since": 2**53}),
    "a boolean for a moment": (("request",), {"since": True}),
    "an algorithm that is not ours": (("request", "one_time_keys"), {"unheard_of": {}}),
    "two fallback keys": (("request", "fallback_keys"), {ONE: {"a": "b", "c": "d"}}),
    "a key with another public key": (CURRENT, {"public": "another"}),
    "a key that is not remembered": (CURRENT, {"key_id": "another"}),
    "a key without a name": (CURRENT, {"key_id": "a:b"}),
    "an empty public key": (ONE_TIME, {"unpublished": {"new": ""}}),
    "a session that is no text": (CURRENT, {"sessions": ["\x00"]}),
    "a successor without a moment": (("algorithms", ONE), {"rotated": None}),
    "a previous key without a current one": (("algorithms", ONE), {"current": None}),
    "the same key twice": (("algorithms", ONE), {"previous": DOCUMENT["algorithms"][ONE]["current"]}),
    "a hold of nothing": (("algorithms", ONE), {"previous": None, "held": 1}),
    "a hold in the future": (("algorithms", ONE), {"held": 1_000}),
    "caught up too early": (("algorithms", ONE), {"held": None, "caught_up": True}),
    "three halves": (ONE_TIME, {"memory": [{}, {}, {}]}),
    "two ids for a key": (ONE_TIME, {"memory": [{"a": "k"}, {"b": "k"}]}),
    "two keys for an id": (ONE_TIME, {"memory": [{"a": "k"}, {"a": "l"}]}),
    "too much memory": (ONE_TIME, {"memory": [{f"a{n}": f"k{n}" for n in range(101)}, {}]}),
    "two ids for an unpublished key": (ONE_TIME, {"unpublished": {"new": "k", "newer": "k"}}),
    "an unpublished key that is known otherwise": (ONE_TIME, {"unpublished": {"AAA0": "other"}}),
}


@pytest.mark.requirement("FK-CLIENT-15")
@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions_are_refused(name: str) -> None:
    path, change = CONTRADICTIONS[name]
    with pytest.raises(SnapshotError):
        restored(changed(path, lambda value: value.update(change)))


@pytest.mark.requirement("FK-CLIENT-15")
def test_a_key_in_a_request_is_not_unpublished_too() -> None:
    requested = DOCUMENT["request"]["one_time_keys"][ONE]
    with pytest.raises(SnapshotError, match="still unpublished"):
        restored(changed(ONE_TIME, lambda value: value["unpublished"].update(requested)))


@pytest.mark.requirement("FK-CLIENT-15")
@pytest.mark.parametrize("keys", [100, 1_000])
def test_a_snapshot_is_small(keys: int) -> None:
    """Ids and keys as vodozemac writes them, of 11 and 43 characters; the last hundred are under way."""
    policy = attrs.evolve(MSC2732, target=100, low_water=50)
    state = ClientState.start(policy)
    for number in range(keys):
        public = base64.b64encode(hashlib.sha256(b"%d" % number).digest()).decode().rstrip("=")
        name = Generated(kind=Kind.ONE_TIME, algorithm=ONE, key_id=f"AAAA{number:07}", public=public)
        state = step(state, name, now=1_700_000_000_000).state
        if number < keys - 100:
            state = attrs.evolve(state, request=None)  # as if it had been acknowledged
    for number in range(keys // 4):
        fallback = Generated(
            kind=Kind.FALLBACK, algorithm=ONE, key_id=f"AAAA{number:07}", public=f"{number:043}"
        )
        state = step(state, fallback, now=1_700_000_000_000).state
    assert len(save(state)) < 20_000
