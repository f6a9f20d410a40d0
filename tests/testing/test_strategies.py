"""The public strategies: what they make is what they say."""

import json
from typing import Any

from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from fallbackkeys import EMPTY_STORE, Device, Key, KeyName
from fallbackkeys.signing import public_key, signing_key, verify_key
from fallbackkeys.testing.keys import seed_of
from fallbackkeys.testing.strategies import (
    JSON_VALUES,
    claims,
    command_sequences,
    key_ids,
    key_names,
    keys,
    malformed_claims,
    malformed_uploads,
    public_keys,
    signed_keys,
    uploads,
)
from fallbackkeys.traces import Trace, parse_trace, replay, write_trace
from fallbackkeys.wire import decode, parse_body, upload_keys

ALICE = Device("@alice:example.org", "ALICE")
DEVICES = (ALICE, Device("@bob:example.org", "BOB"))
ED25519 = public_key(signing_key(ALICE.device_id, seed_of(ALICE)))


@given(name=key_names(), public=public_keys(), key_id=key_ids())
def test_names_and_public_keys_are_well_formed(name: str, public: str, key_id: str) -> None:
    algorithm, _, _ = name.partition(":")
    assert str(Key.parse(f"curve25519:{key_id}", public).name) == str(KeyName("curve25519", key_id))
    assert algorithm in {"curve25519", "signed_curve25519"}


@given(kind=st.sampled_from(("one-time", "fallback")), data=st.data())
def test_signatures_are_real(kind: str, data: st.DataObject) -> None:
    value = data.draw(signed_keys(ALICE, kind=kind))
    key = Key.parse("signed_curve25519:A", value)
    verify_key(key, ALICE, ED25519)
    assert key.says_fallback == (kind == "fallback")
    name, any_key = data.draw(keys(ALICE, kind=kind))
    assert str(Key.parse(name, any_key).name) == name


@given(body=uploads(ALICE), claim=claims(DEVICES))
def test_well_formed_bodies_are_such(body: Any, claim: Any) -> None:
    assert upload_keys(EMPTY_STORE, ALICE.user_id, ALICE.device_id, body).response.status in {200, 400}
    decode.upload(body, ALICE)
    assert decode.claim(claim)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(sequence=command_sequences(DEVICES, most=6))
def test_sequences_can_be_written_as_traces(sequence: list[Any]) -> None:
    if sequence:
        trace = Trace(id="drawn", title="Drawn", steps=tuple(sequence))
        assert parse_trace(write_trace(trace), "drawn.json") == trace
        assert len(replay(trace).steps) == len(sequence)


@given(body=malformed_uploads(ALICE) | malformed_claims(DEVICES) | JSON_VALUES)
def test_malformed_bodies_are_still_json_that_a_server_reads(body: Any) -> None:
    assert parse_body(json.dumps(body).encode()) == body


def test_malformed_bodies_are_malformed_in_many_ways() -> None:
    def is_refused(body: Any) -> bool:
        return upload_keys(EMPTY_STORE, ALICE.user_id, ALICE.device_id, body).response.status == 400

    find(malformed_uploads(ALICE), is_refused)
    find(malformed_uploads(ALICE), lambda body: isinstance(body, dict) and is_refused(body))
    find(malformed_claims(DEVICES), lambda body: isinstance(body, dict) and "one_time_keys" not in body)
