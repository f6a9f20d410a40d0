"""Mutation testing of the rules and of the wire: `python -m tests.mutation.run`.

mutmut spoils one expression at a time of the functions in `MUTATED`, and the tests of `selection.txt` must
notice. Which spoilt expressions they may miss stands in `survivors.toml`, with the reason; any other that
survives fails the run, and so does an entry that is no longer true. mutmut works on a copy in a temporary
directory and leaves nothing here.

The selection is an argument file of pytest, so `pytest @tests/mutation/selection.txt` runs it. It holds tests
that are fast and always the same: none that draws examples, starts a process or claims for 10,000 devices.

What this does not try: code outside functions (the table of dialects, the pattern of a server name), since
mutmut changes none of it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
SELECTION = Path(__file__).parent / "selection.txt"
SURVIVORS = Path(__file__).parent / "survivors.toml"
MUTATED = ("fallbackkeys/transitions.py", "fallbackkeys/evolve.py", "fallbackkeys/wire/*.py")
PRELOADED = "preloaded.txt"
NEEDED = ("fallbackkeys", "specs", "tests", "pyproject.toml")
"""What of the tree is copied: the tests and all that they read."""

OUTCOMES = {0: "survived", 1: "killed", -24: "timed out", 33: "no tests"}
"""How the process that tried a mutant ended; any other end (-24 is SIGXCPU) says nothing of the mutant."""
MISSED = ("survived", "no tests")

_SPINNER = re.compile("[\u2800-\u28ff] ")
_NAME = re.compile(r".*\.x(?:_|\u01c1(?P<owner>\w+)\u01c1)(?P<function>\w+)__mutmut_\d+")


class RunError(Exception):
    """There is no result to judge; the text says why."""


@attrs.frozen(order=True)
class Mutant:
    """A spoilt expression, named by what it says and not by where it stands."""

    file: str
    function: str
    diff: str
    """The lines taken away, with `- `, and put in their place, with `+ `; without their indentation."""

    def __str__(self) -> str:
        return f"{self.file}, {self.function}:\n{self.diff}"


@attrs.frozen
class Results:
    """What became of each mutant."""

    counts: Mapping[str, Counter[str]]
    """File → outcome → number of mutants."""
    missed: Counter[Mutant]
    """The mutants no test noticed; a line that stands twice in a function can be spoilt twice alike."""


def main() -> int:
    """Run, compare, report; 0 if every survivor is explained and every explanation needed, else 1."""
    start = time.monotonic()
    try:
        explained = read_survivors(SURVIVORS.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
            results = mutate(Path(directory))
    except RunError as error:
        say(f"mutation testing failed: {error}")
        return 1
    say(table(results, explained))
    problems = compare(results.missed, explained)
    say("\n\n".join([*problems, ""]) + verdict(problems, time.monotonic() - start))
    return 1 if problems else 0


def read_survivors(text: str) -> Counter[Mutant]:
    """The mutants that may survive.

    Raises:
        RunError: an entry lacks a member or its reason, or has one too many.
    """
    explained: Counter[Mutant] = Counter()
    for number, entry in enumerate(tomllib.loads(text).get("survivor", []), 1):
        if set(entry) != {"file", "function", "reason", "diffs"} or not all(entry.values()):
            raise RunError(f"{SURVIVORS.name}, entry {number}: file, function, reason and diffs are needed")
        explained.update(Mutant(entry["file"], entry["function"], diff.strip()) for diff in entry["diffs"])
    return explained


def mutate(directory: Path) -> Results:
    """Let mutmut try every mutant in a copy of the tree.

    Raises:
        RunError: mutmut is not there, the tests fail without any mutant, or a result is none.
    """
    if find_spec("mutmut") is None:
        raise RunError("mutmut is not installed beside this Python; its pin is in .ci")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(ROOT / name, directory / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, directory / name)
    selection = SELECTION.read_text(encoding="utf-8").split()
    (directory / "setup.cfg").write_text(configuration(selection), encoding="utf-8")
    modules = [line.removesuffix(".py").replace("/", ".") for line in selection if line.endswith(".py")]
    (directory / PRELOADED).write_text("\n".join(modules), encoding="utf-8")

    options = ["-q", "--tb=short", "-p", "no:cacheprovider"]
    said(directory, "-m", "pytest", *options, f"@{SELECTION.relative_to(ROOT)}")
    workers = os.cpu_count() or 1
    say(f"mutation testing on {workers} cores; some minutes")
    mutmut(directory, "run", "--max-children", str(workers))

    counts: dict[str, Counter[str]] = {}
    missed: Counter[Mutant] = Counter()
    for file in sorted(path for pattern in MUTATED for path in directory.glob(f"mutants/{pattern}.meta")):
        name = file.relative_to(directory / "mutants").as_posix().removesuffix(".meta")
        ends: dict[str, int | None] = json.loads(file.read_bytes())["exit_code_by_key"]
        for mutant, end in ends.items():
            if end not in OUTCOMES:
                raise RunError(f"mutmut could not try {mutant}: the tests ended with {end}")
            counts.setdefault(name, Counter())[OUTCOMES[end]] += 1
            if OUTCOMES[end] in MISSED:
                diff = changed_lines(mutmut(directory, "show", mutant))
                missed[Mutant(name, function_of(mutant), diff)] += 1
    for pattern in MUTATED:
        if not any(Path(file).match(pattern) for file in counts):
            raise RunError(f"there is no mutant of {pattern}")
    return Results(counts, missed)


def configuration(selection: Sequence[str]) -> str:
    """The `setup.cfg` that mutmut reads.

    A mutant may take 15 times as long as its tests, and 15 s more. Each is tried in a fork of a process that
    has imported the tests but not collected them: a second collection would escape the backslashes in their
    names a second time, and pytest would not find them.
    """
    options: dict[str, str | Sequence[str]] = {
        "source_paths": ["fallbackkeys"],
        "only_mutate": MUTATED,
        "also_copy": ["specs"],
        "pytest_add_cli_args": ["--assert=plain", "-p", "no:cacheprovider", "-p", "tests.mutation.witness"],
        "pytest_add_cli_args_test_selection": selection,
        "timeout_multiplier": "15",
        "timeout_constant": "1",
        "use_git_change_detection": "false",
        "process_isolation": "forkserver",
        "forkserver_warmup": "import",
        "preload_modules_file": PRELOADED,
    }
    lines = ["[mutmut]"]
    for name, value in options.items():
        text = value if isinstance(value, str) else "".join(f"\n    {item}" for item in value)
        lines.append(f"{name} = {text}")
    return "\n".join([*lines, ""])


def mutmut(directory: Path, *arguments: str) -> str:
    """Run one of mutmut's commands in the copy and return what it says."""
    # Not by `-m mutmut`: its module would be there twice, as `__main__` and under its name.
    return said(directory, "-c", "from mutmut.__main__ import cli; cli()", *arguments)


def said(directory: Path, *arguments: str) -> str:
    """Run Python in the copy and return what it says.

    Raises:
        RunError: it failed; with the end of what it said.
    """
    # Without PYTHONPATH, which may lead to modules that are not spoilt; the seed fixes the tests' order.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONHASHSEED"] = "0"
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in re.split("[\r\n]", done.stdout) if not _SPINNER.match(line)]
        command = " ".join(arguments[1:3])
        raise RunError("\n".join([f"{command!r} exited with {done.returncode}", *lines[-60:]]))
    return done.stdout


def function_of(mutant: str) -> str:
    """The function, or the class and the method, in which a mutant of this name stands."""
    found = _NAME.fullmatch(mutant)
    if found is None:
        raise RunError(f"a mutant is called {mutant}, which does not say where it stands")
    return f"{found['owner']}.{found['function']}" if found["owner"] else found["function"]


def changed_lines(diff: str) -> str:
    """Of a unified diff, what a `Mutant` holds of it."""
    lines = [line for line in diff.splitlines() if line.startswith(("-", "+"))]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if not line.startswith(("---", "+++")))


def compare(missed: Counter[Mutant], explained: Counter[Mutant]) -> list[str]:
    """What is wrong with the survivors, as texts."""
    new = sorted((missed - explained).elements())
    gone = sorted((explained - missed).elements())
    return [
        *(f"survived, and not in {SURVIVORS.name}: write the test, or the reason\n{one}" for one in new),
        *(f"in {SURVIVORS.name}, but did not survive: killed, or worded anew\n{one}" for one in gone),
    ]


def table(results: Results, explained: Counter[Mutant]) -> str:
    """The numbers of each file and of all."""
    rows: list[tuple[str, ...]] = [("", "mutants", "killed", "timed out", "survived", "explained")]
    known = Counter(mutant.file for mutant in (results.missed & explained).elements())
    for file, counts in [*sorted(results.counts.items()), ("together", total(results.counts.values()))]:
        survived = sum(counts[result] for result in MISSED)
        reasons = known[file] if file in results.counts else known.total()
        numbers = (counts.total(), counts["killed"], counts["timed out"], survived, reasons)
        rows.append((file, *map(str, numbers)))
    return "\n".join(f"{row[0]:32}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows) + "\n"


def total(counts: Iterable[Counter[str]]) -> Counter[str]:
    """The counts of all files together."""
    return sum(counts, Counter[str]())


def verdict(problems: list[str], seconds: float) -> str:
    """The last line."""
    took = f"{seconds:.0f} s"
    return f"{len(problems)} problems; {took}" if problems else f"every survivor is explained; {took}"


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)  # noqa: T201 - it is a report


if __name__ == "__main__":
    sys.exit(main())
