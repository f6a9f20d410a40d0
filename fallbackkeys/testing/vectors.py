"""The vectors of `specs/vectors`, played on a server under test.

Of a vector that fails, the finding's trace is what is left of it: nothing after the first failing step, and
of the steps before only those without which that step would be answered as expected. A vector cites several
requirements, and nobody can say from outside which of them a wrong answer breaks. So `settle` looks at what
the generated checks have found, each of which is about one thing: if that explains the vector, it is named,
and else the first requirement that the vector cites, which it was written for. The others count as not tried.
"""

from collections.abc import Callable, Container, Iterable
from time import monotonic

import attrs

from fallbackkeys.testing.adapter import Adapter, AdapterError, NotSupported
from fallbackkeys.testing.report import CheckResult, Ended, Finding, Untested, Verdict
from fallbackkeys.testing.stage import Lodging
from fallbackkeys.traces import read_traces, replay, vectors
from fallbackkeys.traces.model import FederationClaimStep, Trace
from fallbackkeys.traces.replay import Replayed, ReplayedStep
from fallbackkeys.wire.encode import COUNTS, UNUSED

CHECK = "vectors"

NOTHING = "nothing"
"""What a difference has where a member is missing."""

FAILURE = 500
"""The lowest status by which a server says that the fault is its own."""

ANSWERED, ATOMIC, ONCE = "FK-FORM-11", "FK-UPLOAD-17", "FK-CLAIM-02"
"""What a server's failure, a refusal that changes something, and a key given twice break by themselves."""

_PLACES = (
    (f"body.{UNUSED}", "FK-SYNC-01"),
    (f"body.{COUNTS}", "FK-SYNC-02"),
)
"""What a wrong answer at a place shows again, if it was found broken already."""

ORDER, REACHED = "FK-CLAIM-01", "FK-FED-01"
"""The order of claims, and that a server which cannot be reached is named."""

_FEDERATION = "FK-FED-"
"""Requirements that nothing but federation shows."""


def all_vectors() -> tuple[Trace, ...]:
    """The vectors that come with the package."""
    return tuple(file.trace for file in read_traces(vectors()) if isinstance(file.trace, Trace))


def check_vectors(
    adapter: Adapter,
    traces: Iterable[Trace],
    *,
    seconds: float,
    tag: str = "",
    on_played: Callable[[], None] = lambda: None,
) -> CheckResult:
    """Play traces, each on fresh devices.

    Args:
        adapter: the server under test.
        traces: which ones; the reference answers each as expected.
        seconds: after which no further one is begun.
        tag: of the run, see `Lodging`.
        on_played: called after each.
    """
    deadline = monotonic() + seconds
    run = _Run(Lodging(adapter, tag))
    ended, reason = Ended.COMPLETE, ""
    for trace in traces:
        if monotonic() > deadline:
            ended, reason = Ended.OUT_OF_TIME, f"before {trace.id}"
            break
        try:
            run.play(trace)
        except AdapterError as error:
            ended, reason = Ended.SERVER_LOST, str(error)
            break
        except KeyboardInterrupt:  # what was found is kept
            ended, reason = Ended.INTERRUPTED, "by the keyboard"
            break
        on_played()
    return CheckResult(
        id=CHECK,
        examples=run.examples,
        requirements=tuple(sorted(run.tried)),
        findings=tuple(run.findings),
        untested=tuple(run.untested),
        ended=ended,
        reason=reason,
    )


@attrs.define
class _Run:
    lodging: Lodging
    examples: int = 0
    tried: set[str] = attrs.field(factory=set)
    findings: list[Finding] = attrs.field(factory=list)
    untested: list[Untested] = attrs.field(factory=list)

    def play(self, trace: Trace) -> None:
        """Play one trace and enter what came of it."""
        possible = _without_idle_federation(trace)
        try:
            replayed = self._replay(possible)
        except NotSupported as error:
            self.untested.append(Untested(name=trace.id, requirements=trace.requirements, reason=str(error)))
            return
        self.examples += 1
        if replayed.failing:
            self._enter(possible, replayed.failing[0])
            return
        dropped = len(possible.steps) < len(trace.steps)
        self.tried.update(one for one in trace.requirements if not (dropped and one.startswith(_FEDERATION)))

    def _replay(self, trace: Trace) -> Replayed:
        return replay(trace, server=self.lodging.fresh(trace.server_name))

    def _enter(self, trace: Trace, failed: ReplayedStep) -> None:
        """Enter a finding, as small as it can be made before the adapter gives up."""
        whole = attrs.evolve(trace, steps=trace.steps[: failed.number])
        try:
            self.findings.append(_finding(trace, *self._shrink(whole, failed)))
        except AdapterError as error:
            self.findings.append(_finding(trace, whole, failed))
            if not isinstance(error, NotSupported):
                raise

    def _shrink(self, shown: Trace, failed: ReplayedStep) -> tuple[Trace, ReplayedStep]:
        """Leave out every step without which the last one still fails at the same place."""
        for index in reversed(range(failed.number - 1)):
            shorter = attrs.evolve(shown, steps=shown.steps[:index] + shown.steps[index + 1 :])
            if replay(shorter).failing:
                continue  # the reference needs the step
            last = self._replay(shorter).steps[-1]
            if [one.path for one in last.differences[:1]] == [one.path for one in failed.differences[:1]]:
                shown, failed = shorter, last
        return shown, failed


def _finding(trace: Trace, shown: Trace, failed: ReplayedStep) -> Finding:
    broken = failed.response.status >= FAILURE or trace.level == "spec"
    return Finding(
        id=f"{CHECK}/{trace.id}",
        title=f"Not so: {trace.title}",
        verdict=Verdict.BROKEN if broken else Verdict.DIFFERS,
        requirements=trace.requirements,
        trace=attrs.evolve(shown, id=f"{CHECK}-{trace.id}"),
        step=failed.number,
        differences=failed.differences,
    )


def _without_idle_federation(trace: Trace) -> Trace:
    """The trace without claims of other servers that change nothing: few adapters can make them."""
    played = replay(trace).steps
    stores = [None, *(step.store for step in played)]
    steps = [
        step.step
        for before, step in zip(stores, played, strict=False)
        if not (isinstance(step.step, FederationClaimStep) and step.store == before)
    ]
    return attrs.evolve(trace, steps=tuple(steps))


def settle(vectors: CheckResult, generated: Iterable[CheckResult]) -> CheckResult:
    """Say which requirement each vector that failed shows broken.

    Args:
        vectors: from `check_vectors`.
        generated: the results of the other checks on the same server.
    """
    known = {one for result in generated for finding in result.findings for one in finding.requirements}
    findings = tuple(
        attrs.evolve(finding, requirements=_blamed(finding, known)) for finding in vectors.findings
    )
    return attrs.evolve(vectors, findings=findings)


def _blamed(finding: Finding, known: Container[str]) -> tuple[str, ...]:
    first = finding.differences[0]
    explained = tuple(one for one in finding.requirements if one in known and one != ANSWERED)
    if first.path == "status" and first.actual >= str(FAILURE):
        return tuple(dict.fromkeys((*explained, ANSWERED)))
    if first.path.startswith("next sync"):
        return (ATOMIC,)
    if first.actual.endswith("again"):
        return (ONCE,)
    if first.path.startswith("body.failures"):
        return (REACHED,)
    return explained or _known_by_place(finding, known) or finding.requirements[:1]


def _known_by_place(finding: Finding, known: Container[str]) -> tuple[str, ...]:
    """What a vector about something else stumbles over."""
    first, *others = finding.differences
    for place, requirement in _PLACES:
        if first.path.startswith(place) and requirement in known:
            return (requirement,)
    device = first.path.rpartition("[")[0]
    swapped = first.actual == NOTHING and any(
        one.expected == NOTHING and one.path.rpartition("[")[0] == device for one in others
    )
    return (ORDER,) if swapped and ORDER in known else ()
