"""A vodozemac account whose keys the client machine keeps: what an embedder writes once.

Everything that `step` asks for is done here but sending, which is the client's: it takes `upload`, sends
`body(upload)` and hands the answer to `answered`. specs/embedding-nio.md tells it in prose.
"""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import vodozemac
from canonicaljson import encode_canonical_json
from unpaddedbase64 import encode_base64

from fallbackkeys import Device
from fallbackkeys.client import (
    ClientState,
    Conflict,
    Failure,
    Generated,
    GenerateFallbackKey,
    GenerateOneTimeKeys,
    Input,
    Kind,
    MarkPublished,
    OutcomeUnknown,
    Output,
    Persist,
    Persisted,
    PreKey,
    RateLimited,
    Rejected,
    Report,
    Restored,
    Upload,
    UploadFailed,
    UploadOk,
    UploadSent,
    Verdict,
    judge,
    step,
)

ALGORITHMS = ("m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2")
CURVE = "signed_curve25519"

# The one way to notice a conflict: the text of the error, as matrix-rust-sdk reads it too.
_CONFLICT = re.compile(r"One time key ([^: ]+):([^: ]+) already exists")


@attrs.define(eq=False)
class KeptAccount:
    """An account and the machine's state, which change together and are saved together."""

    device: Device
    account: vodozemac.Account
    state: ClientState
    save: Callable[[], None]
    """Writes the account and a snapshot of the state in one transaction."""
    clock: Callable[[], int]
    upload: Upload | None = None
    """What is to be sent next."""
    wake_at: int | None = None
    """When to give a `Tick`, if nothing happens before."""
    reports: list[Report] = attrs.field(factory=list)

    def start(self) -> None:
        """Begin, or begin again: tell the machine what the account holds."""
        one_time_keys = _generated(Kind.ONE_TIME, self.account.one_time_keys)
        fallback_keys = _generated(Kind.FALLBACK, self.account.fallback_key)
        self.give(Restored(unpublished=(*one_time_keys, *fallback_keys)))

    def give(self, given: Input) -> None:
        """Take a step, and do what it asks for, until nothing is left to do but to send an upload."""
        inputs = deque([given])
        while inputs:
            stepped = step(self.state, inputs.popleft(), now=self.clock())
            self.state, self.wake_at = stepped.state, stepped.wake_at
            for output in stepped.outputs:
                inputs.extend(self._carry_out(output))

    def _carry_out(self, output: Output) -> Iterator[Input]:
        match output:
            case GenerateOneTimeKeys():
                known = self.account.one_time_keys.keys()
                self.account.generate_one_time_keys(output.count)
                made = self.account.one_time_keys
                yield from _generated(Kind.ONE_TIME, {name: made[name] for name in made.keys() - known})
            case GenerateFallbackKey():
                self.account.generate_fallback_key()
                yield from _generated(Kind.FALLBACK, self.account.fallback_key)
            case Persist():
                self.save()
                yield Persisted(generation=output.generation)
            case Upload():
                self.upload = output
            case MarkPublished():
                self.account.mark_keys_as_published()
            case Report():
                self.reports.append(output)
            case _:
                raise AssertionError(output)  # this binding cannot forget, and the policy says so

    # --- Uploads ---

    def identity(self) -> dict[str, Any]:
        """The signed `device_keys`: to be uploaded once."""
        ids = {"user_id": self.device.user_id, "device_id": self.device.device_id}
        keys = {
            f"curve25519:{self.device.device_id}": self.account.curve25519_key.to_base64(),
            f"ed25519:{self.device.device_id}": self.account.ed25519_key.to_base64(),
        }
        return {"device_keys": self._signed({**ids, "algorithms": list(ALGORITHMS), "keys": keys})}

    def body(self, upload: Upload) -> dict[str, Any]:
        """The signed `one_time_keys` and `fallback_keys` of an upload."""
        kinds: tuple[tuple[str, Mapping[str, Mapping[str, str]], dict[str, bool]], ...] = (
            ("one_time_keys", upload.keys.one_time_keys, {}),
            # The flag is inside the signature: nobody can pass the key off as a one-time key.
            ("fallback_keys", upload.keys.fallback_keys, {"fallback": True}),
        )
        return {
            member: {
                f"{algorithm}:{key_id}": self._signed({"key": public, **flags})
                for algorithm, ids in by_algorithm.items()
                for key_id, public in ids.items()
            }
            for member, by_algorithm, flags in kinds
            if by_algorithm
        }

    def _signed(self, value: dict[str, Any]) -> dict[str, Any]:
        signature = self.account.sign(encode_canonical_json(value)).to_base64()
        return {**value, "signatures": {self.device.user_id: {f"ed25519:{self.device.device_id}": signature}}}

    def take_upload(self) -> Upload | None:
        """The upload that is to be sent now, if there is one. It counts as sent from here on."""
        upload, self.upload = self.upload, None
        if upload is not None:
            self.give(UploadSent(request=upload.request, keys=upload.keys))
        return upload

    def answered(self, upload: Upload, status: int | None, body: Mapping[str, Any]) -> None:
        """Hand in the answer to an upload; no status means that there was none."""
        # A repetition that was asked for before this was known is not due any more, or is asked for again.
        self.upload = None
        if status == 200:
            self.give(UploadOk(request=upload.request, counts=body.get("one_time_key_counts")))
        else:
            self.give(UploadFailed(request=upload.request, failure=_failure(status, body)))

    # --- Messages ---

    def judge(self, message: "PreKeyMessage", *, known_session: bool) -> Verdict:
        """What to do with a message."""
        return judge(
            self.state,
            public=message.public,
            session=message.session,
            message=message.digest,
            known_session=known_session,
        )

    def decrypted(self, message: "PreKeyMessage", *, known_session: bool, ok: bool) -> None:
        """Say what became of a message, once its session is saved."""
        self.give(
            PreKey(
                public=message.public,
                session=message.session,
                message=message.digest,
                known_session=known_session,
                ok=ok,
            )
        )


@attrs.frozen
class PreKeyMessage:
    """What the machine needs to know of a message that starts a session."""

    public: str
    """The one-time or fallback key of ours that it names, in unpadded base64."""
    session: str
    digest: str

    @classmethod
    def describe(cls, message: vodozemac.PreKeyMessage) -> "PreKeyMessage":
        """Describe a message as the library understood it.

        What it writes again is version 3 and a protobuf that begins with our key; what came over the wire may
        have been spelt in other ways, to be checked as one message and decrypted as another.
        """
        _, written = message.to_any().to_parts()
        assert written.startswith(_OUR_KEY)
        public = written[len(_OUR_KEY) : len(_OUR_KEY) + 32]
        return cls(encode_base64(public), message.session_id(), hashlib.sha256(written).hexdigest())


_OUR_KEY = bytes([3, 0x0A, 32])
"""The version, and the head of the first field: a one-time or fallback key of 32 bytes."""


def _generated(kind: Kind, keys: Mapping[str, vodozemac.Curve25519PublicKey]) -> list[Generated]:
    return [
        Generated(kind=kind, algorithm=CURVE, key_id=key_id, public=key.to_base64())
        for key_id, key in keys.items()
    ]


def _failure(status: int | None, body: Mapping[str, Any]) -> Failure:
    if status == 429:
        return RateLimited(after=body.get("retry_after_ms", 0))
    if status is None or not 400 <= status < 500 or "errcode" not in body:
        return OutcomeUnknown()
    conflict = _CONFLICT.search(str(body.get("error")))
    return Rejected() if conflict is None else Conflict(algorithm=conflict[1], key_id=conflict[2])
