"""`fallbackkeys requirements`: the catalogue, and what is behind each."""

import json
from pathlib import Path

import attrs
import pytest

from fallbackkeys import catalogue
from tests.cli.running import run, start


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of two requirements, of which one has evidence."""
    (tmp_path / "requirements.toml").write_text(
        """
[[requirement]]
id = "FK-ONE-01"
level = "spec"
since = "1.2"
source = "CS somewhere"
visible = true
text = "One thing is as it should be, and this text is so long that it does not fit on a line of 80 columns."

[[requirement]]
id = "FK-TWO-01"
level = "choice"
since = "1.13"
source = "specs/decisions/0001"
visible = false
text = "Another is [bold]too[/bold]."
"""
    )
    evidence = {"FK-ONE-01": {"code": ["a.py: f", "b.py: g"], "tests": ["t.py::t"], "vectors": ["one"]}}
    (tmp_path / "traceability.json").write_text(json.dumps(evidence))
    monkeypatch.setattr(catalogue, "spec_file", lambda name: tmp_path / name)


def printed(*arguments: str) -> list[str]:
    result = run("requirements", *arguments)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    return [line.rstrip() for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("small")
class TestText:
    def test_a_table_of_all(self) -> None:
        assert [line for line in printed() if not line.startswith("─")] == [
            "id         level   since  text",
            "FK-ONE-01  spec    1.2    One thing is as it should be, and this text is so",
            "                          long that it does not fit on a line of 80 columns.",
            "FK-TWO-01  choice  1.13   Another is [bold]too[/bold].",
        ]

    def test_what_is_behind_one(self) -> None:
        assert printed("FK-ONE-01") == [
            "FK-ONE-01  spec, since 1.2",
            "  One thing is as it should be, and this text is so long that it does not fit on",
            "  a line of 80 columns.",
            "  source   CS somewhere",
            "  code     a.py: f",
            "           b.py: g",
            "  tests    t.py::t",
            "  vectors  one",
            "",
        ]

    def test_several_in_the_order_asked_for(self) -> None:
        lines = printed("FK-TWO-01", "FK-ONE-01")
        assert lines[:6] == [
            "FK-TWO-01  choice, since 1.13",
            "  Another is [bold]too[/bold].",
            "  source   specs/decisions/0001",
            "  code     none",
            "  tests    none",
            "  vectors  none",
        ]
        assert lines[7] == "FK-ONE-01  spec, since 1.2"

    def test_what_is_behind_all(self) -> None:
        assert printed("-v") == printed("FK-ONE-01", "FK-TWO-01")

    def test_an_id_that_does_not_exist(self) -> None:
        result = run("requirements", "FK-ONE-01", "FK-NO-99\x1b")
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr == "Error: there is no requirement FK-NO-99\\x1b\n"


@pytest.mark.usefixtures("small")
class TestJson:
    def test_all(self) -> None:
        first, second = json.loads(run("requirements", "--json").stdout)["requirements"]
        assert first == {
            **attrs.asdict(catalogue.requirements()[0]),
            "code": ["a.py: f", "b.py: g"],
            "tests": ["t.py::t"],
            "vectors": ["one"],
        }
        assert (second["id"], second["code"], second["tests"], second["vectors"]) == ("FK-TWO-01", [], [], [])

    def test_one(self) -> None:
        (one,) = json.loads(run("requirements", "--json", "FK-TWO-01").stdout)["requirements"]
        assert one["id"] == "FK-TWO-01"


def test_the_real_catalogue() -> None:
    lines = printed()
    for requirement in catalogue.requirements():
        assert any(line.startswith(f"{requirement.id} ") for line in lines)


@pytest.mark.parametrize("options", [[], ["-v"], ["--json"]])
def test_on_a_terminal_of_ascii(options: list[str]) -> None:
    result = start("requirements", *options, PYTHONIOENCODING="ascii:strict")
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.isascii()
