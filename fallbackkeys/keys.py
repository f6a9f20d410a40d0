"""Keys: what a device publishes, and what "the same key" means.

A key is kept as the canonical bytes of its JSON, never as nested maps: cheap to hold, to compare and to
hash, impossible to change, and what comes back from a claim is what was uploaded (FK-FORM-06). Two keys are
*the same* when algorithm and public key agree, whatever the other members, their order or the signatures
say; `Key.fingerprint` is that identity.
"""

import hashlib
import json
import re
from typing import Self, cast

import attrs

from fallbackkeys import canonical
from fallbackkeys.errors import JSON, Errcode, Limit, Malformed, Rule, TooLarge, describe, quote
from fallbackkeys.policy import PURE, Policy, check_limit

MAX_NAME_BYTES = 255
"""Longest key name, in UTF-8; Matrix's limit for its common identifiers."""

FINGERPRINT_BYTES = 15
"""Length of a fingerprint: 120 bits, the most that fits with Python's own header into 48 bytes."""

SIGNED_PREFIX = "signed_"
"""Algorithms named so are represented by a signed object (CS "Key algorithms")."""

_SHARED = {name: name for name in ("signed_curve25519", "curve25519")}
"""The field's algorithms, so that a pool of such keys holds the name once."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def check_text(text: str, member: str, errcode: Errcode = Errcode.BAD_JSON) -> None:
    """Refuse text that no identifier may hold: control characters, lone surrogates (FK-FORM-10).

    A database would choke on them later, each at another place.

    Raises:
        Malformed: with `errcode`.
    """
    if text.isascii() and text.isprintable():
        return
    if _CONTROL.search(text):
        raise Malformed(member=member, rule=Rule.NO_CONTROL, found=quote(text), errcode=errcode)
    check_unicode(text, member, errcode)


def check_unicode(text: str, member: str, errcode: Errcode = Errcode.BAD_JSON) -> None:
    """Refuse text with lone surrogates: it has no UTF-8.

    Raises:
        Malformed: with `errcode`.
    """
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Malformed(member=member, rule=Rule.UNICODE, found=quote(text), errcode=errcode)


@attrs.frozen(order=True)
class KeyName:
    """A key's name, `<algorithm>:<key_id>` (CS POST /keys/upload)."""

    algorithm: str
    key_id: str

    @classmethod
    def parse(cls, text: str, member: str = "a key") -> Self:
        """Split a name at its colon (FK-FORM-01).

        Raises:
            Malformed: not exactly one colon, an empty part, a control character, no valid Unicode, or more
                than `MAX_NAME_BYTES`.
        """
        return cls(*_split(text, member))

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.key_id}"


@attrs.frozen(weakref_slot=False)
class Key:
    """A public key under its name, as a device uploaded it. Build one with `parse`.

    Equal when name and every byte of the JSON agree; see `fingerprint` for "the same key".
    """

    algorithm: str
    key_id: str
    json: bytes
    """The uploaded value, string or object, as canonical JSON."""
    fingerprint: bytes
    """Digest of algorithm and public key. Equal exactly for the same key."""

    @classmethod
    def parse(cls, name: str, value: object, *, policy: Policy = PURE, member: str = "") -> Self:
        """Check a key and make it canonical.

        Args:
            name: `<algorithm>:<key_id>`.
            value: a string, or an object with `key` and `signatures` (CS definitions, OneTimeKeys); what a
                JSON parser returned. It is read, not kept.
            policy: limits of size and depth.
            member: path of the map the key stands in, for messages.

        Raises:
            Malformed: name or value break a rule of form (FK-FORM-01 to FK-FORM-05).
            TooLarge: the value is larger or deeper than the policy allows (FK-LIMIT-04).
        """
        try:
            algorithm, key_id = _split(name)
            public_key = _public_key(value, algorithm, policy)
            encoded = canonical.encode(value, "")
            check_limit("", Limit.VALUE_BYTES, policy.max_value_bytes, len(encoded))
        except (Malformed, TooLarge) as refusal:
            # The path is made here, for the one key that needs it, and not for each of an upload's many.
            path = f"{member}.{quote(name)}" if member else quote(name)
            raise attrs.evolve(refusal, member=f"{path}{refusal.member}") from None
        return cls(algorithm, key_id, encoded, fingerprint(algorithm, public_key))

    @property
    def name(self) -> KeyName:
        """The key's name."""
        return KeyName(self.algorithm, self.key_id)

    @property
    def value(self) -> JSON:
        """The uploaded value as plain JSON, built anew at each call."""
        return cast("JSON", json.loads(self.json))

    @property
    def public_key(self) -> str:
        """The key material: the string itself, or the member `key`."""
        value = self.value
        return cast("str", value["key"] if isinstance(value, dict) else value)

    @property
    def is_object(self) -> bool:
        """Whether the value is an object, which can carry signatures and `fallback`."""
        return self.json.startswith(b"{")

    @property
    def says_fallback(self) -> bool:
        """Whether the value is an object with `fallback: true` (CS KeyObject, since 1.2)."""
        if b'"fallback":true' not in self.json:  # spares parsing every one-time key of an upload
            return False
        value = self.value
        return isinstance(value, dict) and value.get("fallback") is True


def fingerprint(algorithm: str, public_key: str) -> bytes:
    """Digest of an algorithm and a public key, `FINGERPRINT_BYTES` long.

    An algorithm has no colon, so the two cannot run into each other.
    """
    return hashlib.blake2b(f"{algorithm}:{public_key}".encode(), digest_size=FINGERPRINT_BYTES).digest()


def _split(text: str, member: str = "") -> tuple[str, str]:
    algorithm, _, key_id = text.partition(":")
    if not algorithm or not key_id or ":" in key_id:
        raise Malformed(member=member, rule=Rule.NAME_FORM, found=quote(text))
    check_text(text, member)
    if len(text) > MAX_NAME_BYTES or len(text.encode()) > MAX_NAME_BYTES:
        raise Malformed(member=member, rule=Rule.NAME_LENGTH, found=quote(text))
    return _SHARED.get(algorithm, algorithm), key_id


def _public_key(value: object, algorithm: str, policy: Policy, path: str = "") -> str:
    """Check the form of a value and return its public key (FK-FORM-02 to FK-FORM-05)."""
    if isinstance(value, str):
        if algorithm.startswith(SIGNED_PREFIX):
            raise Malformed(member=path, rule=Rule.SIGNED_FORM, found=describe(value))
        check_unicode(value, path)
        return value
    if not isinstance(value, dict):
        raise Malformed(member=path, rule=Rule.KEY_FORM, found=describe(value))
    for member in ("key", "signatures"):
        if member not in value:
            raise Malformed(member=f"{path}.{member}", rule=Rule.REQUIRED, found=describe(value))
    if not isinstance(value["key"], str):
        raise Malformed(member=f"{path}.key", rule=Rule.STRING, found=describe(value["key"]))
    if "fallback" in value and not isinstance(value["fallback"], bool):
        raise Malformed(member=f"{path}.fallback", rule=Rule.BOOLEAN, found=describe(value["fallback"]))
    check_signatures(value["signatures"], f"{path}.signatures")
    max_depth = canonical.MAX_DEPTH
    if policy.max_value_depth is not None:
        max_depth = min(max_depth, policy.max_value_depth)
    if len(value) > 2 + ("fallback" in value) or max_depth < _SIGNED_DEPTH:
        canonical.check(value, path, max_depth)
    public_key: str = value["key"]
    check_unicode(public_key, f"{path}.key")
    return public_key


_SIGNED_DEPTH = 3
"""Nesting of a key with signatures and no unknown member: what `check_signatures` has seen already."""


def check_signatures(signatures: object, path: str) -> None:
    """Check a `signatures` member: an object of objects of strings (Appendices, "Signing Details").

    Raises:
        Malformed: naming the first member that is something else.
    """
    if not isinstance(signatures, dict):
        raise Malformed(member=path, rule=Rule.OBJECT, found=describe(signatures))
    for entity, by_key in signatures.items():
        if not isinstance(entity, str):
            raise Malformed(member=f"{path}: a member name", rule=Rule.STRING, found=describe(entity))
        if not isinstance(by_key, dict):
            raise Malformed(member=f"{path}.{quote(entity)}", rule=Rule.OBJECT, found=describe(by_key))
        for key_name, signature in by_key.items():
            if not isinstance(key_name, str):
                member = f"{path}.{quote(entity)}: a member name"
                raise Malformed(member=member, rule=Rule.STRING, found=describe(key_name))
            if not isinstance(signature, str):
                member = f"{path}.{quote(entity)}.{quote(key_name)}"
                raise Malformed(member=member, rule=Rule.STRING, found=describe(signature))
