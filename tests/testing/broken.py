"""Servers that are wrong on purpose: each has one defect that a server in use has, and no other.

They are the reference with its store meddled with, its requests bent or its answers withheld. The numbers are
those of the table in specs/divergences.md.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from fallbackkeys import Device, DeviceState, Key, Upload, apply, apply_all
from fallbackkeys.canonical import encode
from fallbackkeys.errors import JSON
from fallbackkeys.events import IssuedKeyForgotten, OneTimeKeyIssued
from fallbackkeys.persistent import Map
from fallbackkeys.state import FallbackSlot
from fallbackkeys.testing.adapter import ReferenceAdapter
from fallbackkeys.wire import Response

INTERNAL = Response(status=500, body={"errcode": "M_UNKNOWN", "error": "Internal server error"})
PAUSE = 0.003
"""Seconds between the two halves of what should be one."""


class Broken(ReferenceAdapter):
    """A reference whose states can be meddled with."""

    def change(self, change: Callable[[DeviceState], DeviceState]) -> None:
        for device, state in list(self.store):
            self.store = self.store.with_state(device, change(state))

    def state(self, user: str, device: str) -> DeviceState:
        return self.store.state(Device(user, device))

    def accepted(self, user: str, device: str) -> Response:
        """As if the upload had been accepted and had changed nothing."""
        return super().upload(user=user, device=device, body={}, dialects=("stable",))


def maps(body: JSON) -> dict[str, dict[str, Any]]:
    """The maps of keys of an upload that are such."""
    members = body if isinstance(body, dict) else {}
    return {
        name: dict(keys)
        for name in ("one_time_keys", "fallback_keys")
        if isinstance(keys := members.get(name), dict)
    }


def unsigned(key: Any) -> Any:
    return (
        {name: value for name, value in key.items() if name != "signatures"} if isinstance(key, dict) else key
    )


def unused(slot: FallbackSlot) -> FallbackSlot:
    return FallbackSlot(slot.key, used=False)


def with_unused_slots(state: DeviceState, *algorithms: str) -> DeviceState:
    for algorithm in algorithms:
        if algorithm in state.slots:
            state = state.with_slot(algorithm, unused(state.slots[algorithm]))
    return state


class ComparesTextWithCanonicalJson(Broken):
    """S1: a fallback key stored as it came is compared with canonical JSON, and found different."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[tuple[str, ...], str] = {}

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        response = super().upload(user=user, device=device, body=body, dialects=dialects)
        if response.status == 200:
            for name, key in maps(body).get("fallback_keys", {}).items():
                algorithm = name.partition(":")[0]
                stored = self.stored.get((user, device, algorithm))
                if stored is not None and stored != encode(unsigned(key), "").decode():
                    slots = with_unused_slots(self.state(user, device), algorithm)
                    self.store = self.store.with_state(Device(user, device), slots)
                    stored = None
                if stored is None:
                    text = json.dumps(unsigned(key), separators=(",", ":"), ensure_ascii=False)
                    self.stored[user, device, algorithm] = text
        return response


class ForgetsIssuedKeys(Broken):
    """S2: a one-time key that was issued can be uploaded and issued again."""

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        with self._one_at_a_time:
            response = super().claim(user=user, body=body, remote=remote)
            self.change(forgetting)
        return response

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        response = super().federation_claim(origin=origin, body=body)
        self.change(forgetting)
        return response


def forgetting(state: DeviceState) -> DeviceState:
    events = [
        IssuedKeyForgotten(algorithm, fingerprint)
        for algorithm, pool in state.pools.items()
        for fingerprint in pool.issued
    ]
    return apply_all(state, events)


class GivesFallbackWhenItLosesARace(Broken):
    """S3: of claims at the same moment all but one get the fallback key."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        self.running += 1
        try:
            time.sleep(PAUSE)
            with self._one_at_a_time:
                lost, self.running = self.running > 1, self.running
            return self.fallback(body) if lost else super().claim(user=user, body=body, remote=remote)
        finally:
            self.running -= 1

    def fallback(self, body: JSON) -> Response:
        """Claim with every pool out of sight."""
        with self._one_at_a_time:
            store = self.store
            self.change(lambda state: DeviceState(Map(), state.slots, state.uploads))
            claimed = super().federation_claim(origin="", body=body)
            self.store = store
            return Response(status=200, body={**claimed.body, "failures": {}})


class KeepsTheLastOfTwoFallbackKeys(Broken):
    """S4: of two fallback keys of one algorithm in an upload the last is kept."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        last = {name.partition(":")[0]: name for name in maps(body).get("fallback_keys", {})}
        if isinstance(body, dict) and last and all(name.count(":") == 1 for name in last.values()):
            keys = maps(body)["fallback_keys"]
            body = {**body, "fallback_keys": {name: keys[name] for name in last.values()}}
        return super().upload(user=user, device=device, body=body, dialects=dialects)


class IgnoresANewIdOfTheFallbackKey(Broken):
    """S5: the key in the slot, uploaded under a new id, goes on being served under the old one."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        before = self.state(user, device).slots
        response = super().upload(user=user, device=device, body=body, dialects=dialects)
        for algorithm, slot in before.items():
            state = self.state(user, device)
            after = state.slots[algorithm]
            if after.key.public_key == slot.key.public_key and after.key.key_id != slot.key.key_id:
                self.store = self.store.with_state(Device(user, device), state.with_slot(algorithm, slot))
        return response


class FailsOnMalformedMaps(Broken):
    """S6: 500 for maps of keys that are none, and for claims with devices or algorithms of another type."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        members = body if isinstance(body, dict) else {}
        if isinstance(members.get("one_time_keys"), list | str) or members.get("fallback_keys") == []:
            return INTERNAL
        return super().upload(user=user, device=device, body=body, dialects=dialects)

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        users = body.get("one_time_keys") if isinstance(body, dict) else None
        for devices in users.values() if isinstance(users, dict) else ():
            if not isinstance(devices, dict):
                return INTERNAL
            if any(isinstance(algorithm, dict | list) for algorithm in devices.values()):
                return INTERNAL
        return super().claim(user=user, body=body, remote=remote)


class AcceptsNamesWithEmptyParts(Broken):
    """S7: `:x`, `x:` and `:` are taken for names of keys."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        for member, keys in maps(body).items():
            named = {name: key for name, key in keys.items() if name.count(":") != 1 or all(name.split(":"))}
            if isinstance(body, dict):
                body = {**body, member: named}
        return super().upload(user=user, device=device, body=body, dialects=dialects)


class KnowsNoFallbackKeys(Broken):
    """S8, S10: `fallback_keys` is a member that the server does not know."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        if isinstance(body, dict):
            body = {name: value for name, value in body.items() if name != "fallback_keys"}
        return super().upload(user=user, device=device, body=body, dialects=dialects)


class NeverMarksUsed(Broken):
    """S8: a fallback key that was given stays unused."""

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        with self._one_at_a_time:
            response = super().claim(user=user, body=body, remote=remote)
            self.change(lambda state: with_unused_slots(state, *state.slots))
        return response


class RefusesAConflictAndOverwrites(Broken):
    """S8: a conflict is answered 400, and the new key takes the old one's place all the same."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        response = super().upload(user=user, device=device, body=body, dialects=dialects)
        if "already exists" not in str(response.body.get("error")):
            return response
        keys = [Key.parse(name, key) for name, key in maps(body)["one_time_keys"].items()]
        self.change(lambda state: overwritten(state, keys))
        return Response(status=400, body={"errcode": "M_UNKNOWN"})


def overwritten(state: DeviceState, keys: list[Key]) -> DeviceState:
    from fallbackkeys import KeyName, drop, upload  # noqa: PLC0415 (the core, not the endpoints of this module)

    dropped = drop(state, [KeyName(key.algorithm, key.key_id) for key in keys]).state
    return upload(dropped, Upload(one_time_keys=tuple(keys))).state


class RefusesAConflictWithoutErrcode(Broken):
    """S8: a conflict is answered 400 without an errcode."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        response = super().upload(user=user, device=device, body=body, dialects=dialects)
        conflict = "already exists" in str(response.body.get("error"))
        return Response(status=400, body={}) if conflict else response


class ResetsUsedOnEveryUpload(Broken):
    """S9: every upload of a fallback key makes it unused."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        response = super().upload(user=user, device=device, body=body, dialects=dialects)
        if response.status == 200:
            algorithms = [name.partition(":")[0] for name in maps(body).get("fallback_keys", {})]
            state = with_unused_slots(self.state(user, device), *algorithms)
            self.store = self.store.with_state(Device(user, device), state)
        return response


class IssuesInOrderOfIds(Broken):
    """S10: one-time keys are issued in lexicographic order of their ids."""

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        with self._one_at_a_time:
            return self.claim_first(user, body, remote)

    def claim_first(self, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        before = self.store
        response = super().claim(user=user, body=body, remote=remote)
        users: Any = response.body.get("one_time_keys", {})
        for user_id, devices in users.items():
            for device_id, given in devices.items():
                [name] = given
                state = before.state(Device(user_id, device_id))
                pool = state.pool(name.partition(":")[0])
                if pool:
                    first = min((one.key for one in pool), key=lambda key: key.key_id)
                    devices[device_id] = {str(first.name): first.value}
                    issued = apply(state, OneTimeKeyIssued(first))
                    self.store = self.store.with_state(Device(user_id, device_id), issued)
        return response

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        refused = super().federation_claim(origin=origin, body=body) if self._is_foreign(body) else None
        return refused or self.claim(user=None, body=body, remote={})

    def _is_foreign(self, body: JSON) -> bool:
        users: Any = body["one_time_keys"] if isinstance(body, dict) else {}
        return any(not user.endswith(f":{self._server_name}") for user in users)


class KeepsOneTimeKeysOfRemovedDevices(Broken):
    """S11: one-time keys outlive their device."""

    def delete_device(self, *, user: str, device: str) -> Response:
        state = forgetting(self.state(user, device))
        left = DeviceState(state.pools, Map(), state.uploads)
        self.store = self.store.with_state(Device(user, device), left)
        return Response(status=200, body={})


class KeepsFallbackKeysOfRemovedDevices(Broken):
    """S11: the fallback key outlives its device."""

    def delete_device(self, *, user: str, device: str) -> Response:
        left = DeviceState(Map(), self.state(user, device).slots, 0)
        self.store = self.store.with_state(Device(user, device), left)
        return Response(status=200, body={})


class CountsByPrefix(Broken):
    """S12: a device is told of the one-time keys of all whose id begins with its own."""

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        response = super().sync(user=user, device=device, dialects=dialects)
        counts: dict[str, JSON] = {}
        for other, state in self.store:
            if other.user_id == user and other.device_id.startswith(device):
                for algorithm, pool in state.pools.items():
                    number = counts.get(algorithm, 0)
                    counts[algorithm] = len(pool) + (number if isinstance(number, int) else 0)
        response.body["device_one_time_keys_count"] = counts
        return response


class IssuesTwiceInARace(Broken):
    """S13: a key is looked up and then deleted, and nothing is locked between the two."""

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        with self._one_at_a_time:
            before = self.store
        time.sleep(PAUSE)
        seen = ReferenceAdapter()
        seen.store = before
        response = seen.claim(user=user, body=body, remote=remote)
        with self._one_at_a_time:
            self.store = seen.store
        return response


class FailsOnNonAscii(Broken):
    """S14: 500 for a one-time key with non-ASCII text in a further member."""

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        for key in maps(body).get("one_time_keys", {}).values():
            members = key if isinstance(key, dict) else {}
            more = [value for name, value in members.items() if name not in ("key", "signatures", "fallback")]
            if any(0x7F < ord(character) < 0xD800 for character in json.dumps(more, ensure_ascii=False)):
                return INTERNAL
        return super().upload(user=user, device=device, body=body, dialects=dialects)


class LeavesOutUnusedTypes(Broken):
    """synapse#10618: the unused types are absent until a fallback key was uploaded."""

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        response = super().sync(user=user, device=device, dialects=dialects)
        if not self.state(user, device).slots:
            del response.body["device_unused_fallback_key_types"]
        return response
