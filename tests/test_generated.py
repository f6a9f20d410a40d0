"""The generated documents are current, and every requirement is cited where it must be."""

import json
from pathlib import Path

import pytest

from tests.generate import SPECS, documents, ids_in, read_requirements

REQUIREMENTS = {entry["id"]: entry for entry in read_requirements()}


@pytest.mark.parametrize("path", list(documents()), ids=lambda path: path.name)
def test_a_generated_document_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == documents()[path], "run: python -m tests.generate"


def evidence() -> dict[str, dict[str, list[str]]]:
    return dict(json.loads((SPECS / "traceability.json").read_bytes()))


def test_only_requirements_that_exist_are_cited() -> None:
    assert set(evidence()) <= set(REQUIREMENTS)
    for page in SPECS.rglob("*.md"):
        cited = set(ids_in(page.read_text(encoding="utf-8").replace("\n", " ")))
        assert cited <= set(REQUIREMENTS), page


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_a_requirement_is_cited_by_code_test_and_vector(requirement: str) -> None:
    cited = evidence().get(requirement, {})
    assert cited.get("code"), "no code cites it"
    assert cited.get("tests"), "no test cites it"
    assert cited.get("vectors") or not REQUIREMENTS[requirement]["visible"], "no vector shows it"


@pytest.mark.parametrize("entry", REQUIREMENTS.values(), ids=REQUIREMENTS)
def test_a_requirement_is_complete(entry: dict[str, object]) -> None:
    assert set(entry) == {"id", "level", "since", "source", "visible", "text"}
    assert entry["level"] in {"spec", "choice", "proposal"}
    assert str(entry["text"]).endswith(".")


@pytest.mark.parametrize(
    "requirement", [key for key, e in REQUIREMENTS.items() if "decisions/" in e["source"]]
)
def test_a_cited_decision_exists(requirement: str) -> None:
    number = REQUIREMENTS[requirement]["source"].partition("decisions/")[2][:4]
    assert list((SPECS / "decisions").glob(f"{number}-*.md")), number
