"""Field names and bodies: between parsed JSON and the commands of the core. Pure, like the core.

`body` turns bytes into a body, `decode` bodies into commands, `encode` results into bodies, `endpoints` ties
them together, and `dialects` is the table of names.
"""

from fallbackkeys.wire.body import parse_body
from fallbackkeys.wire.dialects import DIALECTS, STABLE, Dialect, dialects
from fallbackkeys.wire.endpoints import (
    Answer,
    PendingClaim,
    Response,
    claim_keys,
    delete_device,
    federation_claim_keys,
    sync_keys,
    upload_keys,
)

__all__ = [
    "DIALECTS",
    "STABLE",
    "Answer",
    "Dialect",
    "PendingClaim",
    "Response",
    "claim_keys",
    "delete_device",
    "dialects",
    "federation_claim_keys",
    "parse_body",
    "sync_keys",
    "upload_keys",
]
