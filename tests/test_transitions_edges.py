"""What the rules do beside the main road: keys after an ignored one, what an error names, runs of events."""

import pytest

from fallbackkeys import (
    EMPTY,
    DeviceState,
    Event,
    EventMismatch,
    FallbackKeyReplaced,
    FallbackKeyUsed,
    IssuedKeyForgotten,
    IssuedKeyIgnored,
    Key,
    NotClaimable,
    Notice,
    OneTimeKeyAdded,
    OneTimeKeyDropped,
    OneTimeKeyIssued,
    Policy,
    SecondIdIgnored,
    TooLarge,
    Upload,
    WaitingKeyKept,
    apply,
    apply_all,
    claim,
    upload,
)
from tests.builders import CURVE, claimed_ids, fallback_key, one_time_key, uploaded

A, F = one_time_key("a"), fallback_key("f")


@pytest.mark.requirement("FK-UPLOAD-01", "FK-UPLOAD-09", "FK-UPLOAD-11", "FK-UPLOAD-12")
@pytest.mark.parametrize(
    ("state", "first", "notice"),
    [
        (uploaded("a"), A, WaitingKeyKept(A)),
        (uploaded("a"), one_time_key("b", "a"), SecondIdIgnored(one_time_key("b", "a"), "a")),
        (claim(uploaded("a"), CURVE).state, A, IssuedKeyIgnored(A)),
    ],
    ids=["waiting", "second id", "issued"],
)
def test_the_keys_behind_one_that_is_ignored_join_the_pool(
    state: DeviceState, first: Key, notice: Notice
) -> None:
    new = one_time_key("new")
    result = upload(state, Upload(one_time_keys=(first, new)))
    assert result.notices == (notice,)
    assert result.events == (OneTimeKeyAdded(new, 1),)


@pytest.mark.requirement("FK-UPLOAD-02", "FK-UPLOAD-07")
def test_the_slots_behind_one_that_stays_as_it_is_are_filled() -> None:
    other = fallback_key("x25519:f")
    result = upload(uploaded(fallback=F), Upload(fallback_keys=(F, other)))
    assert result.events == (FallbackKeyReplaced(other, used=False),)


class TestMemory:
    @pytest.mark.requirement("FK-UPLOAD-14")
    def test_under_a_lowered_bound_one_claim_forgets_as_many_as_are_beyond_it(self) -> None:
        state = uploaded("a", "b", "c", "d", "e")
        for _ in "abc":
            state = claim(state, CURVE).state
        result = claim(state, CURVE, policy=Policy(max_pool=2, max_remembered=2))
        assert result.key == one_time_key("d")
        assert result.events == (
            OneTimeKeyIssued(one_time_key("d")),
            IssuedKeyForgotten(CURVE, one_time_key("a").fingerprint),
            IssuedKeyForgotten(CURVE, one_time_key("b").fingerprint),
        )
        assert list(result.state.pool(CURVE).issued) == [
            one_time_key("c").fingerprint,
            one_time_key("d").fingerprint,
        ]
        assert claimed_ids(result.state, 2) == ["e", None]


class TestWhatAnErrorNames:
    @pytest.mark.requirement("FK-FORM-11", "FK-LIMIT-01", "FK-LIMIT-03")
    @pytest.mark.parametrize("policy", [Policy(max_keys_in_upload=1), Policy(max_algorithms=1)], ids=str)
    def test_too_large_an_upload(self, policy: Policy) -> None:
        keys = (one_time_key("a"), one_time_key("x25519:a"))
        with pytest.raises(TooLarge) as refused:
            upload(EMPTY, Upload(one_time_keys=keys), policy=policy)
        assert refused.value.member == "an upload"

    @pytest.mark.requirement("FK-FORM-11", "FK-LIMIT-02")
    def test_the_pool_that_would_be_too_large(self) -> None:
        keys = (one_time_key("b:a"), one_time_key("a:a"), one_time_key("a:b"))
        with pytest.raises(TooLarge) as refused:
            upload(EMPTY, Upload(one_time_keys=keys), policy=Policy(max_pool=1))
        assert refused.value.member.endswith(" a")
        assert refused.value.actual == 2

    @pytest.mark.requirement("FK-CLAIM-06")
    @pytest.mark.parametrize("state", [EMPTY, uploaded(fallback=F)], ids=["nothing", "a fallback key"])
    def test_the_key_that_may_not_be_chosen(self, state: DeviceState) -> None:
        with pytest.raises(NotClaimable) as misuse:
            claim(state, CURVE, key_id="x")
        assert (misuse.value.algorithm, misuse.value.key_id) == (CURVE, "x")

    @pytest.mark.parametrize(
        ("event", "subject"),
        [
            (OneTimeKeyAdded(A, 5), [f"{CURVE}:a"]),
            (OneTimeKeyIssued(A), [f"{CURVE}:a"]),
            (OneTimeKeyDropped(A), [f"{CURVE}:a"]),
            (FallbackKeyReplaced(F, used=True), [f"{CURVE}:f"]),
            (FallbackKeyUsed(F), [f"{CURVE}:f"]),
            (IssuedKeyForgotten(CURVE, A.fingerprint), [CURVE, A.fingerprint.hex()]),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_what_an_event_that_cannot_have_happened_is_about(self, event: Event, subject: list[str]) -> None:
        with pytest.raises(EventMismatch) as misuse:
            apply(EMPTY, event)
        assert all(part in misuse.value.subject for part in subject)


class TestRunOfAdditions:
    """Additions in a row are made true at once; each must still fit the ones before it."""

    @pytest.mark.requirement("FK-UPLOAD-10", "FK-UPLOAD-11", "FK-UPLOAD-12")
    @pytest.mark.parametrize("second", [one_time_key("a", "other"), one_time_key("b", "a"), A])
    @pytest.mark.parametrize("between", [(), (OneTimeKeyAdded(one_time_key("c"), 0),)], ids=len)
    def test_an_id_or_a_key_that_an_earlier_one_has_is_refused(
        self, between: tuple[Event, ...], second: Key
    ) -> None:
        with pytest.raises(EventMismatch) as misuse:
            apply_all(EMPTY, [OneTimeKeyAdded(A, 0), *between, OneTimeKeyAdded(second, 0)])
        assert misuse.value.subject == str(second.name)

    @pytest.mark.requirement("FK-UPLOAD-01")
    def test_two_algorithms_may_use_the_same_id(self) -> None:
        other = one_time_key("x25519:a")
        state = apply_all(EMPTY, [OneTimeKeyAdded(A, 0), OneTimeKeyAdded(other, 0)])
        assert state == upload(EMPTY, Upload(one_time_keys=(A, other))).state
