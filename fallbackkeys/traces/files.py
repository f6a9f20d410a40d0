"""Where traces are: the shipped vectors, and any file or folder somebody names."""

from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

import attrs

from fallbackkeys.specdata import spec_file
from fallbackkeys.traces.codec import InvalidTrace, read_trace
from fallbackkeys.traces.model import Trace


@attrs.frozen(kw_only=True)
class TraceFile:
    """A file, and what it turned out to hold."""

    path: str
    trace: Trace | InvalidTrace


def vectors() -> Traversable:
    """The folder of the vectors shipped with the package.

    Raises:
        SpecFileMissing: the installation is incomplete.
    """
    return spec_file("vectors")


def read_traces(root: Traversable) -> Iterator[TraceFile]:
    """Read a file, or every `*.json` under a folder, in sorted order.

    Nothing is raised: what is no trace, cannot be read, does not exist, or is a folder without any trace,
    comes as an `InvalidTrace`, and the others still follow.
    """
    if not _is_folder(root):
        yield _read(root)
        return
    empty = True
    for file in _search(root):
        empty = False
        yield file
    if empty:
        yield _invalid(root, "is a folder without traces (*.json)")


def _search(folder: Traversable) -> Iterator[TraceFile]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        yield _invalid(folder, f"cannot be listed: {error.strerror}")
        return
    for entry in entries:
        if _is_folder(entry):
            # A link to a folder may lead in a circle; what it leads to can be named on its own.
            if not (isinstance(entry, Path) and entry.is_symlink()):
                yield from _search(entry)
        elif entry.name.endswith(".json"):
            yield _read(entry)


def _is_folder(place: Traversable) -> bool:
    try:
        return place.is_dir()
    except OSError:  # reading it will fail too, and say why
        return False


def _read(file: Traversable) -> TraceFile:
    try:
        return TraceFile(path=str(file), trace=read_trace(file))
    except InvalidTrace as invalid:
        return TraceFile(path=str(file), trace=invalid)


def _invalid(place: Traversable, reason: str) -> TraceFile:
    return TraceFile(path=str(place), trace=InvalidTrace(path=str(place), place="", reason=reason))
