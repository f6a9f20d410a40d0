"""Evolving: folding the events of any result gives its state, and events of another state are refused."""

from collections.abc import Callable

import pytest

from fallbackkeys import (
    EMPTY,
    PURE,
    Claimed,
    DeviceRemoved,
    DeviceState,
    Dropped,
    Event,
    EventMismatch,
    FallbackKeyReplaced,
    FallbackKeyUsed,
    FallbackSlot,
    IssuedKeyForgotten,
    OneTimeKeyAdded,
    OneTimeKeyDropped,
    OneTimeKeyIssued,
    Policy,
    Upload,
    Uploaded,
    apply,
    apply_all,
    claim,
    drop,
    remove,
    upload,
)
from tests.builders import CURVE, fallback_key, one_time_key, uploaded

A, B, F = one_time_key("a"), one_time_key("b"), fallback_key("f")
POLICY = Policy(max_pool=1, max_remembered=1)
WITH_A = uploaded("a", fallback=F)
ISSUED_A = claim(WITH_A, CURVE).state


@pytest.mark.requirement("FK-UPLOAD-01", "FK-CLAIM-02", "FK-UPLOAD-14", "FK-DEVICE-01", "FK-DEVICE-04")
def test_folding_the_events_gives_the_new_state() -> None:
    """Over every kind of event, one after the other."""
    seen: set[str] = set()
    state = EMPTY
    steps: list[Callable[[DeviceState], Uploaded | Claimed | Dropped]] = [
        lambda s: upload(s, Upload(one_time_keys=(A, B), fallback_keys=(F,)), policy=PURE),
        lambda s: claim(s, CURVE, key_id="b"),
        lambda s: claim(s, CURVE, policy=POLICY),
        lambda s: claim(s, CURVE),
        lambda s: upload(s, Upload(one_time_keys=(one_time_key("c"),))),
        lambda s: drop(s, [one_time_key("c").name]),
        remove,
    ]
    for step in steps:
        result = step(state)
        assert apply_all(state, result.events) == result.state
        seen |= {type(event).__name__ for event in result.events}
        state = result.state
    assert seen == {
        "OneTimeKeyAdded", "OneTimeKeyIssued", "OneTimeKeyDropped", "IssuedKeyForgotten",
        "FallbackKeyReplaced", "FallbackKeyUsed", "DeviceRemoved",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (EMPTY, OneTimeKeyIssued(A)),
        (WITH_A, OneTimeKeyIssued(B)),
        (WITH_A, OneTimeKeyIssued(one_time_key("a", "other"))),
        (ISSUED_A, OneTimeKeyIssued(A)),
        (EMPTY, OneTimeKeyDropped(A)),
        (ISSUED_A, OneTimeKeyDropped(A)),
        (WITH_A, OneTimeKeyAdded(A, 1)),
        (WITH_A, OneTimeKeyAdded(one_time_key("a", "other"), 1)),
        (ISSUED_A, OneTimeKeyAdded(A, 1)),
        (EMPTY, OneTimeKeyAdded(A, 1)),
        (EMPTY, OneTimeKeyAdded(A, -1)),
        (uploaded("b", state=WITH_A), OneTimeKeyAdded(one_time_key("c"), 0)),
        (EMPTY, IssuedKeyForgotten(CURVE, A.fingerprint)),
        (WITH_A, IssuedKeyForgotten(CURVE, A.fingerprint)),
        (EMPTY, FallbackKeyUsed(F)),
        (EMPTY, FallbackKeyReplaced(F, used=True)),
        (WITH_A, FallbackKeyReplaced(F, used=True)),
        (claim(ISSUED_A, CURVE).state, FallbackKeyReplaced(F, used=False)),
        (claim(ISSUED_A, CURVE).state, FallbackKeyReplaced(fallback_key("g"), used=True)),
        (WITH_A, FallbackKeyUsed(fallback_key("g"))),
    ],
)
def test_an_event_of_another_state_is_refused(state: DeviceState, event: Event) -> None:
    with pytest.raises(EventMismatch) as misuse:
        apply(state, event)
    assert misuse.value.event == type(event).__name__
    assert "cannot have happened" in str(misuse.value)


@pytest.mark.parametrize("state", [EMPTY, WITH_A, ISSUED_A])
def test_a_replaced_slot_and_a_removal_fit_every_state(state: DeviceState) -> None:
    replaced = apply(state, FallbackKeyReplaced(fallback_key("g"), used=False))
    assert replaced.slots[CURVE] == FallbackSlot(fallback_key("g"), used=False)
    assert replaced.pools == state.pools
    assert apply(state, DeviceRemoved()) == EMPTY
