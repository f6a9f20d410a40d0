"""The reference state machine for Matrix one-time keys and fallback keys (MSC2732).

This page re-exports the core: keys, states, transitions, stores. `fallbackkeys.wire` has the endpoints,
`fallbackkeys.snapshot` the stored form, `fallbackkeys.traces` the replayer of test vectors. Importing this
package loads no cryptography, network, database or terminal library.
"""

from fallbackkeys.devices import Device, Wanted
from fallbackkeys.errors import (
    JSON,
    Errcode,
    EventMismatch,
    FallbackKeysError,
    Limit,
    Malformed,
    Misuse,
    NotClaimable,
    OneTimeKeyConflict,
    Refusal,
    Rule,
    SeveralFallbackKeys,
    SnapshotError,
    TooLarge,
)
from fallbackkeys.events import (
    DeviceRemoved,
    Event,
    FallbackKeyReplaced,
    FallbackKeyUsed,
    IssuedKeyForgotten,
    OneTimeKeyAdded,
    OneTimeKeyDropped,
    OneTimeKeyIssued,
)
from fallbackkeys.evolve import apply, apply_all
from fallbackkeys.keys import Key, KeyName, fingerprint
from fallbackkeys.keystore import EMPTY_STORE, DeviceEvent, KeyStore
from fallbackkeys.notices import (
    FallbackFlagOnOneTimeKey,
    FallbackKeyNotFlagged,
    IssuedKeyIgnored,
    KeyInBothKinds,
    Notice,
    SecondIdIgnored,
    WaitingKeyKept,
)
from fallbackkeys.outcomes import Claimed, ClaimedSeveral, Dropped, SyncView, Upload, Uploaded
from fallbackkeys.policy import PURE, WIRE, Policy
from fallbackkeys.proposals import claim_several
from fallbackkeys.state import EMPTY, DeviceState, FallbackSlot, OneTimeKey, Pool
from fallbackkeys.transitions import (
    claim,
    claim_one_time_key,
    claimable,
    drop,
    remove,
    sync,
    upload,
)

__all__ = [
    "EMPTY",
    "EMPTY_STORE",
    "JSON",
    "PURE",
    "WIRE",
    "Claimed",
    "ClaimedSeveral",
    "Device",
    "DeviceEvent",
    "DeviceRemoved",
    "DeviceState",
    "Dropped",
    "Errcode",
    "Event",
    "EventMismatch",
    "FallbackFlagOnOneTimeKey",
    "FallbackKeyNotFlagged",
    "FallbackKeyReplaced",
    "FallbackKeyUsed",
    "FallbackKeysError",
    "FallbackSlot",
    "IssuedKeyForgotten",
    "IssuedKeyIgnored",
    "Key",
    "KeyInBothKinds",
    "KeyName",
    "KeyStore",
    "Limit",
    "Malformed",
    "Misuse",
    "NotClaimable",
    "Notice",
    "OneTimeKey",
    "OneTimeKeyAdded",
    "OneTimeKeyConflict",
    "OneTimeKeyDropped",
    "OneTimeKeyIssued",
    "Policy",
    "Pool",
    "Refusal",
    "Rule",
    "SecondIdIgnored",
    "SeveralFallbackKeys",
    "SnapshotError",
    "SyncView",
    "TooLarge",
    "Upload",
    "Uploaded",
    "WaitingKeyKept",
    "Wanted",
    "apply",
    "apply_all",
    "claim",
    "claim_one_time_key",
    "claim_several",
    "claimable",
    "drop",
    "fingerprint",
    "remove",
    "sync",
    "upload",
]
