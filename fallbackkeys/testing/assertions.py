"""One function for each kind of check, for pytest, unittest or plain code.

    def test_fallback_keys():
        check_fallback(MyAdapter())

Each raises `NotConformant`, an `AssertionError` that holds every finding, or returns the results. What cannot
be tried raises too, so that no test passes without having tested anything.
"""

import enum
import time
from collections.abc import Callable, Iterable

import attrs

from fallbackkeys.testing.adapter import Adapter, NotSupported, ServerLost
from fallbackkeys.testing.checks import (
    CLAIM_FORMS,
    CLAIMS,
    DEVICES,
    FALLBACK,
    FEDERATION,
    KEY_FORMS,
    ONE_TIME,
    SYNC,
    UPLOAD_FORMS,
)
from fallbackkeys.testing.effort import DEFAULT_EFFORT, Effort, EffortError
from fallbackkeys.testing.generated import examine_topics
from fallbackkeys.testing.parallel import examine_parallel
from fallbackkeys.testing.report import CheckResult, Ended, Finding, Verdict
from fallbackkeys.testing.stage import Lodging
from fallbackkeys.testing.topics import Topic


class Strictness(enum.Enum):
    """What counts as failed."""

    SPECIFICATION = frozenset((Verdict.BROKEN,))
    """What breaks the specification."""
    EVERY_CHOICE = frozenset((Verdict.BROKEN, Verdict.DIFFERS))
    """What differs from the reference where the specification is silent, too."""


@attrs.frozen(kw_only=True, str=False)
class NotConformant(AssertionError):
    """A server is not as the requirements say."""

    findings: tuple[Finding, ...]
    """At least one, each with its trace, which `fallbackkeys.traces.write_trace` makes a file of."""

    def __str__(self) -> str:
        return "\n".join(map(_line, self.findings))


def _line(finding: Finding) -> str:
    places = "; ".join(
        f"{one.path}: expected {one.expected}, got {one.actual}" for one in finding.differences
    )
    ids = ", ".join(finding.requirements)
    return f"{finding.id} ({finding.verdict}, {ids}): {finding.title}. Step {finding.step}: {places}"


def check_sync(
    adapter: Adapter, strictness: Strictness = Strictness.SPECIFICATION, effort: Effort = DEFAULT_EFFORT
) -> tuple[CheckResult, ...]:
    """Check what a device is told of its keys.

    Args:
        adapter: the server under test.
        strictness: what counts as failed.
        effort: how hard to look.

    Raises:
        NotConformant: something was found that counts.
        NotSupported: the adapter can do nothing of what this needs.
        ServerLost: the server stopped answering.
        EffortError: the time was over before anything was tried.
    """
    return _check(SYNC, adapter, strictness, effort)


def check_claims(
    adapter: Adapter, strictness: Strictness = Strictness.SPECIFICATION, effort: Effort = DEFAULT_EFFORT
) -> tuple[CheckResult, ...]:
    """Check the order of claims, bulk claims, and claims that get nothing; as `check_sync`."""
    return _check(CLAIMS, adapter, strictness, effort)


def check_one_time(
    adapter: Adapter, strictness: Strictness = Strictness.SPECIFICATION, effort: Effort = DEFAULT_EFFORT
) -> tuple[CheckResult, ...]:
    """Check one-time keys: issued once, uploaded again, in conflict; as `check_sync`."""
    return _check(ONE_TIME, adapter, strictness, effort)


def check_fallback(
    adapter: Adapter, strictness: Strictness = Strictness.SPECIFICATION, effort: Effort = DEFAULT_EFFORT
) -> tuple[CheckResult, ...]:
    """Check the fallback slot and its used mark; as `check_sync`."""
    return _check(FALLBACK, adapter, strictness, effort)


def check_devices(
    adapter: Adapter, strictness: Strictness = Strictness.SPECIFICATION, effort: Effort = DEFAULT_EFFORT
) -> tuple[CheckResult, ...]:
    """Check that devices are kept apart, and take their keys along when they go; as `check_sync`."""
    return _check(DEVICES, adapter, strictness, effort)


def check_federation(
    adapter: Adapter, strictness: Strictness = Strictness.SPECIFICATION, effort: Effort = DEFAULT_EFFORT
) -> tuple[CheckResult, ...]:
    """Check claims of other servers; as `check_sync`."""
    return _check(FEDERATION, adapter, strictness, effort)


def check_forms(
    adapter: Adapter, strictness: Strictness = Strictness.SPECIFICATION, effort: Effort = DEFAULT_EFFORT
) -> tuple[CheckResult, ...]:
    """Check malformed and odd bodies of uploads and claims; as `check_sync`."""
    return _check((*UPLOAD_FORMS, *KEY_FORMS, *CLAIM_FORMS), adapter, strictness, effort)


def check_parallel(
    adapter: Adapter, strictness: Strictness = Strictness.SPECIFICATION, effort: Effort = DEFAULT_EFFORT
) -> tuple[CheckResult, ...]:
    """Check claims at the same moment; as `check_sync`."""
    deadline = time.monotonic() + effort.seconds
    return _judged([examine_parallel(Lodging(adapter), deadline=deadline, seed=effort.seed)], strictness)


CHECKS: tuple[Callable[..., tuple[CheckResult, ...]], ...] = (
    check_sync, check_claims, check_one_time, check_fallback, check_devices, check_federation, check_forms,
    check_parallel,
)  # fmt: skip
"""All of them."""


def _check(
    topics: tuple[Topic, ...], adapter: Adapter, strictness: Strictness, effort: Effort
) -> tuple[CheckResult, ...]:
    return _judged(examine_topics(Lodging(adapter), topics, effort), strictness)


def _judged(examined: Iterable[CheckResult], strictness: Strictness) -> tuple[CheckResult, ...]:
    results = tuple(examined)
    found = tuple(
        finding for one in results for finding in one.findings if finding.verdict in strictness.value
    )
    if found:
        raise NotConformant(findings=found)
    last = results[-1]
    if last.ended is Ended.SERVER_LOST:
        raise ServerLost(reason=last.reason)
    if all(one.ended is Ended.NOT_SUPPORTED for one in results):
        raise NotSupported(what=last.reason.removeprefix(NotSupported.SENTENCE))
    if not any(one.examples for one in results):
        raise EffortError("the time was over before anything was tried: give more seconds")
    return results
