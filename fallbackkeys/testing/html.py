"""A run as one HTML page that needs nothing else: no script, no font, no picture, no network."""

import json
from collections import Counter
from importlib import resources
from importlib.metadata import version

import attrs
import jinja2

from fallbackkeys.catalogue import Requirement
from fallbackkeys.errors import JSON
from fallbackkeys.testing.documents import untested_reasons
from fallbackkeys.testing.examination import Examination, Outcome
from fallbackkeys.testing.report import Finding, Verdict
from fallbackkeys.testing.vectors import CHECK as VECTORS
from fallbackkeys.traces.model import ClaimStep, FederationClaimStep, Step, SyncStep, UploadStep

_TEMPLATE = "report.html.jinja"
_LONGEST = 20
"""Characters of a public key or signature that are shown in full."""

HEADLINES = {
    Outcome.KEPT: "Keeps every requirement that was tried",
    Outcome.DIFFERS: "Breaks nothing; chooses differently where the specification is silent",
    Outcome.BROKEN: "Breaks the specification",
    Outcome.LOST: "Ended before its time: this report is a part",
    Outcome.UNTRIED: "Nothing was tried, and nothing is known",
}
"""What an outcome means, in words."""


@attrs.frozen
class _Row:
    requirement: Requirement
    verdict: Verdict
    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]


def report_page(examination: Examination) -> bytes:
    """The page, in ASCII: whatever a server sent is written as text."""
    report = examination.report
    reasons = untested_reasons(examination)
    rows = [
        _Row(
            requirement,
            verdict,
            tuple(one for one in report.findings if requirement.id in one.requirements),
            reasons.get(requirement.id, ()),
        )
        for requirement, verdict in report.verdicts()
    ]
    counted = Counter(row.verdict for row in rows)
    page = _template().render(
        examination=examination,
        headline=HEADLINES[examination.outcome],
        version=version("fallbackkeys"),
        rows=rows,
        counts=[(verdict, counted[verdict]) for verdict in Verdict],
        groups=_groups(rows),
        total=len(report.findings),
    )
    return page.encode("ascii", "xmlcharrefreplace")


def _groups(rows: list[_Row]) -> list[tuple[_Row, list[Finding]]]:
    """The requirements with the findings that name them first: the worst come first, then generated ones."""
    found = [
        (row, [one for one in row.findings if one.requirements[0] == row.requirement.id]) for row in rows
    ]
    groups = [(row, sorted(ones, key=rank)) for row, ones in found if ones]
    return sorted(groups, key=lambda group: rank(group[1][0]))


def rank(finding: Finding) -> tuple[int, bool]:
    """By which findings are shown: the worst first, and what a topic found before what a vector shows."""
    return tuple(Verdict).index(finding.verdict), finding.id.startswith(f"{VECTORS}/")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(request=_request, body=_body, css=_css)
    text = (resources.files("fallbackkeys.testing") / _TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text)


def _css(verdict: Verdict) -> str:
    return verdict.name.lower().replace("_", "-")


def _request(step: Step) -> str:
    """What a step does, as a request."""
    match step:
        case UploadStep():
            return f"POST /keys/upload as {step.user} {step.device}"
        case ClaimStep():
            return "POST /keys/claim" if step.user is None else f"POST /keys/claim as {step.user}"
        case FederationClaimStep():
            return f"POST /user/keys/claim as {step.origin}"
        case SyncStep():
            return f"GET /sync as {step.user} {step.device}"
        case _:
            return f"removal of {step.user} {step.device}"


def _body(step: Step) -> str:
    """The body of a step, with keys and signatures cut; nothing if it has none."""
    if isinstance(step, UploadStep | ClaimStep | FederationClaimStep):
        return json.dumps(_cut(step.body, _LONGEST), indent=2, ensure_ascii=True)
    return ""


def _cut(value: JSON, longest: int) -> JSON:
    match value:
        case str() if len(value) > 2 * longest:
            return f"{value[:longest]}..."
        case dict():
            return {_cut_name(name): _cut(one, longest) for name, one in value.items()}
        case list():
            return [_cut(one, longest) for one in value]
        case _:
            return value


def _cut_name(name: str) -> str:
    return name if len(name) <= 4 * _LONGEST else f"{name[: 4 * _LONGEST]}..."
