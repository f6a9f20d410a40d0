"""The catalogue as values."""

import json
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from fallbackkeys import catalogue
from fallbackkeys.catalogue import Evidence, Requirement, evidence, requirements

SPECS = Path(__file__).parent.parent / "specs"


def test_every_requirement_of_the_file_in_its_order() -> None:
    written: Any = tomllib.loads((SPECS / "requirements.toml").read_text(encoding="utf-8"))["requirement"]
    assert [attrs.asdict(requirement) for requirement in requirements()] == written
    assert all(isinstance(requirement, Requirement) for requirement in requirements())


def test_all_evidence_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = {
        "FK-A-01": {"code": ["a.py: f", "b.py: g"], "tests": ["t.py::t"], "vectors": ["one"]},
        "FK-A-02": {"code": [], "tests": [], "vectors": []},
    }
    (tmp_path / "traceability.json").write_text(json.dumps(written))
    monkeypatch.setattr(catalogue, "spec_file", lambda name: tmp_path / name)
    assert dict(evidence()) == {
        "FK-A-01": Evidence(code=("a.py: f", "b.py: g"), tests=("t.py::t",), vectors=("one",)),
        "FK-A-02": Evidence(),
    }


def test_the_shipped_evidence_is_about_requirements() -> None:
    assert set(evidence()) <= {requirement.id for requirement in requirements()}
    assert any(one.tests for one in evidence().values())
