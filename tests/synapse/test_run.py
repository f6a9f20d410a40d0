"""What makes the proof on Synapse fail; the proof itself is `python -m tests.synapse.run`."""

import re
from typing import Any

import pytest

from tests.synapse.run import KNOWN, Known, compare, read_known

LIST = (
    Known(id="S1", reason="r", findings=("topic", "vectors/a")),
    Known(id="S3", reason="r", findings=("race",), engines=("postgresql",)),
    Known(id="order", reason="r", findings=(), sometimes=("vectors/b",)),
)


def found(*ids: str, steps: int = 1, history: str = "") -> list[dict[str, Any]]:
    trace: dict[str, Any] = {"steps": [{}] * steps}
    return [{"id": one, "title": f"about {one}", "trace": trace, "history": history} for one in ids]


@pytest.mark.parametrize(
    ("engine", "findings", "problems"),
    [
        ("sqlite", found("topic", "vectors/a"), []),
        ("sqlite", found("topic", "vectors/a", "vectors/b"), []),
        ("postgresql", found("topic", "vectors/a", "race"), []),
        ("sqlite", found("topic", "vectors/a", "new"), ["reported, and not in known.toml: new: about new"]),
        (
            "sqlite",
            found("vectors/a"),
            ["no longer reported: topic (S1)", "S1 was not found by what is generated"],
        ),
        (
            "sqlite",
            found("topic", "vectors/a", steps=7),
            ["topic (S1) takes 7 steps to show; at most 6 are allowed"],
        ),
        ("sqlite", found("topic", "vectors/a", steps=9, history="A race"), []),
        (
            "postgresql",
            found("topic", "vectors/a"),
            ["no longer reported: race (S3)", "S3 was not found by what is generated"],
        ),
    ],
)
def test_the_report_is_exactly_what_is_known(
    engine: str, findings: list[dict[str, Any]], problems: list[str]
) -> None:
    assert list(compare(LIST, engine, findings)) == problems


def test_the_list_names_each_finding_once_and_every_defect_to_be_found() -> None:
    known = read_known(KNOWN.read_text(encoding="utf-8"))
    every = [finding for one in known for finding in (*one.findings, *one.sometimes)]
    assert len(every) == len(set(every))
    assert {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S14"} <= {one.id for one in known}
    divergences = (KNOWN.parents[2] / "specs" / "divergences.md").read_text(encoding="utf-8")
    for one in known:
        assert one.reason
        assert not one.id.startswith("S") or re.search(rf"^\| {one.id} \| Synapse", divergences, re.MULTILINE)
