"""Client and server in one world, with senders in between: what the two machines promise together.

The clock is right here, and nothing is lost: what is looked at are delays. A sender may claim a key now and
write its message later, and the client may be offline for a long time.
"""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallbackkeys.client import BY_AGE, MSC2732, MSC4081, ON_USE, ClientPolicy, Tick, UploadOk
from tests.client.library import Library
from tests.client.policies import ONE, OTHER, small
from tests.client.world import World

SENDERS = 4


class Composed:
    """A world with senders, and a true clock for the promise."""

    def __init__(self, policy: ClientPolicy) -> None:
        self.world = World(policy)
        self.claims: dict[int, tuple[str, str]] = {}
        """Sender → the algorithm and the key that it was given, for a message that it has not written yet."""
        self.written: dict[str, int] = {}
        """Session → when the server got its message."""
        self.succeeded: dict[str, int] = {}
        """Fallback key → when its successor was acknowledged."""
        self.read: list[tuple[str, str]] = []
        self.sync()

    def claim(self, sender: int, algorithm: str) -> None:
        public = self.world.server.claim(algorithm)
        if public is not None:
            self.claims[sender] = algorithm, public

    def write(self, sender: int) -> None:
        if sender in self.claims:
            algorithm, public = self.claims.pop(sender)
            session = f"session {len(self.written)} of {sender}"
            self.written[session] = self.world.now
            self.world.messages.append((algorithm, public, session))

    def sync(self) -> None:
        """The client is online for a moment: messages first, then what follows from the sync."""
        world = self.world
        view = world.send_sync()
        while world.messages:
            algorithm, public, session = world.messages.pop(0)
            if world.decrypt(algorithm, public, session, f"hash of {session}"):
                self.read.append((algorithm, public))
            else:
                self.blame(public, session)
            world.settle()
        world.answer_sync(view, counts=world.server.counts(), unused=world.server.unused(), caught_up=True)
        world.settle()
        while world.attempt is not None:
            world.serve()
            answer = world.answers.pop()
            assert isinstance(answer, UploadOk)
            world.answer(answer)
            for held in world.library.fallback.values():
                if len(held) > 1:
                    self.succeeded.setdefault(held[1][3], world.now)
            world.settle()

    def blame(self, public: str, session: str) -> None:
        """A message that cannot be read was written too late: beyond what the policy promises."""
        assert public in self.succeeded, "a private half is missing"
        assert self.written[session] > self.succeeded[public] + self.world.policy.hold, "within the promise"

    def over(self, public: str) -> bool:
        """Whether the promise for a key has ended, the last use included."""
        used = [e.reading for e in self.world.observer.known if e.what == "message" and e.public == public]
        moments = [self.succeeded[public], *(self.world.observer.readings[reading] for reading in used[:1])]
        return all(self.world.now >= moment + self.world.policy.hold for moment in moments)


POLICIES = [
    small(preset, can_forget=can_forget, min_interval=30)
    for preset in (MSC2732, attrs.evolve(ON_USE, hold=MSC2732.hold), BY_AGE, MSC4081)
    for can_forget in (True, False)
]

STEPS = st.one_of(
    st.tuples(st.just("claim"), st.integers(0, SENDERS - 1), st.sampled_from([ONE, OTHER])),
    st.tuples(st.just("write"), st.integers(0, SENDERS - 1), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 29, 61, 600, 50_000]), st.none()),
    st.tuples(st.just("sync"), st.integers(1, 3), st.none()),
)


@pytest.mark.requirement("FK-CLIENT-02", "FK-CLIENT-14")
@given(policy=st.sampled_from(POLICIES), steps=st.lists(STEPS, max_size=60))
def test_no_message_within_the_promise_is_lost_and_no_private_half_outlives_it(
    policy: ClientPolicy, steps: list[tuple[str, int, str | None]]
) -> None:
    composed = Composed(policy)
    for what, number, algorithm in steps:
        if what == "claim" and algorithm is not None:
            composed.claim(number, algorithm)
        elif what == "write":
            composed.write(number)
        elif what == "wait":
            composed.world.now += number
        for _ in range(number if what == "sync" else 0):
            composed.sync()
    for sender in range(SENDERS):
        composed.write(sender)
    composed.sync()

    # A client that is online for a little longer than the promise holds has one private half per algorithm,
    # if its library can forget; else it has two, whatever happens.
    for _ in range(3):
        composed.sync()
        composed.world.now += policy.hold
        composed.world.give(Tick())
        composed.world.settle()
    for _ in range(2):
        composed.sync()
    for held in composed.world.library.fallback.values():
        assert len(held) <= 2
        if policy.can_forget and len(held) == 2:
            assert held[1][3] not in composed.succeeded or not composed.over(held[1][3]), "outlived"


def used_up(policy: ClientPolicy) -> tuple[Composed, str]:
    """A client whose fallback key has been claimed; the key."""
    composed = Composed(policy)
    while ONE in composed.world.server.counts():
        composed.world.server.claim(ONE)
    composed.claim(0, ONE)
    return composed, composed.claims[0][1]


@pytest.mark.requirement("FK-CLIENT-02")
@pytest.mark.parametrize("late", [0, 1])
def test_the_promise_ends_when_it_says(late: int) -> None:
    """Written on its last millisecond and read years later: decrypted. Written later: gone."""
    policy = small(MSC2732, can_forget=True)
    composed, public = used_up(policy)
    composed.world.now += policy.min_interval
    composed.sync()
    composed.world.now += policy.hold + late
    if late:
        composed.sync()  # the client is online when the promise ends, and forgets
        composed.sync()
    composed.write(0)
    composed.world.now += 10**6
    composed.sync()
    assert composed.read == ([] if late else [(ONE, public)])


def test_without_rotation_a_message_can_be_replayed_for_ever() -> None:
    """The library alone, as the clients without a machine use it."""
    library = Library()
    name, _ = library.generate_fallback_key(ONE, "key")
    assert all(library.decrypt(ONE, name[3]) for _ in range(1_000))


@pytest.mark.requirement("FK-CLIENT-11")
def test_with_the_machine_a_replay_is_refused_first_by_memory_and_then_for_good() -> None:
    policy = small(MSC2732, can_forget=True)
    composed, public = used_up(policy)
    world = composed.world
    composed.write(0)
    _, _, session = world.messages[0]
    composed.sync()
    assert composed.read == [(ONE, public)]
    held = 0
    for _ in range(6):
        assert not world.decrypt(ONE, public, session, f"hash of {session}")
        held += public in set(world.library.halves())
        world.now += policy.hold
        composed.sync()
        composed.sync()
    # The private half outlived the first refusals, and is gone now: no memory is needed any more.
    assert 0 < held < 6
    assert public not in set(world.library.halves())
    assert not world.library.decrypt(ONE, public)


def test_a_key_claimed_under_each_of_many_senders_is_one_fallback_key() -> None:
    composed, public = used_up(small(MSC2732))
    for sender in range(1, SENDERS):
        composed.claim(sender, ONE)
    assert {key for _, key in composed.claims.values()} == {public}
    for sender in range(SENDERS):
        composed.write(sender)
    composed.sync()
    assert composed.read == [(ONE, public)] * SENDERS
