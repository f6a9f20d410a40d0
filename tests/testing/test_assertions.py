"""The checks as assertions, and the state machine, in test runners and without them."""

import subprocess
import sys
import unittest

import attrs
import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from fallbackkeys.testing import (
    COMMANDS,
    TOPICS,
    Deviation,
    Effort,
    EffortError,
    Lodging,
    NotConformant,
    NotSupported,
    ReferenceAdapter,
    ServerLost,
    Strictness,
    check_claims,
    check_devices,
    check_fallback,
    check_federation,
    check_parallel,
    check_sync,
    state_machine,
)
from tests.properties.strategies import budget
from tests.testing.broken import IssuesInOrderOfIds, ResetsUsedOnEveryUpload
from tests.testing.servers import EFFORT, ChoosesTheLast, Limited, Mortal, reference


def test_what_is_broken_fails_with_its_findings() -> None:
    with pytest.raises(NotConformant) as caught:
        check_claims(IssuesInOrderOfIds(), effort=EFFORT)
    [finding] = caught.value.findings
    assert finding.id == "claims.order"
    assert str(caught.value).startswith(
        "claims.order (broken, FK-CLAIM-01): Claims do not empty the oldest upload first. "
        'Step 3: body.one_time_keys["@alice:example.org"].ALICE["signed_curve25519:'
    )
    assert isinstance(caught.value, AssertionError)


def test_another_choice_fails_only_where_every_choice_counts() -> None:
    results = check_fallback(ResetsUsedOnEveryUpload(), effort=EFFORT)
    assert [finding.id for one in results for finding in one.findings] == ["fallback.same-again"]
    with pytest.raises(NotConformant, match=r"fallback\.same-again \(differs by choice, FK-UPLOAD-07\)"):
        check_fallback(ResetsUsedOnEveryUpload(), Strictness.EVERY_CHOICE, EFFORT)


def test_what_could_not_be_tried_at_all_raises() -> None:
    with pytest.raises(NotSupported, match=r"^the adapter cannot claim as other"):
        check_federation(Limited(), effort=EFFORT)
    assert check_devices(Limited(), effort=EFFORT)
    for check in (check_sync, check_parallel):
        with pytest.raises(EffortError, match="before anything was tried"):
            check(ReferenceAdapter(), effort=Effort(seconds=0))
    for check in (check_sync, check_parallel):
        with pytest.raises(ServerLost, match="connection refused"):
            check(Mortal(3), effort=EFFORT)


class TestInUnittest(unittest.TestCase):
    def test_sync(self) -> None:
        check_sync(ReferenceAdapter(), effort=EFFORT)


TestReference = state_machine(reference).TestCase
TestReference.settings = budget(20, 10)
TestAdapter = state_machine(Lodging(ReferenceAdapter()).stage).TestCase
TestAdapter.settings = budget(20, 10)


def test_the_machine_of_every_command_accepts_every_choice() -> None:
    machine = state_machine(Lodging(ChoosesTheLast()).stage)
    run_state_machine_as_test(machine, settings=budget(20, 10))


UNSHRUNK = settings(budget(60, 20), phases=[Phase.generate])
"""To find, and no more."""


def test_the_machine_of_every_command_finds_what_is_wrong() -> None:
    machine = seed(0)(state_machine(Lodging(IssuesInOrderOfIds()).stage))
    with pytest.raises(Deviation, match=r"expected .*, got "):
        run_state_machine_as_test(machine, settings=UNSHRUNK)


def test_a_known_failure_of_the_order_is_not_judged() -> None:
    order = next(topic for topic in TOPICS if topic.id == "claims.order")
    with pytest.raises(Deviation):
        run_state_machine_as_test(
            state_machine(Lodging(IssuesInOrderOfIds()).stage, order), settings=UNSHRUNK
        )
    machine = state_machine(Lodging(IssuesInOrderOfIds()).stage, order, known={"claims.order"})
    run_state_machine_as_test(machine, settings=budget(20, 10))


def test_moves_that_a_server_cannot_do_are_left_out_by_the_caller() -> None:
    sync = next(topic for topic in TOPICS if topic.id == "sync.counts")
    machine = state_machine(Lodging(Limited()).stage, attrs.evolve(COMMANDS, moves=sync.moves))
    run_state_machine_as_test(machine, settings=budget(10, 10))
    with pytest.raises(NotSupported):
        run_state_machine_as_test(state_machine(Lodging(Limited()).stage), settings=UNSHRUNK)


def test_neither_pytest_nor_a_network_library_is_needed() -> None:
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('pytest', 'httpx', 'jinja2', 'click', 'rich')))\n"
        "from fallbackkeys.testing import Effort, ReferenceAdapter, check_sync\n"
        "import fallbackkeys.testing.strategies\n"
        "check_sync(ReferenceAdapter(), effort=Effort(examples=2))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
