"""The search: what ends it, what is kept then, and that the same seed finds the same."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import pytest

from fallbackkeys.errors import JSON
from fallbackkeys.testing import (
    TOPICS,
    CheckResult,
    Effort,
    EffortError,
    Ended,
    NotSupported,
    ReferenceAdapter,
    ServerLost,
    Topic,
    Verdict,
    examine,
)
from fallbackkeys.testing.search import NOT_AGAIN
from fallbackkeys.traces import write_trace
from fallbackkeys.wire import Response
from tests.testing.broken import Broken, ForgetsIssuedKeys, IssuesInOrderOfIds
from tests.testing.servers import EFFORT, Limited, Mortal


def topics(*ids: str) -> list[Topic]:
    return [topic for topic in TOPICS if topic.id in ids]


def one(results: list[CheckResult], check: str) -> CheckResult:
    [result] = [result for result in results if result.id == check]
    return result


def test_the_same_seed_finds_the_same() -> None:
    chosen = topics("one-time.issued-again", "claims.order")
    runs = [list(examine(ForgetsIssuedKeys(), topics=chosen, effort=EFFORT)) for _ in range(2)]
    written = [[write_trace(finding.trace) for one in run for finding in one.findings] for run in runs]
    assert written[0] == written[1] != []
    assert [one.examples for one in runs[0]] == [one.examples for one in runs[1]]


def test_a_lost_server_ends_the_run_and_what_was_found_is_kept() -> None:
    class MortalAndWrong(IssuesInOrderOfIds):
        def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
            if "fallback_keys" in str(body):
                raise ServerLost(reason="connection refused")
            return super().upload(user=user, device=device, body=body, dialects=dialects)

    results = list(examine(MortalAndWrong(), effort=EFFORT))
    assert results[-1].id == "fallback.given"
    assert (results[-1].ended, results[-1].reason) == (Ended.SERVER_LOST, "connection refused")
    assert [finding.id for result in results for finding in result.findings] == ["claims.order"]


def test_a_server_that_is_lost_after_a_finding_is_still_reported() -> None:
    class WrongAndMortal(IssuesInOrderOfIds):
        left = 40

        def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
            self.left -= 1
            if self.left < 0:
                raise ServerLost(reason="gone")
            return super().upload(user=user, device=device, body=body, dialects=dialects)

    results = list(examine(WrongAndMortal(), topics=topics("claims.order"), effort=EFFORT))
    assert [(one.ended, one.reason) for one in results] == [(Ended.SERVER_LOST, "gone")]
    assert [finding.id for finding in results[0].findings] == ["claims.order"]


def test_a_lost_server_ends_parallel_claims_too() -> None:
    [result] = examine(Mortal(5), topics=(), effort=EFFORT)
    assert (result.ended, result.examples) == (Ended.SERVER_LOST, 5)


def test_what_the_adapter_cannot_do_is_not_tested_and_the_rest_goes_on() -> None:
    results = list(examine(Limited(), effort=EFFORT))
    assert one(results, "federation.given").ended is Ended.NOT_SUPPORTED
    assert one(results, "federation.given").reason == "the adapter cannot claim as other.example, dict"
    removal = one(results, "devices.removal")
    assert removal.ended is Ended.NOT_SUPPORTED
    assert (removal.examples, removal.requirements, removal.findings) == (0, (), ())
    assert [without.requirements for without in removal.untested] == [("FK-DEVICE-01",)]
    assert one(results, "parallel.claims").ended is Ended.COMPLETE


def test_an_adapter_that_can_do_nothing_is_not_tested() -> None:
    class CannotClaim(Limited):
        def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
            return self.delete_device(user=str(user), device=str((body, remote)))

    assert {one.ended for one in examine(CannotClaim(), topics=(), effort=EFFORT)} == {Ended.NOT_SUPPORTED}


def test_without_time_nothing_is_tried() -> None:
    results = list(examine(ReferenceAdapter(), topics=TOPICS[:3], effort=Effort(seconds=0)))
    assert [(one.ended, one.examples, one.requirements) for one in results] == [
        (Ended.OUT_OF_TIME, 0, ())
    ] * 4


def test_what_needs_a_failed_topic_is_not_tellable() -> None:
    class GivesNothing(Broken):
        def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
            response = super().claim(user=user, body=body, remote=remote)
            return Response(status=200, body={"one_time_keys": {}}) if response.status == 200 else response

    chosen = topics("claims.given", "claims.order", "one-time.issued-again", "devices.removal-forgets")
    results = list(examine(GivesNothing(), topics=chosen, effort=EFFORT))
    assert [(one.id, one.ended.name) for one in results] == [
        ("claims.given", "COMPLETE"),
        ("claims.order", "NOT_TELLABLE"),
        ("one-time.issued-again", "NOT_TELLABLE"),
        ("devices.removal-forgets", "NOT_TELLABLE"),
    ]
    assert results[3].reason == "the server fails one-time.issued-again"
    assert [finding.verdict for finding in results[0].findings] == [Verdict.BROKEN]


def test_a_server_that_fails_by_chance_is_reported_with_a_note() -> None:
    class FailsOnce(Broken):
        """Every 40th upload of a run fails; the traces' own devices are never hit again."""

        def __init__(self) -> None:
            super().__init__()
            self.uploads = itertools.count(1)

        def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
            if next(self.uploads) == 20:
                return Response(status=503, body={})
            return super().upload(user=user, device=device, body=body, dialects=dialects)

    [result, _] = examine(FailsOnce(), topics=topics("sync.counts"), effort=EFFORT)
    [finding] = result.findings
    assert (finding.verdict, finding.note) == (Verdict.BROKEN, NOT_AGAIN)


def test_a_finding_that_the_adapter_cannot_confirm_is_kept_and_the_rest_goes_on() -> None:
    class WrongAndFull(IssuesInOrderOfIds):
        left = 40

        def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
            self.left -= 1
            if self.left < 0:
                raise NotSupported(what="take more algorithms")
            return super().upload(user=user, device=device, body=body, dialects=dialects)

    result = next(examine(WrongAndFull(), topics=topics("claims.order"), effort=EFFORT))
    assert result.ended is Ended.COMPLETE
    assert [finding.note for finding in result.findings] == [
        "Seen once; then the adapter cannot take more algorithms."
    ]


@pytest.mark.parametrize(
    "wrong", [{"examples": 0}, {"seconds": -1.0}, {"seconds": math.nan}, {"seconds": math.inf}]
)
def test_an_effort_that_tries_nothing_or_has_no_end(wrong: dict[str, Any]) -> None:
    with pytest.raises(EffortError, match="must be"):
        Effort(**wrong)


class Impatient(ForgetsIssuedKeys):
    """Somebody ends the run after so many claims."""

    def __init__(self, claims: int) -> None:
        super().__init__()
        self.left = claims

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().claim(user=user, body=body, remote=remote)


def test_what_is_being_shrunk_is_kept_when_somebody_ends_the_run() -> None:
    chosen = topics("one-time.issued-again", "one-time.conflict")
    patient = Impatient(10_000)
    next(examine(patient, topics=chosen, effort=EFFORT))
    claims = 10_000 - patient.left
    for enough in (claims // 2, claims - 1):  # while shrinking, and while the trace is seen to fail again
        [result] = examine(Impatient(enough), topics=chosen, effort=EFFORT)
        assert (result.ended, result.reason) == (Ended.INTERRUPTED, "by the keyboard")
        assert [found.id for found in result.findings] == ["one-time.issued-again"]
    [result] = examine(Impatient(1), topics=chosen, effort=EFFORT)
    assert (result.ended, result.findings) == (Ended.INTERRUPTED, ())
