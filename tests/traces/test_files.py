"""Finding traces in files and folders."""

import os
from pathlib import Path

import pytest

from fallbackkeys.traces import InvalidTrace, Trace, read_traces, vectors
from tests.traces.documents import MINIMAL, changed, encoded


def found(root: Path) -> list[tuple[str, str]]:
    """File, relative to the root, and id or reason."""
    return [
        (
            os.path.relpath(file.path, root),
            file.trace.id if isinstance(file.trace, Trace) else file.trace.reason,
        )
        for file in read_traces(root)
    ]


def write(path: Path, identifier: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(changed("id", to=identifier, document=MINIMAL)))
    return path


def test_a_file_whatever_its_name(tmp_path: Path) -> None:
    assert found(write(tmp_path / "trace.txt", "one")) == [(".", "one")]


def test_a_folder_is_searched_in_sorted_order(tmp_path: Path) -> None:
    write(tmp_path / "b.json", "second")
    write(tmp_path / "a" / "z" / "deep.json", "first")
    write(tmp_path / "c.json" / "in-a-folder.json", "third")
    write(tmp_path / "no-trace.txt", "none")
    assert found(tmp_path) == [
        ("a/z/deep.json", "first"),
        ("b.json", "second"),
        ("c.json/in-a-folder.json", "third"),
    ]


def test_a_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[]")
    write(tmp_path / "b.json", "good")
    assert found(tmp_path) == [("a.json", "must be an object, not a list of 0"), ("b.json", "good")]


def test_a_folder_without_traces(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "no-trace.txt", "none")
    assert found(tmp_path) == [(".", "is a folder without traces (*.json)")]


def test_what_does_not_exist(tmp_path: Path) -> None:
    assert found(tmp_path / "none") == [(".", "cannot be read: No such file or directory")]
    assert found(tmp_path / ("x" * 5000)) == [(".", "cannot be read: File name too long")]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "one")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "broken.json").symlink_to(tmp_path / "none")
    (tmp_path / "linked.json").symlink_to(tmp_path / "a.json")
    assert found(tmp_path) == [
        ("a.json", "one"),
        ("broken.json", "cannot be read: No such file or directory"),
        ("linked.json", "one"),
    ]
    assert found(tmp_path / "circle")[0] == ("a.json", "one")


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.json", "one")
    (tmp_path / "locked").mkdir()
    listed = Path.iterdir

    def refuse(folder: Path) -> object:
        if folder.name == "locked":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert found(tmp_path) == [("a.json", "one"), ("locked", "cannot be listed: Permission denied")]


def test_the_vectors_are_shipped() -> None:
    files = list(read_traces(vectors()))
    assert files
    assert [file.path for file in files if isinstance(file.trace, InvalidTrace)] == []
