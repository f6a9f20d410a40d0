"""The names the fallback-key fields have had, as one table.

Servers and clients of 2020 to 2025 speak different ones; `specs/divergences.md` has their history.
"""

from collections.abc import Iterable
from typing import Final

import attrs

from fallbackkeys.errors import Misuse


@attrs.frozen(kw_only=True)
class Dialect:
    """One spelling of the fields that MSC2732 adds."""

    name: str
    request_members: tuple[str, ...]
    """Members of `/keys/upload` that hold fallback keys, the preferred one first."""
    sync_member: str
    """Member of `/sync` that lists the unused types."""


DIALECTS: Final = (
    # FK-DIALECT-01: Matrix 1.2.
    Dialect(
        name="stable", request_members=("fallback_keys",), sync_member="device_unused_fallback_key_types"
    ),
    # FK-DIALECT-02: MSC2732 as merged, before its names were in a release.
    Dialect(
        name="unstable",
        request_members=("org.matrix.msc2732.fallback_keys",),
        sync_member="org.matrix.msc2732.device_unused_fallback_key_types",
    ),
    # FK-DIALECT-03: MSC2732's text of August 2020.
    Dialect(name="draft", request_members=("fallback_keys",), sync_member="device_unused_fallback_keys"),
    # FK-DIALECT-04: the same of September 2020, which spells the request's member in the singular once.
    Dialect(
        name="draft-unstable",
        request_members=("org.matrix.msc2732.fallback_keys", "org.matrix.msc2732.fallback_key"),
        sync_member="org.matrix.msc2732.device_unused_fallback_keys",
    ),
)
"""Every dialect, in order of precedence (FK-DIALECT-05)."""

STABLE: Final = DIALECTS[:1]
"""What a server of today speaks. The default of every endpoint."""


def dialects(names: Iterable[str]) -> tuple[Dialect, ...]:
    """The dialects of these names, in the table's order.

    Raises:
        Misuse: there is no dialect of a name, or no name at all.
    """
    wanted = set(names)
    unknown = wanted - {dialect.name for dialect in DIALECTS}
    if unknown or not wanted:
        known = ", ".join(dialect.name for dialect in DIALECTS)
        raise Misuse(f"dialects must be some of {known}, not {', '.join(sorted(unknown)) or 'none'}")
    return tuple(dialect for dialect in DIALECTS if dialect.name in wanted)


def in_order(spoken: Iterable[Dialect]) -> tuple[Dialect, ...]:
    """The dialects of a configuration in the table's order, each once.

    Raises:
        Misuse: there is none, or something that is not in `DIALECTS`: a server would take uploads with a
            fallback key and never see the key.
    """
    wanted = tuple(spoken)
    strange = [dialect for dialect in wanted if dialect not in DIALECTS]
    if strange or not wanted:
        found = repr(strange[0]) if strange else "none"
        raise Misuse(f"dialects spoken must be some of DIALECTS, not {found}")
    return tuple(dialect for dialect in DIALECTS if dialect in wanted)


def fallback_member(body: dict[str, object], spoken: Iterable[Dialect]) -> str | None:
    """Which member of an upload holds the fallback keys: the first that is there and not null, if any.

    Members that lose, and those of dialects not spoken, are not looked at (FK-DIALECT-05, FK-DIALECT-07).

    Raises:
        Misuse: as `in_order`.
    """
    members = (member for dialect in in_order(spoken) for member in dialect.request_members)
    return next((member for member in members if body.get(member) is not None), None)
