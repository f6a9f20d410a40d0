"""Find what no order of the operations can explain, by rules on intervals.

An operation took effect at one moment between its call and its return; of one without a return nobody knows.
A key is *certainly there* from the return of the upload that brought it to the call of the claim that
returned it, or of a removal of its device. The rules convict only what is wrong in every order of the
operations, so a finding is always a defect. They do not find every defect: that is a linearizability
checker's work.

A claim without a return may have taken one key. So the rules that speak of keys left ask for more keys that
are certainly there than such claims had begun.
"""

import enum
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf

import attrs

from fallbackkeys.sql import Order
from tests.concurrency.history import Operation
from tests.concurrency.projection import Event, Projection, project


class Rule(enum.Enum):
    """What must hold of every history."""

    ONCE = "a one-time key is returned once"
    OFFERED = "a key that is returned was uploaded before"
    LEFT = "no fallback key and no empty answer while a one-time key was there throughout"
    ORDERED = "no key of a younger upload while one of an older was there throughout"
    SNAPSHOT = "a sync shows one state of the device"


@attrs.frozen(kw_only=True)
class Finding:
    """A rule that was broken, by which operation, and why."""

    rule: Rule
    device: tuple[str, str, str]
    operation: Operation
    why: str


def judge(operations: Iterable[Operation], *, order: Order = Order.STRICT) -> list[Finding]:
    """Return everything that is certainly wrong with a history, in the order of the rules."""
    findings: list[Finding] = []
    for projection in project(operations):
        keys = _keys(projection)
        findings += _once(projection)
        findings += _offered(projection)
        findings += _left(projection, keys)
        if order is Order.STRICT:
            findings += _ordered(projection, keys)
        findings += _snapshot(projection)
    return findings


@attrs.frozen
class _There:
    """When a one-time key was certainly there: strictly between the two moments."""

    key: str
    since: float
    until: float


def _keys(projection: Projection) -> list[_There]:
    arrived: dict[str, Event] = {}
    for upload in sorted(projection.uploads, key=lambda event: event.end):
        for key in upload.one_time_keys:
            if upload.operation.answered:
                arrived.setdefault(key, upload)
    taken: dict[str, float] = {}
    for claim in projection.claims:
        for key in claim.one_time_keys:
            taken[key] = min(taken.get(key, inf), claim.start)
    there = []
    for key, upload in arrived.items():
        removed = min(
            (event.start for event in projection.removals if event.end >= upload.start), default=inf
        )
        there.append(_There(key, upload.end, min(taken.get(key, inf), removed)))
    return there


@attrs.frozen
class _Question:
    """Which keys were there before some moment, and throughout the claim?"""

    claim: Event
    before: float


def _left_over(
    projection: Projection, keys: Sequence[_There], questions: Iterable[_Question]
) -> Iterator[tuple[Event, str]]:
    """Answer with the claims for which there were more such keys than claims of unknown outcome, and say so.

    In one pass over keys and questions by time: histories have many thousands of each.
    """
    unknown = sorted(claim.start for claim in projection.claims if claim.end == inf)
    arrivals = iter(sorted(keys, key=lambda there: there.since))
    arriving = next(arrivals, None)
    waiting: list[tuple[float, str]] = []  # by the moment until which they are there
    for question in sorted(questions, key=lambda question: question.before):
        while arriving is not None and arriving.since < question.before:
            insort(waiting, (arriving.until, arriving.key))
            arriving = next(arrivals, None)
        left = waiting[bisect_right(waiting, question.claim.end, key=lambda entry: entry[0]) :]
        begun = bisect_right(unknown, question.claim.end)
        if len(left) > begun:
            yield question.claim, f"{len(left)} such as {left[0][1]} ({begun} claims are of unknown outcome)"


def _finding(rule: Rule, projection: Projection, event: Event, why: str) -> Finding:
    return Finding(rule=rule, device=projection.name, operation=event.operation, why=why)


def _once(projection: Projection) -> list[Finding]:
    findings = []
    first: dict[str, Event] = {}
    for claim in sorted(projection.claims, key=lambda event: event.start):
        for key in claim.one_time_keys:
            earlier = first.setdefault(key, claim)
            if earlier is not claim and not _came_anew(projection, key, earlier, claim):
                why = f"{key} was also returned to client {earlier.operation.client}"
                findings.append(_finding(Rule.ONCE, projection, claim, why))
    return findings


def _came_anew(projection: Projection, key: str, one: Event, other: Event) -> bool:
    """Whether the device may have been removed, and the key uploaded again, between two claims."""
    uploads = [upload for upload in projection.uploads if key in upload.one_time_keys]
    return any(
        _may_follow(first, removal, upload, second)
        for first, second in ((one, other), (other, one))
        for removal in projection.removals
        for upload in uploads
    )


def _may_follow(*events: Event) -> bool:
    """Whether each may have taken effect after the one before it."""
    moment = -inf
    for event in events:
        moment = max(moment, event.start)
        if moment > event.end:
            return False
    return True


def _offered(projection: Projection) -> list[Finding]:
    findings = []
    uploads: dict[str, float] = {}
    for upload in projection.uploads:
        for key in (*upload.one_time_keys, *upload.fallback_keys):
            uploads[key] = min(uploads.get(key, inf), upload.start)
    for claim in projection.claims:
        for key in (*claim.one_time_keys, *claim.fallback_keys):
            if uploads.get(key, inf) > claim.end:
                why = f"{key} had not been uploaded"
                findings.append(_finding(Rule.OFFERED, projection, claim, why))
    return findings


def _left(projection: Projection, keys: Sequence[_There]) -> list[Finding]:
    questions = (
        _Question(claim, claim.start)
        for claim in projection.claims
        if claim.operation.answered and not claim.one_time_keys
    )
    return [
        _finding(Rule.LEFT, projection, claim, f"there were one-time keys: {left}")
        for claim, left in _left_over(projection, keys, questions)
    ]


def _ordered(projection: Projection, keys: Sequence[_There]) -> list[Finding]:
    offered: dict[str, float] = {}
    for upload in projection.uploads:
        for key in upload.one_time_keys:
            offered[key] = min(offered.get(key, inf), upload.start)
    # Keys of uploads that had returned before the first upload of the claimed key was called.
    questions = (
        _Question(claim, min(claim.start, offered.get(key, -inf)))
        for claim in projection.claims
        for key in claim.one_time_keys
    )
    return [
        _finding(Rule.ORDERED, projection, claim, f"there were older keys: {left}")
        for claim, left in _left_over(projection, keys, questions)
    ]


def _snapshot(projection: Projection) -> list[Finding]:
    """Where the writes to a device came one after another, every state it had is known; a sync shows one."""
    writes = sorted(
        (*projection.uploads, *projection.claims, *projection.removals), key=lambda event: event.start
    )
    if any(first.end >= second.start for first, second in pairwise(writes)):
        return []
    waiting: set[str] = set()
    issued: set[str] = set()
    slot, used = "", False
    states: list[tuple[int, bool]] = [(0, False)]
    for event in writes:
        if event.operation.do == "upload":
            waiting |= {key for key in event.one_time_keys if key not in issued}
            for key in event.fallback_keys:
                slot, used = key, used and key == slot
        elif event.operation.do == "claim":
            issued.update(event.one_time_keys)
            waiting.difference_update(event.one_time_keys)
            used = used or bool(event.fallback_keys)
        else:
            waiting, issued, slot, used = set(), set(), "", False
        states.append((len(waiting), bool(slot) and not used))
    findings = []
    for sync in projection.syncs:
        done = sum(1 for event in writes if event.end < sync.start)
        begun = sum(1 for event in writes if event.start <= sync.end)
        seen = _seen(sync.operation, projection.name[2])
        if seen not in states[done : begun + 1]:
            why = f"{seen} was shown, but the device was in one of {states[done : begun + 1]}"
            findings.append(_finding(Rule.SNAPSHOT, projection, sync, why))
    return findings


def _seen(operation: Operation, algorithm: str) -> tuple[int, bool]:
    """A view as the number of one-time keys and whether the fallback key is unused."""
    counts = operation.result.get("device_one_time_keys_count") or {}
    return counts.get(algorithm, 0), algorithm in operation.result["device_unused_fallback_key_types"]
