"""`fallbackkeys demo`: the story, and that it fits on any terminal."""

import pytest

from fallbackkeys.cli.layout import layout
from fallbackkeys.cli.story import STORY
from fallbackkeys.errors import JSON
from fallbackkeys.traces import Trace, UploadStep, replay
from tests.cli.running import run, start


def tables(output: str) -> list[str]:
    """The row of the state table after each act, without the spaces that align it."""
    return [
        " ".join(line.split()) for line in output.splitlines() if line.startswith("     signed_curve25519  ")
    ]


def test_the_state_after_each_act_is_the_story() -> None:
    result = run("demo")
    assert result.exit_code == 0
    assert tables(result.stdout) == [
        "signed_curve25519 0: ▸AAAAAQ AAAAAg AAAAAw 0 AAAABA, unused",
        "signed_curve25519 none 3 AAAABA, unused",
        "signed_curve25519 none 3 AAAABA, used",
        "signed_curve25519 none 3 AAAABA, used",
        "signed_curve25519 1: ▸AAAABQ AAAABg 3 AAAABw, unused",
        "signed_curve25519 1: ▸AAAABg 4 AAAABw, unused",
    ]


def test_requests_and_answers_are_shown() -> None:
    lines = [line.strip() for line in run("demo").stdout.splitlines()]
    for line in (
        "POST /keys/upload by @alice:example.org PHONE",
        '"signed_curve25519:AAAAAQ": {"key": "4un9gaKv…", "signatures": {…}},',
        '{"one_time_key_counts": {"signed_curve25519": 3}}',
        "GET /sync by @alice:example.org PHONE",
        '"device_unused_fallback_key_types": ["signed_curve25519"]',
        "POST /keys/claim by @erin:example.org",
        '{"one_time_keys": {"@alice:example.org": {"PHONE": "signed_curve25519"}}}',
        '"fallback": true,',
        '"device_unused_fallback_key_types": []',
    ):
        assert line in lines
    assert lines.count("200") == sum(len(act.steps) for act in STORY)


def test_every_telling_is_the_same() -> None:
    assert run("demo").stdout == run("demo").stdout


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_fits_80_columns_in_any_encoding(encoding: str) -> None:
    result = start("demo", PYTHONIOENCODING=f"{encoding}:strict")
    assert (result.returncode, result.stderr) == (0, b"")
    assert max(map(len, result.stdout.decode(encoding).splitlines())) <= 80


def test_the_keys_are_of_the_length_of_real_ones() -> None:
    steps = [step for act in STORY for step in act.steps if isinstance(step, UploadStep)]
    text = str([step.body for step in steps])
    keys = [part.split("'")[0] for part in text.split("'key': '")[1:]]
    assert {len(key) for key in keys} == {43}
    assert {len(part.split("'")[0]) for part in text.split("'ed25519:PHONE': '")[1:]} == {86}


def test_the_story_breaks_no_rule_of_traces() -> None:
    steps = tuple(step for act in STORY for step in act.steps)
    assert replay(Trace(id="story", title="The story", steps=steps)).failing == ()


class TestLayout:
    def test_on_one_line_if_it_fits(self) -> None:
        assert layout({"a": [1, {"b": None}], "c": True}, 80) == ['{"a": [1, {"b": null}], "c": true}']

    def test_a_line_for_each_member_if_not(self) -> None:
        assert layout({"a": {"b": 1, "c": 2}, "d": {}}, 20) == [
            "{",
            '  "a": {',
            '    "b": 1,',
            '    "c": 2',
            "  },",
            '  "d": {}',
            "}",
        ]

    def test_objects_of_one_object_share_a_line(self) -> None:
        value: JSON = {"a": {"b": {"c": {"first": "x" * 20, "second": "y" * 20}}}}
        assert layout(value, 40) == [
            '{"a": {"b": {"c": {',
            f'  "first": "{"x" * 20}",',
            f'  "second": "{"y" * 20}"',
            "}}}}",
        ]

    def test_long_strings_and_signatures_are_cut(self) -> None:
        value: JSON = {"key": "x" * 25, "short": "x" * 24, "signatures": {"a": {"b": "c"}}}
        assert layout(value, 80) == [
            '{"key": "xxxxxxxx…", "short": "xxxxxxxxxxxxxxxxxxxxxxxx", "signatures": {…}}'
        ]
        assert layout(value, 40)[-2] == '  "signatures": {…}'

    def test_what_cannot_be_broken_stays_long(self) -> None:
        assert layout({"a": [1] * 10, "b": 2}, 20) == ["{", f'  "a": {[1] * 10},', '  "b": 2', "}"]
