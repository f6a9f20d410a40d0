"""The report as JSON and as a page, and the files of its traces."""

import json
from html.parser import HTMLParser
from pathlib import Path

import attrs
import pytest

from fallbackkeys.catalogue import requirements
from fallbackkeys.testing.documents import report_document, save_traces
from fallbackkeys.testing.html import HEADLINES, report_page
from fallbackkeys.testing.report import Ended, Finding, Verdict
from fallbackkeys.traces import parse_trace
from tests.testing.runs import HOSTILE, finding, run_with

BROKEN = finding(verdict=Verdict.BROKEN)


class Page(HTMLParser):
    """What stands in a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page.decode("ascii"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [one for one in (given.get("id"),) if one]
        self.links += [one for name in ("href", "src") for one in (given.get(name),) if one]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_json_report_has_everything() -> None:
    document = json.loads(json.dumps(report_document(run_with(BROKEN))))
    assert (document["format"], document["server"], document["outcome"]) == (1, "http://test", "broken")
    assert (document["seed"], document["seconds"]) == (7, 12.3)
    by_id = {one["id"]: one for one in document["requirements"]}
    assert list(by_id) == [one.id for one in requirements() if one.visible]
    assert (by_id["FK-UPLOAD-04"]["verdict"], by_id["FK-UPLOAD-04"]["findings"]) == ("broken", ["one"])
    assert by_id["FK-CLAIM-01"]["verdict"] == "kept"
    assert by_id["FK-FED-02"]["untested"] == ["the adapter cannot reach it"]
    (found,) = document["findings"]
    assert parse_trace(json.dumps(found["trace"]).encode(), "one").steps == BROKEN.trace.steps
    assert found["differences"] == [{"path": "body.'One'", "expected": "[]", "answered": "'One'"}]
    assert document["checks"] == [
        {
            "id": "topic",
            "examples": 3,
            "ended": "complete",
            "reason": "",
            "untested": [{"name": "far", "reason": "the adapter cannot reach it"}],
        }
    ]


def test_traces_are_files_and_a_race_has_its_history_beside_it(tmp_path: Path) -> None:
    save_traces(run_with(finding(verdict=Verdict.BROKEN, history='{"client": 0}\n')), tmp_path / "a" / "b")
    assert sorted(file.name for file in (tmp_path / "a" / "b").iterdir()) == ["one.history.jsonl", "one.json"]
    written = (tmp_path / "a" / "b" / "one.json").read_bytes()
    assert parse_trace(written, "one.json").id == "one"
    save_traces(run_with(BROKEN), tmp_path)
    assert not (tmp_path / "one.history.jsonl").exists()


@pytest.mark.parametrize(
    ("findings", "ended", "headline"),
    [
        ((), Ended.COMPLETE, "Keeps every requirement"),
        ((finding(verdict=Verdict.DIFFERS),), Ended.COMPLETE, "Breaks nothing"),
        ((finding(verdict=Verdict.DIFFERS), BROKEN), Ended.COMPLETE, "Breaks the specification"),
        ((BROKEN,), Ended.SERVER_LOST, "Ended before its time"),
    ],
)
def test_the_page_says_what_came_of_the_run(
    findings: tuple[Finding, ...], ended: Ended, headline: str
) -> None:
    examination = run_with(*findings, ended=ended)
    page = Page(report_page(examination))
    assert HEADLINES[examination.outcome].startswith(headline)
    assert headline in page.text
    assert f"Findings ({len(findings)})" in page.text
    assert page.text.count("None.") == (not findings)
    assert ("it went away" in page.text) == (ended is not Ended.COMPLETE)
    for requirement in requirements():
        assert (requirement.id in page.ids) == requirement.visible


def test_the_page_begins_with_what_is_about_one_thing_alone() -> None:
    vector = attrs.evolve(
        finding(verdict=Verdict.BROKEN, text="Vector"), id="vectors/x", requirements=("FK-CLAIM-01",)
    )
    topic = attrs.evolve(finding(verdict=Verdict.BROKEN, text="Topic"), requirements=("FK-SYNC-01",))
    choice = attrs.evolve(finding(verdict=Verdict.DIFFERS, text="Choice"), requirements=("FK-UPLOAD-04",))
    text = Page(report_page(run_with(choice, vector, topic))).text
    assert text.index("Topic") < text.index("Vector") < text.index("Choice")


def test_the_page_needs_nothing_else() -> None:
    page = Page(report_page(run_with(BROKEN)))
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "GET /sync as @One:example.org One" in page.text
    assert "K" * 20 + "..." in page.text
    assert "K" * 60 not in page.text


def test_what_a_server_sent_is_shown_and_never_obeyed() -> None:
    page = report_page(run_with(finding(verdict=Verdict.BROKEN, text=HOSTILE)))
    assert b"<script" not in page
    assert b"&lt;script&gt;" in page
