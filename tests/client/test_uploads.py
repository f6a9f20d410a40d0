"""What is uploaded, when, and how often; when pools are refilled."""

import pytest

from fallbackkeys.client import (
    MSC2732,
    Conflict,
    Generated,
    GenerateFallbackKey,
    GenerateOneTimeKeys,
    Kind,
    MarkPublished,
    Missing,
    OutcomeUnknown,
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
from tests.client.scenes import ALONE, asked, deliver, rotated, settled, use_up
from tests.client.world import World


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


@pytest.mark.requirement("FK-CLIENT-07", "FK-CLIENT-08")
@pytest.mark.parametrize("accepted", [True, False])
def test_an_answer_that_comes_after_its_time_out_settles_the_upload(accepted: bool) -> None:  # noqa: FBT001 - a case
    world = World(ALONE)
    world.fair_sync()
    world.settle()
    assert world.attempt is not None
    keys = world.attempt.keys
    world.now += 30
    world.give(Tick())
    assert not world.outputs
    if accepted:
        world.serve()
        world.answer(world.answers.pop())
        assert asked(world, MarkPublished) == [MarkPublished(keys=keys)]
        assert world.state.request is None
    else:
        world.refuse(Conflict(algorithm=ONE, key_id=next(iter(keys.one_time_keys[ONE]))))
        world.settle()
        assert [report.topic for report in world.reports] == [Topic.CONFLICT]
        assert names(world.attempt.keys) == {name for name in names(keys) if name[0] is Kind.FALLBACK}


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
    world.refuse(Conflict(algorithm=ONE, key_id=key_id))
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
def test_after_a_conflict_keys_that_were_made_meanwhile_wait_for_the_fallback_keys() -> None:
    """A library that marks single keys makes keys during an upload; they may be the next to conflict."""
    world = World(small(MSC2732, per_id_publish=True))
    world.answer_sync(world.send_sync(), counts={ONE: 0}, missing=Missing.UNCHANGED, unused=[])
    world.settle()
    assert world.attempt is not None
    kept = {name for name in names(world.attempt.keys) if name[0] is Kind.FALLBACK}
    key_id = next(iter(world.attempt.keys.one_time_keys[ONE]))
    world.answer_sync(world.send_sync(), counts={OTHER: 0}, missing=Missing.UNCHANGED, unused=[])
    world.settle()
    made = {
        (Kind.ONE_TIME, OTHER, *pair) for pair in world.state.algorithms[OTHER].one_time.unpublished.items()
    }
    assert len(kept) == 2
    assert len(made) == 3
    world.refuse(Conflict(algorithm=ONE, key_id=key_id))
    for following in (kept, made):
        world.settle()
        assert world.attempt is not None
        assert names(world.attempt.keys) == following
        world.serve()
        world.answer(world.answers.pop())


@pytest.mark.requirement("FK-CLIENT-08")
def test_conflicts_in_a_row_are_ever_rarer() -> None:
    world = World(ALONE)
    world.answer_sync(world.send_sync(), counts={}, unused=None)
    for wait in (20, 40, 40):
        world.settle()
        assert world.attempt is not None
        key_id = next(iter(world.attempt.keys.one_time_keys[ONE]))
        world.refuse(Conflict(algorithm=ONE, key_id=key_id))
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


@pytest.mark.requirement("FK-CLIENT-12")
@pytest.mark.parametrize("algorithms", [(ONE, OTHER), (OTHER, ONE)])
def test_outputs_come_in_the_order_of_the_policy(algorithms: tuple[str, str]) -> None:
    """A map's own order is another one in every process."""
    world = World(small(MSC2732, algorithms=algorithms))
    persist, *generate = world.answer_sync(world.send_sync(), counts={}, unused=[]).outputs
    assert isinstance(persist, Persist)
    assert generate == [
        output
        for algorithm in algorithms
        for output in (
            GenerateOneTimeKeys(algorithm=algorithm, count=3),
            GenerateFallbackKey(algorithm=algorithm, evicts=None),
        )
    ]


@pytest.mark.requirement("FK-CLIENT-07")
def test_what_could_not_be_persisted_is_asked_for_again() -> None:
    world = World(ALONE)
    world.fair_sync()
    while world.state.request is None:
        world.carry_out()
    world.outputs.clear()
    stepped = world.give(Restored())
    assert stepped.outputs == (Persist(generation=world.state.generation),)
    deliver(world)
    assert world.server.counts() == {ONE: 3}
