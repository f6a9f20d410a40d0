"""Start workers, kill them, and account for every key afterwards."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import attrs

from fallbackkeys import Device, Key
from fallbackkeys.policy import PURE
from tests.concurrency.history import Operation
from tests.concurrency.judge import Finding, judge
from tests.concurrency.workers import ALGORITHM, Plan, Worker
from tests.crashes.worker import DEVICES, connect_to

_ROOT = Path(__file__).parents[2]


_PATIENCE = 60  # seconds without any work, after which there will be none


def read_journal(path: Path) -> list[Operation]:
    """Read what a worker began, and what came of it. A line torn by the kill is left out."""
    whole, _, _ = path.read_text().rpartition("\n")
    found = [Operation.of(json.loads(line)) for line in whole.splitlines()]
    return list({operation.call: operation for operation in found}.values())


class Workers:
    """Some worker processes at a time, all on one database."""

    def __init__(self, target: str, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = Random(seed)  # noqa: S311 - no secret
        self.alive: list[int] = []
        self.started = 0
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.worker", target, str(folder), str(seed)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.parent:
            for client in self.alive:
                self._order("kill", client)

    def _order(self, order: str, client: int) -> int:
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        print(order, client, file=self.parent.stdin, flush=True)
        return int(self.parent.stdout.readline())

    def start(self, count: int) -> None:
        for _ in range(count):
            self.started += 1
            self._order("start", self.started)
            self.alive.append(self.started)

    def kill(self, client: int) -> bool:
        """Kill a worker with SIGKILL; returns whether it was in the middle of an operation."""
        assert self._order("kill", client) == signal.SIGKILL
        self.alive.remove(client)
        return any(operation.returned is None for operation in read_journal(self.journal(client)))

    def wait_for_work(self, *clients: int, bytes_written: int = 1) -> None:
        """Wait until each of these workers has written so much more to its journal."""
        for path, before in [(path, _size(path)) for path in map(self.journal, clients)]:
            deadline = time.monotonic() + _PATIENCE
            while _size(path) < before + bytes_written:
                assert time.monotonic() < deadline, f"nothing more in {path.name}"
                time.sleep(0.002)

    def finish(self) -> list[Operation]:
        """Let the workers that are left end in order; returns the whole history."""
        self.wait_for_work(*self.alive)
        while self.alive:
            assert self._order("end", self.alive.pop()) == 0
        journals = [self.journal(client + 1) for client in range(self.started)]
        return [operation for journal in journals for operation in read_journal(journal)]

    def journal(self, client: int) -> Path:
        return self.folder / f"{client}.jsonl"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def prepare(target: str) -> None:
    """Make the tables."""
    with connect_to(target)() as database:
        database.migrated()


@attrs.frozen(kw_only=True)
class Account:
    """What became of the keys."""

    lost: list[str]
    """One-time keys whose upload was answered, and which the database does not know."""
    findings: list[Finding]
    """What is wrong with the history, to which the claims that emptied every pool at the end belong."""
    summary: str
    """How much was going on."""


def account(target: str, operations: list[Operation]) -> Account:
    """Look into the tables for every key whose upload was answered, then claim what is left."""
    lost: list[str] = []
    issued = 0
    with connect_to(target)() as database:
        for device in DEVICES:
            pool = database.state(device, PURE).pool(ALGORITHM)
            issued += pool.remembered
            lost += [
                str(key.name)
                for key in _answered_uploads(operations, device)
                if not pool.knows(key.fingerprint)
            ]
        history = list(operations)
        last = Worker(
            client=0,
            database=database,
            plan=Plan(devices=DEVICES, aborts=0),
            random=Random(0),  # noqa: S311 - no secret
            record=history.append,
        )
        last.drain()
    unknown = [one for one in operations if one.returned is None]
    claims = [one for one in operations if one.do == "claim" and one.answered]
    unanswered = issued - sum(_keys_in(claim) for claim in claims)
    summary = (
        f"{len(operations)} operations, {len(unknown)} of unknown outcome; "
        f"{issued} keys issued, {unanswered} of them without an answer"
    )
    return Account(lost=lost, findings=judge(history), summary=summary)


def _answered_uploads(operations: Iterable[Operation], device: Device) -> Iterator[Key]:
    for operation in operations:
        mine = (operation.user, operation.device) == (device.user_id, device.device_id)
        if operation.do == "upload" and mine and operation.answered:
            for name, value in operation.body["one_time_keys"].items():
                yield Key.parse(name, value)


def _keys_in(claim: Operation) -> int:
    return sum(
        key["key"].startswith("K")
        for devices in claim.result["one_time_keys"].values()
        for keys in devices.values()
        for key in keys.values()
    )
