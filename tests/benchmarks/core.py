"""What the core costs, in one run: `python -m tests.benchmarks.core`.

Every figure is a ratio within the run, or bytes: milliseconds of another machine say nothing. Rounds of the
things compared are interleaved, each figure is the median over the rounds, and the garbage collector rests
while a round is timed, as `timeit` has it.
"""

import base64
import gc
import hashlib
import statistics
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
from canonicaljson import encode_canonical_json

from fallbackkeys import EMPTY, EMPTY_STORE, Device, DeviceState, Key, KeyStore, Upload, claim, upload
from fallbackkeys.wire import upload_keys

CURVE = "signed_curve25519"
USER, DEVICE = "@alice:example.org", "JLAFKJWSCS"
ROUNDS = 21


def signed_value(number: int) -> dict[str, Any]:
    """A key object as clients upload it: 43 characters of key and 86 of signature, 201 bytes in all."""
    seed = hashlib.sha512(b"%d" % number).digest()
    public_key, signature = (base64.b64encode(part).decode().rstrip("=") for part in (seed[:32], seed))
    return {"key": public_key, "signatures": {USER: {f"ed25519:{DEVICE}": signature}}}


def key_name(number: int) -> str:
    return f"{CURVE}:AAAA{number:07}"


def parsed(count: int) -> list[Key]:
    return [Key.parse(key_name(number), signed_value(number)) for number in range(count)]


def filled(keys: list[Key]) -> DeviceState:
    """A device that uploaded the keys, 50 at a time."""
    state = EMPTY
    for start in range(0, len(keys), 50):
        state = upload(state, Upload(one_time_keys=tuple(keys[start : start + 50]))).state
    return state


class MutableDevice:
    """The same by hand: dicts and a deque, changed in place, issued keys remembered, no events."""

    def __init__(self) -> None:
        self.queues: dict[str, deque[Key]] = {}
        self.by_id: dict[str, dict[str, Key]] = {}
        self.by_fingerprint: dict[str, dict[bytes, Key]] = {}
        self.issued: dict[str, dict[bytes, None]] = {}
        self.fallback: dict[str, tuple[Key, bool]] = {}

    def upload(self, keys: list[Key]) -> None:
        for key in keys:
            algorithm = key.algorithm
            issued = self.issued.setdefault(algorithm, {})
            by_id = self.by_id.setdefault(algorithm, {})
            by_fingerprint = self.by_fingerprint.setdefault(algorithm, {})
            if key.fingerprint in issued or key.fingerprint in by_fingerprint:
                continue
            if key.key_id in by_id:
                raise ValueError(key.key_id)
            by_id[key.key_id] = by_fingerprint[key.fingerprint] = key
            self.queues.setdefault(algorithm, deque()).append(key)

    def claim(self, algorithm: str) -> Key | None:
        queue = self.queues.get(algorithm)
        if queue:
            key = queue.popleft()
            del self.by_id[algorithm][key.key_id]
            del self.by_fingerprint[algorithm][key.fingerprint]
            self.issued[algorithm][key.fingerprint] = None
            return key
        slot = self.fallback.get(algorithm)
        if slot is None:
            return None
        self.fallback[algorithm] = slot[0], True
        return slot[0]


def seconds(work: Callable[[], object]) -> float:
    gc.disable()
    start = time.perf_counter()
    work()
    elapsed = time.perf_counter() - start
    gc.enable()
    return elapsed


def medians(*works: Callable[[], float]) -> list[float]:
    """Run the works in turn, `ROUNDS` times over; the median of each."""
    results: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        gc.collect()
        for work, found in zip(works, results, strict=True):
            found.append(work())
    return [statistics.median(found) for found in results]


def claiming(state: DeviceState, times: int, devices: int) -> Callable[[], float]:
    """Seconds for one claim, of so many in a row on each of so many devices."""

    def run() -> None:
        for _ in range(devices):
            current = state
            for _ in range(times):
                current = claim(current, CURVE).state

    return lambda: seconds(run) / times / devices


def claiming_mutably(keys: list[Key], times: int, devices: int) -> Callable[[], float]:
    """The same of mutable devices, which are filled before the clock starts."""

    def measure() -> float:
        filled_devices = [MutableDevice() for _ in range(devices)]
        for device in filled_devices:
            device.upload(keys)

        def run() -> None:
            for device in filled_devices:
                for _ in range(times):
                    device.claim(CURVE)

        return seconds(run) / times / devices

    return measure


def repeated(work: Callable[[], object], times: int) -> Callable[[], float]:
    def run() -> None:
        for _ in range(times):
            work()

    return lambda: seconds(run) / times


def store_of(count: int) -> KeyStore:
    """A store of so many devices, each with one key; two to a user."""
    state = filled(parsed(1))
    store = EMPTY_STORE
    for number in range(count):
        store = store.with_state(Device(f"@user{number // 2}:example.org", f"DEVICE{number}"), state)
    return store


def bytes_per_key(count: int) -> tuple[float, float]:
    """Bytes of a stored key and of a remembered one, as the allocator counts them."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    state = filled(parsed(count))
    gc.collect()
    stored = tracemalloc.get_traced_memory()[0] - before
    for _ in range(count):
        state = claim(state, CURVE).state
    gc.collect()
    remembered = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert state.pool(CURVE).remembered == count
    return stored / count, remembered / count


@attrs.frozen
class Row:
    """A line of the table."""

    what: str
    figure: float
    unit: str
    target: float

    def __str__(self) -> str:
        verdict = "met" if self.figure <= self.target else "MISSED"
        return f"{self.what:<62} {self.figure:>7.2f} {self.unit:<6} at most {self.target:>5g}  {verdict}"


def rows() -> list[Row]:
    keys = parsed(500_000)
    small, large = filled(keys[:50]), filled(keys)
    ours, theirs, grown, theirs_grown = medians(
        claiming(small, 50, 40),
        claiming_mutably(keys[:50], 50, 40),
        claiming(large, 2_000, 1),
        claiming_mutably(keys, 2_000, 1),
    )
    del large

    body = {"one_time_keys": {key_name(number): signed_value(number) for number in range(50)}}
    values = list(body["one_time_keys"].values())
    command = Upload(one_time_keys=tuple(keys[:50]))
    encoding, whole, decided = medians(
        repeated(lambda: [encode_canonical_json(value) for value in values], 20),
        repeated(lambda: upload_keys(EMPTY_STORE, USER, DEVICE, body), 20),
        repeated(lambda: upload(EMPTY, command), 20),
    )
    del keys

    few, many = store_of(1_000), store_of(1_000_000)
    one = filled(parsed(1))
    devices = [Device(f"@new{number}:example.org", "D") for number in range(200)]
    to_few, to_many = medians(
        *(
            repeated(lambda store=store: [store.with_state(device, one) for device in devices], 1)  # type: ignore[misc]
            for store in (few, many)
        )
    )
    del few, many

    # At the bounds of the wire's policy, and at the worst of several sizes: the map's nodes fill up in steps.
    stored, remembered = bytes_per_key(500)[0], bytes_per_key(5_000)[1]
    sizes = [bytes_per_key(count) for count in (500, 2_000, 5_000, 20_000, 50_000)]
    worst_stored, worst_remembered = (max(found) for found in zip(*sizes, strict=True))
    return [
        Row("a claim, against the mutable store", ours / theirs, "times", 8),
        Row("a claim, pool of 500,000 against 50", grown / ours, "times", 1.5),
        Row("  the same of the mutable store, for comparison", theirs_grown / theirs, "times", float("inf")),
        Row("uploading 50 signed keys, against encoding them", decided / encoding, "times", 3),
        Row("  the same from the parsed body, checks and encoding included", whole / encoding, "times", 3),
        Row("adding a device, store of 1,000,000 against 1,000", to_many / to_few, "times", 8),
        Row("a stored key, pool of 500", stored, "bytes", 600),
        Row("  the worst of pools up to 50,000", worst_stored, "bytes", 600),
        Row("a remembered key, memory of 5,000", remembered, "bytes", 100),
        Row("  the worst of memories up to 50,000", worst_remembered, "bytes", 100),
    ]


if __name__ == "__main__":
    print(f"CPython {sys.version.split()[0]}, medians of {ROUNDS} interleaved rounds")  # noqa: T201 - it is a report
    for row in rows():
        print(row)  # noqa: T201
