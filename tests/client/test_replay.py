"""Replays, and the moments from which waits are measured."""

import pytest

from fallbackkeys.client import MSC2732, Moment, PreKey, Report, Topic, Verdict, judge, step
from tests.client.policies import ONE, OTHER, small
from tests.client.scenes import rotated, settled

POLICY = small(MSC2732, algorithms=(ONE, OTHER))


def read(public: str, **changes: object) -> PreKey:
    fields = {"session": "s1", "message": "m1", "known_session": False, "ok": True, **changes}
    return PreKey(public=public, **fields)  # type: ignore[arg-type]


@pytest.mark.requirement("FK-CLIENT-11")
@pytest.mark.parametrize("place", [0, 1])
def test_verdicts_on_a_fallback_key(place: int) -> None:
    world = rotated(POLICY)
    public = world.library.fallback[ONE][place][3]

    def verdict(session: str, message: str, *, known: bool = False) -> Verdict:
        return judge(world.state, public=public, session=session, message=message, known_session=known)

    assert verdict("s1", "m1") is Verdict.CREATE_SESSION
    world.give(read(public))
    assert verdict("s1", "m1") is Verdict.REFUSE_REPLAY
    assert verdict("s2", "m1") is Verdict.REFUSE_REPLAY
    assert verdict("s1", "m2") is Verdict.USE_KNOWN_SESSION
    assert verdict("s2", "m2") is Verdict.CREATE_SESSION
    assert verdict("s2", "m2", known=True) is Verdict.USE_KNOWN_SESSION
    assert (
        judge(world.state, public="a one-time key", session="s1", message="m1", known_session=False)
        is Verdict.CREATE_SESSION
    )


@pytest.mark.requirement("FK-CLIENT-11")
@pytest.mark.parametrize(
    ("changes", "topic"),
    [
        ({}, Topic.REPLAY),
        ({"session": "s2"}, Topic.REPLAY),
        ({"message": "m2"}, Topic.SESSION_CREATED_AGAIN),
        ({"message": "m2", "known_session": True}, None),
        ({"message": "m2", "session": "s2"}, None),
    ],
)
def test_a_replay_that_was_accepted_all_the_same_is_reported(
    changes: dict[str, object], topic: Topic | None
) -> None:
    world = settled(POLICY)
    public = world.library.fallback[OTHER][0][3]
    world.give(read(public))
    stepped = step(world.state, read(public, **changes), now=world.now)
    assert [output.topic for output in stepped.outputs if isinstance(output, Report)] == (
        [] if topic is None else [topic]
    )
    assert (stepped.state is world.state) == (topic is not None)


@pytest.mark.requirement("FK-CLIENT-11")
def test_a_message_that_was_not_decrypted_is_no_use() -> None:
    world = settled(POLICY)
    public = world.library.fallback[ONE][0][3]
    for message in (read(public, ok=False), read("a one-time key")):
        stepped = step(world.state, message, now=world.now)
        assert stepped.state == world.state
        assert stepped.outputs == ()


@pytest.mark.requirement("FK-CLIENT-10")
@pytest.mark.parametrize(
    ("readings", "elapsed"),
    [
        ([100, 150], 50),
        ([100, 40], 0),
        ([100, 40, 70], 30),
        ([100, 40, 20, 70], 50),
        ([100, 40, 99], 59),
        ([100, 40, 100], 0),
        ([100, 0, 130], 30),
        ([100, 40, 120, 60], 0),
        ([100, 40, 120, 60, 61], 1),
    ],
)
def test_what_has_passed(readings: list[int], elapsed: int) -> None:
    moment = Moment(readings[0])
    for reading in readings[1:]:
        moment = moment.seen(reading)
    assert moment.elapsed(readings[-1]) == elapsed


@pytest.mark.requirement("FK-CLIENT-10")
@pytest.mark.parametrize(
    ("moment", "duration", "due"),
    [(Moment(100), 50, 150), (Moment(100, 20), 50, 70), (Moment(100, 90), 50, 150)],
)
def test_when_a_wait_will_be_over(moment: Moment, duration: int, due: int) -> None:
    assert moment.due(duration) == due
    assert moment.seen(due).elapsed(due) >= duration


def test_a_moment_not_yet_shown_a_reading_counts_nothing() -> None:
    assert Moment(100).elapsed(50) == 0
