"""What makes the proof on Synapse fail; the proof itself is `python -m tests.synapse.run`."""

import re
from typing import Any

import pytest

from fallbackkeys.testing.known import Known, read_known
from tests.synapse.run import KNOWN, ON_POSTGRESQL, unproved

LIST = (
    Known(id="S1", reason="r", findings=("topic", "vectors/a")),
    Known(id="order", reason="r", findings=(), sometimes=("vectors/b",)),
)


def found(*ids: str, steps: int = 1, history: str = "") -> list[dict[str, Any]]:
    trace: dict[str, Any] = {"steps": [{}] * steps}
    return [{"id": one, "title": f"about {one}", "trace": trace, "history": history} for one in ids]


@pytest.mark.parametrize(
    ("findings", "problems"),
    [
        (found("topic", "vectors/a"), []),
        (found("vectors/a"), ["S1 was not found by what is generated"]),
        (found("topic", steps=7), ["topic (S1) takes 7 steps to show; at most 6 are allowed"]),
        (found("topic", steps=9, history="A race"), []),
    ],
)
def test_each_defect_is_found_by_what_is_generated_and_shown_in_few_steps(
    findings: list[dict[str, Any]], problems: list[str]
) -> None:
    assert list(unproved(LIST, findings)) == problems


def test_the_list_has_every_defect_to_be_found() -> None:
    known = read_known([KNOWN, ON_POSTGRESQL]).entries
    assert {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S14"} <= {one.id for one in known}
    divergences = (KNOWN.parents[2] / "specs" / "divergences.md").read_text(encoding="utf-8")
    for one in known:
        assert not one.id.startswith("S") or re.search(rf"^\| {one.id} \| Synapse", divergences, re.MULTILINE)
