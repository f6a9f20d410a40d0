"""A fair world: steady clock, honest server, nothing lost. What must come about in it (FK-CLIENT-14)."""

from fallbackkeys.client import Tick
from tests.client.world import World

ROUNDS = 60
"""Far more than any wait of the small policies needs."""


def run(world: World) -> None:
    """Go on fairly until all is well."""
    world.settle()
    for _ in range(ROUNDS):
        if world.attempt is not None:
            world.serve()
        while world.answers:
            world.answer(world.answers.pop(0))
            world.settle()
        world.fair_sync()
        world.settle()
        if is_well(world):
            return
        if world.attempt is None:
            world.now = max(world.now + 1, world.wake_at or 0)
            world.give(Tick())
            world.settle()
    raise AssertionError(
        "FK-CLIENT-14: all is not well", world.server.counts(), world.server.unused(), world.state
    )


def drain(world: World) -> None:
    """Senders take every one-time key, and then the fallback key."""
    for algorithm in world.policy.algorithms:
        while algorithm in world.server.counts():
            world.write(algorithm, f"session {world.observer.seq} {len(world.messages)}")
        world.write(algorithm, f"last session {world.observer.seq} {len(world.messages)}")


def is_well(world: World) -> bool:
    """Full pools, and a fallback key that is unused if the policy cares for use."""
    world.check()
    for algorithm in world.policy.algorithms:
        # At the target, or where a lie of before made the last refill smaller, above the low-water mark.
        if world.server.counts().get(algorithm, 0) < world.policy.low_water:
            return False
        if algorithm not in world.server.state.slots:
            return False
        if world.policy.rotation.on_use and algorithm not in world.server.unused():
            return False
    return not world.outputs and world.attempt is None
