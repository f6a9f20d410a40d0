"""Each deliberately broken server is caught, named for what it is, and nothing else is said of it."""

import json

import pytest

from fallbackkeys.testing import CheckResult, Ended, Finding, Lodging, Verdict, examine
from fallbackkeys.traces import ReferenceServer, parse_trace, replay, write_trace
from tests.testing import broken
from tests.testing.broken import Broken
from tests.testing.servers import EFFORT

BROKEN, DIFFERS = Verdict.BROKEN, Verdict.DIFFERS
MOST_STEPS = 6

Expected = dict[str, tuple[Verdict, tuple[str, ...]]]
"""Id of a finding → verdict and requirements."""

SERVERS: dict[type[Broken], Expected] = {
    broken.ComparesTextWithCanonicalJson: {"fallback.unsorted-members": (DIFFERS, ("FK-UPLOAD-07",))},
    broken.ForgetsIssuedKeys: {"one-time.issued-again": (BROKEN, ("FK-UPLOAD-12", "FK-CLAIM-02"))},
    broken.GivesFallbackWhenItLosesARace: {"parallel.claims.fallback-early": (BROKEN, ("FK-CLAIM-03",))},
    broken.KeepsTheLastOfTwoFallbackKeys: {"fallback.two-at-once": (DIFFERS, ("FK-UPLOAD-04",))},
    broken.IgnoresANewIdOfTheFallbackKey: {"fallback.new-id": (DIFFERS, ("FK-UPLOAD-07",))},
    broken.FailsOnMalformedMaps: {
        "upload-forms.one-time-map": (BROKEN, ("FK-FORM-07", "FK-FORM-11")),
        "upload-forms.fallback-map": (BROKEN, ("FK-FORM-07", "FK-FORM-11")),
        "claim-forms.devices": (BROKEN, ("FK-CLAIM-09", "FK-FORM-11")),
        "claim-forms.algorithm": (BROKEN, ("FK-CLAIM-09", "FK-FORM-11")),
    },
    broken.AcceptsNamesWithEmptyParts: {"upload-forms.name-parts": (DIFFERS, ("FK-FORM-01",))},
    broken.KnowsNoFallbackKeys: {"fallback.given": (BROKEN, ("FK-UPLOAD-02", "FK-CLAIM-04"))},
    broken.NeverMarksUsed: {"fallback.used": (BROKEN, ("FK-SYNC-01", "FK-CLAIM-04"))},
    broken.RefusesAConflictAndOverwrites: {"one-time.conflict": (DIFFERS, ("FK-UPLOAD-17",))},
    broken.RefusesAConflictWithoutErrcode: {"one-time.conflict-errcode": (DIFFERS, ("FK-FORM-11",))},
    broken.ResetsUsedOnEveryUpload: {"fallback.same-again": (DIFFERS, ("FK-UPLOAD-07",))},
    broken.IssuesInOrderOfIds: {"claims.order": (BROKEN, ("FK-CLAIM-01",))},
    broken.KeepsOneTimeKeysOfRemovedDevices: {"devices.removal": (DIFFERS, ("FK-DEVICE-01",))},
    broken.KeepsFallbackKeysOfRemovedDevices: {"devices.removal-fallback": (DIFFERS, ("FK-DEVICE-01",))},
    broken.CountsByPrefix: {"devices.prefix": (BROKEN, ("FK-DEVICE-03", "FK-SYNC-02"))},
    broken.IssuesTwiceInARace: {"parallel.claims.twice": (BROKEN, ("FK-CLAIM-02",))},
    broken.FailsOnNonAscii: {"key-forms.non-ascii": (BROKEN, ("FK-FORM-06", "FK-FORM-11"))},
    broken.LeavesOutUnusedTypes: {"sync.fields": (BROKEN, ("FK-SYNC-01",))},
}
"""S1 to S14 of specs/divergences.md, and synapse#10618."""


def found(results: list[CheckResult]) -> list[Finding]:
    return [finding for result in results for finding in result.findings]


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.__name__)
def test_each_is_named_for_what_it_is_and_nothing_else(server: type[Broken]) -> None:
    results = list(examine(server(), effort=EFFORT))
    assert {one.id: (one.verdict, one.requirements) for one in found(results)} == SERVERS[server]
    assert {result.ended for result in results} <= {Ended.COMPLETE, Ended.NOT_TELLABLE}
    for finding in found(results):
        check_trace(finding, server)


def check_trace(finding: Finding, server: type[Broken]) -> None:
    """It is small, valid, passes against the reference, and fails again against the server."""
    assert len(finding.trace.steps) <= MOST_STEPS
    assert finding.step == len(finding.trace.steps)
    assert parse_trace(write_trace(finding.trace), "found.json") == finding.trace
    assert finding.trace.level == ("spec" if finding.verdict is BROKEN else "choice")
    assert not replay(finding.trace, server=ReferenceServer("example.org")).failing
    again = replay(finding.trace, server=Lodging(server()).fresh())
    # A race needs claims at the same moment: its note says so, and a history shows it.
    assert bool(again.failing) == (not finding.note) == (not finding.history)


def test_a_race_comes_with_its_history() -> None:
    [finding] = found(list(examine(broken.IssuesTwiceInARace(), topics=(), effort=EFFORT)))
    operations = [json.loads(line) for line in finding.history.splitlines()]
    assert [one["do"] for one in operations] == ["upload"] + ["claim"] * (len(operations) - 1)
    assert len({one["client"] for one in operations}) == len(operations) == len(finding.trace.steps)
    upload, *claims = operations
    assert all(upload["return"] <= one["call"] <= one["return"] and one["status"] == 200 for one in claims)
    given = [str(one["result"]["one_time_keys"]) for one in claims]
    assert len(set(given)) < len(given)
