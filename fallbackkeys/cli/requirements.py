"""`fallbackkeys requirements`: what is required, and what shows that it is kept."""

from textwrap import wrap

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from fallbackkeys import catalogue
from fallbackkeys.catalogue import NO_EVIDENCE, Evidence, Requirement
from fallbackkeys.cli.screen import Failure, Screen, write_json


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("-v", "--verbose", is_flag=True, help="Show source, code, tests and vectors of each.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document instead of text.")
def requirements(ids: tuple[str, ...], *, verbose: bool, as_json: bool) -> None:
    """List the requirements.

    With an ID, such as FK-CLAIM-01, show that one and the code, tests and vectors behind it.

    Exit status: 0, or 2 if there is no requirement of an ID.
    """
    everything = {requirement.id: requirement for requirement in catalogue.requirements()}
    for unknown in (one for one in ids if one not in everything):
        raise Failure(f"there is no requirement {ascii(unknown)[1:-1]}")
    chosen = [everything[one] for one in ids] if ids else list(everything.values())
    if as_json:
        write_json({"requirements": [_document(one) for one in chosen]})
    elif ids or verbose:
        _write_each(chosen)
    else:
        _write_table(chosen)


def _write_table(chosen: list[Requirement]) -> None:
    screen = Screen()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("level")
    table.add_column("since", no_wrap=True)
    table.add_column("text", overflow="fold")
    for one in chosen:
        table.add_row(
            screen.text(one.id, "bold"),
            screen.text(one.level),
            screen.text(one.since),
            screen.text(one.text),
        )
    screen.show(table)


def _write_each(chosen: list[Requirement]) -> None:
    screen = Screen()
    evidence = catalogue.evidence()
    for one in chosen:
        screen.line((one.id, "bold"), f"  {one.level}, since {one.since}")
        for line in wrap(one.text, max(20, screen.console.width - 2)):
            screen.line("  ", line)
        screen.line("  ", ("source   ", "dim"), one.source)
        for kind, places in _places(evidence.get(one.id, NO_EVIDENCE)).items():
            for index, place in enumerate(places or ("none",)):
                screen.line(
                    "  ", (f"{kind if index == 0 else '':9}", "dim"), (place, "" if places else "dim")
                )
        screen.line()


def _places(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    return {"code": evidence.code, "tests": evidence.tests, "vectors": evidence.vectors}


def _document(one: Requirement) -> dict[str, object]:
    return {
        "id": one.id,
        "level": one.level,
        "since": one.since,
        "source": one.source,
        "visible": one.visible,
        "text": one.text,
        **_places(catalogue.evidence().get(one.id, NO_EVIDENCE)),
    }
