"""When a fallback key is made, and when one is given up: the rules one by one."""

import attrs
import pytest

from fallbackkeys.client import (
    BY_AGE,
    MSC2732,
    MSC4081,
    ON_USE,
    ClientPolicy,
    ForgetPreviousFallbackKey,
    GenerateFallbackKey,
    GenerateOneTimeKeys,
    Missing,
    Tick,
)
from tests.client.policies import ONE, OTHER, small
from tests.client.scenes import ALONE, asked, deliver, rotated, settled, use_up
from tests.client.world import World


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
def test_a_second_use_does_not_prolong_the_hold() -> None:
    world = rotated(attrs.evolve(ALONE, can_forget=True))
    public = world.library.fallback[ONE][1][3]
    for wait, session in ((59, "first"), (1, "second")):
        assert world.decrypt(ONE, public, session, f"hash of {session}")
        world.settle()
        world.now += wait
    for _ in range(2):
        world.fair_sync()
    assert len(asked(world, ForgetPreviousFallbackKey)) == 1
    deliver(world)


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
    world.now += 60
    world.give(Tick())
    assert not asked(world, ForgetPreviousFallbackKey), "a sync from before the hold was over counted"
    world.fair_sync()
    assert len(asked(world, ForgetPreviousFallbackKey)) == 1
