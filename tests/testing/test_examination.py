"""A whole run: its parts, its outcome, how it tells its progress and how it ends early."""

import pytest

from fallbackkeys import Device
from fallbackkeys.testing import TOPICS, examination
from fallbackkeys.testing.adapter import ReferenceAdapter, ServerLost
from fallbackkeys.testing.effort import Effort
from fallbackkeys.testing.examination import Examination, Outcome, examine_server
from fallbackkeys.testing.report import CheckResult, Ended, Report, Verdict
from tests.testing.broken import FailsOnNonAscii, KeepsTheLastOfTwoFallbackKeys
from tests.testing.runs import FEW_TOPICS, FEW_VECTORS, few, finding

QUICK = Effort(examples=3, seconds=60)


class Told:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.parts: list[list[object]] = []

    def begin(self, check: str, total: int) -> None:
        self.parts.append([check, total, 0])

    def advance(self) -> None:
        done = self.parts[-1][2]
        assert isinstance(done, int)
        self.parts[-1][2] = done + 1


def test_the_reference_keeps_what_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    told = Told()
    done = examine_server(ReferenceAdapter(), server="reference", effort=QUICK, progress=told)
    assert (done.outcome, done.server, done.seed) == (Outcome.KEPT, "reference", 0)
    assert [result.id for result in done.report.results] == [
        "vectors",
        *(topic.id for topic in FEW_TOPICS),
        "parallel.claims",
    ]
    assert told.parts == [
        ["vectors", len(FEW_VECTORS), len(FEW_VECTORS)],
        ["generated sequences", 1, 1],
        ["malformed bodies", 1, 1],
        ["parallel claims", 1, 1],
    ]
    verdicts = {requirement.id: verdict for requirement, verdict in done.report.verdicts()}
    assert verdicts["FK-UPLOAD-04"] is Verdict.KEPT
    assert verdicts["FK-FED-02"] is Verdict.NOT_TESTED


def test_the_whole_run_has_four_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "all_vectors", lambda: FEW_VECTORS)
    told = Told()
    examine_server(ReferenceAdapter(), server="s", effort=Effort(seconds=0), progress=told)
    assert [part[0] for part in told.parts] == [
        "vectors",
        "generated sequences",
        "malformed bodies",
        "parallel claims",
    ]
    assert sum(part[2] for part in told.parts[1:] if isinstance(part[2], int)) == len(TOPICS) + 1


def test_a_different_choice_is_told_from_what_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    differs = examine_server(KeepsTheLastOfTwoFallbackKeys(), server="s", effort=QUICK)
    assert differs.outcome is Outcome.DIFFERS
    assert {one.id for one in differs.report.findings} == {
        "fallback.two-at-once",
        "vectors/two-fallback-keys-of-one-algorithm",
    }
    broken = examine_server(FailsOnNonAscii(), server="s", effort=QUICK)
    assert broken.outcome is Outcome.BROKEN


def test_after_the_server_is_lost_nothing_more_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(ReferenceAdapter):
        def new_device(self, *, user: str, device: str) -> Device:
            raise ServerLost(reason=f"{user} {device} is gone")

    few(monkeypatch)
    done = examine_server(Gone(), server="s", effort=QUICK)
    assert done.outcome is Outcome.LOST
    assert [(one.id, one.ended, one.reason) for one in done.report.results] == [
        ("vectors", Ended.SERVER_LOST, done.report.results[0].reason)
    ]


def test_lost_is_worse_than_broken() -> None:
    found = CheckResult(
        id="one",
        examples=1,
        requirements=(),
        findings=(finding(verdict=Verdict.BROKEN),),
        ended=Ended.COMPLETE,
    )
    lost = CheckResult(id="two", examples=0, requirements=(), findings=(), ended=Ended.SERVER_LOST)
    report = Report(results=(found, lost))
    assert Examination(server="s", seed=0, seconds=0, report=report).outcome is Outcome.LOST


def test_what_was_found_is_kept_when_the_run_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient(Told):
        def advance(self) -> None:
            super().advance()
            if self.parts[-1][0] == "generated sequences":
                raise KeyboardInterrupt

    few(monkeypatch)
    done = examine_server(KeepsTheLastOfTwoFallbackKeys(), server="s", effort=QUICK, progress=Impatient())
    assert done.outcome is Outcome.LOST
    assert done.report.cut_short is done.report.results[-1]
    assert done.report.results[-1].ended is Ended.INTERRUPTED
    assert [one.id for one in done.report.findings] == [
        "vectors/two-fallback-keys-of-one-algorithm",
        "fallback.two-at-once",
    ]


def test_without_time_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    done = examine_server(ReferenceAdapter(), server="s", effort=Effort(seconds=0))
    assert done.outcome is Outcome.UNTRIED
