"""Points 1 to 9 of the semantics: what an upload does to pool, slot and memory."""

import attrs
import pytest

from fallbackkeys import (
    EMPTY,
    PURE,
    WIRE,
    DeviceState,
    Errcode,
    FallbackFlagOnOneTimeKey,
    FallbackKeyNotFlagged,
    FallbackKeyReplaced,
    IssuedKeyIgnored,
    Key,
    KeyInBothKinds,
    KeyName,
    Limit,
    OneTimeKeyAdded,
    OneTimeKeyConflict,
    Policy,
    SecondIdIgnored,
    SeveralFallbackKeys,
    TooLarge,
    Upload,
    Uploaded,
    WaitingKeyKept,
    claim,
    drop,
    sync,
    upload,
)
from tests.builders import CURVE, claimed_ids, fallback_key, one_time_key, signed_value, uploaded


def one_time(state: DeviceState, *keys: Key, policy: Policy = PURE) -> Uploaded:
    return upload(state, Upload(one_time_keys=keys), policy=policy)


def fallback(state: DeviceState, *keys: Key) -> Uploaded:
    return upload(state, Upload(fallback_keys=keys))


def used_slot(key: Key) -> DeviceState:
    return claim(fallback(EMPTY, key).state, CURVE).state


@pytest.mark.requirement("FK-UPLOAD-01", "FK-SYNC-02")
def test_new_keys_join_the_pool_of_their_algorithm_in_body_order() -> None:
    a, b, other = one_time_key("a"), one_time_key("b"), one_time_key("x25519:a")
    result = one_time(EMPTY, a, other, b)
    assert result.events == (OneTimeKeyAdded(a, 0), OneTimeKeyAdded(other, 0), OneTimeKeyAdded(b, 0))
    assert dict(sync(result.state).one_time_key_counts) == {CURVE: 2, "x25519": 1}
    assert claimed_ids(result.state, 3) == ["a", "b", None]
    assert result.wakes
    assert result.notices == ()


@pytest.mark.requirement("FK-UPLOAD-05")
def test_an_empty_upload_changes_nothing() -> None:
    state = uploaded("a", fallback=fallback_key("f"))
    result = upload(state, Upload())
    assert result == Uploaded(state=state, events=(), notices=(), wakes=False)


@pytest.mark.requirement("FK-UPLOAD-01")
def test_only_an_upload_that_brings_one_time_keys_takes_an_ordinal() -> None:
    state = uploaded("a")
    state = upload(state, Upload(fallback_keys=(fallback_key("f"),))).state
    state = one_time(state, one_time_key("a")).state
    assert one_time(state, one_time_key("b")).events == (OneTimeKeyAdded(one_time_key("b"), 1),)


class TestFallbackSlot:
    @pytest.mark.requirement("FK-UPLOAD-02")
    def test_a_new_public_key_takes_the_slot_and_is_unused(self) -> None:
        state = used_slot(fallback_key("f"))
        result = fallback(state, fallback_key("g"))
        assert result.events == (FallbackKeyReplaced(fallback_key("g"), used=False),)
        assert result.wakes
        assert sync(result.state).unused_fallback_key_types == (CURVE,)
        assert claim(result.state, CURVE).key == fallback_key("g")

    @pytest.mark.requirement("FK-UPLOAD-02")
    def test_replacing_an_unused_key_by_an_unused_one_wakes_nobody(self) -> None:
        result = fallback(fallback(EMPTY, fallback_key("f")).state, fallback_key("g"))
        assert not result.wakes

    @pytest.mark.requirement("FK-UPLOAD-04")
    @pytest.mark.parametrize("second", [fallback_key("g"), fallback_key("g", "f"), fallback_key("f")])
    def test_two_of_one_algorithm_are_refused(self, second: Key) -> None:
        keys = (fallback_key("f"), fallback_key("x25519:f"), second)
        with pytest.raises(SeveralFallbackKeys) as refused:
            upload(EMPTY, Upload(one_time_keys=(one_time_key("a"),), fallback_keys=keys))
        assert refused.value.algorithm == CURVE
        assert refused.value.key_ids == ("f", second.key_id)
        assert refused.value.errcode is Errcode.INVALID_PARAM
        assert f"found 2 of {CURVE}, f and {second.key_id} among them" in str(refused.value)

    @pytest.mark.requirement("FK-UPLOAD-02", "FK-SYNC-01")
    def test_each_algorithm_has_its_own_slot(self) -> None:
        state = fallback(EMPTY, fallback_key("f"), fallback_key("x25519:f")).state
        assert sync(state).unused_fallback_key_types == (CURVE, "x25519")
        assert sync(claim(state, CURVE).state).unused_fallback_key_types == ("x25519",)

    @pytest.mark.requirement("FK-UPLOAD-07")
    @pytest.mark.parametrize(
        "again",
        [
            Key.parse(f"{CURVE}:f", {"signatures": {}, "key": "f", "fallback": True}),
            Key.parse(
                f"{CURVE}:f", {"fallback": True, "key": "f", "signatures": {"@a:b": {"ed25519:D": "new"}}}
            ),
            fallback_key("f", "f", unsigned={"age": 1}),
            fallback_key("other-id", "f"),
        ],
        ids=["no signatures", "re-signed", "unsigned", "another id"],
    )
    def test_the_key_in_the_slot_keeps_its_mark_and_takes_the_newest_form(self, again: Key) -> None:
        state = used_slot(fallback_key("f"))
        result = fallback(state, again)
        assert result.events == (FallbackKeyReplaced(again, used=True),)
        assert not result.wakes
        assert sync(result.state).unused_fallback_key_types == ()
        assert claim(result.state, CURVE).key == again

        unused = fallback(fallback(EMPTY, fallback_key("f")).state, again)
        assert unused.events == (FallbackKeyReplaced(again, used=False),)

    @pytest.mark.requirement("FK-UPLOAD-07")
    def test_member_order_makes_no_difference(self) -> None:
        value = signed_value("f", fallback=True)
        shuffled = dict(reversed(value.items()))
        state = used_slot(Key.parse(f"{CURVE}:f", value))
        result = fallback(state, Key.parse(f"{CURVE}:f", shuffled))
        assert result.events == ()
        assert result.state == state

    @pytest.mark.requirement("FK-UPLOAD-08")
    def test_a_key_that_comes_back_after_another_is_unused(self) -> None:
        state = fallback(used_slot(fallback_key("f")), fallback_key("g")).state
        assert sync(fallback(state, fallback_key("f")).state).unused_fallback_key_types == (CURVE,)


class TestOneTimeKeyAgain:
    @pytest.mark.requirement("FK-UPLOAD-09")
    @pytest.mark.parametrize("again", [one_time_key("a"), one_time_key("a", unsigned={"age": 1})])
    def test_a_waiting_key_keeps_its_object_and_its_place(self, again: Key) -> None:
        state = uploaded("b", state=uploaded("a"))
        result = one_time(state, again)
        assert result == Uploaded(state=state, events=(), notices=(WaitingKeyKept(again),), wakes=False)
        assert claim(result.state, CURVE).key == one_time_key("a")

    @pytest.mark.requirement("FK-UPLOAD-10", "FK-UPLOAD-17", "FK-FORM-12")
    def test_another_key_under_a_waiting_id_refuses_the_whole_upload(self) -> None:
        state = uploaded("a", "b")
        other = one_time_key("b", "other")
        command = Upload(one_time_keys=(one_time_key("c"), other), fallback_keys=(fallback_key("f"),))
        with pytest.raises(OneTimeKeyConflict) as refused:
            upload(state, command)
        conflict = refused.value
        assert (conflict.algorithm, conflict.key_id) == (CURVE, "b")
        assert (conflict.stored, conflict.uploaded) == (one_time_key("b").json, other.json)
        assert conflict.errcode is Errcode.UNKNOWN
        assert str(conflict) == (
            f"One time key {CURVE}:b already exists. "
            f"Old key: {one_time_key('b').json.decode()}; new key: {other.json.decode()}"
        )
        assert state == uploaded("a", "b")

    @pytest.mark.requirement("FK-FORM-12")
    def test_the_errcode_of_a_conflict_is_a_policy(self) -> None:
        policy = Policy(conflict_errcode=Errcode.UNSTABLE_DUPLICATE_ONE_TIME_KEY)
        with pytest.raises(OneTimeKeyConflict) as refused:
            one_time(uploaded("a"), one_time_key("a", "other"), policy=policy)
        assert refused.value.errcode == "io.github.johennes.msc4420.M_DUPLICATE_ONE_TIME_KEY"

    @pytest.mark.requirement("FK-UPLOAD-10")
    def test_two_keys_of_one_id_in_one_upload_conflict(self) -> None:
        with pytest.raises(OneTimeKeyConflict):
            one_time(EMPTY, one_time_key("a"), one_time_key("a", "other"))

    @pytest.mark.requirement("FK-UPLOAD-11")
    def test_a_waiting_key_under_a_second_id_is_ignored(self) -> None:
        state = uploaded("a")
        again = one_time_key("b", "a")
        result = one_time(state, again)
        assert result == Uploaded(state=state, events=(), notices=(SecondIdIgnored(again, "a"),), wakes=False)

    @pytest.mark.requirement("FK-UPLOAD-11")
    def test_within_one_upload_the_first_id_stays(self) -> None:
        result = one_time(EMPTY, one_time_key("a"), one_time_key("b", "a"))
        assert result.notices == (SecondIdIgnored(one_time_key("b", "a"), "a"),)
        assert claimed_ids(result.state, 2) == ["a", None]

    @pytest.mark.requirement("FK-UPLOAD-10")
    def test_a_known_key_under_the_id_of_another_waiting_key_conflicts(self) -> None:
        with pytest.raises(OneTimeKeyConflict):
            one_time(uploaded("a", "b"), one_time_key("b", "a"))

    @pytest.mark.requirement("FK-UPLOAD-12")
    @pytest.mark.parametrize("key_id", ["a", "b"])
    def test_an_issued_key_is_ignored_under_any_id(self, key_id: str) -> None:
        state = claim(uploaded("a"), CURVE).state
        again = one_time_key(key_id, "a")
        result = one_time(state, again)
        assert result == Uploaded(state=state, events=(), notices=(IssuedKeyIgnored(again),), wakes=False)
        assert claimed_ids(result.state, 1) == [None]

    @pytest.mark.requirement("FK-UPLOAD-12")
    def test_an_issued_key_is_ignored_even_under_an_id_that_another_key_holds_by_now(self) -> None:
        state = claim(uploaded("a"), CURVE).state
        state = one_time(state, one_time_key("a", "new")).state
        result = one_time(state, one_time_key("a"))
        assert result.state == state
        assert result.notices == (IssuedKeyIgnored(one_time_key("a")),)

    @pytest.mark.requirement("FK-UPLOAD-13")
    def test_an_issued_id_with_another_key_is_a_new_key(self) -> None:
        state = claim(uploaded("a"), CURVE).state
        new = one_time_key("a", "new")
        result = one_time(state, new)
        assert result.notices == ()
        assert claim(result.state, CURVE).key == new

    @pytest.mark.requirement("FK-UPLOAD-13")
    def test_a_reused_id_survives_the_settling_of_its_old_chunk(self) -> None:
        """The pool frees the ids of issued keys in bulk, and must not free one that was taken over."""
        state = uploaded(*(f"k{n}" for n in range(40)))
        state = claim(state, CURVE).state
        state = one_time(state, one_time_key("k0", "new")).state
        for _ in range(35):
            state = claim(state, CURVE).state
        with pytest.raises(OneTimeKeyConflict):
            one_time(state, one_time_key("k0", "newer"))
        assert claimed_ids(state, 6) == ["k36", "k37", "k38", "k39", "k0", None]


class TestMemory:
    POLICY = Policy(max_pool=2, max_remembered=2)

    def after(self, *ids: str) -> DeviceState:
        """The state after each of the keys was uploaded and claimed, in turn."""
        state = EMPTY
        for key_id in ids:
            state = one_time(state, one_time_key(key_id), policy=self.POLICY).state
            state = claim(state, CURVE, policy=self.POLICY).state
        return state

    @pytest.mark.requirement("FK-UPLOAD-14")
    def test_the_first_issued_is_the_first_forgotten(self) -> None:
        state = self.after("a", "b", "c")
        assert [one_time(state, one_time_key(key_id)).events != () for key_id in "abc"] == [
            True,
            False,
            False,
        ]
        state = self.after("a", "b", "c", "d")
        assert [one_time(state, one_time_key(key_id)).events != () for key_id in "abcd"] == [
            True, True, False, False,
        ]  # fmt: skip

    @pytest.mark.requirement("FK-UPLOAD-14")
    def test_forgetting_is_an_event_of_the_claim(self) -> None:
        state = one_time(self.after("a", "b"), one_time_key("c")).state
        events = claim(state, CURVE, policy=self.POLICY).events
        assert [type(event).__name__ for event in events] == ["OneTimeKeyIssued", "IssuedKeyForgotten"]

    @pytest.mark.requirement("FK-UPLOAD-14")
    def test_without_a_bound_nothing_is_forgotten(self) -> None:
        state = EMPTY
        for number in range(200):
            state = claim(one_time(state, one_time_key(f"k{number}")).state, CURVE).state
        assert all(one_time(state, one_time_key(f"k{n}")).events == () for n in range(200))
        assert state.pool(CURVE).remembered == 200

    @pytest.mark.requirement("FK-UPLOAD-14")
    def test_a_key_chosen_out_of_turn_is_remembered_and_forgotten_in_upload_order(self) -> None:
        state = claim(uploaded("a", "b", "c"), CURVE, key_id="c").state
        state = claim(state, CURVE).state
        policy = Policy(max_pool=2, max_remembered=2)
        state = claim(state, CURVE, policy=policy).state
        assert list(state.pool(CURVE).issued) == [
            one_time_key("b").fingerprint,
            one_time_key("c").fingerprint,
        ]


@pytest.mark.requirement("FK-UPLOAD-15")
def test_one_name_may_stand_in_both_kinds() -> None:
    command = Upload(one_time_keys=(one_time_key("same", "o"),), fallback_keys=(fallback_key("same", "f"),))
    result = upload(EMPTY, command)
    assert result.notices == ()
    first = claim(result.state, CURVE)
    assert first.key == one_time_key("same", "o")
    assert claim(first.state, CURVE).key == fallback_key("same", "f")


class TestBothKinds:
    @pytest.mark.requirement("FK-UPLOAD-16")
    def test_in_one_upload(self) -> None:
        key, slot = one_time_key("a", "x"), fallback_key("f", "x")
        result = upload(EMPTY, Upload(one_time_keys=(key,), fallback_keys=(slot,)))
        assert result.notices == (KeyInBothKinds(slot),)
        assert claimed_ids(result.state, 3) == ["a", "f", "f"]

    @pytest.mark.requirement("FK-UPLOAD-16")
    def test_fallback_key_first(self) -> None:
        key = one_time_key("a", "x")
        assert one_time(fallback(EMPTY, fallback_key("f", "x")).state, key).notices == (KeyInBothKinds(key),)

    @pytest.mark.requirement("FK-UPLOAD-16")
    @pytest.mark.parametrize("issued", [False, True])
    def test_one_time_key_first(self, issued: bool) -> None:  # noqa: FBT001 - a parameter of the test
        state = one_time(EMPTY, one_time_key("a", "x")).state
        state = claim(state, CURVE).state if issued else state
        slot = fallback_key("f", "x")
        assert fallback(state, slot).notices == (KeyInBothKinds(slot),)


class TestFallbackFlag:
    @pytest.mark.requirement("FK-UPLOAD-19")
    @pytest.mark.parametrize("key", [one_time_key("f"), one_time_key("f", fallback=False)])
    def test_missing_on_a_fallback_key(self, key: Key) -> None:
        result = fallback(EMPTY, key)
        assert result.notices == (FallbackKeyNotFlagged(key),)
        assert claim(result.state, CURVE).key == key

    @pytest.mark.requirement("FK-UPLOAD-19")
    def test_present_on_a_one_time_key(self) -> None:
        key = fallback_key("a")
        assert one_time(EMPTY, key).notices == (FallbackFlagOnOneTimeKey(key),)

    @pytest.mark.requirement("FK-UPLOAD-19")
    def test_a_string_cannot_carry_it(self) -> None:
        assert fallback(EMPTY, Key.parse("curve25519:f", "public")).notices == ()

    @pytest.mark.requirement("FK-UPLOAD-19")
    def test_a_look_alike_elsewhere_in_the_object_does_not_count(self) -> None:
        assert one_time(EMPTY, one_time_key("a", note={"fallback": True})).notices == ()


class TestLimits:
    @pytest.mark.requirement("FK-LIMIT-01")
    def test_keys_in_an_upload(self) -> None:
        policy = Policy(max_keys_in_upload=2)
        command = Upload(one_time_keys=(one_time_key("a"),), fallback_keys=(fallback_key("f"),))
        assert upload(EMPTY, command, policy=policy).wakes
        with pytest.raises(TooLarge) as refused:
            upload(
                EMPTY,
                attrs.evolve(command, one_time_keys=(one_time_key("a"), one_time_key("b"))),
                policy=policy,
            )
        too_large = refused.value
        assert (too_large.limit, too_large.allowed, too_large.actual) == (Limit.KEYS_IN_UPLOAD, 2, 3)
        assert too_large.errcode is Errcode.TOO_LARGE

    @pytest.mark.requirement("FK-LIMIT-02", "FK-UPLOAD-17")
    def test_a_pool(self) -> None:
        policy = Policy(max_pool=2)
        full = one_time(EMPTY, one_time_key("a"), one_time_key("b"), policy=policy).state
        with pytest.raises(TooLarge) as refused:
            one_time(full, one_time_key("c"), policy=policy)
        assert (refused.value.limit, refused.value.actual) == (Limit.POOL, 3)
        assert one_time(full, one_time_key("a"), one_time_key("b"), policy=policy).state == full
        assert one_time(full, one_time_key("x25519:a"), policy=policy).wakes

    @pytest.mark.requirement("FK-LIMIT-02")
    def test_a_pool_beyond_the_limit_still_takes_a_retry(self) -> None:
        """A server that lowers its limit must not lock out clients that fitted before."""
        beyond = uploaded("a", "b", "c")
        assert one_time(beyond, one_time_key("a"), policy=Policy(max_pool=2)).state == beyond

    @pytest.mark.requirement("FK-LIMIT-03")
    def test_algorithms_count_pools_slots_and_memory(self) -> None:
        policy = Policy(max_algorithms=3)
        state = claim(one_time(EMPTY, one_time_key("m:a"), policy=policy).state, "m").state
        state = fallback(one_time(state, one_time_key("p:a"), policy=policy).state, fallback_key("s:f")).state
        assert state.algorithms == {"m", "p", "s"}
        with pytest.raises(TooLarge) as refused:
            one_time(state, one_time_key("n:a"), policy=policy)
        assert (refused.value.limit, refused.value.actual) == (Limit.ALGORITHMS, 4)
        for name in ("m:b", "p:b", "s:b"):
            assert one_time(state, one_time_key(name), policy=policy).wakes

    @pytest.mark.requirement("FK-LIMIT-01", "FK-LIMIT-02", "FK-LIMIT-03", "FK-UPLOAD-14")
    def test_the_wire_has_the_documented_numbers_and_the_pure_policy_has_none(self) -> None:
        assert WIRE.max_keys_in_upload == WIRE.max_pool == 500
        assert (WIRE.max_algorithms, WIRE.max_remembered) == (16, 5_000)
        assert set(attrs.asdict(PURE).values()) == {None, Errcode.UNKNOWN}


@pytest.mark.requirement("FK-DEVICE-04", "FK-UPLOAD-12")
def test_a_dropped_key_may_be_uploaded_again() -> None:
    state = drop(uploaded("a"), [KeyName(CURVE, "a")]).state
    assert one_time(state, one_time_key("a")).events == (OneTimeKeyAdded(one_time_key("a"), 1),)
