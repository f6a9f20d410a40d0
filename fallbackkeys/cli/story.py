"""The story that `fallbackkeys demo` tells: a trace, cut into acts with a few words about each.

Nothing in it is secret or real. Public keys and signatures have the right form and length, and come from
hashes, so that every telling is the same.
"""

import base64
import hashlib
from typing import TypeAlias

import attrs

from fallbackkeys.errors import JSON
from fallbackkeys.traces import ClaimStep, Expectation, SyncStep, UploadStep

_ALICE, _PHONE, _CURVE = "@alice:example.org", "PHONE", "signed_curve25519"
_ANYTHING = Expectation()


StoryStep: TypeAlias = UploadStep | ClaimStep | SyncStep
"""What happens in the story."""


@attrs.frozen(kw_only=True)
class Act:
    """One act: what happens, and why."""

    title: str
    words: str
    steps: tuple[StoryStep, ...]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _key(key_id: str, **members: JSON) -> JSON:
    """A signed key; it signs nothing, and has the form of one that does."""
    public_key = _base64(hashlib.sha256(key_id.encode()).digest())
    signature = _base64(hashlib.sha512(public_key.encode()).digest())
    return {"key": public_key, **members, "signatures": {_ALICE: {f"ed25519:{_PHONE}": signature}}}


def _upload(*key_ids: str, fallback: str | None = None) -> StoryStep:
    body: dict[str, JSON] = {"one_time_keys": {f"{_CURVE}:{key_id}": _key(key_id) for key_id in key_ids}}
    if fallback is not None:
        body["fallback_keys"] = {f"{_CURVE}:{fallback}": _key(fallback, fallback=True)}
    return UploadStep(user=_ALICE, device=_PHONE, body=body, expect=_ANYTHING)


def _claim(user: str) -> StoryStep:
    wanted: JSON = {"one_time_keys": {_ALICE: {_PHONE: _CURVE}}}
    return ClaimStep(user=user, body=wanted, expect=_ANYTHING)


_SYNC = SyncStep(user=_ALICE, device=_PHONE, expect=_ANYTHING)

STORY = (
    Act(
        title="Alice's phone uploads three one-time keys and a fallback key",
        words="/sync then tells the phone what it has left: three keys, and a fallback key that is unused.",
        steps=(_upload("AAAAAQ", "AAAAAg", "AAAAAw", fallback="AAAABA"), _SYNC),
    ),
    Act(
        title="Bob, Carol and Dave write to her while the phone is off",
        words="Each claim takes a one-time key for good: nobody else will ever get the same.",
        steps=(
            _claim("@bob:example.org"),
            _claim("@carol:example.org"),
            _claim("@dave:example.org"),
        ),
    ),
    Act(
        title="The pool is empty, and Erin gets the fallback key",
        words="The fallback key is marked used, which /sync shows by no longer listing its algorithm.",
        steps=(_claim("@erin:example.org"), _SYNC),
    ),
    Act(
        title="Frank gets the same fallback key",
        words="It is kept and given again, so that nobody is turned away; that is why it should be replaced.",
        steps=(_claim("@frank:example.org"),),
    ),
    Act(
        title="The phone is back: it replaces the fallback key and refills the pool",
        words="The new fallback key is unused. From now on one-time keys are given first again.",
        steps=(_upload("AAAABQ", "AAAABg", fallback="AAAABw"), _SYNC),
    ),
    Act(
        title="The phone repeats its very first upload, whose answer it had lost",
        words="The answer is 200, but these keys were issued, so they are ignored: the count stays at two."
        " Grace gets a new key, not the one that Bob has.",
        steps=(_upload("AAAAAQ", "AAAAAg", "AAAAAw"), _claim("@grace:example.org")),
    ),
)
"""The acts, in order."""
