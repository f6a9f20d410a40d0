"""Short runs, and findings made by hand."""

import pytest

from fallbackkeys.errors import JSON
from fallbackkeys.testing import examination, parallel
from fallbackkeys.testing.checks import TOPICS
from fallbackkeys.testing.examination import Examination
from fallbackkeys.testing.report import CheckResult, Ended, Finding, Report, Untested, Verdict
from fallbackkeys.testing.vectors import all_vectors
from fallbackkeys.traces.model import (
    ClaimStep,
    DeleteDeviceStep,
    Expectation,
    FederationClaimStep,
    SyncStep,
    Trace,
    UploadStep,
)
from fallbackkeys.traces.patterns import Difference

FEW_VECTORS = tuple(
    trace
    for trace in all_vectors()
    if trace.id
    in {"two-fallback-keys-of-one-algorithm", "fallback-only-upload", "non-ascii-members-come-back"}
)
FEW_TOPICS = tuple(topic for topic in TOPICS if topic.id in {"fallback.two-at-once", "key-forms.non-ascii"})

HOSTILE = "<script>alert('&\"x')</script>\x1b[31m\ud800"
"""A text that a page and a terminal must not obey, and that no encoding can write."""


def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make runs short."""
    monkeypatch.setattr(examination, "all_vectors", lambda: FEW_VECTORS)
    monkeypatch.setattr(examination, "TOPICS", FEW_TOPICS)
    monkeypatch.setattr(parallel, "ROUNDS", 1)


def finding(*, verdict: Verdict, text: str = "One", history: str = "") -> Finding:
    """A finding with a step of every kind."""
    user, device, expect = f"@{text}:example.org", text, Expectation()
    key: JSON = {"key": "K" * 60, "signatures": {user: {"ed25519:X" + "x" * 90: "S" * 86}}, "list": [text, 1]}
    return Finding(
        id="one",
        title=text,
        verdict=verdict,
        requirements=("FK-UPLOAD-04", "FK-FORM-11"),
        trace=Trace(
            id="one",
            title=text,
            why=text,
            steps=(
                UploadStep(user=user, device=device, body={"one_time_keys": {text: key}}, expect=expect),
                ClaimStep(body={"one_time_keys": {}}, expect=expect),
                ClaimStep(user=user, body=None, expect=expect),
                FederationClaimStep(origin=text, body={}, expect=expect),
                DeleteDeviceStep(user=user, device=device, expect=expect),
                SyncStep(user=user, device=device, expect=expect),
            ),
        ),
        step=6,
        differences=(Difference(f"body.{text!a}", "[]", ascii(text)),),
        note=text,
        history=history,
    )


def run_with(*findings: Finding, ended: Ended = Ended.COMPLETE) -> Examination:
    """A run that found these."""
    result = CheckResult(
        id="topic",
        examples=3,
        requirements=("FK-CLAIM-01",),
        findings=findings,
        untested=(Untested(name="far", requirements=("FK-FED-02",), reason="the adapter cannot reach it"),),
        ended=ended,
        reason="" if ended is Ended.COMPLETE else "it went away",
    )
    return Examination(server="http://test", seed=7, seconds=12.3, report=Report(results=(result,)))
