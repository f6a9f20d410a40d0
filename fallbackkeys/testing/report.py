"""What the checks have found: by finding, by check, and by requirement.

Levels are kept apart: a server *breaks* what follows from the Matrix specification, and *differs* where the
specification is silent and this project chose otherwise.
"""

import enum
from collections.abc import Iterable, Iterator

import attrs

from fallbackkeys.catalogue import Requirement, requirements
from fallbackkeys.traces.model import Trace
from fallbackkeys.traces.patterns import Difference


class Verdict(enum.StrEnum):
    """What is known about one requirement, worst first."""

    BROKEN = "broken"
    """The server does what the specification forbids, or fails with a 5xx."""
    DIFFERS = "differs by choice"
    """The specification is silent, and the server does something else than the reference."""
    KEPT = "kept"
    """It was tried, and nothing was found."""
    NOT_TESTED = "not tested"


class Ended(enum.StrEnum):
    """Why a check ended."""

    COMPLETE = "complete"
    """Everything was tried that its effort allows, or a finding made."""
    OUT_OF_TIME = "out of time"
    NOT_SUPPORTED = "not supported"
    """The adapter cannot do what the check needs."""
    NOT_TELLABLE = "not tellable"
    """The server fails another check, and this one could not be told from that."""
    SERVER_LOST = "server lost"
    """The server no longer answered; later checks were not begun."""
    INTERRUPTED = "interrupted"
    """Somebody ended the run; later checks were not begun."""


CUT_SHORT = frozenset((Ended.SERVER_LOST, Ended.INTERRUPTED))
"""Ends after which no later check is begun."""


@attrs.frozen(kw_only=True)
class Finding:
    """One defect or different choice, and the smallest trace that shows it."""

    id: str
    """The check's: stable over runs and servers, for lists of known findings."""
    title: str
    """What the server does not do, in one line."""
    verdict: Verdict
    """`BROKEN` or `DIFFERS`."""
    requirements: tuple[str, ...]
    """Ids; at least one."""
    trace: Trace
    """Passes against the reference and fails against the server, unless `note` says otherwise."""
    step: int
    """The step of the trace that is answered otherwise, from 1."""
    differences: tuple[Difference, ...]
    """What was expected there, and what came."""
    note: str = ""
    """What a person must know besides, for example that the trace shows a race."""
    history: str = ""
    """Of a race: the operations with their times, as a file of JSON Lines that `check-history` reads."""


@attrs.frozen(kw_only=True)
class Untested:
    """What the adapter could not do."""

    name: str
    """Of the vector or the topic."""
    requirements: tuple[str, ...]
    """Ids of what it would have tried."""
    reason: str
    """As a sentence."""


@attrs.frozen(kw_only=True)
class CheckResult:
    """What one check has found out."""

    id: str
    """Of what was run: a topic, `vectors` or `parallel.claims`. A topic's `check` is the family it is of."""
    examples: int
    """How many sequences were played."""
    requirements: tuple[str, ...]
    """Ids of the requirements that were really tried."""
    findings: tuple[Finding, ...]
    untested: tuple[Untested, ...] = ()
    ended: Ended
    reason: str = ""
    """Of an early end, in words."""


@attrs.frozen(kw_only=True)
class Report:
    """A whole run."""

    results: tuple[CheckResult, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, in the order of the checks."""
        return tuple(finding for result in self.results for finding in result.findings)

    @property
    def cut_short(self) -> CheckResult | None:
        """The check at which the server was lost or the run interrupted; None if neither."""
        return next((result for result in self.results if result.ended in CUT_SHORT), None)

    def verdicts(self) -> Iterator[tuple[Requirement, Verdict]]:
        """Every requirement that a trace can show, with its verdict, in the order of the catalogue."""
        tried = {requirement for result in self.results for requirement in result.requirements}
        for requirement in (one for one in requirements() if one.visible):
            found = [finding.verdict for finding in self.findings if requirement.id in finding.requirements]
            yield requirement, _worst(found, tried=requirement.id in tried)


def _worst(found: Iterable[Verdict], *, tried: bool) -> Verdict:
    order = tuple(Verdict)
    return min((*found, Verdict.KEPT if tried else Verdict.NOT_TESTED), key=order.index)
