"""The endpoints as pure functions: `(store, request) → (store, response)`.

Bodies are already parsed (`body.parse_body` does that), the request is already authenticated. A refusal is
not raised but answered: `Answer.response` has its status and errcode, and the store is the one that came in.
What an embedder must do besides answering stands in the `Answer` too: persist the events, wake the devices.
"""

from collections.abc import Iterable, Mapping

import attrs

from fallbackkeys import keystore
from fallbackkeys.devices import Device, Wanted
from fallbackkeys.errors import JSON, Refusal, SeveralFallbackKeys
from fallbackkeys.keys import Key
from fallbackkeys.keystore import UNREACHABLE, DeviceEvent, KeyStore, Unreachable
from fallbackkeys.notices import Notice
from fallbackkeys.persistent import Map
from fallbackkeys.policy import WIRE, Policy
from fallbackkeys.transitions import sync
from fallbackkeys.wire import decode, encode
from fallbackkeys.wire.dialects import STABLE, Dialect


@attrs.frozen(kw_only=True)
class Response:
    """What to send: a status and a JSON body, which is the caller's to change."""

    status: int
    body: dict[str, JSON] = attrs.field(hash=False)


@attrs.frozen(kw_only=True)
class Answer:
    """A store after a request, the response, and what the embedder must do besides."""

    store: KeyStore
    response: Response
    events: tuple[DeviceEvent, ...] = ()
    """What to persist, unless the embedder persists whole stores."""
    woken: frozenset[Device] = frozenset()
    """Devices whose waiting `/sync` must be answered (FK-SYNC-04)."""
    notices: tuple[Notice, ...] = ()
    """What was accepted but is worth logging."""
    device_keys: bytes | None = None
    """Identity keys of an accepted upload, canonical JSON, for the embedder to store (FK-UPLOAD-18)."""


@attrs.frozen(kw_only=True)
class PendingClaim:
    """A claim whose local part is done and whose remote part the embedder must fetch.

    Persist `store` and `events` before sending anything: the local keys in it are already issued.
    """

    store: KeyStore
    events: tuple[DeviceEvent, ...]
    woken: frozenset[Device]
    requests: dict[str, dict[str, JSON]] = attrs.field(hash=False)
    """Server name → body of the `POST /user/keys/claim` to send it; empty if all users are local."""
    _local: Map[Wanted, Key]
    _asked: Map[str, tuple[Wanted, ...]]
    _policy: Policy

    def finish(self, answers: Mapping[str, JSON | Unreachable]) -> Response:
        """Merge the answers of other servers into the response.

        Args:
            answers: server name → parsed body of its answer, or `UNREACHABLE` for one that timed out or
                answered with an error; one that is missing counts as unreachable (FK-FED-01).
        """
        decoded: dict[str, Mapping[Wanted, Key] | Unreachable] = {}
        for server, asked in self._asked.items():
            keys = decode.remote_answer(answers.get(server), asked, policy=self._policy)
            decoded[server] = UNREACHABLE if keys is None else keys
        merged, failures = keystore.merge(self._local, self._asked, decoded)
        return Response(status=200, body=encode.claim_answer(merged, failures))


def upload_keys(
    store: KeyStore,
    user_id: str,
    device_id: str,
    body: object,
    *,
    spoken: Iterable[Dialect] = STABLE,
    policy: Policy = WIRE,
) -> Answer:
    """`POST /_matrix/client/v3/keys/upload`, by the device whose access token the request carried.

    Raises:
        Misuse: `spoken` is empty, or holds what is not in `DIALECTS`.
    """
    try:
        device = decode.device(user_id, device_id)
        decoded = decode.upload(body, device, spoken=tuple(spoken), policy=policy)
    except Refusal as refusal:
        return _refused(store, refusal)
    try:
        stored = keystore.upload(store, device, decoded.keys, policy=policy)
    except SeveralFallbackKeys as refusal:
        # The core knows no dialects: name the member that was read.
        return _refused(store, attrs.evolve(refusal, member=str(decoded.fallback_member)))
    except Refusal as refusal:
        return _refused(store, refusal)
    view = sync(stored.store.state(device))
    return Answer(
        store=stored.store,
        response=Response(status=200, body=encode.upload_answer(view)),
        events=stored.events,
        woken=stored.woken,
        notices=stored.notices,
        device_keys=decoded.device_keys,
    )


def claim_keys(
    store: KeyStore, server_name: str, body: object, *, policy: Policy = WIRE
) -> PendingClaim | Answer:
    """`POST /_matrix/client/v3/keys/claim`, by any user of the server `server_name`.

    Returns:
        A `PendingClaim`, to be finished with the other servers' answers (none, if all users are local); or
        an `Answer`, if the body is refused.
    """
    try:
        local, asked = keystore.split(decode.claim(body, policy=policy), server_name)
        claimed = keystore.claim(store, local, policy=policy)
    except Refusal as refusal:
        return _refused(store, refusal)
    return PendingClaim(
        store=claimed.store,
        events=claimed.events,
        woken=claimed.woken,
        requests={server: encode.claim_request(asked[server]) for server in sorted(asked)},
        local=claimed.keys,
        asked=asked,
        policy=policy,
    )


def federation_claim_keys(
    store: KeyStore, server_name: str, body: object, *, policy: Policy = WIRE
) -> Answer:
    """`POST /_matrix/federation/v1/user/keys/claim`, by another server.

    Every user must be local; else the whole request is refused and no key is taken (FK-FED-03).
    """
    try:
        wanted = decode.claim(body, only_of=server_name, policy=policy)
        claimed = keystore.claim(store, wanted, policy=policy)
    except Refusal as refusal:
        return _refused(store, refusal)
    return Answer(
        store=claimed.store,
        response=Response(status=200, body=encode.claim_answer(claimed.keys, None)),
        events=claimed.events,
        woken=claimed.woken,
    )


def sync_keys(store: KeyStore, user_id: str, device_id: str, *, spoken: Iterable[Dialect] = STABLE) -> Answer:
    """The two fields of `GET /_matrix/client/v3/sync`, to be merged into its answer.

    Raises:
        Misuse: `spoken` is empty, or holds what is not in `DIALECTS`.
    """
    try:
        device = decode.device(user_id, device_id)
    except Refusal as refusal:
        return _refused(store, refusal)
    view = sync(store.state(device))
    return Answer(store=store, response=Response(status=200, body=encode.sync_fields(view, spoken)))


def delete_device(store: KeyStore, user_id: str, device_id: str) -> Answer:
    """A device's end: `POST /logout`, `DELETE /devices/{deviceId}` and the like; answers `{}`."""
    try:
        device = decode.device(user_id, device_id)
    except Refusal as refusal:
        return _refused(store, refusal)
    removed = keystore.remove_device(store, device)
    return Answer(
        store=removed.store,
        response=Response(status=200, body={}),
        events=removed.events,
        woken=removed.woken,
    )


def _refused(store: KeyStore, refusal: Refusal) -> Answer:
    return Answer(store=store, response=Response(status=refusal.status, body=encode.refusal_answer(refusal)))
