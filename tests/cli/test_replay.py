"""`fallbackkeys replay`: what it prints, and how it exits."""

import json
from pathlib import Path
from typing import Any

import pytest

from fallbackkeys import snapshot
from tests.builders import CURVE
from tests.cli.running import MISMATCH, run, start, write
from tests.traces.documents import ALICE, MINIMAL, changed


class TestExitStatus:
    def test_0_if_all_is_as_expected(self, tmp_path: Path) -> None:
        result = run("replay", write(tmp_path / "a.json"), write(tmp_path / "b.json", MINIMAL))
        assert result.stdout == (
            "✓ one-key  One key is claimed\n✓ minimal  Nothing much\n2 passed, 0 failed, 0 invalid\n"
        )
        assert result.exit_code == 0

    def test_1_if_an_answer_is_not(self, tmp_path: Path) -> None:
        write(tmp_path / "a.json", MISMATCH)
        write(tmp_path / "b.json")
        result = run("replay", tmp_path)
        assert result.stdout.splitlines() == [
            "✗ one-key  One key is claimed",
            f"    in {tmp_path}/a.json",
            f"    step 4, sync of {ALICE} A: 200",
            "      body.device_unused_fallback_key_types",
            f'        expected ["{CURVE}"]',
            "        answered []",
            "✓ one-key  One key is claimed",
            "1 passed, 1 failed, 0 invalid",
        ]
        assert result.exit_code == 1

    def test_2_if_a_file_is_no_trace_and_the_others_still_run(self, tmp_path: Path) -> None:
        write(tmp_path / "a.json", changed("steps", 2, "expect", "status", to="400"))
        write(tmp_path / "b.json", b'{"format": 1,\n "id": }')
        write(tmp_path / "c.json", MISMATCH)
        write(tmp_path / "d.json")
        result = run("replay", tmp_path)
        assert result.stdout.splitlines()[:3] == [
            f"! {tmp_path}/a.json: steps[2].expect.status must be an integer, not the string 400",
            f"! {tmp_path}/b.json: line 2, column 8 is not JSON: Expecting value",
            "✗ one-key  One key is claimed",
        ]
        assert result.stdout.splitlines()[-1] == "1 passed, 1 failed, 2 invalid"
        assert result.exit_code == 2

    def test_2_if_a_path_does_not_exist(self, tmp_path: Path) -> None:
        result = run("replay", tmp_path / "none", write(tmp_path / "a.json"))
        assert result.stdout.splitlines() == [
            f"! {tmp_path}/none: cannot be read: No such file or directory",
            "✓ one-key  One key is claimed",
            "1 passed, 0 failed, 1 invalid",
        ]
        assert result.exit_code == 2

    def test_2_if_a_folder_has_no_traces(self, tmp_path: Path) -> None:
        result = run("replay", tmp_path)
        assert result.stdout.splitlines()[0] == f"! {tmp_path}: is a folder without traces (*.json)"
        assert result.exit_code == 2

    def test_2_for_an_option_that_does_not_exist(self) -> None:
        assert run("replay", "--pure").exit_code == 2


def test_without_a_path_the_shipped_vectors_all_pass() -> None:
    result = run("replay")
    passed = result.stdout.splitlines()[-1].removesuffix(" passed, 0 failed, 0 invalid")
    assert int(passed) > 0
    assert result.exit_code == 0


def test_a_refusal_where_none_was_expected_says_why(tmp_path: Path) -> None:
    refused = changed("steps", 0, "body", to={"one_time_keys": 3}, document=MINIMAL)
    result = run("replay", write(tmp_path / "a.json", refused))
    assert (
        "        expected 200\n        answered 400 M_BAD_JSON one_time_keys must be an object"
        in result.stdout
    )


class TestVerbose:
    def test_the_state_after_each_step(self, tmp_path: Path) -> None:
        result = run("replay", "-v", write(tmp_path / "a.json"))
        lines = [line.rstrip() for line in result.stdout.splitlines()]
        assert lines[:9] == [
            "✓ one-key  One key is claimed",
            f"    step 1, upload by {ALICE} A: 200",
            f"      {ALICE} A",
            "        algorithm          waiting, by upload  issued  fallback key",
            f"        {CURVE}  0: ▸k1                   0  none",
            "    step 2, claim by @bob:example.org: 200",
            f"      {ALICE} A",
            "        algorithm          waiting, by upload  issued  fallback key",
            f"        {CURVE}  none                     1  none",
        ]
        assert lines[-3:] == [
            f"    step 5, removal of {ALICE} A: 200",
            "      no device has keys",
            "1 passed, 0 failed, 0 invalid",
        ]

    def test_pools_by_upload_slots_and_devices(self, tmp_path: Path) -> None:
        def upload(device: str, *names: str, **more: Any) -> Any:
            body = {"one_time_keys": dict.fromkeys(names, "x" * 5), **more}
            for number, name in enumerate(names):
                body["one_time_keys"][name] = f"{name} {number}"
            return {"do": "upload", "user": ALICE, "device": device, "body": body}

        steps = [
            upload("B", "curve25519:only", fallback_keys={"curve25519:f": "fff"}),
            upload("A", "curve25519:k1", "curve25519:k2", "other:k"),
            upload("A", "curve25519:k3"),
            upload("A", *(f"other:{number:02}" for number in range(14))),
            *(upload("A", f"many:{number}") for number in range(13)),
            *[{"do": "claim", "body": {"one_time_keys": {ALICE: {"B": "curve25519"}}}}] * 2,
        ]
        result = run("replay", "-v", write(tmp_path / "a.json", changed("steps", to=steps)))
        last = result.stdout.split("step 19, ")[1]
        assert [" ".join(line.split()) for line in last.splitlines()[1:-1]] == [
            f"{ALICE} A",
            "algorithm waiting, by upload issued fallback key",
            "curve25519 0: ▸k1 k2 0 none",
            "1: k3",
            "many 3: ▸0 0 none",
            *[f"{upload}: {upload - 3}" for upload in range(4, 13)],
            "and 3 more uploads",
            "other 0: ▸k 0 none",
            "2: 00 01 02 03 04 05 06 07 08 09 and",
            "4 more",
            f"{ALICE} B",
            "algorithm waiting, by upload issued fallback key",
            "curve25519 none 1 f, used",
        ]
        assert max(map(len, result.stdout.splitlines())) <= 80

    def test_differences_are_shown_too(self, tmp_path: Path) -> None:
        result = run("replay", "--verbose", write(tmp_path / "a.json", MISMATCH))
        assert "        answered []\n" in result.stdout
        assert "step 5, " in result.stdout


class TestJson:
    def test_one_document(self, tmp_path: Path) -> None:
        good = write(tmp_path / "a.json")
        bad = write(tmp_path / "b.json", MISMATCH)
        none = write(tmp_path / "c.json", changed("steps", 0, "user", to=3))
        result = run("replay", "--json", tmp_path)
        assert json.loads(result.stdout) == {
            "traces": [
                {"file": str(good), "id": "one-key", "verdict": "passed", "failing_steps": []},
                {
                    "file": str(bad),
                    "id": "one-key",
                    "verdict": "failed",
                    "failing_steps": [
                        {
                            "step": 4,
                            "does": f"sync of {ALICE} A",
                            "differences": [
                                {
                                    "path": "body.device_unused_fallback_key_types",
                                    "expected": f'["{CURVE}"]',
                                    "actual": "[]",
                                }
                            ],
                        }
                    ],
                },
                {
                    "file": str(none),
                    "id": None,
                    "verdict": "invalid",
                    "place": "steps[0].user",
                    "reason": "must be a string, not the number 3",
                },
            ],
            "summary": {"passed": 1, "failed": 1, "invalid": 1},
        }
        assert result.exit_code == 2

    def test_with_the_states(self, tmp_path: Path) -> None:
        result = run("replay", "--json", "-v", write(tmp_path / "a.json"))
        (trace,) = json.loads(result.stdout)["traces"]
        stores = [snapshot.restore_store(state) for state in trace["states"]]
        waiting = [[len(pool) for _, state in store for pool in state.pools.values()] for store in stores]
        assert waiting == [[1], [0], [0], [0], []]
        assert result.exit_code == 0


NASTY = "é \ud800 \x1b[31m [bold]x[/bold] :smile: \u202e\n"


def nasty(tmp_path: Path) -> Path:
    """A trace with everything in its texts that a terminal may choke on."""
    document = changed("title", to=NASTY)
    document["steps"][0] |= {"user": NASTY, "device": NASTY}
    return write(tmp_path / "nasty é.json", document)


class TestAnyTerminal:
    def test_nothing_that_a_terminal_obeys_and_no_markup(self, tmp_path: Path) -> None:
        result = run("replay", "-v", nasty(tmp_path))
        assert result.stdout.splitlines()[0] == (
            r"✗ one-key  é \ud800 \x1b[31m [bold]x[/bold] :smile: \u202e\n"
        )
        assert "\x1b" not in result.stdout

    @pytest.mark.parametrize("options", [[], ["-v"], ["--json", "-v"]])
    @pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8:strict", "cp1252:strict"])
    def test_any_encoding(self, tmp_path: Path, encoding: str, options: list[str]) -> None:
        result = start("replay", *options, nasty(tmp_path), PYTHONIOENCODING=encoding)
        assert result.stderr == b""
        assert result.returncode == 1
        assert b"one-key" in result.stdout
        if encoding.startswith("ascii") or options == ["--json", "-v"]:
            assert result.stdout.isascii()

    def test_a_file_name_that_is_no_unicode(self, tmp_path: Path) -> None:
        file = bytes(tmp_path) + b"/\xff.json"
        Path(tmp_path, "a.json").write_bytes(b"[]")
        Path(tmp_path, "a.json").rename(Path(tmp_path, "\udcff.json"))
        for options in ([], ["--json"]):
            result = start("replay", *options, file)
            assert result.stderr == b""
            assert rb"\udcff.json" in result.stdout
            assert result.returncode == 2

    def test_colour_only_where_it_is_wanted(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.json", MISMATCH)
        assert b"\x1b" not in start("replay", file).stdout
        assert b"\x1b[31m" in start("replay", file, FORCE_COLOR="1", TERM="xterm").stdout
        assert b"\x1b[31m" not in start("replay", file, FORCE_COLOR="1", TERM="xterm", NO_COLOR="1").stdout

    def test_colour_is_for_marks_and_not_for_what_stands_in_a_text(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.json", changed("title", to="3 keys of https://example.org"))
        lines = start("replay", file, FORCE_COLOR="1", TERM="xterm").stdout.decode().splitlines()
        assert lines[0].endswith("  3 keys of https://example.org")
        assert lines[1] == "1 passed, 0 failed, 0 invalid"

    def test_a_long_title_stays_on_its_line_in_a_pipe(self, tmp_path: Path) -> None:
        title = "word " * 100
        result = start("replay", write(tmp_path / "a.json", changed("title", to=title)))
        assert title.strip().encode() in result.stdout.splitlines()[0]
