"""What is looked for: a topic is one thing that a server may get wrong, and the moves that show it.

Topics are kept apart so that one defect does not hide another. The sequences of a topic are generated from
its moves alone; only the facets of answers that it names are judged; and it is not tried on a server that is
known to fail one of the topics that it needs.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
from hypothesis import strategies as st

from fallbackkeys.devices import Device
from fallbackkeys.persistent import Map
from fallbackkeys.testing.judge import Facet
from fallbackkeys.testing.play import Play
from fallbackkeys.traces.model import Step

Move: TypeAlias = Callable[[st.DrawFn, Play], Step | None]
"""Draws the next step of an example; None if there is nothing to do now."""

NO_FACETS: Map[Facet, tuple[str, ...]] = Map()


@attrs.frozen(kw_only=True)
class Topic:
    """One thing that a server may get wrong."""

    check: str
    """The check it belongs to."""
    name: str
    title: str
    """What a server that gets it wrong does, in one line."""
    why: str
    """What that does to users."""
    requirements: tuple[str, ...]
    """Ids of what is broken then."""
    moves: tuple[Move, ...]
    judged: frozenset[Facet]
    """What is judged besides the status."""
    watched: tuple[Device, ...] = ()
    """Devices that sync after every step; what is not needed of it, shrinking leaves out."""
    blamed: Map[Facet, tuple[str, ...]] = NO_FACETS
    """Ids, where a facet shows something else broken than `requirements`."""
    silent: frozenset[Facet] = frozenset()
    """Facets in which the specification is silent, whatever the level of the requirements."""
    needs: tuple[str, ...] = ()
    """Ids of topics: on a server that fails one of them, this one cannot be told from it."""

    @property
    def id(self) -> str:
        """`<check>.<name>`."""
        return f"{self.check}.{self.name}"

    def broken(self, facet: Facet) -> tuple[str, ...]:
        """The requirements that a wrong facet breaks."""
        return self.blamed.get(facet, self.requirements)

    @property
    def every_requirement(self) -> tuple[str, ...]:
        """All that are tried."""
        more = (ids for facet, ids in self.blamed.items() if facet in {*self.judged, Facet.STATUS})
        return tuple(dict.fromkeys((*self.requirements, *(one for ids in more for one in ids))))


def facets(*judged: Facet) -> frozenset[Facet]:
    """These facets, and the status."""
    return frozenset((Facet.STATUS, *judged))


def blaming(**named: tuple[str, ...]) -> Map[Facet, tuple[str, ...]]:
    """Requirements by the name of the facet."""
    blamed: dict[str, Any] = named
    return Map({Facet[name]: ids for name, ids in blamed.items()})
