"""The rules one by one; the adversary tries their combinations."""

import attrs
import pytest

from fallbackkeys.client import (
    BY_AGE,
    MSC2732,
    MSC4081,
    ON_USE,
    ClientPolicy,
    Conflict,
    ForgetPreviousFallbackKey,
    GenerateFallbackKey,
    Generated,
    GenerateOneTimeKeys,
    Kind,
    MarkPublished,
    Missing,
    OutcomeUnknown,
    Output,
    Persist,
    RateLimited,
    Rejected,
    Restored,
    Stage,
    Tick,
    Topic,
    Upload,
    UploadFailed,
    UploadOk,
)
from tests.client.library import names
from tests.client.policies import ONE, OTHER, small
from tests.client.world import World

ALONE = small(MSC2732, algorithms=(ONE,), hold=60, min_interval=60)


def settled(policy: ClientPolicy = ALONE) -> World:
    """A device whose first keys are published."""
    world = World(policy)
    world.fair_sync()
    deliver(world)
    assert world.server.counts() == dict.fromkeys(policy.algorithms, policy.target)
    assert world.server.unused() == sorted(policy.algorithms)
    return world


def deliver(world: World) -> None:
    """Carry out everything; what is sent arrives, and is answered."""
    world.settle()
    while world.attempt is not None:
        world.serve()
        world.answer(world.answers.pop())
        world.settle()


def asked(world: World, kind: type[Output]) -> list[Output]:
    """What waits to be carried out, of one kind."""
    return [output for _, output in world.outputs if isinstance(output, kind)]


def use_up(world: World, *, algorithm: str = ONE) -> str:
    """Claim until the fallback key is given out; its public key."""
    while algorithm in world.server.counts():
        world.server.claim(algorithm)
    public = world.server.claim(algorithm)
    assert public is not None
    return public


def rotated(policy: ClientPolicy = ALONE) -> World:
    """A device with a previous key, whose successor has just been acknowledged."""
    world = settled(policy)
    use_up(world)
    world.now += max(policy.min_interval, policy.max_age)
    world.fair_sync()
    deliver(world)
    assert len(world.library.fallback[ONE]) == 2
    return world


# --- Invariants 1 to 6 ---


@pytest.mark.requirement("FK-CLIENT-01")
@pytest.mark.parametrize("stage", ["generated", "on the wire", "unknown"])
def test_no_second_key_before_the_first_is_acknowledged(stage: str) -> None:
    world = World(ALONE)
    world.fair_sync()
    while not (world.attempt or (stage == "generated" and world.library.fallback)):
        world.carry_out()
    if stage == "unknown":
        world.lose()
        world.answer(world.answers.pop())
    for _ in range(3):
        world.now += 1
        world.answer_sync(world.send_sync(), counts={}, unused=[], caught_up=True)
        assert not asked(world, GenerateFallbackKey)


@pytest.mark.requirement("FK-CLIENT-02")
def test_the_previous_key_goes_after_hold_and_a_sync_that_began_after_it() -> None:
    world = rotated(attrs.evolve(ALONE, can_forget=True))
    early = world.send_sync()
    world.now += 59
    world.fair_sync()
    world.now += 1
    assert world.wake_at == world.now
    world.give(Tick())
    world.answer_sync(early, counts=None, missing=Missing.UNCHANGED, unused=None, caught_up=True)
    assert not asked(world, ForgetPreviousFallbackKey)
    late = world.send_sync()
    world.answer_sync(late, counts=None, missing=Missing.UNCHANGED, unused=None, caught_up=False)
    assert not asked(world, ForgetPreviousFallbackKey)
    world.answer_sync(late, counts=None, missing=Missing.UNCHANGED, unused=None, caught_up=True)
    assert len(asked(world, ForgetPreviousFallbackKey)) == 1
    deliver(world)
    assert len(world.library.fallback[ONE]) == 1


@pytest.mark.requirement("FK-CLIENT-02")
def test_a_late_first_use_begins_the_hold_anew() -> None:
    world = settled(attrs.evolve(ALONE, can_forget=True))
    public = use_up(world)
    world.now += 60
    world.fair_sync()
    deliver(world)
    world.now += 60
    world.give(Tick())
    world.messages.append((ONE, public, "late"))
    sync = world.send_sync()
    world.receive()
    world.answer_sync(sync, counts=None, missing=Missing.UNCHANGED, unused=None, caught_up=True)
    assert not asked(world, ForgetPreviousFallbackKey)
    world.settle()
    world.now += 60
    world.fair_sync()
    world.fair_sync()
    assert len(asked(world, ForgetPreviousFallbackKey)) == 1


@pytest.mark.requirement("FK-CLIENT-02")
def test_where_the_library_cannot_forget_rotation_waits_for_the_same() -> None:
    world = rotated()
    previous = world.library.fallback[ONE][1][3]
    use_up(world)
    world.now += 59
    world.fair_sync()
    assert not asked(world, GenerateFallbackKey)
    world.now += 1
    world.fair_sync()
    assert not asked(world, GenerateFallbackKey)
    deliver(world)
    world.fair_sync()
    assert asked(world, GenerateFallbackKey) == [GenerateFallbackKey(algorithm=ONE, evicts=previous)]
    deliver(world)


@pytest.mark.requirement("FK-CLIENT-03")
def test_one_rotation_an_interval_however_often_the_server_says_used() -> None:
    world = settled(attrs.evolve(ALONE, can_forget=True))
    world.now += 59
    for _ in range(5):
        world.answer_sync(world.send_sync(), counts={ONE: 3}, unused=[], caught_up=True)
        assert not asked(world, GenerateFallbackKey)
    assert world.wake_at == world.now + 1
    world.now += 1
    world.give(Tick())
    assert len(asked(world, GenerateFallbackKey)) == 1
    deliver(world)


@pytest.mark.requirement("FK-CLIENT-03")
def test_a_server_that_always_says_zero_gets_one_refill_an_interval() -> None:
    world = settled()
    for second in range(21):
        world.answer_sync(world.send_sync(), counts={}, unused=[ONE], caught_up=True)
        assert len(asked(world, GenerateOneTimeKeys)) == (second in (10, 20))
        deliver(world)
        world.now += 1


@pytest.mark.requirement("FK-CLIENT-04")
def test_a_sync_that_began_before_the_acknowledgement_says_nothing() -> None:
    world = settled(small(MSC2732, algorithms=(ONE,), min_interval=0, refill_interval=0))
    stale = world.send_sync()
    use_up(world)
    world.fair_sync()
    deliver(world)
    assert len(world.library.fallback[ONE]) == 2
    state = world.state
    world.answer_sync(stale, counts={}, unused=[], caught_up=True)
    assert not world.outputs
    assert world.state == state


@pytest.mark.requirement("FK-CLIENT-05")
def test_a_server_without_support_is_given_no_fallback_key() -> None:
    world = World(ALONE)
    for _ in range(3):
        world.answer_sync(world.send_sync(), counts=world.server.counts(), unused=None, caught_up=True)
        deliver(world)
        world.now += 100_000
    assert world.server.counts() == {ONE: 3}
    assert world.library.fallback == {}


@pytest.mark.requirement("FK-CLIENT-05")
@pytest.mark.parametrize("unused", [[], [OTHER], [ONE], [ONE, "unheard_of"]])
def test_any_list_at_all_shows_support(unused: list[str]) -> None:
    world = World(ALONE)
    world.answer_sync(world.send_sync(), counts={}, unused=unused)
    assert len(asked(world, GenerateFallbackKey)) == 1


@pytest.mark.requirement("FK-CLIENT-05")
@pytest.mark.parametrize("preset", [BY_AGE, MSC4081])
def test_an_absent_list_does_not_stop_rotation_by_age(preset: ClientPolicy) -> None:
    policy = attrs.evolve(preset, algorithms=(ONE,))
    world = settled(policy)
    due = world.now + policy.max_age
    assert world.wake_at == due
    world.now = due
    world.answer_sync(world.send_sync(), counts=None, missing=Missing.UNCHANGED, unused=None)
    assert len(asked(world, GenerateFallbackKey)) == 1


@pytest.mark.requirement("FK-CLIENT-05")
def test_rotation_by_age_ignores_what_the_list_says() -> None:
    world = settled(attrs.evolve(BY_AGE, algorithms=(ONE,)))
    world.now += BY_AGE.max_age - 1
    world.answer_sync(world.send_sync(), counts=None, missing=Missing.UNCHANGED, unused=[], caught_up=True)
    assert not asked(world, GenerateFallbackKey)


def test_a_decrypted_message_is_a_use_even_if_the_server_denies_it() -> None:
    world = settled(attrs.evolve(ON_USE, algorithms=(ONE,)))
    public = world.library.fallback[ONE][0][3]
    assert world.decrypt(ONE, public, "session", "hash")
    world.now += ON_USE.min_interval
    world.answer_sync(world.send_sync(), counts=None, missing=Missing.UNCHANGED, unused=[ONE])
    assert len(asked(world, GenerateFallbackKey)) == 1


@pytest.mark.requirement("FK-CLIENT-06")
def test_nothing_is_generated_while_an_upload_is_under_way() -> None:
    world = settled(small(MSC2732, algorithms=(ONE,), refill_interval=0, min_interval=0))
    use_up(world)
    world.fair_sync()
    world.settle()
    assert world.attempt is not None
    world.answer_sync(world.send_sync(), counts={}, unused=[], caught_up=True)
    assert not world.outputs
    deliver(world)
    assert world.library.unpublished == set()


@pytest.mark.requirement("FK-CLIENT-06")
def test_a_library_that_marks_single_keys_may_generate_meanwhile() -> None:
    world = settled(small(MSC2732, refill_interval=0, min_interval=0, per_id_publish=True))
    use_up(world)
    world.fair_sync()
    world.settle()
    use_up(world, algorithm=OTHER)
    world.answer_sync(world.send_sync(), counts={}, unused=[], caught_up=True)
    assert asked(world, GenerateFallbackKey) == [GenerateFallbackKey(algorithm=OTHER, evicts=None)]
    world.carry_out()
    world.carry_out()
    deliver(world)
    assert world.library.unpublished == set()
    assert world.server.unused() == [ONE, OTHER]


# --- Invariants 7 and 8: uploads ---


@pytest.mark.requirement("FK-CLIENT-07")
def test_an_upload_waits_until_it_is_persisted() -> None:
    world = World(ALONE)
    world.fair_sync()
    while not asked(world, Persist) or not world.library.fallback:
        world.carry_out()
    assert world.state.request is not None
    assert world.state.request.stage is Stage.WAITING
    assert not asked(world, Upload)
    world.carry_out()
    assert len(asked(world, Upload)) == 1


@pytest.mark.requirement("FK-CLIENT-07")
def test_an_upload_of_unknown_fate_is_repeated_ever_less_often() -> None:
    world = World(ALONE)
    world.fair_sync()
    world.settle()
    first = world.attempt
    for wait in (2, 4, 8, 16, 32, 40, 40):
        world.lose()
        world.answer(world.answers.pop())
        assert not world.outputs
        assert world.wake_at == world.now + wait
        world.now += wait
        world.give(Tick())
        world.settle()
        assert world.attempt == first


@pytest.mark.requirement("FK-CLIENT-07")
def test_an_answer_that_never_comes_is_given_up() -> None:
    world = World(ALONE)
    world.fair_sync()
    world.settle()
    first = world.attempt
    for wait in (30, 2):
        assert world.wake_at == world.now + wait
        world.now += wait
        world.give(Tick())
    world.settle()
    assert world.attempt == first


@pytest.mark.requirement("FK-CLIENT-07")
def test_after_a_crash_the_same_keys_are_uploaded() -> None:
    world = World(ALONE)
    world.fair_sync()
    world.settle()
    first = world.attempt
    world.serve()
    world.crash()
    world.settle()
    assert world.attempt == first
    deliver(world)
    assert world.server.counts() == {ONE: 3}


@pytest.mark.requirement("FK-CLIENT-07")
def test_keys_that_the_machine_never_heard_of_are_taken_in_on_a_restart() -> None:
    """An account that is older than the machine, or was written without it."""
    world = World(ALONE)
    made = (
        Generated(kind=Kind.ONE_TIME, algorithm=ONE, key_id="AAA0", public="one"),
        Generated(kind=Kind.FALLBACK, algorithm=ONE, key_id="AAA0", public="two"),
    )
    stepped = world.give(Restored(unpublished=made))
    assert [type(output).__name__ for output in stepped.outputs] == ["Report", "Report", "Persist"]
    assert world.state.request is not None
    assert {name[3] for name in names(world.state.request.keys)} == {"one", "two"}


def test_a_restart_asks_anew_for_what_was_not_generated() -> None:
    world = World(ALONE)
    world.fair_sync()
    first = [output for _, output in world.outputs]
    world.outputs.clear()
    world.now += 100
    assert [*world.give(Restored()).outputs] == first


@pytest.mark.requirement("FK-CLIENT-08")
def test_after_a_conflict_the_fallback_key_goes_alone_and_new_ids_follow() -> None:
    world = World(ALONE)
    world.fair_sync()
    world.settle()
    assert world.attempt is not None
    refused = names(world.attempt.keys)
    key_id = next(iter(world.attempt.keys.one_time_keys[ONE]))
    failure = Conflict(algorithm=ONE, key_id=key_id)
    world.attempt = None
    world.answer(UploadFailed(request=0, failure=failure))
    world.settle()
    assert [report.topic for report in world.reports] == [Topic.CONFLICT]
    assert world.attempt is not None
    assert names(world.attempt.keys) == {name for name in refused if name[0] is Kind.FALLBACK}
    deliver(world)
    for wait in (19, 1):
        world.now += wait  # twice the interval, for the conflict
        world.fair_sync()
        deliver(world)
        assert world.server.counts() == ({} if wait == 19 else {ONE: 3})
    assert not {name for name in refused if name[0] is Kind.ONE_TIME} & set(world.library.unpublished)


@pytest.mark.requirement("FK-CLIENT-08")
def test_conflicts_in_a_row_are_ever_rarer() -> None:
    world = World(ALONE)
    world.answer_sync(world.send_sync(), counts={}, unused=None)
    for wait in (20, 40, 40):
        world.settle()
        assert world.attempt is not None
        key_id = next(iter(world.attempt.keys.one_time_keys[ONE]))
        request, world.attempt = world.attempt.request, None
        world.answer(UploadFailed(request=request, failure=Conflict(algorithm=ONE, key_id=key_id)))
        assert world.wake_at == world.now + wait
        world.settle()
        world.now += wait
        world.give(Tick())


@pytest.mark.parametrize(("after", "wait"), [(0, 2), (1.9, 2), (500, 500), (10**15, 24 * 60 * 60 * 1000)])
def test_a_rate_limit_is_kept_to_for_a_day_at_most(after: float, wait: int) -> None:
    world = World(ALONE)
    world.fair_sync()
    world.settle()
    world.give(UploadFailed(request=0, failure=RateLimited(after=after)))
    assert world.wake_at == world.now + wait


def test_a_refused_upload_is_repeated_and_reported() -> None:
    world = World(ALONE)
    world.fair_sync()
    world.settle()
    stepped = world.give(UploadFailed(request=0, failure=Rejected()))
    assert [output.topic for output in stepped.outputs] == [Topic.REJECTED]  # type: ignore[union-attr]
    assert world.wake_at == world.now + 2


@pytest.mark.requirement("FK-CLIENT-06")
def test_what_is_marked_is_what_was_acknowledged() -> None:
    world = World(ALONE)
    world.fair_sync()
    world.settle()
    assert world.attempt is not None
    keys = world.attempt.keys
    stepped = world.give(UploadOk(request=0, counts={ONE: 3}))
    assert stepped.outputs[0] == MarkPublished(keys=keys)


# --- Invariants 9, 10, 14 ---


@pytest.mark.requirement("FK-CLIENT-09")
@pytest.mark.parametrize(
    ("counts", "missing", "refill"),
    [
        (None, Missing.ZERO, 3),
        ({OTHER: 9}, Missing.ZERO, 3),
        ({ONE: 0}, Missing.UNCHANGED, 3),
        ({ONE: 1}, Missing.ZERO, 2),
        ({ONE: 2}, Missing.ZERO, None),
        (None, Missing.UNCHANGED, None),
        ({ONE: 0}, Missing.NO_INFORMATION, None),
        ("nonsense", Missing.NO_INFORMATION, None),
    ],
)
def test_what_a_count_means(counts: object, missing: Missing, refill: int | None) -> None:
    world = settled()
    world.now += 10
    world.answer_sync(world.send_sync(), counts=counts, missing=missing, unused=[ONE])  # type: ignore[arg-type]
    expected = [] if refill is None else [GenerateOneTimeKeys(algorithm=ONE, count=refill)]
    assert asked(world, GenerateOneTimeKeys) == expected


@pytest.mark.requirement("FK-CLIENT-09")
def test_nothing_is_generated_before_a_count_is_known() -> None:
    world = World(ALONE)
    world.answer_sync(world.send_sync(), counts=None, missing=Missing.UNCHANGED, unused=None)
    assert not world.outputs


@pytest.mark.requirement("FK-CLIENT-10")
def test_a_clock_set_back_delays_and_does_not_hasten() -> None:
    world = rotated(attrs.evolve(ALONE, can_forget=True))
    start = world.now
    for reading in (start - 1_000, start + 59):
        world.now = reading
        for _ in range(2):
            world.fair_sync()
        assert not asked(world, ForgetPreviousFallbackKey)
    world.now = start + 60
    for _ in range(2):
        world.fair_sync()
    assert len(asked(world, ForgetPreviousFallbackKey)) == 1


@pytest.mark.requirement("FK-CLIENT-10")
def test_a_clock_that_was_years_ahead_does_not_stop_the_machine() -> None:
    world = rotated(attrs.evolve(ALONE, can_forget=True))
    world.now -= 10**12
    world.fair_sync()
    assert world.wake_at == world.now + 60
    world.now += 60
    for _ in range(2):
        world.fair_sync()
    assert len(asked(world, ForgetPreviousFallbackKey)) == 1


@pytest.mark.requirement("FK-CLIENT-10")
def test_a_hold_that_a_clock_ended_too_early_is_taken_back() -> None:
    world = rotated(attrs.evolve(ALONE, can_forget=True))
    world.now += 10**9
    world.give(Tick())
    sync = world.send_sync()
    world.now -= 10**9
    world.answer_sync(sync, counts=None, missing=Missing.UNCHANGED, unused=None, caught_up=True)
    assert not asked(world, ForgetPreviousFallbackKey)


@pytest.mark.requirement("FK-CLIENT-14")
def test_pools_are_filled_to_the_target() -> None:
    world = settled(small(MSC2732))
    for algorithm in (ONE, OTHER):
        use_up(world, algorithm=algorithm)
    world.now += 60
    world.fair_sync()
    deliver(world)
    assert world.server.counts() == {ONE: 3, OTHER: 3}
    assert world.server.unused() == [ONE, OTHER]
    assert len(world.bodies) == 2


@pytest.mark.requirement("FK-CLIENT-12")
def test_the_same_log_gives_the_same_states() -> None:
    world = rotated()
    world.answer(UploadFailed(request=0, failure=OutcomeUnknown()))
    world.replay()
