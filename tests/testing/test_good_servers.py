"""Servers that keep every requirement: nothing is found, whatever they choose."""

import pytest

from fallbackkeys.testing import CHECKS, TOPICS, Ended, Lodging, ReferenceAdapter, Report, Verdict, examine
from fallbackkeys.traces import read_traces, replay, vectors
from fallbackkeys.traces.model import ClaimStep, Trace
from tests.testing.servers import EFFORT, ChoosesTheLast, FarAway


@pytest.mark.parametrize("server", [ReferenceAdapter, FarAway])
def test_nothing_is_found(server: type[ReferenceAdapter]) -> None:
    report = Report(results=tuple(examine(server(), effort=EFFORT)))
    assert report.findings == ()
    assert [(one.id, one.ended) for one in report.results] == [
        *((topic.id, Ended.COMPLETE) for topic in TOPICS),
        ("parallel.claims", Ended.COMPLETE),
    ]
    kept = {requirement.id for requirement, verdict in report.verdicts() if verdict is Verdict.KEPT}
    assert kept == {one for topic in TOPICS for one in topic.every_requirement} | {"FK-CLAIM-03"}


def test_every_permitted_choice_is_accepted_and_a_different_form_is_named() -> None:
    results = list(examine(ChoosesTheLast(), effort=EFFORT))
    found = [(one.id, one.verdict) for result in results for one in result.findings]
    assert found == [("claims.empty-shown", Verdict.DIFFERS)]


def test_devices_are_few() -> None:
    server = FarAway()
    topics = [topic for topic in TOPICS if topic.check == "claims"]
    results = list(examine(server, topics=topics, effort=EFFORT))
    assert sum(result.examples for result in results) > 10 * len(server.made) / 4


def test_the_vectors_are_kept_in_the_names_of_another_server() -> None:
    lodging = Lodging(FarAway())
    traces = [file.trace for file in read_traces(vectors()) if isinstance(file.trace, Trace)]
    plain = [trace for trace in traces if trace.dialects == ("stable",) and is_playable(trace)]
    assert len(plain) > 100
    for trace in plain:
        failing = replay(trace, server=lodging.fresh(trace.server_name)).failing
        assert not failing, (trace.id, failing[0].differences)


def is_playable(trace: Trace) -> bool:
    """Whether its users and devices could exist elsewhere, and no other server has a part in it."""
    names = all(
        device.user_id.removeprefix("@").partition(":")[0].isalnum()
        and device.user_id.endswith(f":{trace.server_name}")
        and device.device_id.isalnum()
        for device in trace.devices
    )
    alone = all(not step.remote for step in trace.steps if isinstance(step, ClaimStep))
    return names and alone


def test_there_is_an_assertion_for_every_check() -> None:
    checked = {result.id for check in CHECKS for result in check(ReferenceAdapter(), effort=EFFORT)}
    assert checked == {topic.id for topic in TOPICS} | {"parallel.claims"}
