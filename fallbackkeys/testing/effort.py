"""How hard a server is looked at: examples, time and the seed."""

import math

import attrs

from fallbackkeys.errors import Misuse


@attrs.frozen(kw_only=True)
class Effort:
    """How hard to look.

    Raises:
        EffortError: less than one example, or seconds that are negative, infinite or no number.
    """

    examples: int = 25
    """Sequences generated for each topic, at most."""
    seconds: float = 240.0
    """The budget for everything, spread over the topics that are left."""
    seed: int = 0
    """With the same seed, and a budget that is not used up, the same examples are played."""

    def __attrs_post_init__(self) -> None:
        if self.examples < 1:
            raise EffortError(f"examples must be at least 1, not {self.examples}")
        if not 0 <= self.seconds < math.inf:
            raise EffortError(f"seconds must be a number of at least 0, not {self.seconds}")


class EffortError(Misuse):
    """An effort that tries nothing, or has no end."""


DEFAULT_EFFORT = Effort()
"""Enough to find every defect in `specs/divergences.md` that a sequence of requests can show."""
