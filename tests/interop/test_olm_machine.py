"""matrix-sdk-crypto-wasm 18.9.0, the OlmMachine of Element and others, against the server core.

The first half is what a server and this library owe each other. The second half records what the library does
that no client should; `test_vodozemac.py` and `test_nio_embedded.py` lead the client machine into the same
situations.
"""

from typing import Any

import pytest

from fallbackkeys import Device, Key
from fallbackkeys.signing import BadSignature, Fault, verify_device_keys, verify_key
from tests.interop.homeserver import CURVE, Homeserver
from tests.interop.node_machine import Node, OlmMachine

ALICE = Device("@alice:example.org", "ALICE1")
BOB = Device("@bob:example.org", "BOB1")
CAROL = Device("@carol:example.org", "CAROL1")
DAY = 86_400_000
START = 1_700_000_000_000


@pytest.fixture
def alice(process: Node, server: Homeserver) -> OlmMachine:
    """A device with a full pool and a fallback key on the server."""
    return settled(process, server, ALICE)


def settled(process: Node, server: Homeserver, device: Device) -> OlmMachine:
    """The fallback key comes with the second upload: the machine waits for a sync that has the field."""
    process.clock(START)
    machine = OlmMachine.start(process, server, device)
    machine.upload()
    machine.sync()
    machine.upload()
    return machine


def sender(process: Node, alice: OlmMachine, device: Device) -> OlmMachine:
    """A device that knows Alice's, and is known to her."""
    machine = settled(process, alice.server, device)
    machine.meet(alice.device)
    alice.meet(device)
    return machine


def write(machine: OlmMachine, text: str) -> None:
    """Send Alice a text."""
    machine.send(ALICE, "org.example.text", {"body": text})


def texts(events: list[dict[str, Any]]) -> list[str]:
    """What was decrypted."""
    return [event["event"]["content"]["body"] for event in events if event["outcome"] == "decrypted"]


def names(body: dict[str, Any] | None, member: str) -> list[str]:
    assert body is not None
    return list(body.get(member, {}))


# --- What server and library owe each other ---


@pytest.mark.requirement("FK-UPLOAD-01", "FK-UPLOAD-02", "FK-SYNC-01", "FK-SYNC-02")
def test_its_uploads_are_accepted(process: Node, server: Homeserver) -> None:
    process.clock(START)
    machine = OlmMachine.start(process, server, ALICE)
    first = machine.upload()
    assert len(names(first, "one_time_keys")) == 50
    assert names(first, "fallback_keys") == []  # it does not yet know that the server can
    assert (server.counts(ALICE), server.unused(ALICE)) == ({CURVE: 50}, [])
    machine.sync()
    second = machine.upload()
    assert names(second, "one_time_keys") == []
    assert len(names(second, "fallback_keys")) == 1
    assert (server.counts(ALICE), server.unused(ALICE)) == ({CURVE: 50}, [CURVE])
    assert machine.upload() is None


@pytest.mark.usefixtures("alice")
def test_its_signatures_verify(server: Homeserver) -> None:
    ed25519 = verify_device_keys(server.device_keys[ALICE], ALICE)
    keys = [
        (name, value)
        for _, body in server.uploads
        for member in ("one_time_keys", "fallback_keys")
        for name, value in body.get(member, {}).items()
    ]
    assert len(keys) == 51
    assert server.notices == []
    for name, value in keys:
        verify_key(Key.parse(name, value), ALICE, ed25519)
    # The flag is inside the signature: a fallback key cannot be passed off as a one-time key.
    name, value = keys[-1]
    assert value.pop("fallback") is True
    with pytest.raises(BadSignature) as caught:
        verify_key(Key.parse(name, value), ALICE, ed25519)
    assert caught.value.fault is Fault.WRONG


def test_a_changed_upload_is_refused(process: Node, server: Homeserver) -> None:
    machine = OlmMachine.start(process, server, ALICE)
    request = machine.outgoing("keys_upload")
    assert request is not None
    name = names(request.body, "one_time_keys")[0]
    request.body["one_time_keys"][name]["key"] = machine.curve25519
    refused = server.upload(ALICE, request.body)
    assert (refused.status, refused.body["errcode"]) == (400, "M_INVALID_SIGNATURE")
    assert server.counts(ALICE) == {CURVE: 0}


@pytest.mark.requirement("FK-SYNC-02")
def test_a_low_count_makes_it_refill(alice: OlmMachine, server: Homeserver) -> None:
    for _ in range(30):
        server.claim_one(ALICE)
    alice.sync()
    assert len(names(alice.upload(), "one_time_keys")) == 30
    assert server.counts(ALICE) == {CURVE: 50}
    server.drain(ALICE)
    alice.sync()
    assert len(names(alice.upload(), "one_time_keys")) == 50


@pytest.mark.requirement("FK-CLAIM-02", "FK-CLAIM-03", "FK-CLAIM-04")
def test_messages_on_one_time_and_fallback_keys_decrypt(
    process: Node, alice: OlmMachine, server: Homeserver
) -> None:
    bob = sender(process, alice, BOB)
    carol = sender(process, alice, CAROL)
    write(bob, "on a one-time key")
    assert texts(alice.sync()) == ["on a one-time key"]
    fallback = server.fallback_key(ALICE)
    server.drain(ALICE)
    dave = sender(process, alice, Device("@dave:example.org", "DAVE1"))
    write(carol, "on the fallback key")
    assert server.unused(ALICE) == []
    write(dave, "on the same fallback key")
    assert fallback is not None
    for claimed in server.claimed[-2:]:
        assert claimed == {ALICE.user_id: {ALICE.device_id: {str(fallback.name): fallback.value}}}
    assert texts(alice.sync()) == ["on the fallback key", "on the same fallback key"]


def test_it_refuses_replays_of_either_kind(process: Node, alice: OlmMachine, server: Homeserver) -> None:
    bob = sender(process, alice, BOB)
    carol = sender(process, alice, CAROL)
    write(bob, "on a one-time key")
    server.drain(ALICE)
    write(carol, "on the fallback key")
    captured = list(server.inboxes[ALICE])
    assert len(texts(alice.sync())) == 2
    server.inboxes[ALICE] = captured
    assert [event["outcome"] for event in alice.sync()] == ["undecryptable", "undecryptable"]


def test_without_the_field_it_makes_no_fallback_key(process: Node, server: Homeserver) -> None:
    machine = OlmMachine.start(process, server, ALICE)
    machine.upload()
    machine.call("sync", to_device=[], changed=[], counts={CURVE: 50}, unused=None)
    assert machine.upload() is None


def test_what_a_missing_count_means_to_it_depends_on_the_transport(
    alice: OlmMachine, server: Homeserver
) -> None:
    """In `/sync` none are left; in sliding sync nothing has changed (matrix-rust-sdk#6780)."""
    server.drain(ALICE)
    alice.sync(transport="sliding_sync", counts={})
    assert alice.upload() is None
    alice.sync(counts={})
    assert len(names(alice.upload(), "one_time_keys")) == 50


def test_after_a_week_it_rotates_and_the_previous_key_still_decrypts(
    process: Node, alice: OlmMachine, server: Homeserver
) -> None:
    bob = sender(process, alice, BOB)
    server.drain(ALICE)
    write(bob, "on the old key")
    waiting = server.inboxes.pop(ALICE)
    old = server.fallback_key(ALICE)
    process.clock(START + 8 * DAY)
    alice.sync()
    alice.upload()
    assert server.fallback_key(ALICE) != old
    assert server.unused(ALICE) == [CURVE]
    server.inboxes[ALICE] = waiting
    assert texts(alice.sync()) == ["on the old key"]


# --- What it should not do ---


def test_it_ignores_what_the_list_says(process: Node, alice: OlmMachine, server: Homeserver) -> None:
    """matrix-rust-sdk#3151: a used fallback key stays for a week, an unused one is replaced after a week."""
    server.drain(ALICE)
    server.claim_one(ALICE)
    process.clock(START + 6 * DAY)
    alice.sync()
    assert names(alice.upload(), "fallback_keys") == []
    assert server.unused(ALICE) == []  # used six days ago, and still the one that everybody gets
    process.clock(START + 8 * DAY)
    alice.sync()
    assert len(names(alice.upload(), "fallback_keys")) == 1
    process.clock(START + 16 * DAY)
    assert server.unused(ALICE) == [CURVE]
    alice.sync()
    assert len(names(alice.upload(), "fallback_keys")) == 1


def test_it_marks_as_published_what_it_never_uploaded(
    process: Node, alice: OlmMachine, server: Homeserver
) -> None:
    """A fallback key made while an upload is in flight counts as published with that upload's answer."""
    bob = sender(process, alice, BOB)
    published = server.fallback_key(ALICE)
    for _ in range(30):
        server.claim_one(ALICE)
    alice.sync()
    in_flight = alice.outgoing("keys_upload")
    assert in_flight is not None
    assert names(in_flight.body, "fallback_keys") == []
    process.clock(START + 8 * DAY)
    alice.sync()  # makes a fallback key
    waiting = alice.outgoing("keys_upload")
    assert len(names(waiting.body if waiting else None, "fallback_keys")) == 1
    alice.sent(in_flight, server.upload(ALICE, in_flight.body).body)
    assert alice.outgoing("keys_upload") is None  # it will not be uploaded, ever
    assert server.fallback_key(ALICE) == published

    # The next rotation evicts the only key that the server ever gave out, before anybody has the new one.
    server.drain(ALICE)
    write(bob, "on the key that the server has")
    process.clock(START + 16 * DAY)
    messages = server.inboxes.pop(ALICE)
    alice.sync()
    server.inboxes[ALICE] = messages
    assert [event["outcome"] for event in alice.sync()] == ["undecryptable"]


def test_it_offers_conflicting_keys_again_and_again(
    process: Node, alice: OlmMachine, server: Homeserver
) -> None:
    """After a 400 for one name the same keys come again, and keep a new fallback key from the server too."""
    published = server.fallback_key(ALICE)
    for _ in range(30):
        server.claim_one(ALICE)
    alice.sync()
    offered = alice.outgoing("keys_upload")
    assert offered is not None
    # The server has another key under one of the names, as after a client's roll-back.
    one, other, *_ = names(offered.body, "one_time_keys")
    rolled_back = {"one_time_keys": {one: offered.body["one_time_keys"][other]}}
    assert server.upload(ALICE, rolled_back).status == 200
    for week in range(3):
        process.clock(START + 8 * week * DAY)
        alice.sync()
        again = alice.outgoing("keys_upload")
        assert again is not None
        assert again.body["one_time_keys"] == offered.body["one_time_keys"]
        assert len(names(again.body, "fallback_keys")) == (0 if week == 0 else 1)
        assert server.upload(ALICE, again.body).status == 400
    assert server.fallback_key(ALICE) == published
