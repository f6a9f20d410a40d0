"""The homeserver behind HTTP on loopback, and what a network does to requests."""

import enum
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web

from fallbackkeys import Device, Malformed
from fallbackkeys.wire import Response, parse_body
from tests.interop.homeserver import Homeserver

ROOM = "!room:example.org"
_PREFIX = "/_matrix/client/v3"


class Fault(enum.Enum):
    """What goes wrong with one request."""

    REQUEST_LOST = enum.auto()
    """It never arrives."""
    ANSWER_LOST = enum.auto()
    """It arrives and takes effect, but the connection breaks before the answer."""


@attrs.define
class HttpServer:
    """A listening server. `faults` has what is to happen to the next requests of an endpoint, in order."""

    homeserver: Homeserver
    url: str
    faults: dict[str, list[Fault]] = attrs.field(factory=lambda: defaultdict(list))
    at_fault: Callable[[], None] = lambda: None
    """What else happens in that moment."""
    members: list[str] = attrs.field(factory=list)
    """Who is in the one encrypted room."""
    sync_overrides: dict[str, Any] = attrs.field(factory=dict)
    """Members of `/sync` that replace the true ones; `None` leaves the member out."""
    _syncs: int = 0

    async def login(self, body: Any, _: web.Request) -> Response:
        user_id, device_id = body["identifier"]["user"], body["device_id"]
        return _ok(user_id=user_id, device_id=device_id, access_token=f"{user_id}/{device_id}")

    async def upload(self, body: Any, request: web.Request) -> Response:
        return self.homeserver.upload(_device(request), body)

    async def claim(self, body: Any, _: web.Request) -> Response:
        return self.homeserver.claim(body)

    async def query(self, body: Any, _: web.Request) -> Response:
        return self.homeserver.query(body)

    async def send_to_device(self, body: Any, request: web.Request) -> Response:
        event_type = request.match_info["type"]
        return self.homeserver.send_to_device(_device(request).user_id, event_type, body)

    async def sync(self, _: Any, request: web.Request) -> Response:
        self._syncs += 1
        body = {**self.homeserver.sync(_device(request)), **self.sync_overrides}
        present = {name: value for name, value in body.items() if value is not None}
        if "since" not in request.query:
            present["rooms"] = {"join": {ROOM: {"state": {"events": _room(self.members)}}}}
        return _ok(next_batch=f"s{self._syncs}", **present)

    def route(
        self, endpoint: str, handle: Callable[[Any, web.Request], Awaitable[Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Parse, handle, answer, with the faults that are due."""

        async def answer(request: web.Request) -> web.StreamResponse:
            fault = self.faults[endpoint].pop(0) if self.faults[endpoint] else None
            if fault is Fault.REQUEST_LOST:
                return self._break_off(request)
            data = await request.read()
            try:
                response = await handle(parse_body(data) if data else {}, request)
            except Malformed as refusal:
                response = Response(status=400, body={"errcode": refusal.errcode, "error": refusal.message})
            if fault is Fault.ANSWER_LOST:
                return self._break_off(request)
            return web.json_response(response.body, status=response.status)

        return answer

    def _break_off(self, request: web.Request) -> web.StreamResponse:
        self.at_fault()
        assert request.transport is not None
        request.transport.close()
        return web.Response()


@asynccontextmanager
async def serve(homeserver: Homeserver) -> AsyncIterator[HttpServer]:
    """Listen on a port that the system chooses, until the block ends."""
    server = HttpServer(homeserver, "")
    application = web.Application()
    application.add_routes(
        [
            web.post(f"{_PREFIX}/login", server.route("login", server.login)),
            web.post(f"{_PREFIX}/keys/upload", server.route("upload", server.upload)),
            web.post(f"{_PREFIX}/keys/claim", server.route("claim", server.claim)),
            web.post(f"{_PREFIX}/keys/query", server.route("query", server.query)),
            web.get(f"{_PREFIX}/sync", server.route("sync", server.sync)),
            web.put(
                f"{_PREFIX}/sendToDevice/{{type}}/{{transaction}}",
                server.route("send", server.send_to_device),
            ),
        ]
    )
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()


def _room(members: list[str]) -> list[dict[str, Any]]:
    """The state of an encrypted room."""

    def event(event_type: str, state_key: str, content: dict[str, Any]) -> dict[str, Any]:
        sender = members[0]
        ids = {"event_id": f"${event_type}{state_key}", "origin_server_ts": 0}
        return {"type": event_type, "state_key": state_key, "sender": sender, "content": content, **ids}

    return [
        event("m.room.encryption", "", {"algorithm": "m.megolm.v1.aes-sha2"}),
        *(event("m.room.member", member, {"membership": "join"}) for member in members),
    ]


def _device(request: web.Request) -> Device:
    """Whose request it is: the access token is the user id and the device id."""
    match = re.fullmatch(r"Bearer (.+)/(.+)", request.headers["Authorization"])
    assert match is not None
    return Device(match[1], match[2])


def _ok(**body: Any) -> Response:
    return Response(status=200, body=body)
