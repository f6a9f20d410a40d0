"""`fallbackkeys conformance`, and `replay --server`, against real servers on loopback."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fallbackkeys.cli import conformance as command
from fallbackkeys.testing.adapter import ReferenceAdapter
from fallbackkeys.testing.report import Verdict
from tests.cli.running import PLAIN, run, start, write
from tests.testing.broken import FailsOnNonAscii, KeepsTheLastOfTwoFallbackKeys
from tests.testing.http.homeserver import (
    NAME,
    SECRET,
    TOKEN,
    WITH_CAPTCHA,
    WITH_TOKEN,
    Fault,
    Homeserver,
    serve,
    unused_port,
)
from tests.testing.runs import HOSTILE, few, finding, run_with

GOOD = {
    "format": 1,
    "id": "good",
    "title": "A body of nothing is accepted",
    "steps": [{"do": "upload", "user": "@alice:example.org", "device": "A", "body": {}}],
}
FAR = {**GOOD, "id": "far", "steps": [{"do": "federation_claim", "origin": "far.example", "body": {}}]}
"""What cannot be done over the client-server API."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)


@pytest.fixture
def server() -> Iterator[Homeserver]:
    """A server that keeps everything."""
    with serve(Homeserver()) as homeserver:
        yield homeserver


def broken(adapter: type[ReferenceAdapter]) -> Homeserver:
    return Homeserver(keys=adapter(NAME))


def test_a_server_that_keeps_everything(server: Homeserver, tmp_path: Path) -> None:
    report, page, folder = tmp_path / "r.json", tmp_path / "r.html", tmp_path / "traces"
    result = run(
        "conformance", server.url, "--json", report, "--html", page, "--traces", folder, "--seed", "3"
    )
    assert result.exit_code == 0
    assert "Keeps every requirement that was tried: 0 broken, 0 differs by choice, " in result.stdout
    assert "FK-UPLOAD-04" in result.stdout
    document = json.loads(report.read_bytes())
    assert (document["outcome"], document["seed"], document["server"]) == ("kept", 3, server.url)
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    assert list(folder.iterdir()) == []


def test_what_is_broken_comes_with_a_trace_that_shows_it_again(tmp_path: Path) -> None:
    with serve(broken(FailsOnNonAscii)) as homeserver:
        result = run("conformance", homeserver.url, "--traces", tmp_path)
        assert result.exit_code == 1
        assert "broken: " in result.stdout
        assert "answered 500 M_UNKNOWN Internal server error" in result.stdout
        assert result.stdout.splitlines()[-1].startswith("Breaks the specification: ")
        assert {file.name for file in tmp_path.iterdir()} == {
            "key-forms.non-ascii.json",
            "vectors-non-ascii-members-come-back.json",
        }
        assert run("replay", tmp_path).exit_code == 0
        again = run("replay", "--server", homeserver.url, tmp_path)
        assert again.exit_code == 1
        assert again.stdout.splitlines()[-1] == "0 passed, 2 failed, 0 invalid"


@pytest.mark.parametrize(("options", "status"), [([], 0), (["--strict"], 1)])
def test_a_different_choice_is_no_fault_unless_asked_for(options: list[str], status: int) -> None:
    with serve(broken(KeepsTheLastOfTwoFallbackKeys)) as homeserver:
        result = run("conformance", homeserver.url, *options)
    assert result.exit_code == status
    assert "differs by choice: Two fallback keys of one algorithm in one upload are accepted" in result.stdout


@pytest.mark.parametrize(
    ("findings", "status", "told"),
    [
        (["key-forms.non-ascii", "vectors/non-ascii-members-come-back"], 0, "Everything is as known."),
        (["key-forms.non-ascii"], 1, "found, and not known: vectors/non-ascii-members-come-back: "),
        (
            ["key-forms.non-ascii", "vectors/non-ascii-members-come-back", "sync.counts"],
            1,
            "known, and no longer found: sync.counts (S14); take it off the list",
        ),
    ],
)
def test_known_findings_are_no_fault_and_hold_both_ways(
    findings: list[str], status: int, told: str, tmp_path: Path
) -> None:
    known = tmp_path / "known.toml"
    known.write_text(f'[[known]]\nid = "S14"\nreason = "an old one"\nfindings = {findings}', encoding="ascii")
    with serve(broken(FailsOnNonAscii)) as homeserver:
        result = run("conformance", homeserver.url, "--known", known)
    assert result.exit_code == status
    assert result.stdout.splitlines()[-1].startswith(told)


def test_a_list_that_is_none_is_said_before_the_server_is_asked(server: Homeserver, tmp_path: Path) -> None:
    result = run("conformance", server.url, "--known", tmp_path / "none.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {tmp_path}/none.toml: No such file or directory\n"
    assert server.requests == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=b"<html>Bad gateway</html>", status=502, after=40),
        Fault(body=b'{"one_time', half=True, after=40),
        Fault(hang=True, after=40),
    ],
)
def test_a_server_that_breaks_down_midway(fault: Fault, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    homeserver = broken(KeepsTheLastOfTwoFallbackKeys)
    homeserver.faults.append(fault)
    with serve(homeserver):
        result = run("conformance", homeserver.url, "--timeout", "0.5", "--json", report)
    assert result.exit_code == 2
    *stages, error = result.stderr.splitlines()
    assert all(re.fullmatch(r"\d+ s: [a-z ]+, \d+", line) for line in stages)
    assert error.startswith("Error: the server was lost: ")
    document = json.loads(report.read_bytes())
    assert document["outcome"] == "lost"
    assert "vectors/two-fallback-keys-of-one-algorithm" in {one["id"] for one in document["findings"]}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(body=b"<html>hello</html>"), "no Matrix server"),
        (Fault(body=b"oops", status=500), "answered 500 with the body oops"),
        (Fault(body=b'{"ver', half=True), "gave no whole answer"),
        (Fault(hang=True), "gave no answer within 0.3 s"),
        (Fault(path="register", status=429, body=b'{"retry_after_ms": 3600000}'), "asks to wait 3600 s"),
    ],
)
def test_a_server_that_cannot_be_tested_is_one_line_and_status_2(fault: Fault, told: str) -> None:
    with serve(Homeserver(faults=[fault])) as homeserver:
        result = start("conformance", homeserver.url, "--timeout", "0.3")
    assert result.returncode == 2
    assert result.stdout == b""
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("Error: ")
    assert told in line


def test_no_server_at_all() -> None:
    for arguments in (["conformance"], ["replay", "--server"]):
        result = start(*arguments, f"http://127.0.0.1:{unused_port()}")
        assert result.returncode == 2
        assert b"refused" in result.stderr
        assert b"Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("flows", "options", "told"),
    [
        ([WITH_CAPTCHA], [], "registers only by m.login.recaptcha and m.login.terms"),
        ([WITH_TOKEN], ["--registration-token", TOKEN], ""),
        ([], ["--registration-secret", SECRET], ""),
        ([], ["--registration-secret", "wrong"], "registers nobody: 403 M_FORBIDDEN wrong MAC"),
        ([], ["--registration-token", "a", "--registration-secret", "b"], "one of these"),
        ([], ["--account", "a:pass:word", "--account", "b:word", "--account", "c:word"], ""),
        ([], ["--account", "a:word"], "logs nobody in: 403 M_FORBIDDEN wrong password"),
        ([], ["--account", "a"], "an account is a name and a password"),
    ],
)
def test_ways_to_accounts(flows: list[list[str]], options: list[str], told: str) -> None:
    users = {"a": "pass:word", "b": "word", "c": "word"}
    with serve(Homeserver(flows=flows, users=users)) as homeserver:
        result = run("conformance", homeserver.url, *options)
    assert result.exit_code == (2 if told else 0)
    assert told in result.stderr


def test_given_access_tokens_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Homeserver(flows=[])) as homeserver:
        users = [f"@{name}:{NAME}" for name in "abc"]
        tokens = [homeserver.token(user, device) for user in users for device in ("ONE", "TWO")]
        monkeypatch.setenv("FALLBACKKEYS_ACCESS_TOKENS", " ".join(tokens))
        for _ in range(2):  # what the first run left behind does not show in the second
            result = run("conformance", homeserver.url, "--strict")
            assert "With access tokens less is tested" in result.stderr
            assert "Keeps every requirement that was tried" in result.stdout
            assert result.exit_code == 0


def test_a_file_that_cannot_be_written_is_said_before_the_server_is_asked(
    server: Homeserver, tmp_path: Path
) -> None:
    result = run("conformance", server.url, "--json", tmp_path / "none" / "r.json")
    assert result.exit_code == 2
    assert "r.json is in no folder that can be written to" in result.stderr
    assert server.requests == []


def test_a_report_of_before_is_kept_until_there_is_a_new_one(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    report.write_text("before", encoding="utf-8")
    assert run("conformance", f"http://127.0.0.1:{unused_port()}", "--json", report).exit_code == 2
    assert report.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [report]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--budget", "0"], "nothing was tried"),
        (["--budget", "nan"], "seconds must be a number of at least 0, not nan"),
        (["--timeout", "inf"], "is not in the range"),
        (["--access-token", "a\nb"], "must be printable ASCII"),
        (["--access-token", "\u00fc"], "must be printable ASCII"),
    ],
)
def test_options_with_which_nothing_can_be_tried(server: Homeserver, options: list[str], told: str) -> None:
    result = run("conformance", server.url, *options)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_budget_that_ends_is_told(server: Homeserver) -> None:
    result = run("conformance", server.url, "--budget", "0")
    lines = result.stdout.splitlines()
    assert any(re.fullmatch(r"out of time \(before .*\): vectors", line) for line in lines)
    assert "out of time: fallback.two-at-once, key-forms.non-ascii, parallel.claims" in lines


def test_what_a_server_sent_is_shown_and_not_obeyed(
    server: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_with(finding(verdict=Verdict.BROKEN, text=HOSTILE))
    monkeypatch.setattr(command, "examine_server", lambda _, **__: done)
    result = run("conformance", server.url)
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert result.stdout.count("<script>") > 2


def test_an_interrupted_run_is_no_verdict(server: Homeserver, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        del arguments, options
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "examine_server", interrupt)
    result = run("conformance", server.url)
    assert (result.exit_code, result.stderr) == (2, "Error: interrupted\n")


def _errors_of_a_run(server: Homeserver, **environment: str) -> str:
    """What a run writes to standard error."""
    program = (
        "import tests.testing.runs, pytest\n"
        "tests.testing.runs.few(pytest.MonkeyPatch())\n"
        "from fallbackkeys.cli import main\n"
        "main()"
    )
    variables = {**os.environ, **PLAIN, **environment}
    result = subprocess.run(
        [sys.executable, "-c", program, "conformance", server.url],
        capture_output=True,
        check=False,
        timeout=120,
        env={name: value for name, value in variables.items() if value is not None},
    )
    assert result.returncode == 0
    return result.stderr.decode()


def test_a_terminal_sees_a_bar(server: Homeserver) -> None:
    shown = _errors_of_a_run(server, FORCE_COLOR="1")
    assert "vectors" in shown
    assert "\x1b" in shown


def test_a_log_has_one_plain_line_for_each_stage(server: Homeserver) -> None:
    shown = re.sub(r"^\d+ s: ", "", _errors_of_a_run(server), flags=re.MULTILINE)
    assert shown.splitlines() == [
        "vectors, 3",
        "generated sequences, 1",
        "malformed bodies, 1",
        "parallel claims, 1",
    ]


@pytest.mark.parametrize("missing", ["httpx", "hypothesis", "jinja2"])
def test_without_the_extra_one_line_says_so(missing: str, tmp_path: Path) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from fallbackkeys.cli import main; main()"

    def ended(*arguments: str) -> tuple[int, str]:
        result = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, check=False, timeout=60
        )
        return result.returncode, result.stderr.decode()

    line = f"Error: this needs {missing}: pip install 'fallbackkeys[cli,testing]'\n"
    assert ended("conformance", "http://localhost", "--json", str(tmp_path / "x")) == (2, line)
    assert ended("--help") == (0, "")
    if missing == "httpx":
        assert ended("replay", "--server", "http://localhost") == (2, line)


def test_any_other_missing_module_is_an_error_of_ours() -> None:
    program = (
        "import sys; sys.modules['fallbackkeys.testing'] = None; from fallbackkeys.cli import main; main()"
    )
    arguments = [sys.executable, "-c", program, "conformance", "http://localhost"]
    result = subprocess.run(arguments, capture_output=True, check=False, timeout=60)
    assert b"ModuleNotFoundError" in result.stderr


def test_traces_played_on_a_server(server: Homeserver, tmp_path: Path) -> None:
    write(tmp_path / "good.json", GOOD)
    write(tmp_path / "far.json", FAR)
    result = run("replay", "--server", server.url, tmp_path)
    assert result.exit_code == 0
    assert "not tested: the adapter cannot claim as another server does, over federation" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 passed, 0 failed, 0 invalid, 1 not tested"
    document = json.loads(run("replay", "--json", "--server", server.url, tmp_path).stdout)
    assert document["summary"] == {"passed": 1, "failed": 0, "invalid": 0, "not tested": 1}
    assert {one["verdict"] for one in document["traces"]} == {"passed", "not tested"}
