"""What the rules allow, as patterns: what is open stays open, and nothing may be shown in two ways."""

from typing import Any

import attrs

from fallbackkeys import Device
from fallbackkeys.testing.judge import EVERY_FACET, MOST_STATES, Facet, Judge
from fallbackkeys.testing.moves import claim, claim_body, sync, upload
from fallbackkeys.testing.play import UNEXPECTED
from fallbackkeys.traces.model import ClaimStep, Expectation
from fallbackkeys.wire import Response

ALICE, OTHER = (Device("@alice:example.org", name) for name in ("ALICE", "OTHER"))
ALL = EVERY_FACET - {Facet.EMPTY}


def judge(*bodies: Any, facets: frozenset[Facet] = ALL) -> Judge:
    one = Judge(facets=facets)
    for body in bodies:
        one.follow(upload(ALICE, body))
    return one


def keys(expected: Expectation) -> Any:
    body: Any = expected.body
    return body["one_time_keys"]


def one_time(**named: str) -> dict[str, Any]:
    return {"one_time_keys": {f"x:{name}": key for name, key in named.items()}}


CLAIM = claim((ALICE, "x"))


def test_any_key_of_the_oldest_upload_may_be_given() -> None:
    one = judge(one_time(a="1", b="2"), one_time(c="3"))
    pattern = keys(one.expect(CLAIM))
    assert pattern == {ALICE.user_id: {"ALICE": {"$any_of": [{"x:a": "1"}, {"x:b": "2"}]}}}
    given: dict[str, Any] = {"one_time_keys": {ALICE.user_id: {"ALICE": {"x:b": "2"}}}}
    one.follow(CLAIM, Response(status=200, body=given))
    assert keys(one.expect(CLAIM)) == {ALICE.user_id: {"ALICE": {"x:a": "1"}}}


def test_without_an_answer_every_way_stays_open() -> None:
    one = judge(one_time(a="1", b="2"))
    one.follow(CLAIM)
    assert len(one.states) == 2
    one.follow(upload(ALICE, {"one_time_keys": {"x:a": "3"}}))
    counts: Any = one.expect(sync(ALICE)).body
    assert counts["device_one_time_keys_count"] == {
        "$any_of": [{"$counts": {"x": 1}}, {"$counts": {"x": 2}}]
    } or (counts["device_one_time_keys_count"] == {"$any_of": [{"$counts": {"x": 2}}, {"$counts": {"x": 1}}]})


def test_states_are_not_kept_without_end() -> None:
    one = judge(one_time(**{f"k{number}": str(number) for number in range(20)}))
    for _ in range(3):
        one.follow(CLAIM)
    assert len(one.states) == MOST_STATES


def test_an_answer_that_is_not_judged_and_cannot_be_is_followed_in_every_way() -> None:
    one = judge(one_time(a="1", b="2"), facets=frozenset((Facet.STATUS,)))
    assert one.expect(CLAIM) == Expectation()
    one.follow(CLAIM, Response(status=200, body={"one_time_keys": []}))
    assert len(one.states) == 2


def test_who_gets_nothing_is_left_out_or_shown_empty() -> None:
    both = claim((ALICE, "x"), (OTHER, "x"))
    shown: list[Any] = [{}, {"ALICE": {}}, {"OTHER": {}}, {"ALICE": {}, "OTHER": {}}]
    wanted = keys(judge().expect(both))["$any_of"]
    assert {str(one) for one in wanted} == {"{}", *(str({ALICE.user_id: one}) for one in shown)}
    strict = judge(facets=EVERY_FACET)
    assert keys(strict.expect(both)) == {}
    fallback = judge({"fallback_keys": {"x:f": "1"}}, facets=EVERY_FACET)
    assert keys(fallback.expect(both)) == {ALICE.user_id: {"ALICE": {"x:f": "1"}}}


def test_a_malformed_claim_is_refused_and_changes_nothing() -> None:
    one = judge(one_time(a="1"))
    bad = ClaimStep(body=[], expect=UNEXPECTED)
    assert one.expect(bad).status == 400
    assert one.expect(bad).errcodes is not None
    before = list(one.states)
    one.follow(bad)
    assert one.states == before
    assert attrs.evolve(one, facets=frozenset((Facet.STATUS,))).expect(bad).errcodes is None
    assert claim_body((ALICE, "x")) == {"one_time_keys": {ALICE.user_id: {"ALICE": "x"}}}
