"""The search of one topic on one server: generate, shrink, make a trace of it, and see it fail again.

Hypothesis does the generating and the shrinking. Around it: the smallest failing example is kept as it comes,
so that a budget may end the search at any time; then each step that is not needed is left out; and the trace
is replayed on devices never used, to be sure that it shows a fault of the server and no remains.
"""

import time
from collections.abc import Collection, Sequence

import attrs
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from fallbackkeys.catalogue import requirements
from fallbackkeys.testing.adapter import AdapterError, NotSupported
from fallbackkeys.testing.machine import judge_of, playing
from fallbackkeys.testing.play import FAILED, Deviation, Play
from fallbackkeys.testing.report import CheckResult, Ended, Finding, Untested, Verdict
from fallbackkeys.testing.stage import Lodging
from fallbackkeys.testing.topics import Topic
from fallbackkeys.traces.model import Step, Trace
from fallbackkeys.traces.replay import replay
from fallbackkeys.wire import Response

STEPS = 8
"""Steps of a generated example."""

SHRINKS = 120
"""Examples played after the first that failed."""

ANSWERED = "FK-FORM-11"
"""The requirement that a request is answered, if only refused."""

NOT_AGAIN = "Seen once; played again on new devices, the server answered as it must."


_INTERRUPTED = Ended.INTERRUPTED, "by the keyboard"


class _Stopped(BaseException):
    """Ends a search from within an example. No `Exception`, since Hypothesis would shrink that."""

    def __init__(self, error: AdapterError | None) -> None:
        super().__init__(error)
        self.error = error


@attrs.define
class Search:
    """The search of one topic."""

    lodging: Lodging
    topic: Topic
    known: Collection[str]
    """Ids of topics that the server is known to fail."""
    examples: int
    """At most so many are generated."""
    deadline: float
    """On `time.monotonic`'s clock."""
    played: int = 0
    smallest: Deviation | None = None
    _after_first: int = 0

    def run(self, number: int) -> CheckResult:
        """Search.

        Args:
            number: the seed.
        """
        ended, reason = self._generate(number)
        if ended is Ended.NOT_SUPPORTED and self.smallest is None:
            return untried(self.topic, ended, reason)
        findings: tuple[Finding, ...] = ()
        if self.smallest is not None and ended is Ended.INTERRUPTED:
            findings = (self._as_seen(self.smallest),)
        elif self.smallest is not None:
            try:
                findings = (self._finding(self._without_needless(self.smallest)),)
            except NotSupported as error:
                findings = (attrs.evolve(self._as_seen(self.smallest), note=f"Seen once; then {error}."),)
                ended, reason = Ended.COMPLETE, ""
            except AdapterError as error:
                findings = (self._as_seen(self.smallest),)
                ended, reason = Ended.SERVER_LOST, str(error)
            except KeyboardInterrupt:
                findings = (self._as_seen(self.smallest),)
                ended, reason = _INTERRUPTED
            else:
                ended, reason = Ended.COMPLETE, ""
        return CheckResult(
            id=self.topic.id,
            examples=self.played,
            requirements=self.topic.every_requirement if self.played else (),
            findings=findings,
            ended=ended,
            reason=reason,
        )

    def _generate(self, number: int) -> tuple[Ended, str]:
        machine = seed(number)(playing(self._begin, self.topic))
        effort = settings(
            max_examples=self.examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=False,
            phases=(Phase.generate, Phase.shrink),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        try:
            run_state_machine_as_test(machine, settings=effort)
        except (Deviation, Flaky):
            return Ended.COMPLETE, ""
        except _Stopped as stopped:
            return _ended(stopped.error)
        except KeyboardInterrupt:  # what was found is kept
            return _INTERRUPTED
        return Ended.COMPLETE, ""

    def _begin(self) -> Play:
        if self.smallest is not None:
            self._after_first += 1
        if self._after_first > SHRINKS or time.monotonic() > self.deadline:
            raise _Stopped(None)
        return _Watched(self)

    # --- From a failing example to a finding ---

    def _without_needless(self, found: Deviation) -> Deviation:
        """Leave out each step without which the server still fails in the same way."""
        index = len(found.steps) - 2
        while index >= 0:
            fewer = found.steps[:index] + found.steps[index + 1 :]
            again = self._fails(fewer)
            if again is not None and again.facet is found.facet:
                found = again
            index = min(index, len(found.steps) - 1) - 1
        return found

    def _fails(self, steps: Sequence[Step]) -> Deviation | None:
        play = Play(self.lodging.stage(), judge_of(self.topic, self.known))
        try:
            for step in steps:
                play.do(step)
        except Deviation as deviation:
            return deviation
        return None

    def _finding(self, found: Deviation) -> Finding:
        finding = self._as_seen(found)
        again = replay(finding.trace, server=self.lodging.fresh())
        return finding if again.failing else attrs.evolve(finding, note=NOT_AGAIN)

    def _as_seen(self, found: Deviation) -> Finding:
        failed = found.response.status >= FAILED
        broken = self.topic.broken(found.facet)
        if failed:
            broken = tuple(dict.fromkeys((*broken, ANSWERED)))
        levels = {one.id: one.level for one in requirements()}
        forbidden = any(levels[one] == "spec" for one in broken) and found.facet not in self.topic.silent
        verdict = Verdict.BROKEN if failed or forbidden else Verdict.DIFFERS
        return Finding(
            id=self.topic.id,
            title=self.topic.title,
            verdict=verdict,
            requirements=broken,
            trace=self._trace(found.steps, broken, verdict),
            step=len(found.steps),
            differences=found.differences,
        )

    def _trace(self, steps: Sequence[Step], broken: tuple[str, ...], verdict: Verdict) -> Trace:
        """The steps with what they must be answered on whichever of the permitted ways a server took."""
        judge = judge_of(self.topic, self.known)
        expected: list[Step] = []
        for step in steps:
            expected.append(attrs.evolve(step, expect=judge.expect(step)))
            judge.follow(step)
        return Trace(
            id=self.topic.id,
            title=self.topic.title,
            why=self.topic.why,
            level="spec" if verdict is Verdict.BROKEN else "choice",
            requirements=broken,
            steps=tuple(expected),
        )


class _Watched(Play):
    """A play that tells its search what happens."""

    def __init__(self, search: Search) -> None:
        super().__init__(search.lodging.stage(), judge_of(search.topic, search.known))
        self._search = search
        search.played += 1

    def do(self, step: Step) -> Response:
        try:
            return super().do(step)
        except Deviation as deviation:
            smallest = self._search.smallest
            if smallest is None or len(deviation.steps) <= len(smallest.steps):
                self._search.smallest = deviation
            raise
        except AdapterError as error:
            raise _Stopped(error) from error


def untried(topic: Topic, ended: Ended, reason: str) -> CheckResult:
    """The result of a topic of which nothing could be tried."""
    without = Untested(name=topic.id, requirements=topic.every_requirement, reason=reason)
    return CheckResult(
        id=topic.id,
        examples=0,
        requirements=(),
        findings=(),
        untested=(without,),
        ended=ended,
        reason=reason,
    )


def _ended(error: AdapterError | None) -> tuple[Ended, str]:
    match error:
        case None:
            return Ended.OUT_OF_TIME, ""
        case NotSupported():
            return Ended.NOT_SUPPORTED, str(error)
        case _:
            return Ended.SERVER_LOST, str(error)
