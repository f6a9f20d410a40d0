"""How a client keeps its keys: named presets, and what each gives up. `specs/client.md` compares them.

All durations are integers in milliseconds.
"""

import enum

import attrs

from fallbackkeys.client.errors import WrongInput
from fallbackkeys.errors import Malformed, describe
from fallbackkeys.keys import KeyName

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Rotation(enum.StrEnum):
    """When a new fallback key takes the place of the current one."""

    ON_USE = "on use"
    """Once the server says it was handed out, or a message that used it was decrypted (MSC2732, MSC4081)."""
    BY_AGE = "by age"
    """Once it is `max_age` old, whatever the server says (matrix-rust-sdk#3151, matrix-spec#2445)."""
    ON_USE_OR_BY_AGE = "on use or by age"
    """Whichever comes first."""

    @property
    def on_use(self) -> bool:
        """Whether use is a reason to rotate."""
        return self is not Rotation.BY_AGE

    @property
    def by_age(self) -> bool:
        """Whether age is a reason to rotate."""
        return self is not Rotation.ON_USE


@attrs.frozen(kw_only=True)
class ClientPolicy:
    """The choices of one client, and what its crypto library can do.

    Raises:
        WrongInput: a duration or number that is no integer of at least 0, a `low_water` above `target`, no
            algorithm or a malformed one, a member of another type.
    """

    rotation: Rotation
    hold: int
    """How long the private half of the previous fallback key is kept at least (FK-CLIENT-02)."""
    min_interval: int
    """The least time between two rotations of one algorithm (FK-CLIENT-03)."""
    max_age: int = 7 * DAY
    """The age at which rotation by age is due."""
    algorithms: tuple[str, ...] = ("signed_curve25519",)
    """The algorithms under which the client publishes keys."""
    low_water: int = 25
    """One-time keys are refilled when fewer are left than this."""
    target: int = 50
    """They are refilled to this number: what libolm and vodozemac publish at once."""
    refill_interval: int = MINUTE
    """The least time between two refills of one algorithm; doubled with each conflict in a row."""
    retry_min: int = 5 * SECOND
    """The wait after an upload's first failure; doubled with each further one."""
    retry_max: int = HOUR
    """The longest wait between two attempts, and between two refills after conflicts."""
    answer_timeout: int = 5 * MINUTE
    """An upload without an answer is taken for lost after this time."""
    can_forget: bool = False
    """Whether the library can drop the previous fallback key by itself (vodozemac in Rust; not its Python
    binding, not libolm before 3.2.7). Where it cannot, the next rotation evicts it."""
    per_id_publish: bool = False
    """Whether the library marks single keys as published. The usual ones only mark all they hold, so nothing
    may be generated while an upload is in flight (FK-CLIENT-06)."""

    def __attrs_post_init__(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise _wrong(name, "must be an integer of at least 0", value)
        if not isinstance(self.rotation, Rotation):
            raise _wrong("rotation", "must be a member of Rotation", self.rotation)
        for name in _FACTS:
            if type(getattr(self, name)) is not bool:
                raise _wrong(name, "must be a boolean", getattr(self, name))
        if self.low_water > self.target:
            raise _wrong("low_water", f"must not be above the target, {self.target}", self.low_water)
        if self.retry_min == 0:
            raise _wrong("retry_min", "must be above 0, or a failing server is asked without a pause", 0)
        _check_algorithms(self.algorithms)


def _check_algorithms(algorithms: object) -> None:
    if not isinstance(algorithms, tuple) or not all(isinstance(name, str) for name in algorithms):
        raise _wrong("algorithms", "must be a tuple of strings", algorithms)
    if not algorithms or len(set(algorithms)) < len(algorithms):
        raise _wrong("algorithms", "must name at least one algorithm, each once", list(algorithms))
    for algorithm in algorithms:
        try:
            KeyName.parse(f"{algorithm}:k")
        except Malformed as malformed:
            raise _wrong("algorithms", "must be parts of a key's name", algorithm) from malformed


_NUMBERS = (
    "hold", "min_interval", "max_age", "low_water", "target",
    "refill_interval", "retry_min", "retry_max", "answer_timeout",
)  # fmt: skip
_FACTS = ("can_forget", "per_id_publish")


def _wrong(field: str, rule: str, found: object) -> WrongInput:
    return WrongInput(field=f"ClientPolicy.{field}", rule=rule, found=describe(found))


MSC2732 = ClientPolicy(rotation=Rotation.ON_USE, hold=HOUR, min_interval=HOUR)
"""The MSC's example: rotate on use, forget after one hour. The shortest replay window, where the library can
forget; elsewhere the previous half stays until the next rotation, however long. A message that is delayed for
longer (a server's outage, a slow federation) cannot be decrypted."""

ON_USE = ClientPolicy(rotation=Rotation.ON_USE, hold=7 * DAY, min_interval=HOUR)
"""Rotate on use, keep the previous half for a week. Messages survive a long outage; as at most two halves are
kept, a key that is used within that week stays in use until it is over."""

BY_AGE = ClientPolicy(rotation=Rotation.BY_AGE, hold=7 * DAY, min_interval=7 * DAY)
"""As matrix-rust-sdk: a new key every 7 days, used or not. A server cannot hurry it, nor delay it; a used key
stays in use for up to a week."""

MSC4081 = ClientPolicy(rotation=Rotation.ON_USE_OR_BY_AGE, hold=30 * DAY, min_interval=DAY, max_age=30 * DAY)
"""The draft of MSC4081, where other servers keep copies of the key: the previous half is kept for 30
days. The longest replay window."""
