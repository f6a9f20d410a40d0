"""Writing the slots of a frozen class directly.

A claim builds four values and does little else, so what a value costs is what a claim costs. The `__init__`
that attrs generates for a frozen class looks each field up by name; one that is written by hand with these
setters takes a third less (tests/benchmarks/core.py). Only the four that every claim builds have one.

A step of the client's machine changes a few fields of a few values, and `attrs.evolve` was most of its cost;
`changer` does the same in a third of the time, and `maker` is for the two largest of the values that a step
makes anew (tests/benchmarks/client.py).
"""

from collections.abc import Callable
from operator import attrgetter
from typing import TypeVar

import attrs

_T = TypeVar("_T", bound=attrs.AttrsInstance)


def setters(cls: type[attrs.AttrsInstance]) -> tuple[Callable[[object, object], None], ...]:
    """For each field of a slotted class, in order, the function that sets it: `(instance, value)`."""
    return tuple(getattr(cls, field.name).__set__ for field in attrs.fields(cls))


def maker(cls: type[_T]) -> Callable[..., _T]:
    """`(*values)`, the same as calling the class, in less than half the time where it has many fields."""
    unfinished = _unfinished(cls)

    def make(*values: object) -> _T:
        made = unfinished(*values)
        made.__class__ = cls
        return made

    return make


def changer(cls: type[_T]) -> Callable[..., _T]:
    """For a class of at least two fields: `(instance, **changes)`, the same with other values.

    As `attrs.evolve`, but it looks nothing up that is the same for every instance.
    """
    names = [field.name for field in attrs.fields(cls)]
    read, write = attrgetter(*names), dict(zip(names, setters(cls), strict=True))
    unfinished = _unfinished(cls)

    def change(instance: _T, **changes: object) -> _T:
        changed = unfinished(*read(instance))
        for name, value in changes.items():
            write[name](changed, value)
        changed.__class__ = cls
        return changed

    return change


def _unfinished(cls: type[_T]) -> Callable[..., _T]:
    """A subclass that is not frozen, whose fields CPython sets four times as fast.

    A value begins as one of it, and becomes one of the class when it is complete, before anyone sees it.
    """
    thawed = {"__slots__": (), "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return attrs.define(type("Unfinished", (cls,), thawed), eq=False, repr=False)
