"""The example runs to its end; it checks itself on the way."""

from pathlib import Path

import pytest

from tests.interop.example import story
from tests.interop.nio_world import in_a_world


def test_the_example_runs_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_a_world(tmp_path, story)
    told = capsys.readouterr().out.splitlines()
    assert told[-1].strip() == "the server has 50 one-time keys and the unused fallback key AAAAAAAAAAE"
