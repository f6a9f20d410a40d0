"""A run as one JSON document, and the traces of its findings as files."""

import json
from pathlib import Path

from fallbackkeys.errors import JSON
from fallbackkeys.testing.examination import Examination
from fallbackkeys.testing.report import CheckResult, Finding
from fallbackkeys.traces.writer import write_trace

FORMAT = 1
"""The version of the document; members may be added without a new one."""


def report_document(examination: Examination) -> dict[str, JSON]:
    """The whole report: `outcome`, `requirements`, `findings` with their traces, `checks`."""
    report = examination.report
    reasons = untested_reasons(examination)
    return {
        "format": FORMAT,
        "server": examination.server,
        "outcome": examination.outcome.value,
        "seed": examination.seed,
        "seconds": round(examination.seconds, 1),
        "requirements": [
            {
                "id": requirement.id,
                "level": requirement.level,
                "text": requirement.text,
                "verdict": verdict.value,
                "findings": [one.id for one in report.findings if requirement.id in one.requirements],
                "untested": list(reasons.get(requirement.id, ())),
            }
            for requirement, verdict in report.verdicts()
        ],
        "findings": [_finding(one) for one in report.findings],
        "checks": [_check(one) for one in report.results],
    }


def untested_reasons(examination: Examination) -> dict[str, tuple[str, ...]]:
    """By requirement, what the adapter could not do that a vector or a check would have needed."""
    reasons: dict[str, dict[str, None]] = {}
    for result in examination.report.results:
        for one in result.untested:
            for requirement in one.requirements:
                reasons.setdefault(requirement, {})[one.reason] = None
    return {requirement: tuple(texts) for requirement, texts in reasons.items()}


def save_traces(examination: Examination, folder: Path) -> None:
    """Write the trace of each finding, one file each, and the history of a race beside it.

    Args:
        examination: the run.
        folder: is made if it is not there.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for finding in examination.report.findings:
        (folder / f"{finding.trace.id}.json").write_bytes(write_trace(finding.trace))
        if finding.history:
            (folder / f"{finding.trace.id}.history.jsonl").write_text(finding.history, encoding="ascii")


def _finding(finding: Finding) -> JSON:
    return {
        "id": finding.id,
        "title": finding.title,
        "verdict": finding.verdict.value,
        "requirements": list(finding.requirements),
        "step": finding.step,
        "differences": [
            {"path": one.path, "expected": one.expected, "answered": one.actual}
            for one in finding.differences
        ],
        "note": finding.note,
        "history": finding.history,
        "trace": json.loads(write_trace(finding.trace)),
    }


def _check(result: CheckResult) -> JSON:
    return {
        "id": result.id,
        "examples": result.examples,
        "ended": result.ended.value,
        "reason": result.reason,
        "untested": [{"name": one.name, "reason": one.reason} for one in result.untested],
    }
