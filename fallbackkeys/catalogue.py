"""The requirements, and what holds the code to them.

`specs/requirements.toml` is written by people; `specs/traceability.json` is generated from the citations in
code, tests and vectors. This module reads both and judges neither: that every requirement has evidence is
the generator's check.
"""

import json
import tomllib
from typing import cast

import attrs

from fallbackkeys.persistent import Map
from fallbackkeys.specdata import spec_file


@attrs.frozen(kw_only=True)
class Requirement:
    """One numbered requirement."""

    id: str
    """For example `FK-CLAIM-01`; never reused."""
    level: str
    """`spec`, `choice` or `proposal`."""
    since: str
    """The Matrix version from which it holds; for a proposal, the proposal's number."""
    source: str
    """Where it comes from: section, endpoint, proposal, decision record."""
    visible: bool
    """Whether a trace can show it kept or broken."""
    text: str
    """The requirement itself, one sentence."""


@attrs.frozen(kw_only=True)
class Evidence:
    """What cites a requirement."""

    code: tuple[str, ...] = ()
    """Places that implement it, `<file>: <function>`."""
    tests: tuple[str, ...] = ()
    """Tests that fail when it is broken, as pytest names them."""
    vectors: tuple[str, ...] = ()
    """Ids of the traces that show it."""


NO_EVIDENCE = Evidence()
"""Nothing cites the requirement."""


def requirements() -> tuple[Requirement, ...]:
    """Every requirement, in the order of the file.

    Raises:
        SpecFileMissing: the file is not installed.
    """
    with spec_file("requirements.toml").open("rb") as file:
        return tuple(Requirement(**entry) for entry in tomllib.load(file)["requirement"])


def evidence() -> Map[str, Evidence]:
    """Requirement id → what cites it; a requirement that nothing cites is left out.

    Raises:
        SpecFileMissing: the file is not installed.
    """
    found = json.loads(spec_file("traceability.json").read_bytes())
    return Map(
        {
            requirement: Evidence(**{kind: tuple(places) for kind, places in kinds.items()})
            for requirement, kinds in cast("dict[str, dict[str, list[str]]]", found).items()
        }
    )
