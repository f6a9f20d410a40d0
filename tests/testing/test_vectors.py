"""The vectors on servers under test: what is shown, what is named, what is left out."""

from collections.abc import Mapping

import attrs
import pytest

from fallbackkeys import Device
from fallbackkeys.errors import JSON
from fallbackkeys.testing.adapter import NotSupported, ReferenceAdapter, ServerLost
from fallbackkeys.testing.report import CheckResult, Ended, Finding, Verdict
from fallbackkeys.testing.vectors import all_vectors, check_vectors, settle
from fallbackkeys.traces import replay
from fallbackkeys.traces.model import Trace
from fallbackkeys.traces.patterns import Difference
from fallbackkeys.wire import Response
from tests.testing.broken import (
    ForgetsIssuedKeys,
    KeepsFallbackKeysOfRemovedDevices,
    KeepsTheLastOfTwoFallbackKeys,
)

VECTORS = {trace.id: trace for trace in all_vectors()}


class WithoutFederation(ReferenceAdapter):
    """A server that is asked over the client-server API alone."""

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        del origin, body
        raise NotSupported(what="claim as another server does")


class FailsAtClaims(ReferenceAdapter):
    """Answers every claim with 500."""

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        del user, body, remote
        return Response(status=500, body={})


class Leaves(ReferenceAdapter):
    """Gone after so many devices."""

    def __init__(self, devices: int) -> None:
        super().__init__()
        self.left = devices

    def new_device(self, *, user: str, device: str) -> Device:
        if self.left == 0:
            raise ServerLost(reason="it is gone")
        self.left -= 1
        return super().new_device(user=user, device=device)


def check(adapter: ReferenceAdapter, *names: str, seconds: float = 60) -> CheckResult:
    return check_vectors(adapter, [VECTORS[name] for name in names], seconds=seconds)


def test_the_reference_keeps_every_vector_that_one_adapter_can_play() -> None:
    result = check_vectors(ReferenceAdapter(), VECTORS.values(), seconds=600)
    assert result.findings == ()
    assert result.ended is Ended.COMPLETE
    assert result.examples + len(result.untested) == len(VECTORS)
    assert result.examples > 180


def test_a_failing_vector_is_cut_down_to_what_shows_it() -> None:
    name = "two-fallback-keys-of-one-algorithm"
    result = check(KeepsTheLastOfTwoFallbackKeys(), name, "fallback-only-upload")
    (finding,) = result.findings
    assert finding.id == f"vectors/{name}"
    assert finding.verdict is Verdict.DIFFERS
    assert finding.step == len(finding.trace.steps) == 1 < len(VECTORS[name].steps)
    assert [one.path for one in finding.differences] == ["status"]
    assert not replay(finding.trace).failing
    # What else the failing vector cites is not tried by it.
    assert set(result.requirements) == set(VECTORS["fallback-only-upload"].requirements)


@pytest.mark.parametrize(
    ("adapter", "name", "steps"),
    [
        # Neither what the reference needs for the last answer nor what the server needs to fail is left out.
        (ForgetsIssuedKeys, "issued-key-uploaded-again", ["upload", "claim", "upload"]),
        (KeepsFallbackKeysOfRemovedDevices, "removed-device-looks-new", ["upload", "removal", "sync"]),
    ],
)
def test_the_steps_that_are_needed_stay(adapter: type[ReferenceAdapter], name: str, steps: list[str]) -> None:
    (found,) = check(adapter(), name).findings
    assert [str(step).partition(" ")[0] for step in found.trace.steps] == steps
    assert not replay(found.trace).failing


def test_a_failure_of_the_server_is_broken_whatever_the_level() -> None:
    result = check(FailsAtClaims(), "claim-leaves-out-what-is-empty")
    assert [one.verdict for one in result.findings] == [Verdict.BROKEN]
    assert VECTORS["claim-leaves-out-what-is-empty"].level == "choice"


def test_idle_claims_of_other_servers_are_left_out_and_federation_then_counts_as_not_tried() -> None:
    idle, needed = "claim-map-that-is-no-object", "federation-claim-takes-the-oldest-key"
    result = check(WithoutFederation(), idle, needed)
    assert result.examples == 1
    assert [(one.name, one.reason) for one in result.untested] == [
        (needed, "the adapter cannot claim as another server does")
    ]
    assert set(result.requirements) == {
        one for one in VECTORS[idle].requirements if not one.startswith("FK-FED-")
    }


def test_a_server_that_is_lost_ends_the_check_and_what_was_found_is_kept() -> None:
    class LostLater(KeepsTheLastOfTwoFallbackKeys, Leaves):
        pass

    result = check(LostLater(3), "two-fallback-keys-of-one-algorithm", "fallback-only-upload")
    assert result.ended is Ended.SERVER_LOST
    assert result.reason == "it is gone"


def test_no_time_begins_nothing() -> None:
    result = check(ReferenceAdapter(), "fallback-only-upload", seconds=-1)
    assert (result.examples, result.ended) == (0, Ended.OUT_OF_TIME)
    assert result.reason == "before fallback-only-upload"


def finding(*requirements: str, path: str = "status", actual: str = "200") -> Finding:
    return Finding(
        id="vectors/one",
        title="One",
        verdict=Verdict.DIFFERS,
        requirements=requirements,
        trace=Trace(id="one", title="One", steps=()),
        step=1,
        differences=(Difference(path, "another", actual),),
    )


@pytest.mark.parametrize(
    ("found", "known", "named"),
    [
        (finding("FK-A-01", "FK-A-02"), (), ("FK-A-01",)),
        (finding("FK-A-01", "FK-A-02"), ("FK-A-02", "FK-A-03"), ("FK-A-02",)),
        (finding("FK-A-01", "FK-FORM-11"), ("FK-A-01", "FK-FORM-11"), ("FK-A-01",)),
        (finding("FK-A-01", actual="500 M_UNKNOWN"), (), ("FK-FORM-11",)),
        (finding("FK-A-01", actual="502"), ("FK-A-01",), ("FK-A-01", "FK-FORM-11")),
        (finding("FK-A-01", path="next sync of x: body"), ("FK-A-01",), ("FK-UPLOAD-17",)),
        (finding("FK-A-01", path="body", actual="a one-time key of step 1 again"), (), ("FK-CLAIM-02",)),
    ],
)
def test_a_vector_is_explained_by_what_the_generated_checks_found(
    found: Finding, known: tuple[str, ...], named: tuple[str, ...]
) -> None:
    vectors = CheckResult(id="vectors", examples=1, requirements=(), findings=(found,), ended=Ended.COMPLETE)
    generated = attrs.evolve(vectors, findings=(finding(*known),) if known else ())
    (settled,) = settle(vectors, [generated]).findings
    assert settled.requirements == named


GIVEN = 'body.one_time_keys["@a:b"].X["curve25519:{}"]'


@pytest.mark.parametrize(
    ("differences", "known", "named"),
    [
        ([("body.device_unused_fallback_key_types", "[]", "['x']")], "FK-SYNC-01", "FK-SYNC-01"),
        ([("body.device_unused_fallback_key_types", "[]", "['x']")], "FK-SYNC-02", "FK-A-01"),
        ([("body.device_one_time_keys_count.x", "1", "2")], "FK-SYNC-02", "FK-SYNC-02"),
        ([("body.failures", "{}", "nothing")], "FK-SYNC-02", "FK-FED-01"),
        # Another key of the device was given than the one that is due.
        (
            [(GIVEN.format("A"), '"k"', "nothing"), (GIVEN.format("B"), "nothing", '"l"')],
            "FK-CLAIM-01",
            "FK-CLAIM-01",
        ),
        (
            [(GIVEN.format("A"), '"k"', "nothing"), (GIVEN.format("B"), "nothing", '"l"')],
            "FK-SYNC-01",
            "FK-A-01",
        ),
        ([(GIVEN.format("A"), '"k"', "nothing")], "FK-CLAIM-01", "FK-A-01"),
    ],
)
def test_a_vector_that_stumbles_over_a_defect_already_found_accuses_nothing_else(
    differences: list[tuple[str, str, str]], known: str, named: str
) -> None:
    found = attrs.evolve(finding("FK-A-01"), differences=tuple(Difference(*one) for one in differences))
    vectors = CheckResult(id="vectors", examples=1, requirements=(), findings=(found,), ended=Ended.COMPLETE)
    (settled,) = settle(vectors, [attrs.evolve(vectors, findings=(finding(known),))]).findings
    assert settled.requirements == (named,)


class Stingy(KeepsTheLastOfTwoFallbackKeys):
    """Has so many devices to give, and then fails as it was told."""

    def __init__(self, left: int, error: BaseException) -> None:
        super().__init__()
        self.left = left
        self.error = error

    def new_device(self, *, user: str, device: str) -> Device:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().new_device(user=user, device=device)


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (NotSupported(what="make more devices"), Ended.COMPLETE),
        (ServerLost(reason="it is gone"), Ended.SERVER_LOST),
        (KeyboardInterrupt(), Ended.INTERRUPTED),
    ],
)
def test_what_failed_is_kept_whatever_ends_its_shrinking(error: BaseException, ended: Ended) -> None:
    name = "two-fallback-keys-of-one-algorithm"
    devices = next(
        count for count in range(1, 9) if check(Stingy(count, NotSupported(what="x")), name).findings
    )
    result = check(Stingy(devices, error), name)
    assert result.ended is ended
    if ended is not Ended.INTERRUPTED:
        (finding,) = result.findings
        assert finding.id == f"vectors/{name}"
        assert finding.step == len(finding.trace.steps) > 1
