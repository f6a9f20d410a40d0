"""`fallbackkeys replay`: hold the reference against traces, or a live server."""

import enum
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import attrs
import click

from fallbackkeys import traces
from fallbackkeys.cli.screen import Screen, write_json
from fallbackkeys.cli.states import show_states
from fallbackkeys.errors import JSON
from fallbackkeys.snapshot import save_store
from fallbackkeys.traces import InvalidTrace, Replayed, ReplayedStep, Trace


class Verdict(enum.StrEnum):
    """What came of a file."""

    PASSED = "passed"
    FAILED = "failed"
    INVALID = "invalid"
    UNTESTED = "not tested"
    """The server, or what stands between it and us, cannot do a step of it."""


@attrs.frozen
class _Untested:
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
@click.pass_context
def replay(context: click.Context, paths: tuple[Path, ...], *, verbose: bool, as_json: bool) -> None:
    """Play traces against the reference and compare every answer.

    PATH is a trace, or a folder that is searched for *.json; without any, the vectors that come with
    fallbackkeys are played.

    Exit status: 0 if every answer is as expected, 1 if one is not, 2 if a file is no valid trace.
    """
    results = _results(paths)
    verdicts = _write_json(results, verbose=verbose) if as_json else _write_text(results, verbose=verbose)
    context.exit(2 if verdicts[Verdict.INVALID] else 1 if verdicts[Verdict.FAILED] else 0)


def _results(paths: tuple[Path, ...]) -> Iterator[_Result]:
    for file in chain.from_iterable(map(traces.read_traces, paths or (traces.vectors(),))):
        outcome = file.trace if isinstance(file.trace, InvalidTrace) else traces.replay(file.trace)
        yield _Result(file.path, outcome)


# --- Text ---


def _write_text(results: Iterator[_Result], *, verbose: bool) -> Counter[Verdict]:
    screen = Screen()
    verdicts: Counter[Verdict] = Counter()
    for result in results:
        verdicts[result.verdict] += 1
        if isinstance(result.outcome, InvalidTrace):
            place = f"{result.outcome.place} " if result.outcome.place else ""
            screen.line(("! ", "bold yellow"), result.file, f": {place}{result.outcome.reason}")
        else:
            _write_trace(screen, result.file, result.outcome, verbose=verbose)
    screen.line(", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict))
    return verdicts


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
    summary = {verdict.value: verdicts[verdict] for verdict in Verdict}
    write_json({"traces": documents, "summary": summary})
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
