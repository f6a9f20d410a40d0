"""Keys and uploads for tests, in as few characters as a test can be read in."""

from typing import Any

from fallbackkeys import (
    EMPTY,
    EMPTY_STORE,
    Device,
    DeviceEvent,
    DeviceState,
    Key,
    KeyStore,
    Upload,
    apply,
    claim,
    upload,
)

CURVE = "signed_curve25519"
ALICE = Device("@alice:example.org", "ALICE1")


def signed_value(public_key: str, **members: Any) -> dict[str, Any]:
    """The value of a signed key; the signature is well-formed and signs nothing."""
    return {"key": public_key, "signatures": {"@alice:example.org": {"ed25519:ALICE1": "c2ln"}}, **members}


def one_time_key(name: str, public_key: str | None = None, **members: Any) -> Key:
    """A signed one-time key; `name` is a key id, or `<algorithm>:<key_id>`. Its public key is its id."""
    full = name if ":" in name else f"{CURVE}:{name}"
    return Key.parse(full, signed_value(public_key or full.partition(":")[2], **members))


def fallback_key(name: str, public_key: str | None = None, **members: Any) -> Key:
    """The same, flagged as a fallback key."""
    return one_time_key(name, public_key, fallback=True, **members)


def uploaded(*one_time_ids: str, fallback: Key | None = None, state: DeviceState = EMPTY) -> DeviceState:
    """The state after an upload of one-time keys of these ids."""
    command = Upload(
        one_time_keys=tuple(one_time_key(key_id) for key_id in one_time_ids),
        fallback_keys=() if fallback is None else (fallback,),
    )
    return upload(state, command).state


def stored(
    *one_time_ids: str, fallback: Key | None = None, device: Device = ALICE, store: KeyStore = EMPTY_STORE
) -> KeyStore:
    """The store after the same upload by a device."""
    return store.with_state(device, uploaded(*one_time_ids, fallback=fallback, state=store.state(device)))


def with_event(store: KeyStore, event: DeviceEvent) -> KeyStore:
    """What an embedder that persists events does with one."""
    return store.with_state(event.device, apply(store.state(event.device), event.event))


def identity(**members: Any) -> dict[str, Any]:
    """The value of `device_keys` that Alice's device may upload."""
    ids = {"user_id": ALICE.user_id, "device_id": ALICE.device_id}
    return {**ids, "algorithms": [], "keys": {"ed25519:ALICE1": "k"}, "signatures": {}, **members}


def claimed_ids(state: DeviceState, times: int, algorithm: str = CURVE) -> list[str | None]:
    """The key ids that as many claims in a row return."""
    ids: list[str | None] = []
    for _ in range(times):
        claimed = claim(state, algorithm)
        state = claimed.state
        ids.append(None if claimed.key is None else claimed.key.key_id)
    return ids
