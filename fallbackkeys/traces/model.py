"""Traces as values: steps to do, and what must be answered.

The format is described in `specs/traces.md` and defined by `specs/trace.schema.json`. Bodies and patterns are
kept as plain JSON, shared and not copied: whoever is handed one reads it and leaves it as it is.
"""

from typing import TypeAlias

import attrs

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON
from fallbackkeys.wire import DIALECTS

DEFAULT_SERVER_NAME = "example.org"
"""The server a trace talks to unless it says otherwise."""


@attrs.frozen(kw_only=True)
class Expectation:
    """What a step must be answered; what is None is not compared."""

    status: int = 200
    errcodes: tuple[str, ...] | None = None
    """The errcodes allowed."""
    body: JSON = attrs.field(default=None, hash=False)
    """A pattern, see `patterns`."""


@attrs.frozen(kw_only=True)
class UploadStep:
    """`POST /keys/upload` by a device."""

    user: str
    device: str
    body: JSON = attrs.field(hash=False)
    dialects: tuple[str, ...] = ("stable",)
    """The dialects spoken, by name."""
    expect: Expectation

    def __str__(self) -> str:
        return f"upload by {self.user} {self.device}"


@attrs.frozen(kw_only=True)
class ClaimStep:
    """`POST /keys/claim` by a user of the server."""

    user: str | None = None
    """Who claims; None leaves it open."""
    body: JSON = attrs.field(hash=False)
    remote: dict[str, JSON] = attrs.field(factory=dict, hash=False)
    """Server name → the body it answers, or `"unreachable"`; one that is not named is unreachable."""
    expect: Expectation

    def __str__(self) -> str:
        return "claim" if self.user is None else f"claim by {self.user}"


@attrs.frozen(kw_only=True)
class FederationClaimStep:
    """`POST /user/keys/claim` by another server."""

    origin: str
    body: JSON = attrs.field(hash=False)
    expect: Expectation

    def __str__(self) -> str:
        return f"federation claim by {self.origin}"


@attrs.frozen(kw_only=True)
class SyncStep:
    """`GET /sync` by a device, of which only the two fields about keys are looked at."""

    user: str
    device: str
    dialects: tuple[str, ...] = ("stable",)
    expect: Expectation

    def __str__(self) -> str:
        return f"sync of {self.user} {self.device}"


@attrs.frozen(kw_only=True)
class DeleteDeviceStep:
    """The removal of a device."""

    user: str
    device: str
    expect: Expectation

    def __str__(self) -> str:
        return f"removal of {self.user} {self.device}"


Step: TypeAlias = UploadStep | ClaimStep | FederationClaimStep | SyncStep | DeleteDeviceStep
"""Any of the above."""


@attrs.frozen(kw_only=True)
class Trace:
    """One trace."""

    id: str
    title: str
    why: str | None = None
    """What goes wrong with a server that fails it."""
    level: str | None = None
    """`spec`, `choice` or `proposal`; None if the trace does not say."""
    source: str | None = None
    requirements: tuple[str, ...] = ()
    """Ids of the requirements it shows."""
    server_name: str = DEFAULT_SERVER_NAME
    steps: tuple[Step, ...]

    @property
    def devices(self) -> tuple[Device, ...]:
        """Every device that a step acts as or on, in order of appearance; their ids may be malformed."""
        acting = (step for step in self.steps if isinstance(step, UploadStep | SyncStep | DeleteDeviceStep))
        return tuple(dict.fromkeys(Device(step.user, step.device) for step in acting))

    @property
    def dialects(self) -> tuple[str, ...]:
        """Every dialect that a step speaks, in the table's order."""
        steps = [step for step in self.steps if isinstance(step, UploadStep | SyncStep)]
        spoken = {name for step in steps for name in step.dialects} or {"stable"}
        return tuple(dialect.name for dialect in DIALECTS if dialect.name in spoken)
