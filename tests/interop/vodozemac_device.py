"""A device without a client around it: a vodozemac account, the machine, a disk, a homeserver in memory."""

import attrs
import vodozemac

from fallbackkeys import Device
from fallbackkeys.client import (
    MSC2732,
    ClientPolicy,
    ClientState,
    Missing,
    Sync,
    Upload,
    Verdict,
    restore,
    save,
)
from fallbackkeys.wire import Response
from tests.interop.homeserver import Homeserver
from tests.interop.kept_account import KeptAccount, PreKeyMessage

ALICE = Device("@alice:example.org", "ALICE1")
PICKLE_KEY = bytes(32)


@attrs.frozen
class Letter:
    """A pre-key message and who sent it."""

    sender: vodozemac.Curve25519PublicKey
    message: vodozemac.AnyOlmMessage


@attrs.define
class Clock:
    """A wall clock that the tests set."""

    now: int = 1_700_000_000_000


@attrs.define(eq=False)
class OlmDevice:
    """The device. `disk` is what a crash leaves: the account's pickle and the machine's snapshot."""

    server: Homeserver
    clock: Clock
    device: Device = ALICE
    policy: ClientPolicy = MSC2732
    disk: tuple[str, str] | None = None
    sessions: dict[str, vodozemac.Session] = attrs.field(factory=dict)
    kept: KeptAccount = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.boot()

    def boot(self) -> None:
        """Start, or start again from what is on the disk."""
        if self.disk is None:
            account, state = vodozemac.Account(), ClientState.start(self.policy)
        else:
            account = vodozemac.Account.from_pickle(self.disk[0], PICKLE_KEY)
            state = restore(self.disk[1], policy=self.policy)
        self.kept = KeptAccount(self.device, account, state, self._save, lambda: self.clock.now)
        self.kept.start()

    def _save(self) -> None:
        self.disk = (self.kept.account.pickle(PICKLE_KEY), save(self.kept.state))

    def identify(self) -> None:
        """Upload the identity keys."""
        assert self.server.upload(self.device, self.kept.identity()).status == 200

    def sync(self, *, started_at: int | None = None, **lies: object) -> None:
        """A sync that brings every message; `lies` replace what the server says."""
        body = {**self.server.sync(self.device), **lies}
        self.kept.give(
            Sync(
                counts=body["device_one_time_keys_count"],
                missing=Missing.ZERO,
                unused=body["device_unused_fallback_key_types"],
                caught_up=True,
                started_at=self.kept.state.epoch if started_at is None else started_at,
            )
        )

    def send(self) -> tuple[Upload, Response] | None:
        """Send the upload that is due, and do not hand in its answer."""
        upload = self.kept.take_upload()
        if upload is None:
            return None
        return upload, self.server.upload(self.device, self.kept.body(upload))

    def upload(self) -> int | None:
        """Send the upload that is due: the status of its answer, None if none is due."""
        sent = self.send()
        if sent is None:
            return None
        upload, response = sent
        self.kept.answered(upload, response.status, response.body)
        return response.status

    def settle(self) -> None:
        """Sync and upload until nothing is due. A hold ends with a sync that starts after it: thus two."""
        self.sync()
        self.sync()
        while self.upload() is not None:
            self.sync()

    def receive(self, letter: Letter) -> bytes | None:
        """Read a message; None if it is refused as a replay.

        Raises:
            vodozemac.SessionCreationException: the private half of the key that it names is gone.
        """
        message = letter.message.to_pre_key()
        assert message is not None
        described = PreKeyMessage.describe(message)
        session = self.sessions.get(described.session)
        verdict = self.kept.judge(described, known_session=session is not None)
        if verdict is Verdict.REFUSE_REPLAY or (verdict is Verdict.USE_KNOWN_SESSION and session is None):
            return None
        if session is None:
            session, text = self.kept.account.create_inbound_session(letter.sender, message)
            self.sessions[described.session] = session
            self.kept.decrypted(described, known_session=False, ok=True)
        else:
            text = session.decrypt(letter.message)
            self.kept.decrypted(described, known_session=True, ok=True)
        plaintext: bytes = text
        return plaintext


def write(to: OlmDevice, text: bytes) -> Letter:
    """Claim a key of a device, as a stranger, and write to it."""
    _, value = to.server.claim_one(to.device)
    return write_on(to, value["key"], text)


def write_on(to: OlmDevice, public: str, text: bytes) -> Letter:
    """Write to a device on a key of it."""
    stranger = vodozemac.Account()
    key = vodozemac.Curve25519PublicKey.from_base64(public)
    session = stranger.create_outbound_session(to.kept.account.curve25519_key, key)
    return Letter(stranger.curve25519_key, session.encrypt(text))
