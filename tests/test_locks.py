"""Several environments, several locks: what two pin, they pin alike, but for the one of the lower bounds."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def pins(name: str) -> dict[str, str]:
    text = (ROOT / ".ci" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[\w,-]+\])?==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("kind", ["in", "txt"])
def test_both_environments_have_the_same_versions(kind: str) -> None:
    core, interop = pins(f"requirements.{kind}"), pins(f"interop.{kind}")
    both = core.keys() & interop.keys()
    assert {"attrs", "canonicaljson", "signedjson", "immutables", "pytest", "hypothesis"} <= both
    assert {name: core[name] for name in both} == {name: interop[name] for name in both}


def test_the_lower_bounds_of_the_dependencies_are_what_is_tested() -> None:
    project: Any = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    lowest = pins("lowest.txt")
    for requirement in wanted:
        name, bound = requirement.split(">=")
        assert re.fullmatch(rf"{re.escape(bound)}(\.0)*", lowest[name]), requirement


def test_the_tools_that_test_the_lower_bounds_are_those_of_the_other_tests() -> None:
    tools, core = pins("lowest.in"), pins("requirements.in")
    assert tools == {name: core[name] for name in tools}


@pytest.mark.parametrize(
    "path",
    [
        ".ci/requirements.txt",
        ".ci/interop.txt",
        ".ci/lowest.txt",
        ".ci/synapse.txt",
        "tests/interop/package-lock.json",
    ],
)
def test_a_lock_names_no_index(path: str) -> None:
    assert "://" not in (ROOT / path).read_text(encoding="utf-8")
