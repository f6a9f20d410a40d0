"""matrix-nio 0.26.0 with one-time keys and fallback keys kept by the client machine.

Three classes, each a subclass of nio's: the database, with the machine's snapshot beside the account; the
encryption, with every pre-key message judged first; the client, with syncs and uploads going to the machine.
specs/embedding-nio.md explains each override; `example.py` runs it.
"""

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar

import peewee
import vodozemac
from nio import Api, AsyncClient, KeysUploadResponse, LocalProtocolError, Response, SyncResponse
from nio.crypto import Olm
from nio.store import DefaultStore
from nio.store.database import use_database, use_database_atomic

from fallbackkeys import Device
from fallbackkeys.client import ON_USE, ClientPolicy, ClientState, Missing, Sync, Verdict, restore, save
from tests.interop.kept_account import KeptAccount, PreKeyMessage

logger = logging.getLogger(__name__)

# What vodozemac raises for a message that it cannot use. Anybody can send one, and nio lets some through.
UNUSABLE = (
    vodozemac.DecodeException,
    vodozemac.KeyException,
    vodozemac.OlmDecryptionException,
    vodozemac.SessionCreationException,
)


class KeyState(peewee.Model):
    """The one row with the machine's snapshot."""

    snapshot = peewee.TextField()


class KeptStore(DefaultStore):
    """nio's database. Account and snapshot are written together or not at all."""

    models: ClassVar[list[type[peewee.Model]]] = [*DefaultStore.models, KeyState]

    @use_database
    def load_snapshot(self) -> str | None:
        """What was saved last; None for a new database, or one that plain nio made."""
        row = KeyState.get_or_none()
        return None if row is None else row.snapshot

    @use_database_atomic
    def save_keys(self, account: Any, snapshot: str) -> None:
        """Save both."""
        self.save_account(account)
        KeyState.replace(id=1, snapshot=snapshot).execute()


class KeptOlm(Olm):
    """nio's encryption, with an account that the machine keeps."""

    def __init__(
        self, device: Device, store: KeptStore, policy: ClientPolicy, clock: Callable[[], int]
    ) -> None:
        super().__init__(device.user_id, device.device_id, store)
        snapshot = store.load_snapshot()
        state = ClientState.start(policy) if snapshot is None else restore(snapshot, policy=policy)
        # The one private name: nio's account does not pass on what vodozemac has for fallback keys.
        account = self.account._account  # noqa: SLF001
        self.kept = KeptAccount(device, account, state, self.save_keys, clock)
        self._used_sessions: set[str] = set()
        self.kept.start()

    def save_keys(self) -> None:
        """Make the account and the machine's state durable."""
        self.store.save_keys(self.account, save(self.kept.state))

    @property
    def should_upload_keys(self) -> bool:
        """Whether there is something to upload now."""
        return not self.account.shared or self.kept.upload is not None

    def share_keys(self) -> dict[str, Any]:
        """The identity keys alone; nio would make one-time keys here, and only the machine may."""
        return self.kept.identity()

    def handle_response(self, response: Response) -> None:
        """As nio, but an upload's answer marks nothing as published: the machine says what."""
        if not isinstance(response, KeysUploadResponse):
            super().handle_response(response)
        elif not self.account.shared:
            self.account.shared = True
            self.save_keys()

    def decrypt_event(self, event: Any, room_id: str | None = None) -> Any:
        """As nio, but an unusable message is logged, and the messages after it are still delivered."""
        try:
            return super().decrypt_event(event, room_id)
        except UNUSABLE as error:
            logger.warning("message of %s cannot be used: %s", event.sender, error)
            return None

    def decrypt(self, sender: str, sender_key: str, message: Any) -> Any:
        """As nio, but a pre-key message is judged before, and remembered after."""
        if not isinstance(message, vodozemac.PreKeyMessage):
            return super().decrypt(sender, sender_key, message)
        described = PreKeyMessage.describe(message)
        known = any(session.id == described.session for session in self.session_store[sender_key])
        verdict = self.kept.judge(described, known_session=known)
        if verdict is Verdict.REFUSE_REPLAY or (verdict is Verdict.USE_KNOWN_SESSION and not known):
            logger.warning("message of %s refused: it is a replay", sender)
            return None
        with self.store.database.atomic():
            self._used_sessions.clear()
            event = super().decrypt(sender, sender_key, message)
            decrypted = described.session in self._used_sessions
            self.kept.decrypted(described, known_session=known, ok=decrypted)
            if decrypted:
                # nio saves the account before vodozemac drops the one-time key: save it again.
                self.save_keys()
        return event

    def save_session(self, curve_key: str, session: Any) -> None:
        """nio saves a session whenever it decrypted with it."""
        super().save_session(curve_key, session)
        self._used_sessions.add(session.id)


class KeptClient(AsyncClient):
    """nio's client. Use it as any other; it needs a store path."""

    policy: ClassVar[ClientPolicy] = ON_USE
    config: Any
    olm: Any
    store: Any
    _sync_epoch = 0

    def clock(self) -> int:
        """The wall clock, in milliseconds."""
        return time.time_ns() // 1_000_000

    def load_store(self) -> None:
        """As nio, with the database and the encryption above."""
        if self.olm is None:
            self.config = dataclasses.replace(self.config, store=KeptStore)
            super().load_store()
            self.olm = KeptOlm(Device(self.user_id, self.device_id), self.store, self.policy, self.clock)

    async def sync(self, *args: Any, **options: Any) -> Any:
        """As nio; what the machine knew when the request went off decides what its answer can mean."""
        self._sync_epoch = self.olm.kept.state.epoch
        return await super().sync(*args, **options)

    async def receive_response(self, response: Response) -> None:
        """As nio; then the two fields of a sync, one of which nio drops, go to the machine."""
        await super().receive_response(response)
        if isinstance(response, SyncResponse):
            body = await self.parse_body(response.transport_response)
            self.olm.kept.give(
                Sync(
                    counts=body.get("device_one_time_keys_count"),
                    missing=Missing.ZERO,
                    unused=body.get("device_unused_fallback_key_types"),
                    # `/sync` brings messages in portions and does not say which is the last: an empty one is.
                    caught_up=not body.get("to_device", {}).get("events"),
                    started_at=self._sync_epoch,
                )
            )

    async def keys_upload(self) -> Any:
        """Upload what the machine asks for, and hand it the answer, or that there was none."""
        if not self.should_upload_keys:
            raise LocalProtocolError("No key upload needed.")
        kept = self.olm.kept
        upload = kept.take_upload()
        body = {} if self.olm.account.shared else self.olm.share_keys()
        if upload is not None:
            body |= kept.body(upload)
        status, answer = None, {}
        try:
            response = await self._send(KeysUploadResponse, *Api.keys_upload(self.access_token, body))
            status = response.transport_response.status
            answer = await self.parse_body(response.transport_response)
        finally:
            if upload is not None:
                kept.answered(upload, status, answer)
        return response
