"""Every sequence of events up to a bound, from every kind of beginning, with the server core opposite.

Breadth first; worlds that differ only in names, in counters and in what the clock showed at first are one.
The observer watches each step, and from each world of the first three steps a fair future must lead to a good
end.
"""

import json
import os
import re
from collections.abc import Callable, Hashable

import pytest

from fallbackkeys.client import (
    MSC2732,
    MSC4081,
    ClientPolicy,
    ForgetPreviousFallbackKey,
    GenerateFallbackKey,
    Tick,
    save,
)
from tests.client import fair
from tests.client.policies import ONE, small
from tests.client.scenes import rotated, settled
from tests.client.world import World

DEPTH = 7 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 5

TINY = {
    "algorithms": (ONE,), "target": 1, "low_water": 1, "hold": 3, "min_interval": 2, "max_age": 4,
    "refill_interval": 1, "retry_min": 1, "retry_max": 2, "answer_timeout": 3,
}  # fmt: skip
LONGEST = 5
"""Longer than any wait of that policy: older moments are all alike."""

POLICIES = {
    "on use, forgets": small(MSC2732, **TINY, can_forget=True),
    "on use, cannot forget": small(MSC2732, **TINY),
    "on use or by age, per id": small(MSC4081, **TINY, per_id_publish=True),
}

FOUND = {"new": 110, "settled": 530, "rotated": 580}

BEGINNINGS: dict[str, Callable[[ClientPolicy], World]] = {
    "new": World,
    "settled": settled,
    "rotated": rotated,
}


def idle(world: World) -> bool:
    return not world.outputs


def stale_sync(world: World) -> None:
    """A sync that was sent a step ago, before whatever the client learns now."""
    sync = world.send_sync()
    if world.answers:
        world.answer(world.answers.pop(0))
        world.settle()
    world.answer_sync(sync, counts={}, unused=[], caught_up=not world.messages)


def advance(world: World, by: int) -> None:
    world.now += by
    world.give(Tick())


ACTIONS: dict[str, tuple[Callable[[World], bool], Callable[[World], object]]] = {
    "carry out one": (lambda world: bool(world.outputs), World.carry_out),
    "carry out all": (lambda world: len(world.outputs) > 1, World.settle),
    "crash": (lambda _: True, World.crash),
    "reach the server": (lambda world: world.attempt is not None, World.serve),
    "lose the request": (lambda world: world.attempt is not None, World.lose),
    "answer": (
        lambda world: idle(world) and bool(world.answers),
        lambda world: world.answer(world.answers.pop(0)),
    ),
    "lose the answer": (lambda world: bool(world.answers), lambda world: world.answers.pop(0)),
    "fair sync": (idle, World.fair_sync),
    "stale sync": (idle, stale_sync),
    "claim and write": (
        lambda _: True,
        lambda world: world.write(ONE, f"session {world.observer.seq} {world.now}"),
    ),
    "write late": (
        lambda world: not world.messages,
        lambda world: world.write_late(ONE, f"session {world.observer.seq} {world.now}"),
    ),
    "time passes": (idle, lambda world: advance(world, 2)),
    "the clock is set back": (idle, lambda world: advance(world, -3)),
}


def alike(world: World) -> Hashable:
    """What the future depends on."""
    state = json.loads(save(world.state))
    disk = json.loads(world.disk[0])
    for saved in (state, disk):
        for name in ("generation", "requests", "epoch", "acknowledged"):
            del saved[name]
        if saved["request"] is not None:
            del saved["request"]["number"], saved["request"]["generation"]
        for keys in saved["algorithms"].values():
            keys["held"] = keys["held"] is not None
            del keys["memory"], keys["one_time"]["memory"]
    persisted = world.state.generation > world.state.persisted
    parts = [
        state, disk, persisted,
        [repr(output) for _, output in world.outputs], repr(world.attempt), repr(world.answers),
        sorted(world.library.unpublished), world.library.fallback, world.library.one_time,
        repr(world.server.state), world.messages,
    ]  # fmt: skip
    text = json.dumps(parts, default=str, sort_keys=True)
    text = re.sub(r"session [\d ]+|generation=\d+|request=\d+|upload=\d+|behind=\d+", "", text)
    text = re.sub(r"\b(99\d{4}|10\d{5})\b", lambda at: str(min(world.now - int(at[0]), LONGEST)), text)
    ranks: dict[str, str] = {}
    return re.sub(r"key\d+|AAA\d+", lambda name: ranks.setdefault(name[0], f"name{len(ranks)}"), text)


@pytest.mark.requirement(
    "FK-CLIENT-01", "FK-CLIENT-02", "FK-CLIENT-03", "FK-CLIENT-04", "FK-CLIENT-05", "FK-CLIENT-06",
    "FK-CLIENT-07", "FK-CLIENT-09", "FK-CLIENT-10", "FK-CLIENT-14",
)  # fmt: skip
@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_sequence(policy: str, beginning: str) -> None:
    start = BEGINNINGS[beginning](POLICIES[policy])
    seen, frontier = {alike(start)}, [start]
    happened: set[str] = set()
    for depth in range(DEPTH):
        following: list[World] = []
        for world in frontier:
            for name, (possible, action) in ACTIONS.items():
                if not possible(world):
                    continue
                tried = world.copy()
                action(tried)
                tried.check()
                happened.add(name)
                happened |= {type(output).__name__ for _, output in tried.outputs}
                if (kind := alike(tried)) not in seen:
                    seen.add(kind)
                    following.append(tried)
        frontier = following
        if depth < 3:
            for world in frontier:
                fair.run(world.copy())
    assert set(ACTIONS) - {"carry out all"} <= happened, set(ACTIONS) - happened
    if beginning != "new":
        rotates = (
            GenerateFallbackKey
            if beginning == "settled" or not start.policy.can_forget
            else ForgetPreviousFallbackKey
        )
        assert rotates.__name__ in happened
    # As many as were counted once; a search that stops early is none.
    assert len(seen) >= FOUND[beginning]
