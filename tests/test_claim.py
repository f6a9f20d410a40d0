"""Points 10 to 12: which key a claim returns, and what it leaves behind."""

import pytest

from fallbackkeys import (
    EMPTY,
    Claimed,
    FallbackKeyUsed,
    Misuse,
    NotClaimable,
    OneTimeKeyIssued,
    Policy,
    Upload,
    claim,
    claim_one_time_key,
    claim_several,
    claimable,
    sync,
    upload,
)
from tests.builders import CURVE, claimed_ids, fallback_key, one_time_key, uploaded


@pytest.mark.requirement("FK-CLAIM-01", "FK-CLAIM-02")
def test_the_oldest_upload_is_emptied_first() -> None:
    state = uploaded("z", "y", state=EMPTY)
    state = uploaded("a", state=state)
    state = uploaded("m", "b", state=state)
    assert claimed_ids(state, 6) == ["z", "y", "a", "m", "b", None]


@pytest.mark.requirement("FK-CLAIM-02")
def test_a_claim_issues_and_remembers() -> None:
    state = uploaded("a", "b")
    result = claim(state, CURVE)
    assert result.key == one_time_key("a")
    assert result.events == (OneTimeKeyIssued(one_time_key("a")),)
    assert result.wakes
    assert dict(sync(result.state).one_time_key_counts) == {CURVE: 1}
    assert result.state.pool(CURVE).remembers(one_time_key("a").fingerprint)
    assert claimed_ids(state, 1) == ["a"], "the old state is as it was"


@pytest.mark.requirement("FK-CLAIM-03", "FK-CLAIM-04", "FK-SYNC-04")
def test_the_fallback_key_comes_last_and_stays() -> None:
    state = uploaded("a", fallback=fallback_key("f"))
    state = claim(state, CURVE).state
    assert sync(state).unused_fallback_key_types == (CURVE,)

    first = claim(state, CURVE)
    assert (first.key, first.events) == (fallback_key("f"), (FallbackKeyUsed(fallback_key("f")),))
    assert first.wakes
    assert sync(first.state).unused_fallback_key_types == ()

    second = claim(first.state, CURVE)
    assert second == Claimed(first.state, (), fallback_key("f"))
    assert not second.wakes


@pytest.mark.requirement("FK-CLAIM-03", "FK-CLAIM-04")
def test_a_used_fallback_key_stays_used_while_new_one_time_keys_are_given() -> None:
    state = claim(uploaded(fallback=fallback_key("f")), CURVE).state
    state = uploaded("a", state=state)
    assert claimed_ids(state, 3) == ["a", "f", "f"]
    assert sync(state).unused_fallback_key_types == ()


@pytest.mark.requirement("FK-CLAIM-05")
@pytest.mark.parametrize("algorithm", ["x25519", "", "signed_curve2551", "signed_curve25519 "])
def test_an_algorithm_never_seen_gives_nothing(algorithm: str) -> None:
    state = uploaded("a", fallback=fallback_key("f"))
    assert claim(state, algorithm) == Claimed(state, (), None)
    assert not claim(state, algorithm).wakes
    assert claimable(state, algorithm) == ()


class TestChoice:
    @pytest.mark.requirement("FK-CLAIM-06", "FK-CLAIM-01")
    def test_every_key_of_the_oldest_upload_is_permitted_and_no_other(self) -> None:
        state = uploaded("c", "a", "b")
        state = uploaded("d", state=state, fallback=fallback_key("f"))
        assert [key.key_id for key in claimable(state, CURVE)] == ["c", "a", "b"]
        state = claim(state, CURVE).state
        assert [key.key_id for key in claimable(state, CURVE)] == ["a", "b"]

    @pytest.mark.requirement("FK-CLAIM-06")
    def test_a_choice_leaves_the_order_of_the_others(self) -> None:
        state = uploaded("e", state=uploaded("a", "b", "c", "d"))
        chosen = claim(state, CURVE, key_id="c")
        assert chosen.key == one_time_key("c")
        assert chosen.events == (OneTimeKeyIssued(one_time_key("c")),)
        assert [key.key_id for key in claimable(chosen.state, CURVE)] == ["a", "b", "d"]
        assert claimed_ids(chosen.state, 5) == ["a", "b", "d", "e", None]
        assert claimed_ids(claim(chosen.state, CURVE, key_id="a").state, 3) == ["b", "d", "e"]

    @pytest.mark.requirement("FK-CLAIM-06")
    def test_then_the_fallback_key_alone(self) -> None:
        state = uploaded(fallback=fallback_key("f"))
        assert claimable(state, CURVE) == (fallback_key("f"),)
        assert claim(state, CURVE, key_id="f").key == fallback_key("f")

    @pytest.mark.requirement("FK-CLAIM-01", "FK-CLAIM-03")
    @pytest.mark.parametrize("key_id", ["d", "f", "unknown"])
    def test_a_younger_upload_the_fallback_key_and_strangers_are_not(self, key_id: str) -> None:
        state = uploaded("d", state=uploaded("a", "b"), fallback=fallback_key("f"))
        with pytest.raises(NotClaimable) as misuse:
            claim(state, CURVE, key_id=key_id)
        assert (misuse.value.algorithm, misuse.value.key_id) == (CURVE, key_id)
        assert key_id in str(misuse.value)

    @pytest.mark.requirement("FK-CLAIM-06")
    @pytest.mark.parametrize("fallback", [None, fallback_key("f")])
    def test_nor_is_a_stranger_when_the_pool_is_empty(self, fallback: None) -> None:
        with pytest.raises(NotClaimable):
            claim(uploaded(fallback=fallback), CURVE, key_id="x")


class TestSeveral:
    @pytest.mark.requirement("FK-MULTI-01", "FK-MULTI-02")
    def test_fewer_are_not_filled_up_and_the_fallback_key_stays_unused(self) -> None:
        state = uploaded("c", state=uploaded("a", "b"), fallback=fallback_key("f"))
        result = claim_several(state, CURVE, 5)
        assert [key.key_id for key in result.one_time_keys] == ["a", "b", "c"]
        assert result.fallback_key == fallback_key("f")
        assert result.wakes
        assert len(result.events) == 3
        assert sync(result.state).unused_fallback_key_types == (CURVE,)

    @pytest.mark.requirement("FK-MULTI-02")
    def test_alone_it_is_used(self) -> None:
        result = claim_several(uploaded(fallback=fallback_key("f")), CURVE, 2)
        assert result.one_time_keys == ()
        assert result.events == (FallbackKeyUsed(fallback_key("f")),)
        assert sync(result.state).unused_fallback_key_types == ()

    @pytest.mark.requirement("FK-MULTI-01")
    def test_the_policy_caps_the_count(self) -> None:
        result = claim_several(uploaded("a", "b", "c"), CURVE, 3, policy=Policy(max_keys_per_device=2))
        assert [key.key_id for key in result.one_time_keys] == ["a", "b"]
        assert result.fallback_key is None

    @pytest.mark.parametrize("count", [0, -1])
    def test_none_cannot_be_asked_for(self, count: int) -> None:
        with pytest.raises(Misuse, match=str(count)):
            claim_several(uploaded("a", fallback=fallback_key("f")), CURVE, count)

    @pytest.mark.requirement("FK-MULTI-01")
    def test_nothing_at_all(self) -> None:
        result = claim_several(EMPTY, CURVE, 1)
        assert (result.one_time_keys, result.fallback_key, result.wakes) == ((), None, False)


@pytest.mark.requirement("FK-MULTI-03")
def test_in_two_steps_the_second_looks_at_the_pool_again() -> None:
    state = uploaded(fallback=fallback_key("f"))
    first = claim_one_time_key(state, CURVE)
    assert first == Claimed(state, (), None), "the fallback key is left alone"
    meanwhile = upload(first.state, Upload(one_time_keys=(one_time_key("a"),))).state
    assert claim(meanwhile, CURVE).key == one_time_key("a")
    assert claim(first.state, CURVE).key == fallback_key("f")


@pytest.mark.requirement("FK-CLAIM-01", "FK-CLAIM-02")
def test_a_pool_of_many_chunks_is_emptied_in_order() -> None:
    state = EMPTY
    expected = []
    for number in range(10):
        ids = [f"u{number}-{index}" for index in range(23)]
        expected += ids
        state = uploaded(*ids, state=state)
    assert claimed_ids(state, 231) == [*expected, None]
