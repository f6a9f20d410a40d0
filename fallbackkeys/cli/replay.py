"""`fallbackkeys replay`: hold the reference against traces, or a live server."""

import enum
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from fallbackkeys import traces
from fallbackkeys.cli.access import Accounts, access_options, connected
from fallbackkeys.cli.screen import Screen, write_json
from fallbackkeys.cli.states import show_states
from fallbackkeys.errors import JSON
from fallbackkeys.snapshot import save_store
from fallbackkeys.traces import InvalidTrace, Replayed, ReplayedStep, Trace

if TYPE_CHECKING:
    from fallbackkeys.testing.adapter import Adapter


class Verdict(enum.StrEnum):
    """What came of a file."""

    PASSED = "passed"
    FAILED = "failed"
    INVALID = "invalid"
    UNTESTED = "not tested"
    """The server, or what stands between it and us, cannot do a step of it."""


@attrs.frozen
class _Untested:
    """A trace that was not played to its end, and why."""

    trace: Trace
    reason: str


@attrs.frozen
class _Result:
    file: str
    outcome: Replayed | InvalidTrace | _Untested

    @property
    def verdict(self) -> Verdict:
        if isinstance(self.outcome, InvalidTrace):
            return Verdict.INVALID
        if isinstance(self.outcome, _Untested):
            return Verdict.UNTESTED
        return Verdict.FAILED if self.outcome.failing else Verdict.PASSED


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("-v", "--verbose", is_flag=True, help="Show the keys of every device after each step.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document instead of text.")
@click.option(
    "--server",
    "url",
    metavar="URL",
    help="Play against the homeserver at URL, as `fallbackkeys conformance` does; see its options below.",
)
@access_options
@click.pass_context
def replay(
    context: click.Context,
    paths: tuple[Path, ...],
    *,
    verbose: bool,
    as_json: bool,
    url: str | None,
    accounts: Accounts,
) -> None:
    """Play traces against the reference, or against a live server, and compare every answer.

    PATH is a trace, or a folder that is searched for *.json; without any, the vectors that come with
    fallbackkeys are played.

    Exit status: 0 if every answer is as expected, 1 if one is not, 2 if a file is no valid trace or the
    server cannot be asked.
    """
    with nullcontext() if url is None else connected(url, accounts) as adapter:
        play = traces.replay if adapter is None else _on(adapter)
        results = _results(paths, play)
        verdicts = _write_json(results, verbose=verbose) if as_json else _write_text(results, verbose=verbose)
    context.exit(2 if verdicts[Verdict.INVALID] else 1 if verdicts[Verdict.FAILED] else 0)


def _on(adapter: "Adapter") -> Callable[[Trace], Replayed | _Untested]:
    """Play on a server, each trace on devices of its own."""
    from fallbackkeys.testing.adapter import NotSupported  # noqa: PLC0415 - of the extra
    from fallbackkeys.testing.stage import Lodging  # noqa: PLC0415 - likewise

    lodging = Lodging(adapter)

    def play(trace: Trace) -> Replayed | _Untested:
        try:
            return traces.replay(trace, server=lodging.fresh(trace.server_name))
        except NotSupported as error:
            return _Untested(trace, str(error))

    return play


def _results(paths: tuple[Path, ...], play: Callable[[Trace], Replayed | _Untested]) -> Iterator[_Result]:
    for file in chain.from_iterable(map(traces.read_traces, paths or (traces.vectors(),))):
        yield _Result(file.path, file.trace if isinstance(file.trace, InvalidTrace) else play(file.trace))


# --- Text ---


def _write_text(results: Iterator[_Result], *, verbose: bool) -> Counter[Verdict]:
    screen = Screen()
    verdicts: Counter[Verdict] = Counter()
    for result in results:
        verdicts[result.verdict] += 1
        if isinstance(result.outcome, InvalidTrace):
            place = f"{result.outcome.place} " if result.outcome.place else ""
            screen.line(("! ", "bold yellow"), result.file, f": {place}{result.outcome.reason}")
        elif isinstance(result.outcome, _Untested):
            trace = result.outcome.trace
            screen.line(("? ", "bold yellow"), (trace.id, "bold"), f"  not tested: {result.outcome.reason}")
        else:
            _write_trace(screen, result.file, result.outcome, verbose=verbose)
    screen.line(", ".join(f"{number} {verdict}" for verdict, number in _summary(verdicts).items()))
    return verdicts


def _summary(verdicts: Counter[Verdict]) -> dict[str, int]:
    """The number of each verdict; what is untested shows only if there is any: the reference can do all."""
    shown = (one for one in Verdict if one is not Verdict.UNTESTED or verdicts[one])
    return {verdict.value: verdicts[verdict] for verdict in shown}


def _write_trace(screen: Screen, file: str, replayed: Replayed, *, verbose: bool) -> None:
    trace = replayed.trace
    mark = ("✗ ", "bold red") if replayed.failing else ("✓ ", "bold green")
    screen.line(mark, (trace.id, "bold"), "  ", trace.title)
    if replayed.failing:
        screen.line("    in ", file)
    for step in replayed.steps if verbose else replayed.failing:
        screen.line(f"    step {step.number}, {step.step}: {step.response.status}")
        for difference in step.differences:
            screen.line("      ", (difference.path, "red"))
            screen.line("        expected ", difference.expected)
            screen.line("        answered ", difference.actual)
        if verbose and step.store is not None:
            show_states(screen, step.store, indent=6)


# --- JSON ---


def _write_json(results: Iterator[_Result], *, verbose: bool) -> Counter[Verdict]:
    verdicts: Counter[Verdict] = Counter()
    documents: list[JSON] = []
    for result in results:
        verdicts[result.verdict] += 1
        documents.append(_document(result, verbose=verbose))
    write_json({"traces": documents, "summary": _summary(verdicts)})
    return verdicts


def _document(result: _Result, *, verbose: bool) -> JSON:
    outcome = result.outcome
    if isinstance(outcome, InvalidTrace):
        return {
            "file": result.file,
            "id": None,
            "verdict": result.verdict.value,
            "place": outcome.place,
            "reason": outcome.reason,
        }
    if isinstance(outcome, _Untested):
        return {
            "file": result.file,
            "id": outcome.trace.id,
            "verdict": result.verdict.value,
            "reason": outcome.reason,
        }
    document: dict[str, JSON] = {
        "file": result.file,
        "id": outcome.trace.id,
        "verdict": result.verdict.value,
        "failing_steps": [_step_document(step) for step in outcome.failing],
    }
    if verbose:
        document["states"] = [save_store(step.store) for step in outcome.steps if step.store is not None]
    return document


def _step_document(step: ReplayedStep) -> JSON:
    return {
        "step": step.number,
        "does": str(step.step),
        "differences": [
            {"path": one.path, "expected": one.expected, "actual": one.actual} for one in step.differences
        ],
    }
