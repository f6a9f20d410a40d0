"""Parallel claims: several threads claim keys of one device at the same moment.

What must come of it needs no order of the claims: nothing is uploaded meanwhile, so of `n` waiting keys and
`m` claims, `min(n, m)` different one-time keys are given, and the fallback key to the rest. Rounds grow, so
that the first that shows a race is small.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import attrs

from fallbackkeys.errors import JSON
from fallbackkeys.testing.adapter import AdapterError, NotSupported
from fallbackkeys.testing.judge import EVERY_FACET, Judge
from fallbackkeys.testing.keys import SIGNED, key_name
from fallbackkeys.testing.moves import claim, fallback_key, one_time_key, upload
from fallbackkeys.testing.play import ALICE, FAILED
from fallbackkeys.testing.report import CheckResult, Ended, Finding, Verdict
from fallbackkeys.testing.stage import Lodging, Stage
from fallbackkeys.traces.model import Step, Trace
from fallbackkeys.traces.patterns import Difference
from fallbackkeys.traces.replay import play
from fallbackkeys.wire import Response

PARALLEL = "parallel.claims"
"""The id of the check."""

NEEDED = "claims.given"
"""The id of the topic without whose being kept nothing can be told."""

SIZES = (2, 3, 4, 5, 5, 8, 16)
"""Threads of a round, round after round."""

ROUNDS = 8
"""Rounds of each size."""

NOTE = (
    "A race: the claims of the trace were sent at the same moment; one after the other they may be answered"
    " as they must. The history has them with their times."
)


@attrs.frozen(kw_only=True)
class Operation:
    """A request with its times, as a line of a history."""

    client: int
    step: Step
    call: int
    end: int
    response: Response

    def line(self) -> str:
        """The line, JSON."""
        described: dict[str, JSON] = {"client": self.client, "do": "upload", "body": self.step_body}
        if self.client:
            described["do"] = "claim"
        else:
            described |= {"user": ALICE.user_id, "device": ALICE.device_id}
        described |= {"call": self.call, "return": self.end, "status": self.response.status}
        return json.dumps({**described, "result": self.response.body})

    @property
    def step_body(self) -> JSON:
        """What was sent."""
        return getattr(self.step, "body", None)


@attrs.frozen(kw_only=True)
class _Fault:
    """What is wrong with a round."""

    name: str
    title: str
    requirement: str
    expected: str
    actual: str


def examine_parallel(lodging: Lodging, *, deadline: float, seed: int) -> CheckResult:
    """Claim in parallel, in rounds that grow, until something is wrong or the time is up.

    Args:
        lodging: the server's devices.
        deadline: on `time.monotonic`'s clock.
        seed: of the rounds' numbers of keys.
    """
    random = Random(seed)  # noqa: S311 (sizes of rounds, not keys)
    played = 0
    ended, reason, findings = Ended.COMPLETE, "", list[Finding]()
    with ThreadPoolExecutor(max(SIZES)) as threads:
        try:
            for size in (size for size in SIZES for _ in range(ROUNDS)):
                if time.monotonic() > deadline:
                    ended = Ended.OUT_OF_TIME
                    break
                one = _Round(
                    lodging.stage(), threads, keys=random.randint(max(1, size - 1), size), claims=size
                )
                operations = one.play()
                played += 1
                known = {finding.id for finding in findings}
                findings += [
                    _finding(fault, operations) for fault in one.faults(operations) if fault.name not in known
                ]
        except NotSupported as error:
            ended, reason = Ended.NOT_SUPPORTED, str(error)
        except AdapterError as error:
            ended, reason = Ended.SERVER_LOST, str(error)
    return CheckResult(
        id=PARALLEL,
        examples=played,
        requirements=("FK-CLAIM-02", "FK-CLAIM-03") if played else (),
        findings=tuple(findings),
        ended=ended,
        reason=reason,
    )


@attrs.frozen
class _Round:
    """One upload, and claims at the same moment."""

    stage: Stage
    threads: ThreadPoolExecutor
    keys: int = attrs.field(kw_only=True)
    claims: int = attrs.field(kw_only=True)

    def play(self) -> list[Operation]:
        """The upload, then the claims, each with its answer."""
        body: dict[str, JSON] = {
            "one_time_keys": {key_name(number): one_time_key(ALICE, number) for number in range(self.keys)},
            "fallback_keys": {key_name(self.keys): fallback_key(ALICE, self.keys)},
        }
        # A claim of another algorithm first: the claimer is logged in, and every thread begins alike.
        play(self.stage, claim((ALICE, "signed_unknown")))
        uploaded = self._do(0, upload(ALICE, body))
        together = Barrier(self.claims)

        def one(client: int) -> Operation:
            together.wait()
            return self._do(client, claim((ALICE, SIGNED)))

        return [uploaded, *self.threads.map(one, range(1, self.claims + 1))]

    def _do(self, client: int, step: Step) -> Operation:
        call = time.monotonic_ns()
        response = play(self.stage, step)
        return Operation(client=client, step=step, call=call, end=time.monotonic_ns(), response=response)

    def faults(self, operations: Sequence[Operation]) -> Iterator[_Fault]:
        """What the answers have of what cannot be."""
        failed = [one.response.status for one in operations if one.response.status >= FAILED]
        if failed:
            yield _Fault(
                name=f"{PARALLEL}.failed",
                title="Parallel claims make the server fail",
                requirement="FK-FORM-11",
                expected="200 for every claim",
                actual=f"{len(failed)} times a status of 500 or more",
            )
            return
        given = Counter(_given(one.response) for one in operations[1:])
        fallback = given.pop(key_name(self.keys), 0)
        nothing = given.pop("", 0)
        twice = sum(times - 1 for times in given.values())
        if twice:
            yield _Fault(
                name=f"{PARALLEL}.twice",
                title="Parallel claims are given the same one-time key",
                requirement="FK-CLAIM-02",
                expected="a different one-time key for each claim",
                actual=f"{twice} times one that another claim was given",
            )
        elif fallback + nothing > max(0, self.claims - self.keys):
            yield _Fault(
                name=f"{PARALLEL}.fallback-early",
                title="Parallel claims are given the fallback key, or nothing, while one-time keys wait",
                requirement="FK-CLAIM-03",
                expected=f"{min(self.keys, self.claims)} one-time keys for {self.claims} claims",
                actual=f"{len(given)} one-time keys, {fallback} fallback keys, {nothing} times nothing",
            )


def _given(response: Response) -> str:
    """The name of the key that a claim was given; empty if it was given none."""
    found: JSON = response.body.get("one_time_keys")
    for member in (ALICE.user_id, ALICE.device_id):
        found = found.get(member) if isinstance(found, dict) else None
    return next(iter(found), "") if isinstance(found, dict) else ""


def _finding(fault: _Fault, operations: Sequence[Operation]) -> Finding:
    judge = Judge(facets=EVERY_FACET)
    steps: list[Step] = []
    for one in operations:
        steps.append(attrs.evolve(one.step, expect=judge.expect(one.step)))
        judge.follow(one.step)
    return Finding(
        id=fault.name,
        title=fault.title,
        verdict=Verdict.BROKEN,
        requirements=(fault.requirement,),
        trace=Trace(
            id=fault.name,
            title=fault.title,
            why="Of two people who write to the device one cannot be read, or sessions are weakened.",
            level="spec",
            requirements=(fault.requirement,),
            steps=tuple(steps),
        ),
        step=len(steps),
        differences=(Difference("answers of all claims", fault.expected, fault.actual),),
        note=NOTE,
        history="".join(f"{one.line()}\n" for one in operations),
    )
