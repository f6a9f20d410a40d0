"""What the tests of nio's clients share: a server, its clients, and the messages between them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs
import peewee
import pytest
import vodozemac
from aiohttp import ClientConnectionError
from nio import (
    AsyncClient,
    AsyncClientConfig,
    KeysUploadResponse,
    LoginResponse,
    RoomKeyEvent,
    ShareGroupSessionResponse,
    SyncResponse,
)
from unpaddedbase64 import encode_base64

from fallbackkeys import Device
from tests.interop.homeserver import Homeserver
from tests.interop.http_server import ROOM, Fault, HttpServer, serve
from tests.interop.nio_client import KeptClient

ALICE = Device("@alice:example.org", "ALICE1")
BOB = Device("@bob:example.org", "BOB1")
CAROL = Device("@carol:example.org", "CAROL1")
DAVE = Device("@dave:example.org", "DAVE1")

# A broken connection is the test's business: nio itself would repeat the request until it succeeds.
CONFIG = AsyncClientConfig(max_timeouts=0)

Client = TypeVar("Client", bound=AsyncClient)


@attrs.define
class World:
    """A server, and a folder with the clients' databases."""

    server: HttpServer
    folder: Path
    _clients: AsyncExitStack
    now: int = 1_700_000_000_000

    @property
    def homeserver(self) -> Homeserver:
        """What is behind the server."""
        return self.server.homeserver

    async def log_in(self, device: Device, kind: type[Client]) -> Client:
        """Start a client; after a crash it finds its database again."""
        client: Client = kind(self.server.url, device.user_id, device.device_id, str(self.folder), CONFIG)
        self._clients.push_async_callback(client.close)
        assert isinstance(await client.login("password"), LoginResponse)
        self._clients.callback(crash, client)
        return client

    async def crash_during_upload(self, client: AsyncClient, fault: Fault = Fault.ANSWER_LOST) -> None:
        """Kill the client in the moment when the connection of its next upload breaks."""
        self.server.faults["upload"].append(fault)
        self.server.at_fault = partial(crash, client)
        with pytest.raises((ClientConnectionError, peewee.InterfaceError)):
            await client.keys_upload()


def crash(client: AsyncClient) -> None:
    """End a client as a killed process ends: what it has not saved, it can save no more."""
    client.store.database.autoconnect = False
    client.store.database.close()


def in_a_world(folder: Path, story: Callable[[World], Awaitable[None]]) -> None:
    """Run a story of clients against a server of its own."""

    async def run() -> None:
        async with serve(Homeserver()) as server, AsyncExitStack() as clients:
            server.members[:] = [device.user_id for device in (ALICE, BOB, CAROL, DAVE)]
            await story(World(server, folder, clients))

    asyncio.run(run())


async def meet(client: AsyncClient) -> None:
    """See the room, and ask for the devices of its members."""
    assert isinstance(await client.sync(full_state=True), SyncResponse)
    if client.should_query_keys:
        await client.keys_query()


async def share_room_key(sender: AsyncClient) -> str:
    """Send the room a new room key over Olm, with claims where a session is missing; its id."""
    await meet(sender)
    shared = await sender.share_group_session(ROOM, ignore_unverified_devices=True)
    assert isinstance(shared, ShareGroupSessionResponse)
    session_id: str = sender.olm.outbound_group_sessions[ROOM].id
    return session_id


async def log_in_kept(world: World, device: Device) -> KeptClient:
    """Start a client that embeds the machine, and whose clock is the world's."""

    class OnTime(KeptClient):
        def clock(self) -> int:
            return world.now

    return await world.log_in(device, OnTime)


async def settle(client: KeptClient) -> None:
    """Sync and upload until nothing is left to upload. `sync_forever` does it too, without end."""
    await client.sync()
    while client.should_upload_keys:
        assert isinstance(await client.keys_upload(), KeysUploadResponse)
        await client.sync()


async def settled(world: World, device: Device) -> KeptClient:
    """A client with a full pool and a fallback key on the server."""
    client = await log_in_kept(world, device)
    await settle(client)
    return client


def send_to_unknown_key(server: Homeserver, device: Device, *, body: str | None = None) -> None:
    """Send a device an Olm message on a key that it never had, as anybody can; or another body."""
    stranger = vodozemac.Account()
    identity = vodozemac.Curve25519PublicKey.from_base64(
        server.device_keys[device]["keys"][f"curve25519:{device.device_id}"]
    )
    never_made = vodozemac.Curve25519SecretKey().public_key()
    _, message = stranger.create_outbound_session(identity, never_made).encrypt(b"{}").to_parts()
    content = {
        "algorithm": "m.olm.v1.curve25519-aes-sha2",
        "sender_key": stranger.curve25519_key.to_base64(),
        "ciphertext": {
            identity.to_base64(): {"type": 0, "body": encode_base64(message) if body is None else body}
        },
    }
    messages = {"messages": {device.user_id: {device.device_id: content}}}
    server.send_to_device("@stranger:example.org", "m.room.encrypted", messages)


async def received_room_keys(client: AsyncClient) -> list[str]:
    """Sync; the ids of the room keys that could be decrypted."""
    response = await client.sync()
    assert isinstance(response, SyncResponse)
    return [event.session_id for event in response.to_device_events if isinstance(event, RoomKeyEvent)]
