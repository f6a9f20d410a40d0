"""Snapshots come back equal, and a broken one says where."""

import copy
import json
from typing import Any

import pytest

from fallbackkeys import (
    EMPTY,
    EMPTY_STORE,
    Device,
    DeviceState,
    Key,
    KeyName,
    SnapshotError,
    Upload,
    claim,
    drop,
    upload,
)
from fallbackkeys.snapshot import restore_device, restore_store, save_device, save_store
from tests.builders import CURVE, claimed_ids, fallback_key, one_time_key, uploaded


def rich_state() -> DeviceState:
    """Issued, waiting, chosen and dropped keys over several chunks, two algorithms, a used slot."""
    state = uploaded(*(f"k{number}" for number in range(80)), fallback=fallback_key("f"))
    state = uploaded("x25519:a", "late", state=state)
    for _ in range(40):
        state = claim(state, CURVE).state
    state = claim(state, CURVE, key_id="k60").state
    state = drop(state, [KeyName(CURVE, "k50")]).state
    return claim(claim(uploaded(fallback=fallback_key("y:f"), state=state), "y").state, "x25519").state


@pytest.mark.parametrize("state", [EMPTY, uploaded("a"), rich_state()], ids=["empty", "one", "rich"])
def test_a_device_comes_back_equal(state: DeviceState) -> None:
    saved = json.loads(json.dumps(save_device(state)))
    restored = restore_device(saved)
    assert restored == state
    assert hash(restored) == hash(state)
    assert claimed_ids(restored, 50) == claimed_ids(state, 50)
    assert save_device(restored) == saved


def test_a_store_comes_back_equal() -> None:
    store = EMPTY_STORE
    for user, device in (
        ("@alice:example.org", "A"),
        ("@alice:example.org", "AB"),
        ("@bob:example.org", "A"),
    ):
        store = store.with_state(Device(user, device), rich_state())
    saved = json.loads(json.dumps(save_store(store)))
    assert restore_store(saved) == store
    assert restore_store(save_store(EMPTY_STORE)) == EMPTY_STORE


def test_the_longest_algorithm_that_a_key_can_have_comes_back() -> None:
    state = upload(EMPTY, Upload(one_time_keys=(Key.parse(f"{'a' * 253}:k", "x"),))).state
    assert restore_device(save_device(state)) == state


def broken(path: str, value: Any) -> Any:
    """A good snapshot with one member replaced; `del` removes it."""
    saved: Any = copy.deepcopy(
        save_device(claim(uploaded("a", "b", "c", fallback=fallback_key("f")), CURVE).state)
    )
    node = saved
    *parents, last = path.split("/")
    for step in parents:
        node = node[int(step) if isinstance(node, list) else step]
    if value == "del":
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value
    return saved


POOL = f"pools/{CURVE}"
SLOT = f"slots/{CURVE}"


@pytest.mark.parametrize(
    ("snapshot", "place", "reason"),
    [
        (None, "the snapshot", "must be an object, not null"),
        ([], "the snapshot", "must be an object, not a list of 0"),
        ({}, "the snapshot", "lacks the member format"),
        (broken("format", 2), "format", "is the number 2; this version reads 1 only"),
        (broken("format", True), "format", "must be an integer of at least 0, not true"),
        (broken("uploads", -1), "uploads", "must be an integer of at least 0, not the number -1"),
        (broken("uploads", "del"), "the snapshot", "lacks the member uploads"),
        (broken("more", 1), "the snapshot", "has the unknown member more"),
        (broken("format", 10**5000), "format", "is an integer of more than 64 bits; this version"),
        ({**broken("format", 1), 10**5000: 1}, "the snapshot", "unknown member an integer of more than"),
        (broken("pools", []), "pools", "must be an object, not a list of 0"),
        (broken("pools", {1: {}}), "pools", "has the member name the number 1"),
        (broken(POOL, {}), f"pools.{CURVE}", "must be a list, not an object of 0 members"),
        (broken(f"{POOL}/0/issued", "AA=="), f"pools.{CURVE}[0].issued", "must be 15 bytes in base64"),
        (broken(f"{POOL}/0/issued", "é"), f"pools.{CURVE}[0].issued", "must be 15 bytes in base64"),
        (broken(f"{POOL}/0/issued", 3), f"pools.{CURVE}[0].issued", "must be a string, not the number 3"),
        (broken(f"{POOL}/1/upload", 1), f"pools.{CURVE}[1].upload", "is out of order"),
        (broken(f"{POOL}/1/key_id", ""), f"pools.{CURVE}[1]", "exactly one colon"),
        (
            broken(f"{POOL}/1/value", 1.5),
            f"pools.{CURVE}[1]",
            "must be a string or an object",
        ),
        (broken(f"{POOL}/1/extra", 1), f"pools.{CURVE}[1]", "has the unknown member extra"),
        (broken(f"{POOL}/1/key_id", "c"), f"pools.{CURVE}", "holds a key id twice"),
        (
            broken(f"{POOL}/1/value", one_time_key("c").value),
            f"pools.{CURVE}",
            "holds a public key twice",
        ),
        (
            broken("pools/x", []),
            "pools.x",
            "a pool that holds and remembers nothing",
        ),
        (broken(f"{SLOT}/used", 1), f"slots.{CURVE}.used", "must be a boolean, not the number 1"),
        (broken(f"{SLOT}/value", "del"), f"slots.{CURVE}", "lacks the member value"),
    ],
)
def test_a_broken_snapshot_names_the_place(snapshot: object, place: str, reason: str) -> None:
    with pytest.raises(SnapshotError) as error:
        restore_device(snapshot)
    assert error.value.place == place
    assert reason in error.value.reason
    assert str(error.value) == f"snapshot: {place}: {error.value.reason}"


def test_out_of_order_uploads_are_refused() -> None:
    saved: Any = save_device(uploaded("b", state=uploaded("a")))
    saved["pools"][CURVE].reverse()
    with pytest.raises(SnapshotError, match=r"\[1\].upload: is out of order"):
        restore_device(saved)


@pytest.mark.parametrize(
    ("snapshot", "place"),
    [
        ({"format": 1, "users": []}, "users"),
        ({"format": 1, "users": {"@a:b": 1}}, "users.@a:b"),
        ({"format": 1, "users": {"@a:b": {"D": {"uploads": 0, "pools": {}}}}}, "users.@a:b.D"),
        ({"format": 1, "users": {}, "x": 1}, "the snapshot"),
    ],
)
def test_a_broken_store_names_the_place(snapshot: object, place: str) -> None:
    with pytest.raises(SnapshotError) as error:
        restore_store(snapshot)
    assert error.value.place == place


@pytest.mark.parametrize("name", ["\ud800", "a:b", "", "a\0"])
def test_an_algorithm_that_no_key_can_have_is_refused(name: str) -> None:
    saved: Any = save_device(claim(uploaded("a", fallback=fallback_key("f")), CURVE).state)
    for member in ("pools", "slots"):
        node = copy.deepcopy(saved)
        node[member][name] = node[member].pop(CURVE)
        with pytest.raises(SnapshotError, match="its name"):
            restore_device(node)


@pytest.mark.parametrize(("user_id", "device_id"), [("\ud800", "D"), ("@a:b", "\udfff")])
def test_ids_that_have_no_utf_8_are_refused(user_id: str, device_id: str) -> None:
    device: Any = save_device(uploaded("a"))
    del device["format"]
    with pytest.raises(SnapshotError, match="lone surrogates"):
        restore_store({"format": 1, "users": {user_id: {device_id: device}}})
