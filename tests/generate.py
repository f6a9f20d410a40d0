"""Make the documents in specs/ that are drawn from code: `python -m tests.generate` writes them.

`tests/test_generated.py` fails where one is not what this would write.
"""

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fallbackkeys
from fallbackkeys import (
    EMPTY,
    Claimed,
    DeviceState,
    Dropped,
    Key,
    Policy,
    Upload,
    Uploaded,
    claim,
    drop,
    remove,
    upload,
)
from tests import api

ROOT = Path(__file__).parent.parent
SPECS = ROOT / "specs"
PACKAGE = Path(fallbackkeys.__file__).parent
"""Where the package is: in the checkout, or where a wheel was installed."""

RULE_ROOMS = re.compile(r"fallbackkeys/(?!cli/|traces/|testing/|__main__|catalogue|specdata)")
"""Where a requirement is implemented; the rooms above only show and replay."""

_ID = re.compile(r"(FK-[A-Z]+)-(\d\d)(?: to FK-[A-Z]+-(\d\d))?")


def documents() -> dict[Path, str]:
    """Every generated document: path → content."""
    requirements = read_requirements()
    evidence = traceability()
    return {
        SPECS / "traceability.json": json.dumps(evidence, indent=1, sort_keys=True) + "\n",
        SPECS / "requirements.md": requirements_page(requirements, evidence),
        SPECS / "api.md": api.page(),
        SPECS / "state-machine.md": state_machine_page(
            (SPECS / "state-machine.md").read_text(encoding="utf-8")
        ),
    }


def read_requirements() -> list[dict[str, Any]]:
    return list(tomllib.loads((SPECS / "requirements.toml").read_text(encoding="utf-8"))["requirement"])


# --- Who cites which requirement ---


def traceability() -> dict[str, dict[str, list[str]]]:
    """Id → the code, tests and vectors that cite it."""
    cited: dict[str, dict[str, set[str]]] = {}

    def cite(requirement: str, kind: str, where: str) -> None:
        cited.setdefault(requirement, {"code": set(), "tests": set(), "vectors": set()})[kind].add(where)

    for path, tree, text in _sources(PACKAGE):
        if RULE_ROOMS.match(path):
            for number, line in enumerate(text.splitlines(), 1):
                for requirement in ids_in(line):
                    cite(requirement, "code", f"{path}: {_enclosing(tree, number)}".removesuffix(": "))
    for path, tree, _ in _sources(ROOT / "tests"):
        for name, requirement in _marked(tree):
            cite(requirement, "tests", f"{path}::{name}")
    for vector in sorted((SPECS / "vectors").rglob("*.json")):
        trace = json.loads(vector.read_bytes())
        for requirement in trace["requirements"]:
            cite(requirement, "vectors", trace["id"])
    return {key: {kind: sorted(places) for kind, places in value.items()} for key, value in cited.items()}


def ids_in(line: str) -> Iterator[str]:
    """The requirement ids in a line; `FK-X-01 to FK-X-03` names three."""
    for match in _ID.finditer(line):
        first, last = int(match[2]), int(match[3] or match[2])
        yield from (f"{match[1]}-{number:02}" for number in range(first, last + 1))


def _sources(folder: Path) -> Iterator[tuple[str, ast.Module, str]]:
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(folder.parent).as_posix(), ast.parse(text), text


def _enclosing(tree: ast.Module, line: int) -> str:
    """The dotted name of the innermost class or function around a line; empty at module level."""
    names: list[str] = []
    nodes: list[ast.stmt] = tree.body
    while True:
        inner = next(
            (
                node
                for node in nodes
                if isinstance(node, ast.ClassDef | ast.FunctionDef)
                and node.lineno <= line <= (node.end_lineno or 0)
            ),
            None,
        )
        if inner is None:
            return ".".join(names)
        names.append(inner.name)
        nodes = inner.body


def _marked(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Test name and requirement, for each `@pytest.mark.requirement(…)`."""
    scopes: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    for prefix, body in scopes:
        for node in body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                if (
                    isinstance(decorator, ast.Call)
                    and ast.unparse(decorator.func) == "pytest.mark.requirement"
                ):
                    for argument in decorator.args:
                        yield prefix + node.name, ast.literal_eval(argument)
            if isinstance(node, ast.ClassDef):
                scopes.append((f"{prefix}{node.name}::", node.body))


# --- The catalogue as a page ---


def requirements_page(requirements: list[dict[str, Any]], evidence: dict[str, dict[str, list[str]]]) -> str:
    lines = [
        "<!-- Generated from requirements.toml by `python -m tests.generate`. Do not edit. -->",
        "# Requirements",
        "",
        "*spec* follows from the Matrix specification or a merged MSC; *choice* is this project's answer",
        "where they are silent, argued in `decisions/`; *proposal* comes from an unmerged MSC or an early",
        "draft. CS is the client-server API, SS the server-server API. `fallbackkeys requirements ID` shows",
        "the code, tests and vectors behind a requirement.",
    ]
    group = ""
    for entry in requirements:
        if (prefix := entry["id"].rpartition("-")[0]) != group:
            group = prefix
            lines += ["", f"## {group}", "", "| id | level | since | requirement | source | vectors |"]
            lines.append("|---|---|---|---|---|---|")
        vectors = len(evidence.get(entry["id"], {}).get("vectors", []))
        cells = [
            entry["id"],
            entry["level"],
            entry["since"],
            entry["text"],
            entry["source"],
            str(vectors or "-"),
        ]
        lines.append("| " + " | ".join(cells).replace("\n", " ") + " |")
    return "\n".join(lines) + "\n"


# --- The state machine, drawn by running it ---

_CURVE = "signed_curve25519"
_POLICY = Policy(max_pool=1, max_remembered=1)


def _key(name: str, public_key: str) -> Key:
    return Key.parse(f"{_CURVE}:{name}", {"key": public_key, "signatures": {}, "fallback": True})


_A, _B = _key("a", "a"), _key("b", "b")
_F, _G = _key("f", "f"), _key("g", "g")

_Step = Callable[[DeviceState], Uploaded | Claimed | Dropped]


def _slot_key(state: DeviceState) -> Key:
    slot = state.slots.get(_CURVE)
    return _F if slot is None else slot.key


_ALGORITHM_STEPS: dict[str, _Step] = {
    "upload one-time key": lambda state: upload(state, Upload(one_time_keys=(_A,))),
    "upload new fallback key": lambda state: upload(
        state, Upload(fallback_keys=(_G if _slot_key(state) == _F else _F,))
    ),
    "upload same fallback key": lambda state: upload(state, Upload(fallback_keys=(_slot_key(state),))),
    "claim": lambda state: claim(state, _CURVE, policy=_POLICY),
    "drop": lambda state: drop(state, [_A.name]),
    "remove device": remove,
}


def _algorithm_state(state: DeviceState) -> str:
    slot = state.slots.get(_CURVE)
    mark = "none" if slot is None else "used" if slot.used else "unused"
    return f"{'waiting' if state.pool(_CURVE) else 'empty'}, {mark}"


def _issue_another(state: DeviceState) -> Claimed | Dropped:
    if state.pool(_CURVE).named("a"):  # a younger key must wait
        return drop(state, ())
    return claim(upload(state, Upload(one_time_keys=(_B,))).state, _CURVE, policy=_POLICY)


_KEY_STEPS: dict[str, _Step] = {
    "upload": lambda state: upload(state, Upload(one_time_keys=(_A,))),
    "claim": lambda state: claim(state, _CURVE, policy=_POLICY),
    "drop": lambda state: drop(state, [_A.name]),
    "remove device": remove,
    "another key is issued": _issue_another,
}


def _key_state(state: DeviceState) -> str:
    pool = state.pool(_CURVE)
    if pool.holding(_A.fingerprint):
        return "waiting"
    return "issued" if pool.remembers(_A.fingerprint) else "unknown"


def explore(
    steps: dict[str, _Step], name_of: Callable[[DeviceState], str]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Run every step in every kind of state that can be reached: (kind, step) → (kind, what happened)."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    seen = {name_of(EMPTY)}
    pending = [EMPTY]
    while pending:
        state = pending.pop(0)
        for label, step in steps.items():
            result = step(state)
            kind = name_of(result.state)
            given = result.key if isinstance(result, Claimed) else None
            happened = [f"gives {_kind_of(given)}"] if given is not None else []
            happened += [type(event).__name__ for event in result.events]
            found[name_of(state), label] = kind, ", ".join(happened)
            if kind not in seen:
                seen.add(kind)
                pending.append(result.state)
    return found


def _kind_of(key: Key) -> str:
    return "the fallback key" if key in (_F, _G) else "a one-time key"


def diagram(edges: dict[tuple[str, str], tuple[str, str]]) -> list[str]:
    """A Mermaid state diagram; steps that lead from and to the same kinds share an arrow."""
    identifiers = {kind: re.sub(r"\W+", "_", kind) for kind, _ in edges}
    arrows: dict[tuple[str, str], list[str]] = {}
    for (kind, label), (target, _) in edges.items():
        if target != kind:
            arrows.setdefault((kind, target), []).append(label)
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{kind}" as {identifier}' for kind, identifier in identifiers.items()]
    lines.append(f"    [*] --> {next(iter(identifiers.values()))}")
    for (kind, target), labels in arrows.items():
        lines.append(f"    {identifiers[kind]} --> {identifiers[target]} : {' / '.join(labels)}")
    return [*lines, "```"]


def table(edges: dict[tuple[str, str], tuple[str, str]]) -> list[str]:
    """Every kind of state and every step, with the kind it leads to and what happened."""
    lines = ["| state | step | next state | what happens |", "|---|---|---|---|"]
    for (kind, label), (target, happened) in edges.items():
        lines.append(f"| {kind} | {label} | {target if target != kind else '-'} | {happened or 'nothing'} |")
    return lines


def state_machine_page(page: str) -> str:
    """The page with its generated parts written anew; the text around them is written by hand."""
    algorithm, key = explore(_ALGORITHM_STEPS, _algorithm_state), explore(_KEY_STEPS, _key_state)
    blocks = {
        "algorithm-diagram": diagram(algorithm),
        "algorithm-table": table(algorithm),
        "key-diagram": diagram(key),
        "key-table": table(key),
    }
    for name, lines in blocks.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            message = f"state-machine.md lacks the markers of {name}"
            raise ValueError(message)
        page = "\n".join([before + start, *lines, end]) + after
    return page


if __name__ == "__main__":
    for path, content in documents().items():
        path.write_text(content, encoding="utf-8")
