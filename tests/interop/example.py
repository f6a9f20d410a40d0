"""A day of a nio client that keeps its keys well, told on the screen: `python -m tests.interop.example`.

A homeserver on loopback, four nio clients, real Olm. The clock is set by the story. specs/embedding-nio.md
explains what is inside the clients.
"""

import logging
import tempfile
from pathlib import Path

from tests.interop.homeserver import CURVE
from tests.interop.nio_world import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    World,
    in_a_world,
    log_in_kept,
    received_room_keys,
    send_to_unknown_key,
    settle,
    settled,
    share_room_key,
)

HOUR = 3_600_000


def say(line: str) -> None:
    print(line, flush=True)


def show(world: World) -> None:
    """What the server has of Alice's."""
    key = world.homeserver.fallback_key(ALICE)
    used = "unused" if world.homeserver.unused(ALICE) else "used"
    count = world.homeserver.counts(ALICE)[CURVE]
    say(f"    the server has {count} one-time keys and the {used} fallback key {key.key_id if key else None}")


async def story(world: World) -> None:
    """Everything that the guide promises."""
    say("Alice logs in, syncs, and uploads what the machine asks for.")
    alice = await settled(world, ALICE)
    show(world)

    say("Bob writes to her: he claims a one-time key.")
    bob = await settled(world, BOB)
    sent = await share_room_key(bob)
    assert await received_room_keys(alice) == [sent]
    show(world)

    say("Others claim all the rest. Carol gets the fallback key, and Alice reads her message.")
    world.homeserver.drain(ALICE)
    carol = await settled(world, CAROL)
    sent = await share_room_key(carol)
    captured = list(world.homeserver.inboxes[ALICE])
    assert await received_room_keys(alice) == [sent]
    show(world)

    say("So does Dave, whose message is held up. An hour later Alice refills her pool and rotates.")
    late = await share_room_key(await settled(world, DAVE))
    held_up = world.homeserver.inboxes.pop(ALICE)
    world.now += HOUR
    await settle(alice)
    show(world)
    world.homeserver.inboxes[ALICE] = held_up
    assert await received_room_keys(alice) == [late]
    say("    the late message, on the key before, is read")

    say("The server sends Carol's message a second time, and one on a key that never was.")
    world.homeserver.inboxes[ALICE] = captured
    send_to_unknown_key(world.homeserver, ALICE)
    assert await received_room_keys(alice) == []
    say("    both are refused, and the client goes on")

    say("Her pool runs low, and her process is killed before an upload is answered.")
    world.homeserver.drain(ALICE)
    world.now += HOUR
    await alice.sync()
    await world.crash_during_upload(alice)
    alice = await log_in_kept(world, ALICE)
    await settle(alice)
    *_, before, after = (body for device, body in world.homeserver.uploads if device == ALICE)
    assert before == after
    say("    started again, it repeats the same upload, key for key")
    show(world)


if __name__ == "__main__":
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        in_a_world(Path(folder), story)
