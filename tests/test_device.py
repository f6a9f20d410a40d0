"""Points 14 and 16: what a device sees, how it ends, and what an embedder may take from it."""

import pytest

from fallbackkeys import (
    EMPTY,
    DeviceRemoved,
    Dropped,
    KeyName,
    OneTimeKeyDropped,
    claim,
    drop,
    remove,
    sync,
)
from tests.builders import CURVE, claimed_ids, fallback_key, one_time_key, uploaded


@pytest.mark.requirement("FK-SYNC-01", "FK-SYNC-02")
def test_a_device_never_seen_has_nothing() -> None:
    view = sync(EMPTY)
    assert dict(view.one_time_key_counts) == {}
    assert view.unused_fallback_key_types == ()


@pytest.mark.requirement("FK-SYNC-02")
def test_an_exhausted_algorithm_is_not_counted() -> None:
    state = claim(uploaded("a"), CURVE).state
    assert dict(sync(state).one_time_key_counts) == {}


@pytest.mark.requirement("FK-DEVICE-01", "FK-DEVICE-02", "FK-SYNC-04")
def test_removal_leaves_a_device_never_seen() -> None:
    state = claim(uploaded("a", "b", fallback=fallback_key("f")), CURVE).state
    removed = remove(state)
    assert removed == Dropped(state=EMPTY, events=(DeviceRemoved(),), wakes=True)
    assert claimed_ids(uploaded("a", state=removed.state), 1) == ["a"], "the memory is gone too"


@pytest.mark.requirement("FK-DEVICE-01")
def test_removing_a_device_never_seen_is_no_event() -> None:
    assert remove(EMPTY) == Dropped(state=EMPTY, events=(), wakes=False)


@pytest.mark.requirement("FK-DEVICE-02", "FK-SYNC-04")
def test_removing_a_mere_memory_is_an_event_but_wakes_nobody() -> None:
    state = claim(uploaded("a"), CURVE).state
    assert remove(state) == Dropped(state=EMPTY, events=(DeviceRemoved(),), wakes=False)


class TestDrop:
    @pytest.mark.requirement("FK-DEVICE-04")
    def test_dropped_keys_are_not_issued_and_the_order_of_the_others_stays(self) -> None:
        state = uploaded("c", "d", state=uploaded("a", "b"))
        names = [KeyName(CURVE, "c"), KeyName(CURVE, "a")]
        result = drop(state, names)
        assert result.events == (OneTimeKeyDropped(one_time_key("c")), OneTimeKeyDropped(one_time_key("a")))
        assert result.wakes
        assert dict(sync(result.state).one_time_key_counts) == {CURVE: 2}
        assert claimed_ids(result.state, 3) == ["b", "d", None]

    @pytest.mark.requirement("FK-DEVICE-04")
    def test_issued_unknown_and_fallback_keys_are_passed_over(self) -> None:
        state = claim(uploaded("a", fallback=fallback_key("f")), CURVE).state
        result = drop(state, [KeyName(CURVE, "a"), KeyName(CURVE, "f"), KeyName("x25519", "a")])
        assert result == Dropped(state=state, events=(), wakes=False)

    @pytest.mark.requirement("FK-DEVICE-04")
    def test_by_age(self) -> None:
        """MSC4225's purge: the embedder knows from the ordinals which uploads are old."""
        state = uploaded("c", state=uploaded("b", state=uploaded("a")))
        old = [one.key.name for one in state.pool(CURVE) if one.upload < 2]
        assert claimed_ids(drop(state, old).state, 2) == ["c", None]

    @pytest.mark.requirement("FK-DEVICE-04")
    def test_dropping_everything_leaves_no_trace(self) -> None:
        ids = [f"k{number}" for number in range(70)]
        state = drop(uploaded(*ids), [KeyName(CURVE, key_id) for key_id in ids]).state
        assert not state.pools
        assert claimed_ids(uploaded("new", state=state), 2) == ["new", None]

    @pytest.mark.requirement("FK-DEVICE-04")
    def test_a_hollow_stretch_in_the_middle_is_stepped_over(self) -> None:
        ids = [f"k{number}" for number in range(100)]
        state = drop(uploaded(*ids), [KeyName(CURVE, key_id) for key_id in ids[10:80]]).state
        assert claimed_ids(state, 31) == [*ids[:10], *ids[80:], None]
        assert len(state.pool(CURVE)) == 30
