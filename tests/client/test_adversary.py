"""Every invariant in a world that does its worst, and what must come about when it is fair again."""

import math
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fallbackkeys.client import (
    Conflict,
    Missing,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Tick,
    UploadFailed,
    UploadOk,
)
from tests.client import fair
from tests.client.policies import ALL, ONE, OTHER
from tests.client.world import OpenSync, World

ALGORITHMS = st.sampled_from([ONE, OTHER])
JUMPS = [1, 2, 5, 10, 31, 60, 61, 600, 10_081, 50_000, -1, -5, -61, -10_081, -1_000_000]
LIES = st.sampled_from([{}, {ONE: 0}, {ONE: 3, OTHER: 3}, {OTHER: 1}, {ONE: 100}, None])
LISTS = st.sampled_from([None, [], [ONE], [OTHER], [ONE, OTHER], ["unheard_of"]])


class Adversary(RuleBasedStateMachine):
    """Loses, delays, repeats, reorders, lies, sets the clock, and pulls the plug."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.syncs: list[OpenSync] = []
        self.old_answers: list[UploadOk | UploadFailed] = []
        self.sessions: list[tuple[str, str, str]] = []

    @initialize(policy=st.sampled_from(sorted(ALL)))
    def begin(self, policy: str) -> None:
        self.world = World(ALL[policy])

    def idle(self) -> bool:
        return not self.world.outputs

    # --- The process ---

    @precondition(lambda self: self.world.outputs)
    @rule()
    def carry_out_one(self) -> None:
        self.world.carry_out()

    @rule()
    def carry_out_all(self) -> None:
        self.world.settle()

    @rule()
    def crash(self) -> None:
        # What was on the wire may have reached the server just before.
        self.world.crash()
        self.syncs.clear()
        self.old_answers.clear()

    @precondition(lambda self: self.world.attempt is not None)
    @rule()
    def reach_the_server_and_crash(self) -> None:
        self.world.serve()
        self.crash()

    # --- The clock ---

    @rule(jump=st.sampled_from(JUMPS))
    def set_the_clock(self, jump: int) -> None:
        self.world.now += jump

    @precondition(idle)
    @rule()
    def tick(self) -> None:
        if self.world.wake_at is not None and self.world.wake_at > self.world.now:
            self.world.now = self.world.wake_at
        self.world.give(Tick())

    # --- Uploads ---

    @precondition(lambda self: self.world.attempt is not None)
    @rule(counts=st.booleans())
    def reach_the_server(self, counts: bool) -> None:  # noqa: FBT001 - drawn
        self.world.serve(counts=counts)

    @precondition(lambda self: self.world.attempt is not None)
    @rule()
    def lose_the_request(self) -> None:
        self.world.lose()

    @precondition(lambda self: self.world.attempt is not None)
    @rule(after=st.sampled_from([0, 7, 500, 10**12, -1, None, "soon", math.nan, True]))
    def refuse(self, after: Any) -> None:
        assert self.world.attempt is not None
        failure = Rejected() if after is None else RateLimited(after=after)
        self.world.answers.append(UploadFailed(request=self.world.attempt.request, failure=failure))
        self.world.attempt = None

    @precondition(lambda self: self.world.attempt is not None)
    @rule(data=st.data())
    def invent_a_conflict(self, data: st.DataObject) -> None:
        assert self.world.attempt is not None
        ids = [
            (algorithm, key_id)
            for algorithm, keys in self.world.attempt.keys.one_time_keys.items()
            for key_id in sorted(keys)
        ]
        algorithm, key_id = data.draw(st.sampled_from([*ids, (ONE, "never generated"), ("unheard_of", "a")]))
        failure = Conflict(algorithm=algorithm, key_id=key_id)
        if (algorithm, key_id) in ids:
            # A server that says so has stored nothing of the upload.
            self.world.answers.append(UploadFailed(request=self.world.attempt.request, failure=failure))
            self.world.attempt = None
        elif self.idle():
            stepped_from = self.world.state
            self.world.give(UploadFailed(request=self.world.attempt.request, failure=failure))
            assert self.world.state is stepped_from

    @precondition(lambda self: self.world.answers and self.idle())
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Any of the answers on the wire, not always the first."""
        place = data.draw(st.integers(0, len(self.world.answers) - 1))
        answer = self.world.answers.pop(place)
        self.old_answers.append(answer)
        self.world.answer(answer)

    @precondition(lambda self: self.old_answers and self.idle())
    @rule(data=st.data())
    def answer_again(self, data: st.DataObject) -> None:
        self.world.answer(data.draw(st.sampled_from(self.old_answers)))

    @precondition(lambda self: self.world.answers)
    @rule()
    def lose_an_answer(self) -> None:
        self.world.answers.pop(0)

    @precondition(lambda self: self.world.answers and self.idle())
    @rule()
    def time_out(self) -> None:
        lost = self.world.answers.pop()
        self.world.answer(UploadFailed(request=lost.request, failure=OutcomeUnknown()))

    # --- Syncs ---

    @rule()
    def send_a_sync(self) -> None:
        self.syncs = [*self.syncs[-2:], self.world.send_sync()]

    @precondition(idle)
    @rule()
    def sync_fairly(self) -> None:
        self.world.fair_sync()

    @precondition(lambda self: self.syncs and self.idle())
    @rule(data=st.data(), honest=st.booleans(), supported=st.booleans(), missing=st.sampled_from(Missing))
    def answer_a_sync(self, data: st.DataObject, honest: bool, supported: bool, missing: Missing) -> None:  # noqa: FBT001
        """Late, repeated, out of order, from a server that lies or knows no fallback keys."""
        sync = data.draw(st.sampled_from(self.syncs))
        counts = self.world.server.counts() if honest else data.draw(LIES)
        unused = self.world.server.unused() if honest else data.draw(LISTS)
        caught_up = not self.world.messages
        self.world.answer_sync(
            sync,
            counts=counts,
            unused=unused if supported else None,
            missing=missing,
            caught_up=caught_up,
        )

    @precondition(idle)
    @rule(stop=st.sampled_from(["rotated", "the upload is on the wire", "the answer is on the wire"]))
    def let_it_rotate(self, stop: str) -> None:
        """A stretch of fair life, so that there are previous keys to be careful with."""
        fair.drain(self.world)
        self.world.now += self.world.policy.hold + self.world.policy.min_interval
        for _ in range(2):
            self.syncs = [*self.syncs[-2:], self.world.send_sync()]
            self.world.fair_sync()
            self.world.settle()
        if self.world.attempt is not None and stop != "the upload is on the wire":
            self.world.serve()
            if stop == "rotated":
                self.world.answer(self.world.answers.pop())

    @precondition(idle)
    @rule(late=st.booleans())
    def wait_for_the_end_of_a_hold(self, late: bool) -> None:  # noqa: FBT001 - drawn
        """A sync that is sent just before it or just after it."""
        if self.world.wake_at is not None:
            if not late:
                self.syncs = [*self.syncs[-2:], self.world.send_sync()]
            self.world.now = max(self.world.now, self.world.wake_at)
            self.world.give(Tick())
            if late:
                self.syncs = [*self.syncs[-2:], self.world.send_sync()]

    # --- Senders ---

    @rule(algorithm=ALGORITHMS)
    def write(self, algorithm: str) -> None:
        self.world.write(algorithm, f"session {self.world.observer.seq} {len(self.world.messages)}")

    @rule(algorithm=ALGORITHMS)
    def write_late(self, algorithm: str) -> None:
        self.world.write_late(algorithm, f"late session {self.world.observer.seq} {len(self.world.messages)}")

    @rule()
    def empty_the_pools(self) -> None:
        fair.drain(self.world)

    @precondition(idle)
    @rule()
    def receive(self) -> None:
        if self.world.messages:
            algorithm, public, session = self.world.messages.pop(0)
            if self.world.decrypt(algorithm, public, session, f"hash of {session}"):
                self.sessions.append((algorithm, public, session))

    @precondition(lambda self: self.sessions and self.idle())
    @rule(data=st.data(), same=st.booleans())
    def replay_a_message(self, data: st.DataObject, same: bool) -> None:  # noqa: FBT001 - drawn
        algorithm, public, session = data.draw(st.sampled_from(self.sessions))
        known = any(e.what == "message" and e.algorithm == session for e in self.world.observer.known)
        message = f"hash of {session}" if same else f"another of {session}"
        accepted = self.world.decrypt(algorithm, public, session, message)
        assert not (accepted and known), "FK-CLIENT-11"

    # --- The end ---

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.replay()
        fair.drain(self.world)
        sent = len(self.world.bodies)
        fair.run(self.world)
        # One upload for each pool and slot at most, and what was left from before, and after a conflict.
        assert len(self.world.bodies) - sent <= 2 * len(self.world.policy.algorithms) + 2, "uploads"
        self.world.replay()


@pytest.mark.requirement(
    "FK-CLIENT-01", "FK-CLIENT-02", "FK-CLIENT-03", "FK-CLIENT-04", "FK-CLIENT-05", "FK-CLIENT-06",
    "FK-CLIENT-07", "FK-CLIENT-08", "FK-CLIENT-09", "FK-CLIENT-10", "FK-CLIENT-11", "FK-CLIENT-12",
    "FK-CLIENT-14",
)  # fmt: skip
def test_the_adversary_breaks_nothing() -> None:
    examples = settings().max_examples
    run_state_machine_as_test(
        Adversary,
        settings=settings(max_examples=examples, stateful_step_count=50, report_multiple_bugs=False),
    )
