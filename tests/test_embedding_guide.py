"""The guide in specs/ quotes code that runs in tests/interop: here the quotes are held to it."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "specs" / "embedding-nio.md").read_text(encoding="utf-8")
INTEROP = {
    path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests" / "interop").glob("*.py"))
}
QUOTES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quote_is_code_that_runs(quote: str) -> None:
    assert any(quote in text for text in INTEROP.values())


def test_the_guide_quotes_both_files() -> None:
    for name in ("kept_account.py", "nio_client.py"):
        assert any(quote in INTEROP[name] for quote in QUOTES)


def test_the_tests_that_the_guide_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", GUIDE))
    assert named
    for name in named:
        assert any(f"def {name}(" in text for text in INTEROP.values()), name


def test_the_versions_of_the_guide_are_those_of_the_lock() -> None:
    lock = (ROOT / ".ci" / "interop.txt").read_text(encoding="utf-8")
    for name in ("matrix-nio", "vodozemac"):
        (version,) = set(re.findall(rf"{name} (\d[\d.]*\d)", GUIDE))
        assert f"\n{name}=={version} " in lock
    package = json.loads((ROOT / "tests" / "interop" / "package.json").read_bytes())
    (version,) = set(re.findall(r"crypto-wasm (\d[\d.]*\d)", GUIDE))
    assert package["dependencies"] == {"@matrix-org/matrix-sdk-crypto-wasm": version}
