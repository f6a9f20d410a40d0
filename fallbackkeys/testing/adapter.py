"""What a server author writes: the server under test behind six methods.

An `Adapter` is the `Server` that traces are played against, and one method more that makes devices; one
instance serves them all. A `Server` is asked in the names of a trace; an `Adapter` is asked in the server's
own: the users and devices that `new_device` has returned. `stage.Stage` stands between the two, so whoever
writes an adapter maps nothing.

    class MyAdapter:
        def new_device(self, *, user, device):
            return Device(*my_server.log_in(user, device))

        def upload(self, *, user, device, body, dialects):
            status, answer = my_server.post("/keys/upload", body, user, device)
            return Response(status=status, body=answer)  # of fallbackkeys.wire

        …

`Response.body` is the parsed object; of an answer that is none (an HTML page, half a body) it is `{}`.
`claim` must bear several threads at once. A method raises `NotSupported` for what the server or the adapter
cannot do (dialects other than `("stable",)`, say, a claim with a `remote`, or all of `federation_claim`), and
`ServerLost` if no answer came. An adapter without new devices to give derives from `SharedDevices`.
"""

from collections.abc import Mapping
from threading import RLock
from typing import ClassVar, Protocol

import attrs

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON, FallbackKeysError
from fallbackkeys.policy import WIRE, Policy
from fallbackkeys.traces.model import DEFAULT_SERVER_NAME
from fallbackkeys.traces.server import ReferenceServer, Server
from fallbackkeys.wire import Response


class AdapterError(FallbackKeysError):
    """The server under test was not asked, or did not answer: nothing is known about its conformance."""


@attrs.frozen(kw_only=True, eq=False, str=False)
class NotSupported(AdapterError):
    """The adapter cannot do this; what needs it is not tested, and everything else goes on."""

    what: str
    """What it cannot do, as the end of the sentence "The adapter cannot …"."""

    SENTENCE: ClassVar[str] = "the adapter cannot "

    def __str__(self) -> str:
        return f"{self.SENTENCE}{self.what}"


@attrs.frozen(kw_only=True, eq=False, str=False)
class ServerLost(AdapterError):
    """The server no longer answers; the run ends, and what was found so far is kept."""

    reason: str
    """What happened, as a sentence."""

    def __str__(self) -> str:
        return self.reason


class Adapter(Server, Protocol):
    """A server under test. See `Server` for the other five methods."""

    def new_device(self, *, user: str, device: str) -> Device:
        """Make a device without keys, logged in.

        Args:
            user: a localpart, for example `alice`. The same one gives the same user each time; a new one is
                registered.
            device: what its id must end in, never asked for twice of one user. What the adapter puts before
                it (against the devices of earlier runs) is the same for all devices.

        Returns:
            The ids as the server knows them.

        Raises:
            NotSupported: it cannot make such a user or device.
            ServerLost: no answer.
        """


class SharedDevices:
    """Base of adapters whose `new_device` returns devices that were used before.

    They cannot keep the ids asked for; tests are kept apart by the names of algorithms alone.
    """


class ReferenceAdapter(ReferenceServer):
    """The reference itself as a server under test: it keeps every requirement."""

    def __init__(self, server_name: str = DEFAULT_SERVER_NAME, policy: Policy = WIRE) -> None:
        super().__init__(server_name, policy)
        self._server_name = server_name
        self._one_at_a_time = RLock()

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        """See `Server.claim`: the store is read and written under a lock, as a server's transaction does."""
        with self._one_at_a_time:
            return super().claim(user=user, body=body, remote=remote)

    def new_device(self, *, user: str, device: str) -> Device:
        """See `Adapter.new_device`: a device exists from its first upload, so there is nothing to make."""
        return Device(f"@{user}:{self._server_name}", device)
