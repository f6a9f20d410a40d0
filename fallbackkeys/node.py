"""Reading snapshots strictly: a value within a JSON document, which knows its place.

Every method returns what it promises or raises `SnapshotError` with the place, so that whoever reads a
snapshot has no check of its own to forget, and a half-read state can never come about.
"""

from collections.abc import Callable
from typing import TypeVar

import attrs

from fallbackkeys.errors import Refusal, SnapshotError, describe, quote

_T = TypeVar("_T")


@attrs.frozen
class Node:
    """A value within a snapshot, which knows its place."""

    value: object
    place: str

    @classmethod
    def root(cls, snapshot: object, *, version: int) -> "Node":
        """The whole snapshot, if its member `format` is the version that the caller reads."""
        node = cls(snapshot, "the snapshot")
        found = node["format"].integer()
        if found != version:
            raise SnapshotError(
                place="format", reason=f"is {describe(found)}; this version reads {version} only"
            )
        return node

    def __getitem__(self, name: str) -> "Node":
        value = self.expect(dict, "an object")
        if name not in value:
            raise SnapshotError(place=self.place, reason=f"lacks the member {name}")
        return Node(value[name], name if self.place == "the snapshot" else f"{self.place}.{quote(name)}")

    def has(self, name: str) -> bool:
        """Whether an object has the member."""
        return name in self.expect(dict, "an object")

    def members(self, *names: str) -> None:
        """Refuse members that the format does not name."""
        for name in self.expect(dict, "an object"):
            if name not in names:
                shown = quote(name) if isinstance(name, str) else describe(name)
                raise SnapshotError(place=self.place, reason=f"has the unknown member {shown}")

    def items(self) -> list[tuple[str, "Node"]]:
        """An object's members."""
        names = list(self.expect(dict, "an object"))
        for name in names:
            if not isinstance(name, str):
                raise SnapshotError(place=self.place, reason=f"has the member name {describe(name)}")
        return [(name, self[name]) for name in names]

    def elements(self) -> list["Node"]:
        """A list's elements."""
        return [
            Node(item, f"{self.place}[{index}]") for index, item in enumerate(self.expect(list, "a list"))
        ]

    def integer(self) -> int:
        """An integer of at least 0."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 0:
            raise SnapshotError(
                place=self.place, reason=f"must be an integer of at least 0, not {describe(self.value)}"
            )
        return self.value

    def string(self) -> str:
        """A string."""
        return self.expect(str, "a string")

    def boolean(self) -> bool:
        """True or false."""
        return self.expect(bool, "a boolean")

    def checked(self, check: Callable[[str, str], object], name: str) -> None:
        """Refuse a member's name that no identifier may have."""
        try:
            check(name, "its name")
        except Refusal as refusal:
            raise SnapshotError(place=self.place, reason=refusal.message) from refusal

    def expect(self, kind: type[_T], description: str) -> _T:
        """The value, if it is of this type."""
        if not isinstance(self.value, kind):
            raise SnapshotError(place=self.place, reason=f"must be {description}, not {describe(self.value)}")
        return self.value
