"""Workers as a homeserver runs them: each with a connection of its own, all on the same devices.

What a worker does next is drawn from its seed; when it does it, and who is first, is up to the machine. Each
transaction is held open for a moment, so that the others run into it, and some are rolled back.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

import attrs

from fallbackkeys import Device, Key, SyncView, Upload, Wanted, sql
from fallbackkeys.persistent import Map
from fallbackkeys.sql import Claimed, Engine, Program, TransactionConflict
from tests.concurrency.history import ROLLED_BACK, Operation
from tests.sql.embedding import Database

T = TypeVar("T")
ALGORITHM = "signed_curve25519"
ClaimOne = Callable[[Device, str, Engine], Program[Claimed]]
SyncOne = Callable[[Device, Engine], Program[SyncView]]


def claim_strictly(device: Device, algorithm: str, engine: Engine) -> Program[Claimed]:
    return sql.claim(device, algorithm, engine=engine)


def sync_at_once(device: Device, engine: Engine) -> Program[SyncView]:
    return sql.sync(device, engine=engine)


@attrs.frozen(kw_only=True)
class Plan:
    """What workers do: how often each thing, out of the sum of all, and to which devices."""

    devices: tuple[Device, ...]
    removable: tuple[Device, ...] = ()
    claims: int = 70
    bulk_claims: int = 0
    uploads: int = 10
    repeated_uploads: int = 5
    removals: int = 0
    syncs: int = 10
    keys: int = 12
    """One-time keys in an upload, at most."""
    aborts: float = 0.15
    """How many of the transactions are rolled back."""
    hold: float = 0.002
    """Seconds for which a transaction is held open, at most."""
    claim: ClaimOne = claim_strictly
    sync: SyncOne = sync_at_once


@attrs.define(kw_only=True)
class Worker:
    """One client of the database."""

    client: int
    database: Database
    plan: Plan
    random: Random
    record: Callable[[Operation], None]
    begin: Callable[[Operation], None] = lambda _: None
    """Called with an operation that is about to start, for those that may not live to see its end."""
    conflicts: Counter[str] = attrs.Factory(Counter)
    made: int = 0
    """How many keys it has made: their names are counted."""
    last: dict[Device, dict[str, Any]] = attrs.Factory(dict)
    """The body of its last upload for each device."""

    @property
    def engine(self) -> Engine:
        return self.database.engine

    def step(self) -> None:
        """Do one thing."""
        plan = self.plan
        kinds: dict[Callable[[], object], int] = {
            self.claim: plan.claims,
            self.claim_many: plan.bulk_claims,
            self.upload: plan.uploads,
            self.repeat: plan.repeated_uploads,
            self.remove: plan.removals,
            self.sync: plan.syncs,
        }
        (do,) = self.random.choices(list(kinds), list(kinds.values()))
        do()

    def claim(self, device: Device | None = None) -> bool:
        """Claim one key; returns whether it was a one-time key or the first of a fallback key."""
        device = device or self.random.choice(self.plan.devices)
        claimed = self._do(
            "claim",
            None,
            _claim_body([device]),
            lambda: self.plan.claim(device, ALGORITHM, self.engine),
            lambda claimed: _claim_result({device: claimed.key} if claimed.key else {}),
            # One statement needs no transaction around it.
            alone=self.random.random() < 0.3,
        )
        return claimed is not None and claimed.wakes

    def claim_many(self) -> None:
        """Claim a key of several devices, named in any order."""
        devices = self.random.sample(self.plan.devices, k=min(4, len(self.plan.devices)))
        wanted = [Wanted(device, ALGORITHM) for device in devices]
        self._do(
            "claim",
            None,
            _claim_body(devices),
            lambda: sql.claim_many(wanted, engine=self.engine),
            lambda claimed: _claim_result({entry.device: key for entry, key in claimed.keys.items()}),
        )

    def upload(self, device: Device | None = None, one_time_keys: int | None = None) -> None:
        """Upload some new one-time keys, and now and then a new fallback key."""
        device = device or self.random.choice(self.plan.devices)
        count = self.random.randint(1, self.plan.keys) if one_time_keys is None else one_time_keys
        body: dict[str, Any] = {"one_time_keys": dict(self._new_key("K") for _ in range(count))}
        if one_time_keys is not None or self.random.random() < 0.3:
            body["fallback_keys"] = dict([self._new_key("F")])
        self.last[device] = body
        self._upload(device, body)

    def repeat(self) -> None:
        """Upload the same again, as a client does that was not answered."""
        device = self.random.choice(self.plan.devices)
        if device in self.last:
            self._upload(device, self.last[device])

    def remove(self) -> None:
        """Remove a device; its keys are not uploaded again, so that each is still issued once at most."""
        device = self.random.choice(self.plan.removable)
        self.last.pop(device, None)
        self._do("delete_device", device, None, lambda: sql.remove(device, engine=self.engine), lambda _: {})

    def drain(self) -> None:
        """Claim what is left of every device, so that a key that was lost is missed."""
        for device in self.plan.devices:
            while self.claim(device):
                pass

    def sync(self, device: Device | None = None) -> None:
        """Look at what a device has left."""
        device = device or self.random.choice(self.plan.devices)
        self._do(
            "sync",
            device,
            None,
            lambda: self.plan.sync(device, self.engine),
            _sync_result,
            alone=self.random.random() < 0.5,
            aborts=0,
        )

    def _new_key(self, prefix: str) -> tuple[str, Any]:
        self.made += 1
        name = f"{prefix}{self.client}x{self.made}"
        return f"{ALGORITHM}:{name}", {"key": name, "signatures": {}}

    def _upload(self, device: Device, body: dict[str, Any]) -> None:
        command = Upload(
            one_time_keys=_keys(body["one_time_keys"]), fallback_keys=_keys(body.get("fallback_keys", {}))
        )
        self._do(
            "upload",
            device,
            body,
            lambda: sql.upload(device, command, engine=self.engine),
            lambda _: {"one_time_key_counts": dict(self._view(device).one_time_key_counts)},
        )

    def _view(self, device: Device) -> SyncView:
        """Counts for the answer, read after the commit as `upload` says."""
        return self.database.within(sql.sync(device, engine=self.engine))

    def _do(
        self,
        do: str,
        device: Device | None,
        body: Any,
        program: Callable[[], Program[T]],
        result: Callable[[T], Any],
        *,
        alone: bool = False,
        aborts: float | None = None,
    ) -> T | None:
        """Run a program until it is committed or rolled back on purpose, and record what came of it."""
        names = (device.user_id, device.device_id) if device else (None, None)
        operation = Operation(
            client=self.client, do=do, user=names[0], device=names[1], body=body, call=time.monotonic_ns()
        )
        self.begin(operation)
        abort = self.random.random() < (self.plan.aborts if aborts is None else aborts)
        value: T | None = None
        while True:
            try:
                if alone:
                    value, abort = self.database.within(program()), False
                else:
                    with sql.explained(), self.database.transaction(abort=abort):
                        value = self.database.within(program())
                        if self.random.random() < 0.5:
                            time.sleep(self.random.random() * self.plan.hold)
                break
            except TransactionConflict as conflict:
                self.conflicts[conflict.sqlstate or ""] += 1
        status, answer = ROLLED_BACK, {"errcode": "M_UNKNOWN", "error": "rolled back"}
        if not abort:
            status, answer = 200, result(value)
        self.record(attrs.evolve(operation, returned=time.monotonic_ns(), status=status, result=answer))
        return None if abort else value


def _keys(body: dict[str, Any]) -> tuple[Key, ...]:
    return tuple(Key.parse(name, value) for name, value in body.items())


def _claim_body(devices: Sequence[Device]) -> Any:
    users: dict[str, dict[str, str]] = {}
    for device in devices:
        users.setdefault(device.user_id, {})[device.device_id] = ALGORITHM
    return {"one_time_keys": users}


def _claim_result(keys: "dict[Device, Key] | Map[Device, Key]") -> Any:
    users: dict[str, dict[str, Any]] = {}
    for device, key in keys.items():
        users.setdefault(device.user_id, {})[device.device_id] = {str(key.name): key.value}
    return {"one_time_keys": users, "failures": {}}


def _sync_result(view: SyncView) -> Any:
    return {
        "device_one_time_keys_count": dict(view.one_time_key_counts),
        "device_unused_fallback_key_types": list(view.unused_fallback_key_types),
    }
