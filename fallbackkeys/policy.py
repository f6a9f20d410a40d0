"""Named choices where the specification is silent.

Each is argued, with what deployed servers do, in `specs/decisions/0007-limits.md` (limits), `0006` (memory
of issued keys) and `0005` (errcode of a conflict). `None` means no limit.
"""

import attrs

from fallbackkeys.errors import Errcode, Limit, Misuse, TooLarge

CONFLICT_ERRCODES = (Errcode.UNKNOWN, Errcode.DUPLICATE_ONE_TIME_KEY, Errcode.UNSTABLE_DUPLICATE_ONE_TIME_KEY)


@attrs.frozen(kw_only=True)
class Policy:
    """Limits and answers of one homeserver; the same for all its devices.

    Raises:
        Misuse: a limit is negative, the memory of issued keys is smaller than the pool may be, or the
            errcode is none of `CONFLICT_ERRCODES`.
    """

    max_keys_in_upload: int | None = None
    """One-time and fallback keys together in one upload (FK-LIMIT-01)."""
    max_pool: int | None = None
    """Waiting one-time keys per device and algorithm, counted only when an upload adds some (FK-LIMIT-02)."""
    max_algorithms: int | None = None
    """Algorithms under which one device has a pool, a slot or remembered keys (FK-LIMIT-03)."""
    max_value_bytes: int | None = None
    """Canonical JSON of one key, in bytes (FK-LIMIT-04)."""
    max_value_depth: int | None = None
    """Nesting of one key, in levels (FK-LIMIT-04)."""
    max_devices_in_claim: int | None = None
    """Devices asked for in one claim (FK-LIMIT-05)."""
    max_remembered: int | None = None
    """Issued keys remembered per device and algorithm, first in first out (FK-UPLOAD-14)."""
    max_keys_per_device: int | None = None
    """One-time keys of one algorithm that one claim for several may take from a device (MSC3983)."""
    conflict_errcode: Errcode = Errcode.UNKNOWN
    """What a conflicting one-time key is refused with (FK-FORM-12)."""

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Policy):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 0:
                raise Misuse(f"{field.name} must not be negative, and is {value}")
        if self.max_keys_per_device == 0:
            raise Misuse("max_keys_per_device must be at least 1: a claim that asks for keys asks for one")
        if self.max_remembered is not None and (self.max_pool is None or self.max_remembered < self.max_pool):
            # A client that retries the upload of a whole pool must find every key of it remembered.
            raise Misuse(
                f"max_remembered ({self.max_remembered}) must be at least max_pool ({self.max_pool})"
            )
        if self.conflict_errcode not in CONFLICT_ERRCODES:
            raise Misuse(f"conflict_errcode must be one of {', '.join(CONFLICT_ERRCODES)}")


PURE = Policy()
"""No limit at all: the specification's state machine and nothing else. The core's default."""

WIRE = Policy(
    max_keys_in_upload=500,
    max_pool=500,
    max_algorithms=16,
    max_value_bytes=16 * 1024,
    max_value_depth=16,
    max_devices_in_claim=10_000,
    max_remembered=5_000,
    max_keys_per_device=5,
)
"""What a public homeserver needs to stay bounded. The default of every endpoint in `wire`."""


def check_limit(member: str, limit: Limit, allowed: int | None, actual: int) -> None:
    """Refuse a number beyond the policy's.

    Raises:
        TooLarge: there is a limit, and `actual` is above it.
    """
    if allowed is not None and actual > allowed:
        raise TooLarge(member=member, limit=limit, allowed=allowed, actual=actual)
