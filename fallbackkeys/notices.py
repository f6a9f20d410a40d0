"""What an upload accepted although its sender should know better.

Not errors: the answer is 200. A homeserver logs or counts them; a client author tests against them.
"""

from typing import TypeAlias

import attrs

from fallbackkeys.keys import Key


@attrs.frozen
class IssuedKeyIgnored:
    """A one-time key that was issued before was uploaded again, and ignored (FK-UPLOAD-12)."""

    key: Key


@attrs.frozen
class WaitingKeyKept:
    """A waiting one-time key was uploaded again under its id; the stored object stays (FK-UPLOAD-09)."""

    key: Key


@attrs.frozen
class SecondIdIgnored:
    """A waiting one-time key was uploaded under a second id, and ignored (FK-UPLOAD-11)."""

    key: Key
    first_id: str
    """The id under which it waits."""


@attrs.frozen
class KeyInBothKinds:
    """A public key stands, or has stood, among the one-time keys and in the fallback slot (FK-UPLOAD-16)."""

    key: Key


@attrs.frozen
class FallbackKeyNotFlagged:
    """A fallback key object does not say `fallback: true` (FK-UPLOAD-19)."""

    key: Key


@attrs.frozen
class FallbackFlagOnOneTimeKey:
    """A one-time key says `fallback: true` (FK-UPLOAD-19)."""

    key: Key


Notice: TypeAlias = (
    IssuedKeyIgnored
    | WaitingKeyKept
    | SecondIdIgnored
    | KeyInBothKinds
    | FallbackKeyNotFlagged
    | FallbackFlagOnOneTimeKey
)
"""Any of the above."""
