"""What a step of the client's machine costs, in one run: `python -m tests.benchmarks.client`.

The device has a full pool and both fallback keys, with ids and public keys as vodozemac writes them: under
one algorithm, as clients have it, and under two. Each figure is the time of one step on one state, the best
of many rounds, as processor time: what the machine does besides is not the step's. The last line of the
table is a loop of plain Python, to judge the machine by.
"""

import base64
import hashlib
import sys
import time
from collections.abc import Callable

import attrs

from fallbackkeys.client import (
    MSC2732,
    ClientState,
    Conflict,
    Generated,
    GenerateOneTimeKeys,
    Input,
    Kind,
    Missing,
    Persist,
    Persisted,
    PreKey,
    Restored,
    Sync,
    Tick,
    Upload,
    UploadFailed,
    UploadOk,
    UploadSent,
    save,
    step,
)
from fallbackkeys.client.policy import HOUR

ALGORITHMS = ("signed_curve25519", "signed_other")
ROUNDS, STEPS = 40, 500
NOW = 1_700_000_000_000
TARGET = 20.0
"""Microseconds that a step may take."""


def public(number: int) -> str:
    return base64.b64encode(hashlib.sha256(b"%d" % number).digest()).decode().rstrip("=")


class Device:
    """A device that does what it is asked at once, and remembers the costliest moment of each input."""

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        self.algorithms = algorithms
        self.policy = attrs.evolve(MSC2732, algorithms=algorithms)
        self.state = ClientState.start(self.policy)
        self.now = NOW
        self.made = 0
        self.moments: dict[str, tuple[ClientState, Input, int]] = {}

    def give(self, given: Input, label: str = "") -> None:
        self.moments[label or type(given).__name__] = self.state, given, self.now
        stepped = step(self.state, given, now=self.now)
        self.state = stepped.state
        for output in stepped.outputs:
            if isinstance(output, Persist):
                self.give(Persisted(generation=output.generation))
            elif isinstance(output, Upload):
                self.give(UploadSent(request=output.request, keys=output.keys))
                key_id = next(iter(output.keys.one_time_keys.get(self.algorithms[0], [""])))
                failure = Conflict(algorithm=self.algorithms[0], key_id=key_id)
                refused = UploadFailed(request=output.request, failure=failure)
                self.moments["UploadFailed (conflict)"] = self.state, refused, self.now
                self.give(UploadOk(request=output.request, counts=dict.fromkeys(self.algorithms, 50)))
            elif hasattr(output, "algorithm"):
                one_time = isinstance(output, GenerateOneTimeKeys)
                for _ in range(output.count if isinstance(output, GenerateOneTimeKeys) else 1):
                    self.made += 1
                    made = Generated(
                        kind=Kind.ONE_TIME if one_time else Kind.FALLBACK,
                        algorithm=output.algorithm,
                        key_id=f"AAAA{self.made:07}",
                        public=public(self.made),
                    )
                    self.give(made, f"Generated ({made.kind})")

    def sync(self, counts: int, label: str) -> None:
        """All keys handed out, as far as the counts go."""
        given = Sync(
            counts=dict.fromkeys(self.algorithms, counts),
            missing=Missing.ZERO,
            unused=[*self.algorithms] if counts else [],
            caught_up=True,
            started_at=self.state.epoch,
        )
        self.give(given, f"Sync ({label})")


def run(algorithms: tuple[str, ...]) -> Device:
    device = Device(algorithms)
    device.sync(0, "everything is used up")
    for _ in range(4):  # until pools are full, both halves are held, and the memory is as large as it gets
        device.now += HOUR
        device.sync(0, "everything is used up")
    device.now += HOUR
    device.sync(50, "a hold is over")
    device.sync(50, "nothing new")
    device.give(Tick())
    current = device.state.algorithms[algorithms[-1]].current
    assert current is not None
    device.give(
        PreKey(public=current.public, session="s" * 43, message="m" * 43, known_session=False, ok=True)
    )
    device.give(Restored())
    assert all(len(keys.fallback_keys) == 2 for keys in device.state.algorithms.values())
    return device


def microseconds(work: Callable[[], object], times: int = STEPS) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        for _ in range(times):
            work()
        best = min(best, (time.process_time_ns() - start) / times)
    return best / 1_000


def plain_loop() -> None:
    total = 0
    for number in range(1_000):
        total += number


def rows() -> list[str]:
    one, two = run(ALGORITHMS[:1]), run(ALGORITHMS)
    lines = [f"{'':<38} {'one algorithm':>16} {'two':>12}"]
    for name in sorted(one.moments):
        costs = [
            microseconds(lambda moment=device.moments[name]: step(moment[0], moment[1], now=moment[2]))  # type: ignore[misc]
            for device in (one, two)
        ]
        verdict = "met" if costs[0] <= TARGET else "MISSED"
        lines.append(f"{name:<38} {costs[0]:>13.1f} µs {costs[1]:>9.1f} µs  at most {TARGET:g}  {verdict}")
    texts = [save(device.state) for device in (one, two)]
    saved = [microseconds(lambda device=device: save(device.state), 20) for device in (one, two)]  # type: ignore[misc]
    lines += [
        f"{'saving a snapshot':<38} {saved[0]:>13.1f} µs {saved[1]:>9.1f} µs",
        f"{'its size, memories full':<38} {len(texts[0]):>10} bytes {len(texts[1]):>6} bytes",
        f"{'adding up 1,000 integers, to compare':<38} {microseconds(plain_loop):>13.1f} µs",
    ]
    return lines


if __name__ == "__main__":
    print(f"CPython {sys.version.split()[0]}, the best of {ROUNDS} rounds of {STEPS} steps")  # noqa: T201 - it is a report
    for line in rows():
        print(line)  # noqa: T201
