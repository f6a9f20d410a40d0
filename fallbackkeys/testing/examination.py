"""A whole run: the vectors, then every check that generates its own examples, one report.

    with connect("http://localhost:8008") as adapter:
        examination = examine_server(adapter, server="http://localhost:8008")
    print(examination.outcome)

The run ends by itself when the time is over or the server is lost; the report has what was found until then.
"""

import enum
import secrets
from collections.abc import Iterator
from itertools import groupby
from time import monotonic
from typing import Protocol

import attrs

from fallbackkeys.testing.adapter import Adapter
from fallbackkeys.testing.checks import CLAIM_FORMS, KEY_FORMS, TOPICS, UPLOAD_FORMS
from fallbackkeys.testing.effort import DEFAULT_EFFORT, Effort
from fallbackkeys.testing.generated import examine
from fallbackkeys.testing.report import CUT_SHORT, CheckResult, Ended, Report, Verdict
from fallbackkeys.testing.vectors import CHECK, all_vectors, check_vectors, settle

VECTORS = 0.5
"""The share of the budget that the vectors may use up: on a slow server, what is generated finds more."""


class Outcome(enum.StrEnum):
    """What a run says of a server, worst first."""

    LOST = "lost"
    """The server stopped answering, or the run was interrupted; what is not in the report is not known."""
    UNTRIED = "untried"
    """Nothing was tried, so nothing is known."""
    BROKEN = "broken"
    DIFFERS = "differs"
    KEPT = "kept"


class Progress(Protocol):
    """Told how far a run is."""

    def begin(self, stage: str, total: int) -> None:
        """A stage of the run begins that has so many parts."""

    def advance(self) -> None:
        """One part is done."""


class _Silent:
    """Tells nobody."""

    def begin(self, stage: str, total: int) -> None:
        """See `Progress.begin`."""

    def advance(self) -> None:
        """See `Progress.advance`."""


SILENT: Progress = _Silent()


@attrs.frozen(kw_only=True)
class Examination:
    """A run and what came of it."""

    server: str
    """What was tested, for a reader."""
    seed: int
    """Of what was generated."""
    seconds: float
    """How long it took."""
    report: Report

    @property
    def outcome(self) -> Outcome:
        """The worst that was found."""
        if self.report.cut_short is not None:
            return Outcome.LOST
        if not any(result.examples for result in self.report.results):
            return Outcome.UNTRIED
        found = {finding.verdict for finding in self.report.findings}
        if Verdict.BROKEN in found:
            return Outcome.BROKEN
        return Outcome.DIFFERS if found else Outcome.KEPT


_FORMS = frozenset(topic.check for topic in (*UPLOAD_FORMS, *KEY_FORMS, *CLAIM_FORMS))

_INTERRUPTED = CheckResult(
    id="generated",
    examples=0,
    requirements=(),
    findings=(),
    ended=Ended.INTERRUPTED,
    reason="by the keyboard",
)


def examine_server(
    adapter: Adapter,
    *,
    server: str,
    effort: Effort = DEFAULT_EFFORT,
    progress: Progress = SILENT,
) -> Examination:
    """Hold a server against the vectors and against everything that is generated.

    Args:
        adapter: the server under test.
        server: what to call it in the report.
        effort: how hard to look; its budget is for all of it.
        progress: is told how far the run is.
    """
    start = monotonic()
    tag = secrets.token_hex(2)
    traces = all_vectors()
    progress.begin(CHECK, len(traces))
    vectors = check_vectors(
        adapter, traces, seconds=effort.seconds * VECTORS, tag=f"{tag}v", on_played=progress.advance
    )
    generated: list[CheckResult] = []
    if vectors.ended not in CUT_SHORT:
        left = attrs.evolve(effort, seconds=max(0.0, start + effort.seconds - monotonic()))
        results = examine(adapter, topics=TOPICS, effort=left, tag=f"{tag}g")
        try:
            for _, result in zip(_announced(progress), results, strict=False):
                generated.append(result)
                progress.advance()
        except KeyboardInterrupt:  # what was found is kept
            generated.append(_INTERRUPTED)
    report = Report(results=(settle(vectors, generated), *generated))
    return Examination(server=server, seed=effort.seed, seconds=monotonic() - start, report=report)


def _announced(progress: Progress) -> Iterator[str]:
    """The stage of each result to come; when a stage begins, that is told."""
    stages = ["malformed bodies" if topic.check in _FORMS else "generated sequences" for topic in TOPICS]
    for stage, parts in groupby([*stages, "parallel claims"]):
        results = list(parts)
        progress.begin(stage, len(results))
        yield from results
