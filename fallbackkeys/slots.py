"""Writing the slots of a frozen class directly.

A claim builds four values and does little else, so what a value costs is what a claim costs. The `__init__`
that attrs generates for a frozen class looks each field up by name; one that is written by hand with these
setters takes a third less (tests/benchmarks/core.py). Only the four that every claim builds have one.
"""

from collections.abc import Callable

import attrs


def setters(cls: type[attrs.AttrsInstance]) -> tuple[Callable[[object, object], None], ...]:
    """For each field of a slotted class, in order, the function that sets it: `(instance, value)`."""
    return tuple(getattr(cls, field.name).__set__ for field in attrs.fields(cls))
