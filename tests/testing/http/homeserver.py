"""A small homeserver on loopback: the reference behind the client-server API, in a thread of this process.

It keeps to the specification, and can be told not to: a `Fault` by path, from a request number on. Like
Synapse it answers an initial sync that is asked for again with what it answered first.
"""

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Lock, Thread
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import attrs

from fallbackkeys.errors import Malformed, TooLarge
from fallbackkeys.traces.server import ReferenceServer
from fallbackkeys.wire import Response, parse_body

NAME = "reference.test"
SECRET, TOKEN = "shared secret", "registration token"
STABLE = ("stable",)

OPEN = ["m.login.dummy"]
WITH_TOKEN = ["m.login.registration_token"]
WITH_CAPTCHA = ["m.login.recaptcha", "m.login.terms"]

Query: TypeAlias = Mapping[str, list[str]]


@attrs.frozen(kw_only=True)
class Fault:
    """What a server does instead of answering; each field but the first two is one kind."""

    path: str = ""
    """What the path ends with."""
    after: int = 0
    """So many requests to it are answered before."""
    status: int = 200
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    half: bool = False
    """Announce the answer, and close the connection in its midst."""
    hang: bool = False
    """Answer nothing."""
    drip: bool = False
    """Answer a byte at a time, for ever."""
    times: int | None = None
    """So often; None for ever."""


@attrs.define
class Homeserver:
    """What the server knows, and what it was asked."""

    flows: list[list[str]] = attrs.field(factory=lambda: [OPEN])
    faults: list[Fault] = attrs.field(factory=list)
    users: dict[str, str] = attrs.field(factory=dict)
    """Localpart → password."""
    tokens: dict[str, tuple[str, str]] = attrs.field(factory=dict)
    requests: list[str] = attrs.field(factory=list)
    """The paths asked for."""
    keys: ReferenceServer = attrs.field(factory=lambda: ReferenceServer(NAME))
    released: Event = attrs.field(factory=Event)
    """Set when the server ends: what hangs may go."""
    url: str = ""
    lock: Lock = attrs.field(factory=Lock)
    _initial: dict[tuple[str, str], Response] = attrs.field(factory=dict)
    _numbers: Iterator[int] = attrs.field(factory=count)

    def fault(self, path: str) -> Fault | None:
        """The fault that this request meets, if any; it is entered as asked."""
        with self.lock:
            self.requests.append(path)
            for one in self.faults:
                asked = sum(other.endswith(one.path) for other in self.requests) - one.after
                if path.endswith(one.path) and 0 < asked <= (one.times or asked):
                    return one
        return None

    def token(self, user: str, device: str) -> str:
        """Log in."""
        token = f"token-{next(self._numbers)}"
        self.tokens[token] = (user, device)
        return token

    def answer(
        self, method: str, path: str, query: dict[str, list[str]], token: str, data: bytes
    ) -> Response:
        """Answer a request that meets no fault."""
        try:
            body: Any = parse_body(data) if data else None
        except (Malformed, TooLarge) as refusal:
            return _refuse(refusal.status, refusal.errcode, refusal.message)
        with self.lock:
            what = path.removeprefix("/_matrix/client")
            for_anyone = {
                ("GET", "/versions"): lambda: Response(status=200, body={"versions": ["v1.13"]}),
                ("POST", "/v3/register"): lambda: self._register(body),
                ("GET", "/_synapse/admin/v1/register"): lambda: Response(status=200, body={"nonce": "nonce"}),
                ("POST", "/_synapse/admin/v1/register"): lambda: self._register_by_secret(body),
                ("POST", "/v3/login"): lambda: self._login(body),
            }
            if (method, what) in for_anyone:
                return for_anyone[method, what]()
            if token not in self.tokens:
                return _refuse(401, "M_UNKNOWN_TOKEN", "no such token")
            return self._by_device(what.rpartition("/")[2], token, query, body)

    def _by_device(self, what: str, token: str, query: Query, body: Any) -> Response:
        user, device = self.tokens[token]
        match what:
            case "whoami":
                return Response(status=200, body={"user_id": user, "device_id": device})
            case "upload":
                return self.keys.upload(user=user, device=device, body=body, dialects=STABLE)
            case "claim":
                return self.keys.claim(user=user, body=body, remote={})
            case "sync":
                return self._sync(user, device, since="since" in query)
            case "logout":
                del self.tokens[token]
                return self.keys.delete_device(user=user, device=device)
            case _:
                return _refuse(404, "M_UNRECOGNIZED", "no such endpoint")

    def _sync(self, user: str, device: str, *, since: bool) -> Response:
        if not since and (user, device) in self._initial:
            return self._initial[user, device]
        answer = self.keys.sync(user=user, device=device, dialects=STABLE)
        batch = f"s{next(self._numbers)}"
        answer = Response(status=200, body={**answer.body, "next_batch": batch, "rooms": {}})
        return answer if since else self._initial.setdefault((user, device), answer)

    def _register(self, body: Any) -> Response:
        auth = body.get("auth")
        challenge: dict[str, Any] = {"session": "s", "flows": [{"stages": flow} for flow in self.flows]}
        if auth is None:
            return Response(status=401, body=challenge)
        if auth["type"] == WITH_TOKEN[0] and auth["token"] != TOKEN:
            return Response(
                status=401, body={**challenge, "errcode": "M_UNAUTHORIZED", "error": "wrong token"}
            )
        if not self.flows or auth["session"] != "s":
            return _refuse(403, "M_FORBIDDEN", "registration is closed")
        return self._add(body)

    def _register_by_secret(self, body: Any) -> Response:
        text = "\0".join((body["nonce"], body["username"], body["password"], "notadmin"))
        if hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).hexdigest() != body["mac"]:
            return _refuse(403, "M_FORBIDDEN", "wrong MAC")
        return self._add(body)

    def _add(self, body: Any) -> Response:
        if "!" in body["username"]:
            return _refuse(400, "M_INVALID_USERNAME", "no such name")
        self.users[body["username"]] = body["password"]
        return Response(status=200, body={"user_id": f"@{body['username']}:{NAME}"})

    def _login(self, body: Any) -> Response:
        name, device = body["identifier"]["user"], body["device_id"]
        if "\0" in device:
            return _refuse(400, "M_INVALID_PARAM", "no such device id")
        if self.users.get(name) != body["password"]:
            return _refuse(403, "M_FORBIDDEN", "wrong password")
        user = f"@{name}:{NAME}"
        token = self.token(user, device)
        return Response(status=200, body={"user_id": user, "device_id": device, "access_token": token})


def _refuse(status: int, errcode: str, error: str) -> Response:
    return Response(status=status, body={"errcode": errcode, "error": error})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        homeserver = self.server.homeserver
        url = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = homeserver.fault(url.path)
        if fault is None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = homeserver.answer(
                self.command, url.path, query=parse_qs(url.query), token=token, data=data
            )
            self._write(answer.status, json.dumps(answer.body).encode())
        elif fault.drip:
            self._write(200, b" ", announced=2000)
            while not homeserver.released.wait(0.05):
                self.wfile.write(b" ")
        elif fault.hang:
            homeserver.released.wait(30)
            self.close_connection = True
        else:
            self._write(
                fault.status, fault.body or b"{}", fault.headers, announced=2000 if fault.half else None
            )
            self.close_connection = fault.half

    def _write(
        self,
        status: int,
        body: bytes,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        announced: int | None = None,
    ) -> None:
        # Head and body in one packet: apart, the client's delayed acknowledgement would cost 40 ms.
        length = len(body) if announced is None else announced
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    homeserver: Homeserver


@contextmanager
def serve(homeserver: Homeserver) -> Iterator[Homeserver]:
    """Run it, at a port that the system chooses, for as long as the block runs."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.homeserver = homeserver
        homeserver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield homeserver
        finally:
            homeserver.released.set()
            server.shutdown()
            thread.join()


def unused_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
