"""The names of a trace and the names of a server, and bodies carried from the one to the other.

A trace says `@alice:example.org` and `ALICE1`; a live server has users and devices of its own. A `Naming`
holds the pairs and rewrites what crosses the wire, both ways. Key objects that carry a signature of their
device are signed anew, for the user and device that upload them; the order of their members stays, since
servers have got that wrong. Whatever has not the form that is expected passes unchanged: malformed bodies are
the point of many traces.
"""

import json
from collections.abc import Callable, Mapping
from typing import cast

import attrs

from fallbackkeys import signing
from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON, Misuse
from fallbackkeys.keys import MAX_NAME_BYTES
from fallbackkeys.testing.adapter import NotSupported
from fallbackkeys.testing.keys import seed_of
from fallbackkeys.traces.model import DEFAULT_SERVER_NAME
from fallbackkeys.wire.encode import COUNTS, UNUSED

ONE_TIME_KEYS = "one_time_keys"
KEY_MAPS = (ONE_TIME_KEYS, "fallback_keys")
UPLOAD_COUNTS = "one_time_key_counts"
MARK = "_fk"
"""Begins the suffix of an algorithm that was renamed for one example."""
SIGNATURE_LENGTH = 86
"""Characters of an ed25519 signature in unpadded base64."""


@attrs.define
class Naming:
    """One trace's names on one server."""

    trace_server: str = DEFAULT_SERVER_NAME
    """The server name in the trace."""
    real_server: str = DEFAULT_SERVER_NAME
    """The name of the server under test."""
    suffix: str = ""
    """What each algorithm's name gets at its end, so that examples on one device do not meet; with `MARK`."""
    device_prefix: str = ""
    """What a device id gets at its beginning that no device has."""
    devices: dict[Device, Device] = attrs.field(factory=dict)
    """Trace's device → the server's."""
    users: dict[str, str] = attrs.field(factory=dict)
    """Trace's user → the server's."""
    _originals: dict[str, JSON] = attrs.field(factory=dict)
    _signatures: dict[str, list[str]] = attrs.field(factory=dict)

    def lodge(self, device: Device, real: Device) -> None:
        """Enter a pair of devices, and so a pair of users."""
        self.devices[device] = real
        self.users[device.user_id] = real.user_id
        self.real_server = real.server_name

    # --- From the trace to the server ---

    def upload(self, device: Device, body: JSON) -> JSON:
        """The body of an upload by `device`, which is lodged.

        Raises:
            NotSupported: a name that just fits would not fit under its other algorithm.
        """
        if not isinstance(body, dict):
            return body
        written = dict(body)
        for member in KEY_MAPS:
            keys = body.get(member)
            if isinstance(keys, dict):
                if any(len(name.encode(errors="replace")) in self._just_fits for name in keys):
                    raise NotSupported(what="use names of this length, as it renames their algorithms")
                written[member] = {self.algorithm(name): self._key(device, key) for name, key in keys.items()}
        if "device_keys" in body:
            written["device_keys"] = self._signed(device, body["device_keys"])
        return written

    def claim(self, body: JSON) -> JSON:
        """The body of a claim.

        Raises:
            NotSupported: two users of the trace, or two devices, are one on the server.
        """
        users = body.get(ONE_TIME_KEYS) if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(users, dict):
            return body
        written = {self._user(user): self._wanted(user, of) for user, of in users.items()}
        if _entries(written) < _entries(users):
            raise NotSupported(what="tell all these users and devices apart")
        return {**body, ONE_TIME_KEYS: written}

    @property
    def _just_fits(self) -> range:
        """Lengths of names that are fine by themselves, and too long when renamed."""
        return range(MAX_NAME_BYTES - len(self.suffix) + 1, MAX_NAME_BYTES + 1)

    def algorithm(self, name: str) -> str:
        """An algorithm, or the algorithm of a key's name; one without algorithm has nothing to rename."""
        algorithm, colon, rest = name.partition(":")
        return f"{algorithm}{self.suffix}{colon}{rest}" if algorithm else name

    def _user(self, user: str) -> str:
        localpart, _, server = user.partition(":")
        local = f"{localpart}:{self.real_server}" if server == self.trace_server else user
        return self.users.get(user, local)

    def _wanted(self, user: str, devices: JSON) -> JSON:
        if not isinstance(devices, dict):
            return devices
        return {
            self._device(user, device): self.algorithm(algorithm) if isinstance(algorithm, str) else algorithm
            for device, algorithm in devices.items()
        }

    def _device(self, user: str, device: str) -> str:
        real = self.devices.get(Device(user, device))
        return f"{self.device_prefix}{device}" if real is None else real.device_id

    def _key(self, device: Device, key: JSON) -> JSON:
        written = self._signed(device, key)
        self._originals[_text(written)] = key
        return written

    def _signed(self, device: Device, value: JSON) -> JSON:
        """An object with this device's names instead of the trace's, signed by it where it was signed."""
        if not isinstance(value, dict):
            return value
        real = self.devices[device]
        words = {device.user_id: real.user_id, device.device_id: real.device_id} | {
            f"{kind}:{device.device_id}": f"{kind}:{real.device_id}" for kind in ("ed25519", "curve25519")
        }
        named = {
            name: _renamed(one, words) if name in ("signatures", "user_id", "device_id", "keys") else one
            for name, one in value.items()
        }
        signature = _member(_member(named.get("signatures"), real.user_id), f"ed25519:{real.device_id}")
        if isinstance(signature, str) and len(signature) == SIGNATURE_LENGTH:
            _sign(named, real, self._generation(device, value, signature))
        return named

    def _generation(self, device: Device, value: dict[str, JSON], signature: str) -> int:
        """Which signature of the same content this is: the trace's own second one must stay a second one."""
        signed = {name: one for name, one in value.items() if name not in ("signatures", "unsigned")}
        met = self._signatures.setdefault(f"{device} {_text(signed)}", [])
        if signature not in met:
            met.append(signature)
        return met.index(signature)

    # --- From the server to the trace ---

    def upload_answer(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """The answer of an upload, in the trace's names."""
        return self._read(body, {UPLOAD_COUNTS: self._counts})

    def sync_answer(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """The answer of a sync; what algorithms of earlier examples left behind is not shown."""
        return self._read(body, {COUNTS: self._counts, UNUSED: self._types})

    def claim_answer(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """The answer of a claim, each key as the trace uploaded it."""
        return self._read(body, {ONE_TIME_KEYS: self._claimed})

    def _read(self, body: Mapping[str, JSON], readers: dict[str, Callable[[JSON], JSON]]) -> dict[str, JSON]:
        return {name: readers[name](value) if name in readers else value for name, value in body.items()}

    def _counts(self, counts: JSON) -> JSON:
        if not isinstance(counts, dict):
            return counts
        # A count that is shown even at zero may come beside that of the algorithm in its other name.
        own = {name: count for name, count in counts.items() if self.suffix and name.endswith(self.suffix)}
        others = {name: count for name, count in counts.items() if not self._is_left(name)}
        return {self._plain(name): count for name, count in (*others.items(), *own.items())}

    def _types(self, types: JSON) -> JSON:
        if not isinstance(types, list):
            return types
        return [
            self._plain(name) if isinstance(name, str) else name for name in types if not self._is_left(name)
        ]

    def _claimed(self, users: JSON) -> JSON:
        if not isinstance(users, dict):
            return users
        names = {real: user for user, real in self.users.items()}
        found: dict[str, JSON] = {}
        for real_user, devices in users.items():
            localpart, _, server = real_user.partition(":")
            local = f"{localpart}:{self.trace_server}" if server == self.real_server else real_user
            user = names.get(real_user, local)
            found[user] = self._claimed_of(user, devices)
        return found

    def _claimed_of(self, user: str, devices: JSON) -> JSON:
        if not isinstance(devices, dict):
            return devices
        names = {real.device_id: one.device_id for one, real in self.devices.items() if one.user_id == user}
        return {
            names.get(device, device.removeprefix(self.device_prefix)): self._keys(keys)
            for device, keys in devices.items()
        }

    def _keys(self, keys: JSON) -> JSON:
        if not isinstance(keys, dict):
            return keys
        return {self._plain(name): self._originals.get(_text(key), key) for name, key in keys.items()}

    def _plain(self, name: str) -> str:
        algorithm, colon, rest = name.partition(":")
        return f"{algorithm.removesuffix(self.suffix)}{colon}{rest}"

    def _is_left(self, name: JSON) -> bool:
        """Whether an algorithm is that of another example."""
        return isinstance(name, str) and MARK in name and not (self.suffix and name.endswith(self.suffix))


def _renamed(value: JSON, words: Mapping[str, str]) -> JSON:
    match value:
        case str():
            return words.get(value, value)
        case dict():
            return {words.get(name, name): _renamed(one, words) for name, one in value.items()}
        case _:
            return value


def _entries(users: Mapping[str, JSON]) -> int:
    """How many users and devices a claim names."""
    return len(users) + sum(len(devices) for devices in users.values() if isinstance(devices, dict))


def _member(value: JSON, name: str) -> JSON:
    return value.get(name) if isinstance(value, dict) else None


def _sign(value: dict[str, JSON], device: Device, generation: int) -> None:
    """Exchange the device's signature within `value`, where it stands; unsignable objects stay as they are.

    ed25519 gives one signature of one content: a second one is by the key of another generation.
    """
    key = signing.signing_key(device.device_id, seed_of(device, generation))
    try:
        signed = signing.sign({**value, "signatures": {}}, device.user_id, key)
    except Misuse:
        return
    name = f"ed25519:{device.device_id}"
    made = _member(_member(signed["signatures"], device.user_id), name)
    by_entity = cast("dict[str, dict[str, JSON]]", value["signatures"])
    by_key: dict[str, JSON] = {**by_entity[device.user_id], name: made}
    value["signatures"] = {**by_entity, device.user_id: by_key}


def _text(value: JSON) -> str:
    return json.dumps(value, sort_keys=True)
