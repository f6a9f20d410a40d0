"""Two environments, two locks: what both pin, they pin alike."""

import re
from pathlib import Path

import pytest

CI = Path(__file__).parent.parent / ".ci"


def pins(name: str) -> dict[str, str]:
    text = (CI / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(?:\\[\w]+\\])?==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("kind", ["in", "txt"])
def test_both_environments_have_the_same_versions(kind: str) -> None:
    core, interop = pins(f"requirements.{kind}"), pins(f"interop.{kind}")
    both = core.keys() & interop.keys()
    assert {"attrs", "canonicaljson", "signedjson", "immutables", "pytest", "hypothesis"} <= both
    assert {name: core[name] for name in both} == {name: interop[name] for name in both}


@pytest.mark.parametrize(
    "path", [".ci/requirements.txt", ".ci/interop.txt", "tests/interop/package-lock.json"]
)
def test_a_lock_names_no_index(path: str) -> None:
    assert "://" not in (CI.parent / path).read_text(encoding="utf-8")
