"""Traces for tests, in as few characters as a test can be read in."""

from typing import Any

from fallbackkeys.traces import (
    ClaimStep,
    DeleteDeviceStep,
    Expectation,
    FederationClaimStep,
    Step,
    SyncStep,
    Trace,
    UploadStep,
)
from tests.builders import CURVE, signed_value

ALICE = "@alice:example.org"


def expect(status: int = 200, errcode: str | None = None, **body: Any) -> Expectation:
    errcodes = None if errcode is None else (errcode,)
    return Expectation(status=status, errcodes=errcodes, body=body or None)


def pattern(body: Any) -> Expectation:
    return Expectation(body=body)


def keys(*key_ids: str, **members: Any) -> Any:
    """A map of keys, whose public keys are their ids."""
    return {f"{CURVE}:{key_id}": signed_value(key_id, **members) for key_id in key_ids}


def upload(
    *key_ids: str, fallback: str | None = None, device: str = "A", expected: Expectation | None = None
) -> UploadStep:
    body: dict[str, Any] = {"one_time_keys": keys(*key_ids)}
    if fallback is not None:
        body["fallback_keys"] = keys(fallback, fallback=True)
    return raw_upload(body, device=device, expected=expected)


def raw_upload(body: Any, *, device: str = "A", expected: Expectation | None = None) -> UploadStep:
    return UploadStep(user=ALICE, device=device, body=body, expect=expected or expect())


def claim(*devices: str, user: str = ALICE, expected: Expectation | None = None, **remote: Any) -> ClaimStep:
    return ClaimStep(
        user="@bob:example.org", body=wanted(*devices, user=user), remote=remote, expect=expected or expect()
    )


def federation_claim(
    *devices: str, user: str = ALICE, expected: Expectation | None = None
) -> FederationClaimStep:
    body = wanted(*devices, user=user)
    return FederationClaimStep(origin="other.org", body=body, expect=expected or expect())


def wanted(*devices: str, user: str = ALICE) -> Any:
    return {"one_time_keys": {user: dict.fromkeys(devices or ("A",), CURVE)}}


def given(*key_ids: str, device: str = "A", **members: Any) -> Expectation:
    """The answer of a claim: these keys of one device."""
    return expect(one_time_keys={ALICE: {device: keys(*key_ids, **members)}} if key_ids else {})


def sync(*unused: str, device: str = "A", **counts: int) -> SyncStep:
    expected = expect(
        device_one_time_keys_count={"$counts": counts},
        device_unused_fallback_key_types={"$set": list(unused)},
    )
    return SyncStep(user=ALICE, device=device, expect=expected)


def delete(device: str = "A") -> DeleteDeviceStep:
    return DeleteDeviceStep(user=ALICE, device=device, expect=expect())


def trace(*steps: Step, server_name: str = "example.org") -> Trace:
    return Trace(id="a-trace", title="A trace", server_name=server_name, steps=steps)
