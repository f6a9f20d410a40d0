"""Nonsense, from the embedder and from the server: an error or a report, and never a changed state."""

import math
from typing import Any

import attrs
import pytest

from fallbackkeys import FallbackKeysError
from fallbackkeys.client import (
    MSC2732,
    ClientPolicy,
    ClientState,
    Conflict,
    Generated,
    Input,
    KeyReused,
    KeySet,
    Kind,
    Missing,
    OutcomeUnknown,
    Persisted,
    PreKey,
    RateLimited,
    Rejected,
    Report,
    Restored,
    Rotation,
    Sync,
    Tick,
    Topic,
    UnknownAlgorithm,
    UnknownRequest,
    UploadFailed,
    UploadOk,
    UploadSent,
    WrongInput,
    step,
)
from tests.client.policies import ONE, OTHER, small
from tests.client.world import World

POLICY = small(MSC2732, algorithms=(ONE,))


def sending() -> World:
    """A device whose first upload is on the wire."""
    world = World(POLICY)
    world.fair_sync()
    world.settle()
    return world


def waiting() -> World:
    """A device whose first upload is not persisted yet."""
    world = World(POLICY)
    world.fair_sync()
    while world.state.request is None:
        world.carry_out()
    return world


def a_sync(**changes: Any) -> Sync:
    fair = Sync(counts={}, missing=Missing.ZERO, unused=[], caught_up=True, started_at=0)
    return attrs.evolve(fair, **changes)


def made(**changes: Any) -> Generated:
    return attrs.evolve(
        Generated(kind=Kind.ONE_TIME, algorithm=ONE, key_id="new", public="newkey"), **changes
    )


def prekey(**changes: Any) -> PreKey:
    fair = PreKey(public="a", session="b", message="c", known_session=False, ok=True)
    return attrs.evolve(fair, **changes)


class NoInput:
    """Something else."""

    def __repr__(self) -> str:  # names a test, in every process alike
        return "NoInput()"


MISUSES: list[tuple[Any, type[FallbackKeysError]]] = [
    (a_sync(missing="zero"), WrongInput),
    (a_sync(caught_up=1), WrongInput),
    (a_sync(started_at=-1), WrongInput),
    (a_sync(started_at=1_000), WrongInput),
    (a_sync(started_at=True), WrongInput),
    (a_sync(started_at=0.0), WrongInput),
    (made(kind="one-time"), WrongInput),
    (made(algorithm=OTHER), UnknownAlgorithm),
    (made(algorithm=None), WrongInput),
    (made(key_id=""), WrongInput),
    (made(key_id="a:b"), WrongInput),
    (made(key_id="a" * 300), WrongInput),
    (made(public=""), WrongInput),
    (made(public=b"bytes"), WrongInput),
    (made(public="\ud800"), WrongInput),
    (made(evicted="old"), WrongInput),
    (made(kind=Kind.FALLBACK, evicted=3), WrongInput),
    (made(key_id="AAA0"), KeyReused),
    (made(public="key1"), KeyReused),
    (made(kind=Kind.FALLBACK, key_id="AAA0"), KeyReused),
    (Persisted(generation=-1), WrongInput),
    (Persisted(generation=10_000), WrongInput),
    (Persisted(generation=True), WrongInput),
    (UploadOk(request=1), UnknownRequest),
    (UploadOk(request=-1), UnknownRequest),
    (UploadOk(request=True), WrongInput),
    (UploadFailed(request=7, failure=OutcomeUnknown()), UnknownRequest),
    (UploadFailed(request=0, failure=NoInput()), WrongInput),  # type: ignore[arg-type]
    (UploadSent(request=3, keys=KeySet()), UnknownRequest),
    (UploadSent(request=0, keys=KeySet()), WrongInput),
    (UploadSent(request=0, keys={}), WrongInput),  # type: ignore[arg-type]
    (prekey(public=None), WrongInput),
    (prekey(session=""), WrongInput),
    (prekey(message="\x00"), WrongInput),
    (prekey(known_session=None), WrongInput),
    (prekey(ok="yes"), WrongInput),
    (UploadFailed(request=0, failure=None), WrongInput),  # type: ignore[arg-type]
    (Restored(unpublished=(1,)), WrongInput),  # type: ignore[arg-type]
    (Restored(unpublished=5), WrongInput),  # type: ignore[arg-type]
    (NoInput(), WrongInput),
    (None, WrongInput),
]


@pytest.mark.requirement("FK-CLIENT-13")
@pytest.mark.parametrize(("given", "error"), MISUSES, ids=repr)
def test_misuse_raises_and_changes_nothing(given: Input, error: type[FallbackKeysError]) -> None:
    world = sending()
    before = world.state
    with pytest.raises(error) as caught:
        step(world.state, given, now=world.now)
    assert str(caught.value)
    assert world.state is before
    assert step(before, Tick(), now=world.now).state == before


@pytest.mark.requirement("FK-CLIENT-13")
@pytest.mark.parametrize("now", [None, 1.5, True, "0", math.inf, 2**53, -(2**53)])
def test_a_reading_is_an_integer(now: Any) -> None:
    with pytest.raises(WrongInput):
        step(ClientState.start(POLICY), Tick(), now=now)


@pytest.mark.requirement("FK-CLIENT-13")
@pytest.mark.parametrize(
    "answer", [UploadOk(request=0), UploadFailed(request=0, failure=Rejected())], ids=["ok", "failed"]
)
def test_an_answer_to_an_upload_that_was_not_sent(answer: Input) -> None:
    world = waiting()
    with pytest.raises(UnknownRequest, match="not sent"):
        step(world.state, answer, now=world.now)
    request = world.state.request
    assert request is not None
    with pytest.raises(UnknownRequest, match="persist first"):
        step(world.state, UploadSent(request=0, keys=request.keys), now=world.now)


BAD_COUNTS = [
    {ONE: 2**53},
    {ONE: -1}, {ONE: True}, {ONE: 1.0}, {ONE: "3"}, {ONE: None}, {3: 3}, [3], "3", 3, {ONE: math.nan},
]  # fmt: skip

BAD_LISTS: list[Any] = [{}, ONE, [1], [None], [[ONE]], True]
BAD_DELAYS: list[Any] = [-1, -0.5, math.nan, math.inf, None, "5", True, []]
BAD_CONFLICTS: list[tuple[Any, Any]] = [(ONE, "never"), (OTHER, "AAA0"), ("unheard_of", "AAA0"), (None, [])]

NONSENSE: list[tuple[Input, Topic]] = [
    *((a_sync(counts=counts), Topic.BAD_COUNTS) for counts in BAD_COUNTS),
    *((a_sync(counts=counts, missing=Missing.UNCHANGED), Topic.BAD_COUNTS) for counts in BAD_COUNTS),
    *((UploadOk(request=0, counts=counts), Topic.BAD_COUNTS) for counts in BAD_COUNTS),
    *((a_sync(unused=unused), Topic.BAD_UNUSED_TYPES) for unused in BAD_LISTS),
    *((UploadFailed(request=0, failure=RateLimited(after=after)), Topic.BAD_DELAY) for after in BAD_DELAYS),
    *(
        (
            UploadFailed(request=0, failure=Conflict(algorithm=algorithm, key_id=key_id)),
            Topic.BAD_CONFLICT,
        )
        for algorithm, key_id in BAD_CONFLICTS
    ),
]


@pytest.mark.requirement("FK-CLIENT-13")
@pytest.mark.parametrize(("given", "topic"), NONSENSE, ids=repr)
def test_nonsense_from_a_server_is_reported_and_changes_nothing(given: Input, topic: Topic) -> None:
    world = sending()
    stepped = step(world.state, given, now=world.now + 10**9)
    assert stepped.state is world.state
    (report,) = stepped.outputs
    assert isinstance(report, Report)
    assert report.topic is topic
    assert report.subject.isascii()
    assert report.subject.isprintable()


@pytest.mark.requirement("FK-CLIENT-13")
def test_late_answers_are_reported_and_change_nothing() -> None:
    world = sending()
    assert world.attempt is not None
    keys = world.attempt.keys
    world.serve()
    world.answer(world.answers.pop())
    world.settle()
    failures = (OutcomeUnknown(), Rejected(), RateLimited(after=5), Conflict(algorithm=ONE, key_id="AAA0"))
    late: list[Input] = [UploadOk(request=0), UploadSent(request=0, keys=keys)]
    for given in [*late, *(UploadFailed(request=0, failure=failure) for failure in failures)]:
        stepped = step(world.state, given, now=world.now)
        assert stepped.state is world.state
        assert [output.topic for output in stepped.outputs] == [Topic.LATE_ANSWER]  # type: ignore[union-attr]


@pytest.mark.requirement("FK-CLIENT-13")
def test_a_second_failure_of_one_attempt_changes_nothing() -> None:
    world = sending()
    failure = UploadFailed(request=0, failure=OutcomeUnknown())
    world.give(failure)
    stepped = step(world.state, failure, now=world.now + 1)
    assert stepped.state is world.state


@pytest.mark.requirement("FK-CLIENT-05", "FK-CLIENT-13")
def test_algorithms_that_are_none_of_ours_are_reported_and_nothing_else() -> None:
    world = sending()
    plain = step(world.state, a_sync(), now=world.now)
    strange = step(world.state, a_sync(counts={"strange\n": 3}, unused=["strange\n", "b"]), now=world.now)
    assert strange.state == plain.state
    assert [report.subject for report in strange.outputs] == [r"'strange\n'", "b"]  # type: ignore[union-attr]
    again = step(world.state, UploadOk(request=0, counts={ONE: 3, "c": 0}), now=world.now)
    assert Report(topic=Topic.UNKNOWN_ALGORITHM, subject="c") in again.outputs


def test_what_is_given_twice_counts_once() -> None:
    world = sending()
    known = made(key_id="AAA0", public=world.state.requested(ONE)["AAA0"])
    assert world.attempt is not None
    for given in (known, UploadSent(request=0, keys=world.attempt.keys), Persisted(generation=0)):
        stepped = step(world.state, given, now=world.now + 1)
        assert stepped.state == world.state
        assert stepped.outputs == ()


def test_a_key_that_the_memory_has_lost_is_still_known_while_it_is_unpublished() -> None:
    world = World(POLICY)
    world.give(made(key_id="first", public="firstkey"))
    assert world.state.request is not None
    for number in range(250):
        world.give(made(key_id=f"later{number}", public=f"laterkey{number}"))
    with pytest.raises(KeyReused):
        step(world.state, made(key_id="first", public="otherkey"), now=0)
    assert step(world.state, made(key_id="first", public="firstkey"), now=0).outputs == ()


def test_an_eviction_that_nobody_expected_is_reported() -> None:
    world = sending()
    given = made(kind=Kind.FALLBACK, key_id="AAA9", public="unasked", evicted="unheard of")
    topics = [
        output.topic for output in step(world.state, given, now=0).outputs if isinstance(output, Report)
    ]
    assert topics == [Topic.UNASKED_GENERATION, Topic.UNEXPECTED_EVICTION]


@pytest.mark.parametrize(
    "changes",
    [
        {"hold": -1}, {"hold": 1.0}, {"hold": True}, {"low_water": 51}, {"retry_min": 0}, {"algorithms": ()},
        {"algorithms": (ONE, ONE)}, {"algorithms": ("a:b",)}, {"algorithms": ("",)}, {"algorithms": [ONE]},
        {"algorithms": (1,)}, {"rotation": "on use"}, {"can_forget": None}, {"per_id_publish": 1},
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_kept(changes: dict[str, Any]) -> None:
    with pytest.raises(WrongInput):
        attrs.evolve(MSC2732, **changes)


def test_the_ways_to_rotate() -> None:
    assert [(way.on_use, way.by_age) for way in Rotation] == [(True, False), (False, True), (True, True)]
    policy = ClientPolicy(rotation=Rotation.ON_USE, hold=0, min_interval=0)
    assert (policy.low_water, policy.target, policy.can_forget, policy.per_id_publish) == (
        25,
        50,
        False,
        False,
    )
