"""The README's examples run as they stand."""

import re
from pathlib import Path

import pytest

from tests.generate import PACKAGE

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: str) -> None:
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - that is what the test is for


def test_the_example_is_as_short_as_its_heading_says() -> None:
    lines = [line for line in EXAMPLES[0].splitlines() if line.strip()]
    assert len(lines) <= 20


def test_every_link_within_the_project_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "specs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            place = (page.parent / target).resolve()
            if place.is_relative_to(ROOT / "fallbackkeys"):  # the package is where it is installed
                place = PACKAGE.parent / place.relative_to(ROOT)
            assert place.exists(), f"{page.name}: {target}"
