"""A second implementation of the rules, as dumb as it can be, to hold the first against.

Written from `specs/requirements.toml` and `specs/decisions/` alone, by someone who had not read
`transitions.py`, `state.py` or `evolve.py`. It imports nothing of `fallbackkeys`, copies whole devices to try
an upload out, and searches lists from end to end. Keep it so: where it disagrees with the library, one of the
two is wrong, and the requirement's text decides which.
"""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

Event: TypeAlias = tuple[Any, ...]
"""What happened: `("added", key, ordinal)`, `("issued", key)`, `("dropped", key)`,
`("forgotten", algorithm, public key)`, `("replaced", key, used)`, `("used", key)`, `("removed",)`."""

Notice: TypeAlias = tuple[Any, ...]
"""The notice's class, its key, and for a second id the first."""

UPLOAD_TOO_LARGE = "keys in one upload"
POOL_TOO_LARGE = "pool"
TOO_MANY_ALGORITHMS = "algorithms"
SEVERAL_FALLBACK_KEYS = "several fallback keys"
CONFLICT = "conflict"


class PlainKey(NamedTuple):
    """A key as four texts; `json` is the canonical JSON of its value."""

    algorithm: str
    key_id: str
    public_key: str
    json: str

    @property
    def name(self) -> str:
        return f"{self.algorithm}:{self.key_id}"

    @property
    def value(self) -> Any:
        return json.loads(self.json)


class Limits(NamedTuple):
    keys_in_upload: int | None = None
    pool: int | None = None
    algorithms: int | None = None
    remembered: int | None = None
    several: int | None = None


class Refused(Exception):
    """An upload broke these rules. Which of them is answered first, nothing prescribes."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__(sorted(reasons))
        self.reasons = set(reasons)


class NotAmongThem(Exception):
    """A caller chose a key that a claim may not return."""


@dataclasses.dataclass
class Entry:
    """A one-time key that waits, or that was issued and is remembered in its old place."""

    key: PlainKey
    upload: int
    issued: bool = False


@dataclasses.dataclass
class Slot:
    key: PlainKey
    used: bool


@dataclasses.dataclass
class Happened:
    """What a command did; `one_time_keys` and `fallback_key` are what a claim gave."""

    one_time_keys: list[PlainKey] = dataclasses.field(default_factory=list)
    fallback_key: PlainKey | None = None
    events: list[Event] = dataclasses.field(default_factory=list)
    notices: set[Notice] = dataclasses.field(default_factory=set)


def over(number: int, limit: int | None) -> bool:
    return limit is not None and number > limit


class DeviceModel:
    """One device: every one-time key in upload order, one slot per algorithm, the next upload's ordinal."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}
        self.slots: dict[str, Slot] = {}
        self.uploads = 0

    def copy(self) -> "DeviceModel":
        """A device that shares nothing with this one but keys, which never change."""
        other = DeviceModel()
        for algorithm, entries in self.entries.items():
            other.entries[algorithm] = [Entry(entry.key, entry.upload, entry.issued) for entry in entries]
        for algorithm, slot in self.slots.items():
            other.slots[algorithm] = Slot(slot.key, slot.used)
        other.uploads = self.uploads
        return other

    def waiting(self, algorithm: str) -> list[Entry]:
        return [entry for entry in self.entries.get(algorithm, []) if not entry.issued]

    def remembered(self, algorithm: str) -> list[Entry]:
        return [entry for entry in self.entries.get(algorithm, []) if entry.issued]

    def known_algorithms(self) -> set[str]:
        """FK-LIMIT-03: pools, slots and remembered keys count."""
        return {algorithm for algorithm, entries in self.entries.items() if entries} | set(self.slots)

    # --- Upload ---

    def upload(
        self, one_time_keys: Iterable[PlainKey], fallback_keys: Iterable[PlainKey], limits: Limits
    ) -> Happened:
        one_time_keys, fallback_keys = list(one_time_keys), list(fallback_keys)
        reasons: set[str] = set()
        if over(len(one_time_keys) + len(fallback_keys), limits.keys_in_upload):  # FK-LIMIT-01
            reasons.add(UPLOAD_TOO_LARGE)
        algorithms = [key.algorithm for key in fallback_keys]
        if len(set(algorithms)) < len(algorithms):  # FK-UPLOAD-04
            reasons.add(SEVERAL_FALLBACK_KEYS)

        trial = self.copy()
        done = Happened()
        for key in one_time_keys:
            if not trial._one_time_key(key, done):  # noqa: SLF001 - itself
                reasons.add(CONFLICT)
        for key in fallback_keys:
            trial._fallback_key(key, done)  # noqa: SLF001 - itself
        trial._both_kinds(one_time_keys, fallback_keys, done)  # noqa: SLF001 - itself

        added = [event[1] for event in done.events if event[0] == "added"]
        if added:  # specs/decisions/0002: an upload that adds no one-time key takes no ordinal
            trial.uploads += 1
        for algorithm in {key.algorithm for key in added}:  # FK-LIMIT-02: only what grows is counted
            if over(len(trial.waiting(algorithm)), limits.pool):
                reasons.add(POOL_TOO_LARGE)
        known = trial.known_algorithms()
        if known != self.known_algorithms() and over(len(known), limits.algorithms):  # FK-LIMIT-03
            reasons.add(TOO_MANY_ALGORITHMS)

        if reasons:  # FK-UPLOAD-17: the trial is thrown away
            raise Refused(reasons)
        self.entries, self.slots, self.uploads = trial.entries, trial.slots, trial.uploads
        return done

    def _one_time_key(self, key: PlainKey, done: Happened) -> bool:
        """The five rules of specs/decisions/0005, in their order; False for a conflict."""
        if isinstance(key.value, dict) and key.value.get("fallback") is True:  # FK-UPLOAD-19
            done.notices.add(("FallbackFlagOnOneTimeKey", key))
        for entry in self.remembered(key.algorithm):  # FK-UPLOAD-12
            if entry.key.public_key == key.public_key:
                done.notices.add(("IssuedKeyIgnored", key))
                return True
        for entry in self.waiting(key.algorithm):  # FK-UPLOAD-10
            if entry.key.key_id == key.key_id and entry.key.public_key != key.public_key:
                return False
        for entry in self.waiting(key.algorithm):
            if entry.key.public_key == key.public_key:
                if entry.key.key_id == key.key_id:  # FK-UPLOAD-09
                    done.notices.add(("WaitingKeyKept", key))
                else:  # FK-UPLOAD-11
                    done.notices.add(("SecondIdIgnored", key, entry.key.key_id))
                return True
        self.entries.setdefault(key.algorithm, []).append(Entry(key, self.uploads))  # FK-UPLOAD-01
        done.events.append(("added", key, self.uploads))
        return True

    def _fallback_key(self, key: PlainKey, done: Happened) -> None:
        if isinstance(key.value, dict) and key.value.get("fallback") is not True:  # FK-UPLOAD-19
            done.notices.add(("FallbackKeyNotFlagged", key))
        before = self.slots.get(key.algorithm)
        used = False  # FK-UPLOAD-02, FK-UPLOAD-08
        if before is not None and before.key.public_key == key.public_key:  # FK-UPLOAD-07
            used = before.used
        self.slots[key.algorithm] = Slot(key, used)
        if before != self.slots[key.algorithm]:
            done.events.append(("replaced", key, used))

    def _both_kinds(
        self, one_time_keys: list[PlainKey], fallback_keys: list[PlainKey], done: Happened
    ) -> None:
        """FK-UPLOAD-16: of the keys uploaded, those whose public key is there as the other kind too."""
        for key in one_time_keys:
            slot = self.slots.get(key.algorithm)
            if slot is not None and slot.key.public_key == key.public_key:
                done.notices.add(("KeyInBothKinds", key.algorithm, key.public_key))
        for key in fallback_keys:
            for entry in self.entries.get(key.algorithm, []):
                if entry.key.public_key == key.public_key:
                    done.notices.add(("KeyInBothKinds", key.algorithm, key.public_key))

    # --- Claim ---

    def claimable(self, algorithm: str) -> list[PlainKey]:
        """FK-CLAIM-01, FK-CLAIM-03, FK-CLAIM-06."""
        waiting = self.waiting(algorithm)
        if waiting:
            oldest = min(entry.upload for entry in waiting)
            return [entry.key for entry in waiting if entry.upload == oldest]
        if algorithm in self.slots:
            return [self.slots[algorithm].key]
        return []

    def claim(self, algorithm: str, key_id: str | None, limits: Limits, *, fallback: bool = True) -> Happened:
        """`fallback=False` is the first of the two steps of FK-MULTI-03: the pool and nothing else."""
        if not fallback and not self.waiting(algorithm):
            return Happened()
        permitted = self.claimable(algorithm)
        if key_id is not None:
            permitted = [key for key in permitted if key.key_id == key_id]
            if not permitted:
                raise NotAmongThem
        if not permitted:  # FK-CLAIM-05
            return Happened()
        done = Happened()
        if self.waiting(algorithm):
            self._issue(permitted[0], done, limits)
        else:
            self._use(algorithm, done)
        return done

    def claim_several(self, algorithm: str, count: int, limits: Limits) -> Happened:
        """FK-MULTI-01, FK-MULTI-02."""
        done = Happened()
        if limits.several is not None:
            count = min(count, limits.several)
        for _ in range(count):
            if self.waiting(algorithm):
                self._issue(self.claimable(algorithm)[0], done, limits)
        if algorithm in self.slots:
            if not done.one_time_keys:
                self._use(algorithm, done)
            done.fallback_key = self.slots[algorithm].key
        return done

    def _issue(self, key: PlainKey, done: Happened, limits: Limits) -> None:
        for entry in self.waiting(key.algorithm):
            if entry.key == key:
                entry.issued = True
        done.one_time_keys.append(key)
        done.events.append(("issued", key))
        while over(len(self.remembered(key.algorithm)), limits.remembered):  # FK-UPLOAD-14
            first = self.remembered(key.algorithm)[0]
            self.entries[key.algorithm].remove(first)
            done.events.append(("forgotten", key.algorithm, first.key.public_key))

    def _use(self, algorithm: str, done: Happened) -> None:
        """FK-CLAIM-04."""
        slot = self.slots[algorithm]
        if not slot.used:
            slot.used = True
            done.events.append(("used", slot.key))
        done.fallback_key = slot.key

    # --- The rest ---

    def drop(self, names: Iterable[str]) -> Happened:
        """FK-DEVICE-04."""
        done = Happened()
        for name in names:
            for entries in self.entries.values():
                for entry in list(entries):
                    if entry.key.name == name and not entry.issued:
                        entries.remove(entry)
                        done.events.append(("dropped", entry.key))
        return done

    def remove(self) -> Happened:
        """FK-DEVICE-01, FK-DEVICE-02."""
        something = bool(self.known_algorithms()) or self.uploads > 0
        self.entries, self.slots, self.uploads = {}, {}, 0
        return Happened(events=[("removed",)] if something else [])

    def counts(self) -> dict[str, int]:
        """FK-SYNC-02."""
        counts = {algorithm: len(self.waiting(algorithm)) for algorithm in self.entries}
        return {algorithm: count for algorithm, count in counts.items() if count}

    def unused(self) -> list[str]:
        """FK-SYNC-01."""
        return sorted(algorithm for algorithm, slot in self.slots.items() if not slot.used)

    def dump(self) -> dict[str, Any]:
        """Everything that the device is: of an issued key no more than that, its algorithm and public key."""
        return {
            "uploads": self.uploads,
            "pools": {
                algorithm: [
                    entry.key.public_key if entry.issued else (entry.key, entry.upload) for entry in entries
                ]
                for algorithm, entries in self.entries.items()
                if entries
            },
            "slots": {algorithm: (slot.key, slot.used) for algorithm, slot in self.slots.items()},
        }


# --- A server ---

REQUEST_MEMBERS = {
    "stable": ["fallback_keys"],
    "unstable": ["org.matrix.msc2732.fallback_keys"],
    "draft": ["fallback_keys"],
    "draft-unstable": ["org.matrix.msc2732.fallback_keys", "org.matrix.msc2732.fallback_key"],
}
"""FK-DIALECT-01 to FK-DIALECT-04, in order of precedence."""

SYNC_MEMBERS = {
    "stable": "device_unused_fallback_key_types",
    "unstable": "org.matrix.msc2732.device_unused_fallback_key_types",
    "draft": "device_unused_fallback_keys",
    "draft-unstable": "org.matrix.msc2732.device_unused_fallback_keys",
}


class TooManyDevices(Exception):
    """FK-LIMIT-05."""


def plain_key(name: str, value: Any) -> PlainKey:
    algorithm, key_id = name.split(":")
    public_key = value if isinstance(value, str) else value["key"]
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return PlainKey(algorithm, key_id, public_key, canonical)


class ServerModel:
    """A homeserver that is only ever sent well-formed bodies."""

    def __init__(self, name: str, spoken: Iterable[str], limits: Limits, max_devices: int | None) -> None:
        self.name = name
        self.spoken = [dialect for dialect in REQUEST_MEMBERS if dialect in set(spoken)]
        self.limits = limits
        self.max_devices = max_devices
        self.devices: dict[tuple[str, str], DeviceModel] = {}

    def device(self, user_id: str, device_id: str) -> DeviceModel:
        return self.devices.setdefault((user_id, device_id), DeviceModel())

    def upload(self, user_id: str, device_id: str, body: dict[str, Any]) -> dict[str, Any]:
        device = self.device(user_id, device_id)
        fallback_keys: dict[str, Any] = {}
        for member in reversed([member for name in self.spoken for member in REQUEST_MEMBERS[name]]):
            if body.get(member) is not None:  # FK-DIALECT-05: the last one looked at here, the first, wins
                fallback_keys = body[member]
        device.upload(
            [plain_key(name, value) for name, value in (body.get("one_time_keys") or {}).items()],
            [plain_key(name, value) for name, value in fallback_keys.items()],
            self.limits,
        )
        return {"one_time_key_counts": {"signed_curve25519": 0, **device.counts()}}  # FK-SYNC-03

    def sync(self, user_id: str, device_id: str) -> dict[str, Any]:
        device = self.device(user_id, device_id)
        answer: dict[str, Any] = {"device_one_time_keys_count": {"signed_curve25519": 0, **device.counts()}}
        for name in self.spoken:  # FK-DIALECT-06
            answer[SYNC_MEMBERS[name]] = device.unused()
        return answer

    def remove(self, user_id: str, device_id: str) -> None:
        self.device(user_id, device_id).remove()

    def claim(self, wanted: dict[str, dict[str, str]]) -> dict[str, Any]:
        """The claim's part for this server's own users (FK-CLAIM-07, FK-CLAIM-08)."""
        answer: dict[str, Any] = {}
        for user_id, devices in wanted.items():
            for device_id, algorithm in devices.items():
                done = self.device(user_id, device_id).claim(algorithm, None, self.limits)
                for key in [*done.one_time_keys, done.fallback_key]:
                    if key is not None:
                        answer.setdefault(user_id, {})[device_id] = {key.name: key.value}
        return answer

    def split(
        self, wanted: dict[str, dict[str, str]]
    ) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, dict[str, str]]]]:
        """The own users' part of a claim, and the others' by server (FK-FED-01)."""
        if over(sum(len(devices) for devices in wanted.values()), self.max_devices):
            raise TooManyDevices
        own: dict[str, dict[str, str]] = {}
        others: dict[str, dict[str, dict[str, str]]] = {}
        for user_id, devices in wanted.items():
            server = user_id.split(":", 1)[1]
            if not devices:
                continue
            if server == self.name:
                own[user_id] = devices
            else:
                others.setdefault(server, {})[user_id] = devices
        return own, others
