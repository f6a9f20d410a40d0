"""The conformance kit proved on a server that nobody here wrote: `python -m tests.synapse.run PYTHON`.

PYTHON is the interpreter of an environment with the Synapse of `.ci/synapse.txt`; `.ci/synapse` makes it.
What the kit reports must be what stands in `known.toml`, each entry with its reason: a report that is not
there fails the run, and so does an entry that is no longer reported. The traces it writes must pass on the
reference and fail on Synapse again.

With `--postgresql`, Synapse keeps its data in PostgreSQL instead of SQLite.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from tests.synapse.postgresql import postgresql
from tests.synapse.server import SQLITE, Database, synapse

KNOWN = Path(__file__).parent / "known.toml"

BUDGET = "900"
"""Seconds: far more than is needed, so that no check is cut short on a slow machine."""

MOST_STEPS = 6
"""Of the trace of a defect."""


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class Known:
    """Something that Synapse is known to do otherwise."""

    id: str
    """The row of `specs/divergences.md`; of a mere choice, a name."""
    reason: str
    findings: tuple[str, ...] = attrs.field(converter=_strings)
    """What the kit reports of it, each time."""
    sometimes: tuple[str, ...] = attrs.field(converter=_strings, default=())
    """What it reports of it by chance."""
    engines: tuple[str, ...] = attrs.field(converter=_strings, default=("sqlite", "postgresql"))
    """On which databases."""


def read_known(text: str) -> tuple[Known, ...]:
    """Read the list."""
    return tuple(Known(**entry) for entry in tomllib.loads(text)["known"])


def compare(known: tuple[Known, ...], engine: str, findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is reported and not known, known and not reported, or shown by too long a trace."""
    here = [one for one in known if engine in one.engines]
    always = {finding: one.id for one in here for finding in one.findings}
    sometimes = {finding for one in here for finding in one.sometimes}
    reported = {str(finding["id"]): finding for finding in findings}
    for finding in reported.keys() - always.keys() - sometimes:
        yield f"reported, and not in {KNOWN.name}: {finding}: {reported[finding]['title']}"
    for finding in always.keys() - reported.keys():
        yield f"no longer reported: {finding} ({always[finding]})"
    for one in here:
        generated = [name for name in one.findings if not name.startswith("vectors/") and name in reported]
        if one.id.startswith("S") and not generated:
            yield f"{one.id} was not found by what is generated"
        for name in generated:
            steps = len(reported[name]["trace"]["steps"])
            # How many claims at once it takes to show a race is chance; its history says that it is one.
            if steps > MOST_STEPS and not reported[name]["history"]:
                yield f"{name} ({one.id}) takes {steps} steps to show; at most {MOST_STEPS} are allowed"


def main() -> int:
    """Start Synapse, run the kit, compare; 0 if everything is as known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", type=Path)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--reports", type=Path, help="where to leave the reports and traces")
    arguments = parser.parse_args()
    engine = "postgresql" if arguments.postgresql else "sqlite"
    with ExitStack() as stack:
        database: Database = stack.enter_context(postgresql()) if arguments.postgresql else SQLITE
        url = stack.enter_context(synapse(arguments.python.absolute(), database))
        folder = arguments.reports or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        problems = list(_examine(url, engine, folder))
    for problem in problems:
        print(problem)  # noqa: T201 - a program's output
    return 1 if problems else 0


def _examine(url: str, engine: str, folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    report_file, traces = folder / "report.json", folder / "traces"
    outputs = ["--json", str(report_file), "--html", str(folder / "report.html"), "--traces", str(traces)]
    start = time.monotonic()
    status = _kit("conformance", url, "--budget", BUDGET, *outputs)
    print(f"the kit took {time.monotonic() - start:.0f} s")  # noqa: T201 - a program's output
    if status != 1:
        yield f"the kit ended with status {status} instead of 1"
        return
    report = json.loads(report_file.read_bytes())
    known = read_known(KNOWN.read_text(encoding="utf-8"))
    yield from compare(known, engine, report["findings"])
    for check in report["checks"]:
        if check["ended"] == "out of time":
            yield f"{check['check']} ran out of time"
    if _kit("replay", str(traces)) != 0:
        yield "a trace does not pass on the reference"
    again = json.loads(_output("replay", "--json", "--server", url, str(traces)))
    # A race, and what comes by chance, need not show again.
    sometimes = {finding for one in known for finding in one.sometimes}
    chancy = {one["trace"]["id"] for one in report["findings"] if one["history"] or one["id"] in sometimes}
    for trace in again["traces"]:
        if trace["verdict"] != "failed" and trace["id"] not in chancy:
            yield f"the trace {trace['file']} does not show its finding again: {trace['verdict']}"
    print(Counter(one["verdict"] for one in report["requirements"]))  # noqa: T201 - a program's output


def _kit(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "fallbackkeys", *arguments], check=False).returncode


def _output(*arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "fallbackkeys", *arguments], check=False, stdout=subprocess.PIPE
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
