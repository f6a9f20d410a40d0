"""Requests and answers over HTTP: time-outs, rate limits, and answers that are none.

One question is asked of every answer that does not come or is no JSON object: is it this request that the
server cannot bear, or does it answer nothing any more? `GET /_matrix/client/versions` tells. In the first
case the request is a finding like any other, and reads as a reverse proxy would put it: 502, or 504 after
the time-out. In the second the run is over, `ServerLost`.
"""

import json
import math
from time import monotonic, sleep
from types import TracebackType
from typing import Self, cast

import attrs
import httpx

from fallbackkeys.errors import JSON, quote
from fallbackkeys.testing.adapter import AdapterError, ServerLost
from fallbackkeys.wire import Response

VERSIONS = "/_matrix/client/versions"
BAD_GATEWAY, GATEWAY_TIMEOUT = 502, 504
"""The statuses of a request that got no answer while others do."""

_TOO_MANY = 429
_OK = 200
_LARGEST = 64 << 20
"""Bytes of an answer: far more than one for 10,000 devices has."""

_ALL_SCHEMES = ("all://", "http://", "https://")
"""Asked without a proxy, whatever the environment names: one would answer in the server's place, and many
know no way to a server for tests. Of the environment remain the certificates, `SSL_CERT_FILE`."""

_SHOWN = 80
"""Characters of an answer that is no JSON that a message shows."""


@attrs.frozen(kw_only=True, eq=False, str=False)
class Unusable(AdapterError):
    """What answers at the address cannot be tested: no Matrix server, or no way to get accounts."""

    reason: str
    """What was asked and what came, as a sentence."""

    def __str__(self) -> str:
        return self.reason


@attrs.frozen(kw_only=True)
class Limits:
    """How long a server is waited for, in seconds."""

    answer: float = 20.0
    """For an answer; longer than the ten seconds that servers give each other in a claim."""
    rate: float = 60.0
    """In one request, for all its answers of 429 (Too Many Requests) together."""


@attrs.frozen(kw_only=True)
class _Answer:
    """What came over HTTP."""

    status: int
    retry_after: str
    location: str
    data: bytes

    @property
    def body(self) -> JSON:
        """The JSON, or None if it is none."""
        try:
            return cast("JSON", json.loads(self.data))
        except (ValueError, RecursionError):
            return None


class Connection:
    """A server's client-server API. Several threads may use it at once."""

    def __init__(self, url: str, limits: Limits) -> None:
        """Raise `Unusable` unless the URL is one; nothing is asked yet."""
        self.url: str = url.rstrip("/")
        self._limits = limits
        try:
            parsed = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise Unusable(reason=f"{quote(url)} is no URL: {error}") from None
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise Unusable(reason=f"{quote(url)} is no URL of a server, such as http://localhost:8008")
        self._client = httpx.Client(
            base_url=self.url,
            timeout=limits.answer,
            headers={"User-Agent": "fallbackkeys-conformance"},
            mounts=dict.fromkeys(_ALL_SCHEMES),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def check(self) -> None:
        """Ask whether this is a Matrix server.

        Raises:
            Unusable: something else answers, or nothing.
        """
        fault = self._fault()
        if fault is not None:
            raise Unusable(reason=fault)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: JSON = None,
        query: dict[str, str] | None = None,
    ) -> Response:
        """Ask, and wait out rate limits.

        Args:
            method: of HTTP.
            path: below the server's URL.
            token: the access token.
            body: any JSON; a lone surrogate goes out as the escape it is in JSON.
            query: the parameters.

        Raises:
            ServerLost: nothing is answered any more, or the server limits the rate beyond `Limits.rate`.
        """
        waited = 0.0
        while True:
            answer = self._ask(method, path, token, body, query)
            if isinstance(answer, Response):
                return answer
            if answer.status != _TOO_MANY:
                return self._response(method, path, answer)
            pause = _retry_after(answer)
            waited += pause
            if waited > self._limits.rate:
                raise ServerLost(
                    reason=f"{method} {path} is rate-limited: the server asks to wait {pause:.0f} s, and"
                    f" {self._limits.rate:g} s in all are waited. Raise its limits for tests."
                )
            sleep(pause)

    def _ask(
        self, method: str, path: str, token: str | None, body: JSON, query: dict[str, str] | None
    ) -> _Answer | Response:
        headers = {"Content-Type": "application/json"} if method != "GET" else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = None if method == "GET" else json.dumps(body).encode()
        try:
            return self._exchange(method, path, headers, content, query)
        except httpx.TimeoutException:
            status, what = GATEWAY_TIMEOUT, f"no answer within {self._limits.answer:g} s"
        except httpx.RequestError as error:
            status, what = BAD_GATEWAY, f"no whole answer: {_told(error)}"
        self._must_live(f"{method} {path}: {what}")
        return Response(status=status, body={"error": what})

    def _exchange(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        query: dict[str, str] | None = None,
    ) -> _Answer:
        """One request, and its answer as a whole within the time: one that drips for ever is none."""
        end = monotonic() + self._limits.answer
        with self._client.stream(method, path, headers=headers, content=content, params=query) as answer:
            data = bytearray()
            for part in answer.iter_bytes():
                data += part
                if monotonic() > end or len(data) > _LARGEST:
                    raise httpx.ReadTimeout("the answer does not end")
            return _Answer(
                status=answer.status_code,
                retry_after=answer.headers.get("Retry-After", ""),
                location=answer.headers.get("Location", ""),
                data=bytes(data),
            )

    def _response(self, method: str, path: str, answer: _Answer) -> Response:
        body = answer.body
        if isinstance(body, dict):
            return Response(status=answer.status, body=body)
        what = f"{answer.status} with {_shown(answer)}"
        self._must_live(f"{method} {path}: {what}")
        # A success that cannot be read is none: clients fail with it.
        status = answer.status if answer.status >= 400 else BAD_GATEWAY  # noqa: PLR2004 - HTTP's
        return Response(status=status, body={"error": what})

    def _must_live(self, happened: str) -> None:
        fault = self._fault()
        if fault is not None:
            raise ServerLost(reason=f"{happened}; then {fault}")

    def _fault(self) -> str | None:
        """What is wrong with the server as a whole, if anything is."""
        asked = f"{self.url}{VERSIONS}"
        try:
            answer = self._exchange("GET", VERSIONS)
        except httpx.TimeoutException:
            return f"{asked} gave no answer within {self._limits.answer:g} s"
        except httpx.RequestError as error:
            return f"{asked} gave no whole answer: {_told(error)}"
        if answer.status == _TOO_MANY:  # it lives, and says so
            return None
        if answer.location:
            there = quote(answer.location)
            return (
                f"{asked} answered {answer.status} and sends on to {there}: give the URL that this leads to"
            )
        body = answer.body
        if answer.status != _OK or not isinstance(body, dict) or not isinstance(body.get("versions"), list):
            return f"{asked} answered {answer.status} with {_shown(answer)}: no Matrix server"
        return None


def _retry_after(answer: _Answer) -> float:
    """How many seconds the server asks to wait, by Matrix 1.10 in a header and before that in the body."""
    body = answer.body
    stated = body.get("retry_after_ms") if isinstance(body, dict) else None
    header = answer.retry_after
    if header.isascii() and header.isdigit():
        return float(header[:9])
    if isinstance(stated, int | float) and math.isfinite(stated):
        return max(0.0, stated / 1000)
    return 1.0


def _shown(answer: _Answer) -> str:
    text = " ".join(answer.data.decode(errors="replace").split())
    return f"the body {quote(text[:_SHOWN])}" if text else "an empty body"


def _told(error: httpx.RequestError) -> str:
    return str(error) or type(error).__name__
