"""How far a run is, on standard error: a bar on a terminal, elsewhere one plain line for each part."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import attrs
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from fallbackkeys.testing.examination import Progress


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show the progress of a run for as long as the block runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with RichProgress(*columns, console=console, transient=True) as bar:
        yield _Bar(bar)


@attrs.define
class _Lines:
    """For logs: when each part began, and how many parts of its own it has."""

    start: float = attrs.field(factory=monotonic)

    def begin(self, stage: str, total: int) -> None:
        """See `Progress.begin`."""
        click.echo(f"{monotonic() - self.start:.0f} s: {stage}, {total}", err=True)

    def advance(self) -> None:
        """See `Progress.advance`."""


@attrs.define
class _Bar:
    bar: RichProgress
    stages: list[TaskID] = attrs.field(factory=list)

    def begin(self, stage: str, total: int) -> None:
        """See `Progress.begin`."""
        self.stages.append(self.bar.add_task(stage, total=total))

    def advance(self) -> None:
        """See `Progress.advance`."""
        self.bar.advance(self.stages[-1])
