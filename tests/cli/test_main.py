"""The command as a whole: how it starts, fails and ends."""

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fallbackkeys import catalogue
from fallbackkeys.cli import app, main
from fallbackkeys.specdata import SpecFileMissing
from tests.cli.running import run, start, write


def test_the_version() -> None:
    result = start("--version")
    assert result.stdout.decode() == f"fallbackkeys {version('fallbackkeys')}\n"
    assert result.returncode == 0


def test_the_installed_command_is_the_same() -> None:
    command = Path(sys.executable).parent / "fallbackkeys"
    result = subprocess.run([command, "--version"], capture_output=True, check=True, timeout=60)
    assert result.stdout == start("--version").stdout


def test_without_arguments_the_commands_are_listed() -> None:
    text = start("--help").stdout.decode()
    for name in ("conformance", "replay", "demo", "requirements"):
        assert f"\n  {name} " in text
    assert text.startswith("Usage: fallbackkeys [OPTIONS] COMMAND")


def test_the_exit_status_is_the_commands(tmp_path: Path) -> None:
    assert start("replay", write(tmp_path / "a.json")).returncode == 0
    assert start("replay", tmp_path / "none").returncode == 2
    assert start("fly").returncode == 2


@pytest.mark.parametrize("missing", ["click", "rich", "jsonschema"])
def test_without_the_extra_one_line_says_so(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from fallbackkeys.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert (
        result.stderr.decode() == f"fallbackkeys needs {missing}: pip install 'fallbackkeys[cli]'{os.linesep}"
    )
    assert result.stdout == b""
    assert result.returncode == 2


def test_any_other_missing_module_is_an_error_of_ours() -> None:
    program = "import sys; sys.modules['fallbackkeys.wire'] = None; from fallbackkeys.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert b"ModuleNotFoundError" in result.stderr
    assert result.returncode == 1


@pytest.mark.parametrize("arguments", [["demo"], ["requirements"], ["requirements", "--json"]])
def test_a_reader_who_has_gone_ends_it_silently(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = start(*arguments, stdout=writing)
    finally:
        os.close(writing)
    assert result.stderr == b""
    assert result.returncode == -signal.SIGPIPE


def test_on_a_system_without_that_signal_all_else_is_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(signal, "SIGPIPE")
    monkeypatch.setattr(sys, "argv", ["fallbackkeys", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("fallbackkeys ")


def test_an_incomplete_installation_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise SpecFileMissing(name=name)

    monkeypatch.setattr(catalogue, "spec_file", missing)
    result = run("requirements")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: specs/requirements.toml is neither in the installed package")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["demo"], ["replay", "--json"], ["requirements", "FK-CLAIM-01"]])
def test_where_nothing_can_be_written_it_ends_with_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        result = start(*arguments, stdout=full.fileno())
    assert result.stderr.decode() == "fallbackkeys: No space left on device\n"
    assert result.returncode == 2


def test_so_it_does_in_this_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same without a device: the child above ends before its coverage could be saved."""

    def fail(**_: object) -> None:
        raise OSError(28, "No space left on device")

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(app, "commands", fail)
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit) as ended:
        app.run()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "fallbackkeys: No space left on device\n"


def test_a_fault_of_ours_does_not_look_like_a_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "commands", fail)
    with pytest.raises(SystemExit) as ended:
        app.run()
    assert ended.value.code == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["0", "1", "2", "15", "1000"])
@pytest.mark.parametrize("arguments", [["demo"], ["requirements", "FK-CLAIM-01"], ["requirements"]])
def test_any_width_will_do(columns: str, arguments: list[str]) -> None:
    result = start(*arguments, COLUMNS=columns)
    assert result.stderr == b""
    assert result.returncode == 0
