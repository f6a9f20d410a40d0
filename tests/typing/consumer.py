# pyright: strict
"""An embedder's program as type checkers see it: mypy and pyright, both strict, must accept every line.

Run by neither pytest nor anything else; `.ci/test` gives it to both.
"""

from typing import assert_never, assert_type

from fallbackkeys import (
    EMPTY,
    EMPTY_STORE,
    WIRE,
    Claimed,
    Device,
    DeviceEvent,
    DeviceRemoved,
    DeviceState,
    Event,
    FallbackKeyReplaced,
    FallbackKeyUsed,
    IssuedKeyForgotten,
    Key,
    KeyName,
    KeyStore,
    OneTimeKeyAdded,
    OneTimeKeyDropped,
    OneTimeKeyIssued,
    Policy,
    Refusal,
    SyncView,
    Upload,
    Uploaded,
    apply_all,
    claim,
    claimable,
    drop,
    sync,
    upload,
)
from fallbackkeys.signing import BadSignature, public_key, sign, signing_key, verify_upload
from fallbackkeys.snapshot import restore_device, save_device
from fallbackkeys.wire import (
    Answer,
    PendingClaim,
    Response,
    claim_keys,
    dialects,
    parse_body,
    sync_keys,
    upload_keys,
)


def core() -> None:
    key = Key.parse("signed_curve25519:AAAAHQ", {"key": "a", "signatures": {}}, policy=WIRE)
    assert_type(key.name, KeyName)
    result = upload(EMPTY, Upload(one_time_keys=(key,)), policy=Policy(max_pool=50, max_remembered=100))
    assert_type(result, Uploaded)
    assert_type(result.state, DeviceState)
    claimed = claim(result.state, "signed_curve25519")
    assert_type(claimed, Claimed)
    assert_type(claimed.key, Key | None)
    assert_type(claimable(result.state, "signed_curve25519"), tuple[Key, ...])
    view = sync(claimed.state)
    assert_type(view, SyncView)
    assert_type(view.one_time_key_counts["signed_curve25519"], int)
    assert_type(apply_all(EMPTY, result.events), DeviceState)
    assert_type(drop(result.state, [key.name]).wakes, bool)
    assert_type(restore_device(save_device(claimed.state)), DeviceState)


def row(event: Event) -> str:
    """Every kind of event, and the checkers know that there is no other."""
    match event:
        case OneTimeKeyAdded() | OneTimeKeyIssued() | OneTimeKeyDropped():
            return event.key.key_id
        case FallbackKeyReplaced() | FallbackKeyUsed():
            return event.key.algorithm
        case IssuedKeyForgotten():
            return event.fingerprint.hex()
        case DeviceRemoved():
            return ""
        case _:
            assert_never(event)


def server(store: KeyStore, data: bytes) -> tuple[KeyStore, Response]:
    try:
        body = parse_body(data)
    except Refusal as refusal:
        assert_type(refusal.status, int)
        return store, Response(
            status=refusal.status, body={"errcode": refusal.errcode, "error": refusal.message}
        )
    answer = upload_keys(store, "@alice:example.org", "A", body, spoken=dialects(["stable", "unstable"]))
    assert_type(answer, Answer)
    for change in answer.events:
        assert_type(change, DeviceEvent)
        row(change.event)
    assert_type(answer.woken, frozenset[Device])
    pending = claim_keys(answer.store, "example.org", body)
    if isinstance(pending, PendingClaim):
        return pending.store, pending.finish({"other.example": "unreachable"})
    assert_type(pending, Answer)
    return sync_keys(EMPTY_STORE, "@alice:example.org", "A").store, pending.response


def signatures(command: Upload) -> bool:
    secret = signing_key("A", bytes(32))
    signed = sign({"key": "a"}, "@alice:example.org", secret)
    assert_type(signed["key"] == "a", bool)
    try:
        verify_upload(command, Device("@alice:example.org", "A"), public_key(secret))
    except BadSignature:
        return False
    return True
