"""The conformance kit proved on a server that nobody here wrote: `python -m tests.synapse.run PYTHON`.

PYTHON is the interpreter of an environment with the Synapse of `.ci/synapse.txt`; `.ci/synapse` makes it.
What the kit reports must be what stands in `known.toml`, each entry with its reason: the kit itself compares.
Each defect must be found by what is generated, and shown by a short trace. The traces must pass on the
reference and fail on Synapse again.

With `--postgresql`, Synapse keeps its data in PostgreSQL instead of SQLite, and what `known-postgresql.toml`
names comes to it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fallbackkeys.testing.known import Known, read_known
from tests.synapse.postgresql import postgresql
from tests.synapse.server import SQLITE, Database, synapse

KNOWN = Path(__file__).parent / "known.toml"
ON_POSTGRESQL = Path(__file__).parent / "known-postgresql.toml"

BUDGET = "900"
"""Seconds: far more than is needed, so that no check is cut short on a slow machine."""

MOST_STEPS = 6
"""Of the trace of a defect."""


def unproved(known: Iterable[Known], findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Which defects were not found by what is generated, or are shown by too long a trace."""
    reported = {str(finding["id"]): finding for finding in findings}
    for one in known:
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
    known = [KNOWN, ON_POSTGRESQL] if arguments.postgresql else [KNOWN]
    with ExitStack() as stack:
        database: Database = stack.enter_context(postgresql()) if arguments.postgresql else SQLITE
        url = stack.enter_context(synapse(arguments.python.absolute(), database))
        folder = arguments.reports or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        problems = list(_examine(url, known, folder))
    for problem in problems:
        print(problem)  # noqa: T201 - a program's output
    return 1 if problems else 0


def _examine(url: str, files: list[Path], folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    report_file, traces = folder / "report.json", folder / "traces"
    outputs = ["--json", str(report_file), "--html", str(folder / "report.html"), "--traces", str(traces)]
    lists = [option for file in files for option in ("--known", str(file))]
    start = time.monotonic()
    status = _kit("conformance", url, "--strict", "--budget", BUDGET, *lists, *outputs)
    print(f"the kit took {time.monotonic() - start:.0f} s")  # noqa: T201 - a program's output
    if status:
        yield f"the kit ended with status {status}"
    if status > 1:
        return
    report = json.loads(report_file.read_bytes())
    known = read_known(files).entries
    yield from unproved(known, report["findings"])
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
