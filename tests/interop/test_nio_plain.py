"""What matrix-nio 0.26.0 does on its own, each the reason for a part of `nio_client.py`.

`test_nio_embedded.py` puts the same situations to the client that embeds the machine.
"""

from pathlib import Path

import pytest
import vodozemac
from nio import AsyncClient, KeysUploadError, KeysUploadResponse

from tests.interop.homeserver import CURVE
from tests.interop.nio_world import (
    ALICE,
    BOB,
    World,
    in_a_world,
    received_room_keys,
    send_to_unknown_key,
    share_room_key,
)


def test_it_uploads_no_fallback_key(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.log_in(ALICE, AsyncClient)
        assert isinstance(await alice.keys_upload(), KeysUploadResponse)
        await alice.sync()
        assert not alice.should_upload_keys
        assert [set(body) for _, body in world.homeserver.uploads] == [{"device_keys", "one_time_keys"}]
        # Once the pool is empty, nobody can reach the device any more.
        world.homeserver.drain(ALICE)
        assert world.homeserver.fallback_key(ALICE) is None

    in_a_world(tmp_path, story)


@pytest.mark.parametrize("counts", [{CURVE: 0}, {}, None], ids=["zero", "empty", "missing"])
def test_a_count_of_nothing_triggers_no_refill(tmp_path: Path, counts: dict[str, int] | None) -> None:
    async def story(world: World) -> None:
        alice = await world.log_in(ALICE, AsyncClient)
        await alice.keys_upload()
        world.homeserver.drain(ALICE)
        world.server.sync_overrides["device_one_time_keys_count"] = counts
        await alice.sync()
        assert alice.olm.uploaded_key_count == 50  # what the upload's answer said
        assert not alice.should_upload_keys

    in_a_world(tmp_path, story)


def test_a_crash_before_the_answer_reissues_ids_with_other_keys(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.log_in(ALICE, AsyncClient)
        await world.crash_during_upload(alice)
        alice = await world.log_in(ALICE, AsyncClient)
        refused = await alice.keys_upload()
        assert isinstance(refused, KeysUploadError)
        assert "already exists" in refused.message
        (_, before), (_, after) = world.homeserver.uploads
        before, after = before["one_time_keys"], after["one_time_keys"]
        assert before.keys() == after.keys()
        assert all(before[name]["key"] != after[name]["key"] for name in before)
        # It does not get out of it: it makes further keys, and offers the conflicting ones with them.
        assert isinstance(await alice.keys_upload(), KeysUploadError)
        assert len(world.homeserver.uploads[-1][1]["one_time_keys"]) == 100

    in_a_world(tmp_path, story)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, vodozemac.SessionCreationException),
        ("AwogAAAA", vodozemac.DecodeException),
        ("no base64!", vodozemac.DecodeException),
    ],
    ids=["unknown key", "cut off", "no base64"],
)
def test_an_unusable_message_ends_the_sync_and_loses_the_messages_after_it(
    tmp_path: Path, body: str | None, error: type[Exception]
) -> None:
    async def story(world: World) -> None:
        alice = await world.log_in(ALICE, AsyncClient)
        await alice.keys_upload()
        await alice.sync()
        bob = await world.log_in(BOB, AsyncClient)
        await bob.keys_upload()
        first = await share_room_key(bob)
        assert await received_room_keys(alice) == [first]
        send_to_unknown_key(world.homeserver, ALICE, body=body)
        await share_room_key(bob)
        assert len(world.homeserver.inboxes[ALICE]) == 2
        with pytest.raises(error):
            await received_room_keys(alice)
        assert await received_room_keys(alice) == []  # Bob's key was in the sync that broke off

    in_a_world(tmp_path, story)
