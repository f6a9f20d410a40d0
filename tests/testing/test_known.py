"""Lists of known findings: what they hold a run to, and which are no lists."""

from pathlib import Path

import attrs
import pytest

from fallbackkeys.testing import Ended, Report, Strictness, Verdict
from fallbackkeys.testing.known import Known, KnownError, KnownList, read_known
from tests.testing.runs import finding, run_with

GOOD = """
[[known]]
id = "one"
reason = "it is so"
findings = ["a"]
sometimes = ["b"]
"""


def report(*found: str, verdict: Verdict = Verdict.BROKEN, ended: Ended = Ended.COMPLETE) -> Report:
    findings = (attrs.evolve(finding(verdict=verdict, text=f"title of {one}"), id=one) for one in found)
    return run_with(*findings, ended=ended).report


def written(folder: Path, text: str, name: str = "known.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


LIST = KnownList(entries=(Known(id="one", reason="r", findings=("a",), sometimes=("b",)),))


@pytest.mark.parametrize(
    ("found", "problems"),
    [
        (("a",), []),
        (("a", "b"), []),
        (("a", "c"), ["found, and not known: c: title of c"]),
        (("b",), ["known, and no longer found: a (one); take it off the list"]),
    ],
)
def test_what_is_found_must_be_what_is_known(found: tuple[str, ...], problems: list[str]) -> None:
    assert list(LIST.problems(report(*found))) == problems


def test_a_different_choice_need_be_known_only_where_it_counts() -> None:
    other = report("a", "c", verdict=Verdict.DIFFERS)
    assert list(LIST.problems(other)) == []
    assert list(LIST.problems(other, Strictness.EVERY_CHOICE)) == ["found, and not known: c: title of c"]
    assert list(LIST.problems(report(verdict=Verdict.DIFFERS))) != []


def test_a_run_that_had_too_little_time_proves_no_list() -> None:
    assert list(LIST.problems(report("a", ended=Ended.OUT_OF_TIME))) == [
        "out of time, so that nothing can be said: topic; give a larger budget"
    ]


def test_what_is_no_longer_tested_is_a_problem_and_so_is_what_is_tested_again() -> None:
    run = report("a")
    untested = frozenset(one.id for one, verdict in run.verdicts() if verdict is Verdict.NOT_TESTED)
    exact = attrs.evolve(LIST, not_tested=untested)
    assert "FK-FED-02" in untested
    assert list(exact.problems(run)) == []
    less = attrs.evolve(LIST, not_tested=untested - {"FK-FED-02"})
    assert list(less.problems(run)) == ["not tested, and not known to be: FK-FED-02"]
    more = attrs.evolve(LIST, not_tested=untested | {"topic"})
    assert list(more.problems(run)) == ["known as not tested, and now tested: topic; take it off the list"]
    [result] = run.results
    idle = attrs.evolve(run, results=(attrs.evolve(result, examples=0),))
    assert list(exact.problems(idle)) == ["not tested, and not known to be: topic"]


def test_several_files_are_one_list(tmp_path: Path) -> None:
    files = [
        written(tmp_path, 'not_tested = ["x"]' + GOOD, "1"),
        written(tmp_path, 'not_tested = ["y"]', "2"),
        written(tmp_path, "", "3"),
    ]
    known = read_known(files)
    assert known.entries == (Known(id="one", reason="it is so", findings=("a",), sometimes=("b",)),)
    assert known.not_tested == frozenset("xy")
    assert read_known([]) == KnownList()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("known = 3", "'known' in it must be a list"),
        ("known = [3]", "entry 1 of known must be a table"),
        ("not_tested = 'x'", "'not_tested' in it must be a list"),
        ("not_tested = [1]", "'not_tested' in it must be a list of texts"),
        ("more = 1", "it must not have more"),
        (GOOD + "engines = []", "entry 1 of known must not have engines"),
        (GOOD.replace("it is so", " "), "entry 1 of known must have 'reason', a text"),
        (GOOD.replace("id = ", "id = 1 #"), "entry 1 of known must have 'id', a text"),
        (GOOD.replace('["a"]', "[1]"), "'findings' in entry 1 of known must be a list of texts"),
        ("[[known]]\nid = 'x'\nreason = 'y'", "entry 1 of known must name at least one finding"),
        (GOOD + GOOD, "a is listed twice"),
        ("[[known", "is no TOML: "),
        ("x = " + "[" * 100_000, "is no TOML: "),
    ],
)
def test_what_is_no_list_is_said_in_one_line(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(KnownError) as refused:
        read_known([written(tmp_path, text)])
    assert str(refused.value).startswith(f"{tmp_path}/known.toml: {fault}")
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    latin = tmp_path / "latin"
    latin.write_bytes(b"\xff")
    for file, fault in ((tmp_path / "none", "No such file"), (tmp_path, "directory"), (latin, "is no TOML")):
        with pytest.raises(KnownError, match=fault):
            read_known([file])
