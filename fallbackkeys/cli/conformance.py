"""`fallbackkeys conformance`: hold a live server against the reference. Needs the extra `testing`."""

import json
import os
from collections import Counter
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from fallbackkeys.cli.access import Accounts, access_options, connected
from fallbackkeys.cli.progress import shown_progress
from fallbackkeys.cli.screen import Failure, Screen
from fallbackkeys.testing.assertions import Strictness
from fallbackkeys.testing.documents import report_document, save_traces, untested_reasons
from fallbackkeys.testing.effort import DEFAULT_EFFORT, Effort
from fallbackkeys.testing.examination import Examination, Outcome, examine_server
from fallbackkeys.testing.html import HEADLINES, rank, report_page
from fallbackkeys.testing.known import read_known
from fallbackkeys.testing.report import Ended, Finding, Verdict

_STYLES = {
    Verdict.BROKEN: "bold red",
    Verdict.DIFFERS: "yellow",
    Verdict.KEPT: "green",
    Verdict.NOT_TESTED: "dim",
}


_CUT_SHORT = {Ended.SERVER_LOST: "the server was lost", Ended.INTERRUPTED: "interrupted"}


def _writable(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse what cannot be written before the run: minutes of work are not to be lost at its end."""
    if path is not None and not os.access(path.absolute().parent, os.W_OK):
        raise click.BadParameter(f"{path} is in no folder that can be written to", context, option)
    return path


_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@click.argument("url")
@click.option(
    "--json", "json_file", metavar="FILE", type=_FILE, callback=_writable, help="Write the report as JSON."
)
@click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=_FILE,
    callback=_writable,
    help="Write the report as one HTML page.",
)
@click.option(
    "--traces",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the smallest trace of each finding, for `fallbackkeys replay`.",
)
@click.option("--strict", is_flag=True, help="Count a different choice as broken.")
@click.option(
    "--known",
    "known_files",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Findings that are accepted, in TOML: status 0 if these are found, and no others.",
)
@click.option(
    "--budget",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=DEFAULT_EFFORT.seconds,
    show_default=True,
    help="Time for the whole run; nothing is begun after it.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=DEFAULT_EFFORT.seed,
    show_default=True,
    help="Seed of the generated sequences.",
)
@access_options
@click.pass_context
def conformance(
    context: click.Context,
    url: str,
    *,
    json_file: Path | None,
    html_file: Path | None,
    folder: Path | None,
    strict: bool,
    known_files: tuple[Path, ...],
    budget: float,
    seed: int,
    accounts: Accounts,
) -> None:
    """Hold the homeserver at URL against the reference.

    URL is that of its client-server API, such as http://localhost:8008. Users are registered on it and keys
    uploaded: use a server for tests, with its rate limits raised.

    Exit status: 0 if every requirement that was tried is kept, or differs by choice; 1 if one is broken (with
    --strict, or differs), or with --known if the findings are not those; 2 if the server could not be tested,
    or not to the end.
    """
    known = read_known(known_files)
    with connected(url, accounts) as adapter, shown_progress() as progress:
        examination = examine_server(
            adapter, server=url, effort=Effort(seconds=budget, seed=seed), progress=progress
        )
    _show(examination)
    if json_file is not None:
        _write(json_file, json.dumps(report_document(examination), indent=1).encode("ascii"))
    if html_file is not None:
        _write(html_file, report_page(examination))
    if folder is not None:
        save_traces(examination, folder)
    cut_short = examination.report.cut_short
    if cut_short is not None:
        raise Failure(f"{_CUT_SHORT[cut_short.ended]}: {cut_short.reason}")
    if examination.outcome is Outcome.UNTRIED:
        raise Failure("nothing was tried: the budget was over too soon, or the accounts allow nothing")
    strictness = Strictness.EVERY_CHOICE if strict else Strictness.SPECIFICATION
    if known_files:
        problems = list(known.problems(examination.report, strictness))
        for problem in problems:
            click.echo(problem)
        if not problems:
            click.echo("Everything is as known.")
    else:
        problems = [one.id for one in examination.report.findings if one.verdict in strictness.value]
    context.exit(1 if problems else 0)


def _write(path: Path, content: bytes) -> None:
    """Write a report whole, or leave the file that was there."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _show(examination: Examination) -> None:
    screen = Screen()
    report = examination.report
    reasons = untested_reasons(examination)
    for finding in sorted(report.findings, key=rank):
        _show_finding(screen, finding)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("level")
    table.add_column("verdict", no_wrap=True)
    table.add_column("text", overflow="fold")
    counted: Counter[Verdict] = Counter()
    for requirement, verdict in report.verdicts():
        counted[verdict] += 1
        reason = next(iter(reasons.get(requirement.id, ())), "") if verdict is Verdict.NOT_TESTED else ""
        table.add_row(
            screen.text(requirement.id, "bold"),
            screen.text(requirement.level),
            screen.text(verdict.value, _STYLES[verdict]),
            screen.text(f"{requirement.text} ({reason})" if reason else requirement.text),
        )
    screen.show(table)
    early: dict[str, list[str]] = {}
    for result in report.results:
        if result.ended is not Ended.COMPLETE:
            how = f"{result.ended.value} ({result.reason})" if result.reason else result.ended.value
            early.setdefault(how, []).append(result.id)
    for how, ids in early.items():
        screen.line(f"{how}: {', '.join(ids)}")
    counts = ", ".join(f"{counted[verdict]} {verdict.value}" for verdict in Verdict)
    screen.line((HEADLINES[examination.outcome], "bold"), f": {counts} ({examination.seconds:.0f} s)")


def _show_finding(screen: Screen, finding: Finding) -> None:
    style = _STYLES[finding.verdict]
    screen.line((f"{finding.verdict.value}: ", style), (finding.title, "bold"))
    screen.line(f"    {finding.id}, {', '.join(finding.requirements)}")
    screen.line(
        f"    step {finding.step} of {len(finding.trace.steps)}, {finding.trace.steps[finding.step - 1]}"
    )
    for one in finding.differences[:1]:
        screen.line("      ", (one.path, style))
        screen.line("        expected ", one.expected)
        screen.line("        answered ", one.actual)
    if finding.note:
        screen.line("      ", finding.note)
    screen.line()
