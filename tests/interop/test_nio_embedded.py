"""matrix-nio 0.26.0 with the client machine in it, in the situations of `test_nio_plain.py` and some more."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import vodozemac
from nio import AsyncClient, KeysUploadError, KeysUploadResponse

from fallbackkeys import Device
from fallbackkeys.client import ON_USE, Topic
from tests.interop.homeserver import CURVE, Homeserver
from tests.interop.http_server import ROOM, Fault
from tests.interop.nio_client import KeptClient
from tests.interop.nio_world import (
    ALICE,
    BOB,
    CAROL,
    World,
    crash,
    in_a_world,
    log_in_kept,
    received_room_keys,
    send_to_unknown_key,
    settle,
    settled,
    share_room_key,
)
from tests.interop.node_machine import Node, OlmMachine

MINUTE = 60_000


def is_served(server: Homeserver, device: Device) -> bool:
    """Whether the device has a full pool and an unused fallback key on the server."""
    return server.counts(device) == {CURVE: 50} and server.unused(device) == [CURVE]


def test_it_uploads_identity_one_time_and_fallback_keys(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await settled(world, ALICE)
        ((_, body),) = world.homeserver.uploads
        assert set(body) == {"device_keys", "one_time_keys", "fallback_keys"}
        assert [value["fallback"] for value in body["fallback_keys"].values()] == [True]
        assert is_served(world.homeserver, ALICE)

    in_a_world(tmp_path, story)


@pytest.mark.requirement("FK-CLIENT-06")
def test_another_uploads_answer_publishes_nothing(tmp_path: Path) -> None:
    """Such as that of the identity keys alone. To nio, and to vodozemac, any answer is about all keys."""

    async def story(world: World) -> None:
        alice = await log_in_kept(world, ALICE)
        await alice.sync()
        waiting = alice.olm.kept.account.one_time_keys.keys()
        await alice.receive_response(KeysUploadResponse(0, 0))
        assert alice.olm.kept.account.one_time_keys.keys() == waiting
        assert len(waiting) == 50

    in_a_world(tmp_path, story)


@pytest.mark.requirement("FK-CLIENT-09")
@pytest.mark.parametrize("counts", [{CURVE: 0}, {}, None], ids=["zero", "empty", "missing"])
def test_a_count_of_nothing_triggers_a_refill(tmp_path: Path, counts: dict[str, int] | None) -> None:
    async def story(world: World) -> None:
        alice = await settled(world, ALICE)
        world.homeserver.drain(ALICE)
        world.server.sync_overrides["device_one_time_keys_count"] = counts
        world.now += 2 * MINUTE
        await alice.sync()
        assert isinstance(await alice.keys_upload(), KeysUploadResponse)
        assert world.homeserver.counts(ALICE) == {CURVE: 50}

    in_a_world(tmp_path, story)


@pytest.mark.requirement("FK-CLIENT-07")
@pytest.mark.parametrize("fault", Fault)
def test_after_a_crash_the_same_ids_go_with_the_same_keys(tmp_path: Path, fault: Fault) -> None:
    async def story(world: World) -> None:
        alice = await log_in_kept(world, ALICE)
        await alice.sync()
        await world.crash_during_upload(alice, fault)
        alice = await log_in_kept(world, ALICE)
        await settle(alice)
        bodies = [body for _, body in world.homeserver.uploads]
        assert len(bodies) == (2 if fault is Fault.ANSWER_LOST else 1)
        assert all(body == bodies[0] for body in bodies)
        assert is_served(world.homeserver, ALICE)
        # What was claimed of the first attempt decrypts after the crash.
        bob = await settled(world, BOB)
        assert await share_room_key(bob) in await received_room_keys(alice)

    in_a_world(tmp_path, story)


@pytest.mark.parametrize(
    "body", [None, "AwogAAAA", "no base64!"], ids=["unknown key", "cut off", "no base64"]
)
def test_an_unusable_message_is_passed_over(tmp_path: Path, body: str | None) -> None:
    async def story(world: World) -> None:
        alice = await settled(world, ALICE)
        bob = await settled(world, BOB)
        send_to_unknown_key(world.homeserver, ALICE, body=body)
        sent = await share_room_key(bob)
        assert len(world.homeserver.inboxes[ALICE]) == 2
        assert await received_room_keys(alice) == [sent]

    in_a_world(tmp_path, story)


@pytest.mark.requirement("FK-CLIENT-02")
def test_two_senders_on_one_fallback_key_then_a_rotation(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = [await settled(world, device) for device in (ALICE, BOB, CAROL)]
        first = world.homeserver.fallback_key(ALICE)
        world.homeserver.drain(ALICE)
        sent = [await share_room_key(bob)]
        assert world.homeserver.unused(ALICE) == []
        assert await received_room_keys(alice) == sent
        sent = [await share_room_key(carol)]
        in_transit = world.homeserver.inboxes.pop(ALICE)
        world.now += ON_USE.min_interval
        await settle(alice)
        assert is_served(world.homeserver, ALICE)
        assert world.homeserver.fallback_key(ALICE) != first
        world.homeserver.inboxes[ALICE] = in_transit
        assert await received_room_keys(alice) == sent  # on the previous key

    in_a_world(tmp_path, story)


@pytest.mark.requirement("FK-CLIENT-11")
def test_replays_are_refused_even_after_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await settled(world, ALICE)
        bob = await settled(world, BOB)
        world.homeserver.drain(ALICE)
        sent = await share_room_key(bob)
        captured = list(world.homeserver.inboxes[ALICE])
        assert await received_room_keys(alice) == [sent]
        for client in (alice, await log_in_kept(world, ALICE)):
            # Even a session that was lost, or thrown away, is not made a second time.
            client.olm.session_store._entries.clear()  # noqa: SLF001
            world.homeserver.inboxes[ALICE] = list(captured)
            assert await received_room_keys(client) == []

    in_a_world(tmp_path, story)


def test_an_olm_machine_reaches_it_on_keys_of_either_kind(tmp_path: Path, process: Node) -> None:
    async def story(world: World) -> None:
        alice = await settled(world, ALICE)
        for device, drained in ((BOB, False), (CAROL, True)):
            machine = OlmMachine.start(process, world.homeserver, device)
            machine.upload()
            machine.meet(ALICE)
            if drained:
                world.homeserver.drain(ALICE)
            megolm = vodozemac.GroupSession()
            room_key = {
                "algorithm": "m.megolm.v1.aes-sha2",
                "room_id": ROOM,
                "session_id": megolm.session_id,
                "session_key": megolm.session_key.to_base64(),
            }
            machine.send(ALICE, "m.room_key", room_key)
            assert await received_room_keys(alice) == [megolm.session_id]
        assert world.homeserver.unused(ALICE) == []

    in_a_world(tmp_path, story)


@pytest.mark.parametrize("kind", [AsyncClient, KeptClient])
def test_a_used_one_time_key_stays_in_plain_nios_database_only(tmp_path: Path, kind: type[Any]) -> None:
    """nio 0.26.0 saves the account before the one-time key is taken out of it."""

    async def story(world: World) -> None:
        alice = await world.log_in(ALICE, kind)
        for _ in range(2):
            if alice.should_upload_keys:
                await alice.keys_upload()
            await alice.sync()
        bob = await settled(world, BOB)
        sent = await share_room_key(bob)
        (captured,) = world.homeserver.inboxes[ALICE]
        assert await received_room_keys(alice) == [sent]
        ((_, parts),) = captured["content"]["ciphertext"].items()
        message = vodozemac.PreKeyMessage.from_base64(parts["body"])
        stored = alice.store.load_account()
        if kind is AsyncClient:
            stored.create_inbound_session(captured["content"]["sender_key"], message)
        else:
            with pytest.raises(vodozemac.SessionCreationException):
                stored.create_inbound_session(captured["content"]["sender_key"], message)

    in_a_world(tmp_path, story)


@pytest.mark.requirement("FK-CLIENT-14")
def test_nios_own_loop_keeps_the_device_served(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await log_in_kept(world, ALICE)
        loop = asyncio.ensure_future(alice.sync_forever(timeout=0, loop_sleep_time=1))

        async def until_served() -> None:
            while not is_served(world.homeserver, ALICE):
                assert not loop.done()
                await asyncio.sleep(0.001)
                if alice.olm.kept.state.request is None:
                    world.now += 60 * MINUTE

        await until_served()
        for _ in range(3):
            world.homeserver.drain(ALICE)
            world.homeserver.claim_one(ALICE)
            await until_served()
        alice.stop_sync_forever()
        await loop
        uploads = [body for device, body in world.homeserver.uploads if device == ALICE]
        assert sum("device_keys" in body for body in uploads) == 1
        assert sum("fallback_keys" in body for body in uploads) == 4
        assert sum(len(body.get("one_time_keys", {})) for body in uploads) == 4 * 50

    in_a_world(tmp_path, story)


def test_it_takes_over_a_database_of_plain_nio(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        plain = await world.log_in(ALICE, AsyncClient)
        await plain.keys_upload()
        await plain.sync()
        crash(plain)
        alice = await settled(world, ALICE)
        assert is_served(world.homeserver, ALICE)
        assert [set(body) for _, body in world.homeserver.uploads] == [
            {"device_keys", "one_time_keys"},
            {"fallback_keys"},
        ]
        bob = await settled(world, BOB)
        sent = await share_room_key(bob)  # on a key that plain nio made
        assert await received_room_keys(alice) == [sent]
        world.homeserver.drain(ALICE)
        world.now += 60 * MINUTE
        await settle(alice)
        assert is_served(world.homeserver, ALICE)
        assert alice.olm.kept.reports == []

    in_a_world(tmp_path, story)


@pytest.mark.requirement("FK-CLIENT-08")
def test_it_takes_over_the_database_that_plain_nio_has_ruined(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        plain = await world.log_in(ALICE, AsyncClient)
        await world.crash_during_upload(plain)
        plain = await world.log_in(ALICE, AsyncClient)
        assert isinstance(await plain.keys_upload(), KeysUploadError)
        crash(plain)
        # Nobody can tell the server that fifty of its keys are lost; but there is a fallback key now.
        alice = await settled(world, ALICE)
        assert is_served(world.homeserver, ALICE)
        for _ in range(30):
            world.homeserver.claim_one(ALICE)
        # New keys under the ids of those that are left: refused, given up, and others take their place.
        for _ in range(4):
            world.now += 60 * MINUTE
            await alice.sync()
            if alice.should_upload_keys:
                await alice.keys_upload()
        assert {report.topic for report in alice.olm.kept.reports} == {Topic.CONFLICT}
        assert is_served(world.homeserver, ALICE)
        world.homeserver.drain(ALICE)
        bob = await settled(world, BOB)
        sent = await share_room_key(bob)
        assert await received_room_keys(alice) == [sent]

    in_a_world(tmp_path, story)
