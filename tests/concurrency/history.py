"""Histories: what clients asked and were told, and when; one JSON object per line.

An operation whose transaction was rolled back is recorded as refused (409 with an errcode): it had no
effect. One whose outcome nobody knows, because a process or a connection died, has no return: it may have
taken effect at any time after its call, or never.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import attrs

ROLLED_BACK = 409


@attrs.frozen(kw_only=True)
class Operation:
    """One operation of one client; times are nanoseconds on one clock."""

    client: int
    do: str
    user: str | None = None
    device: str | None = None
    body: Any = None
    call: int
    returned: int | None = None
    status: int | None = None
    result: Any = None

    @property
    def answered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        return self.status is not None and 400 <= self.status < 500

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        members = dict(value)
        return cls(returned=members.pop("return"), **members)

    def line(self) -> str:
        members = attrs.asdict(self)
        members["return"] = members.pop("returned")
        return json.dumps({name: value for name, value in members.items() if _has(name, value)})


def _has(name: str, value: object) -> bool:
    return value is not None or name in {"return", "status", "result"}


def write(path: Path, operations: Iterable[Operation]) -> None:
    path.write_text("".join(f"{operation.line()}\n" for operation in operations))


def read(path: Path) -> list[Operation]:
    return [Operation.of(json.loads(line)) for line in path.read_text().splitlines()]
