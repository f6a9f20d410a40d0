"""Devices in the states that tests begin with."""

from fallbackkeys.client import (
    MSC2732,
    ClientPolicy,
    Output,
)
from tests.client.policies import ONE, small
from tests.client.world import World

ALONE = small(MSC2732, algorithms=(ONE,), hold=60, min_interval=60)


def settled(policy: ClientPolicy = ALONE) -> World:
    """A device whose first keys are published."""
    world = World(policy)
    world.fair_sync()
    deliver(world)
    assert world.server.counts() == dict.fromkeys(policy.algorithms, policy.target)
    assert world.server.unused() == sorted(policy.algorithms)
    return world


def deliver(world: World) -> None:
    """Carry out everything; what is sent arrives, and is answered."""
    world.settle()
    while world.attempt is not None:
        world.serve()
        world.answer(world.answers.pop())
        world.settle()


def asked(world: World, kind: type[Output]) -> list[Output]:
    """What waits to be carried out, of one kind."""
    return [output for _, output in world.outputs if isinstance(output, kind)]


def use_up(world: World, *, algorithm: str = ONE) -> str:
    """Claim until the fallback key is given out; its public key."""
    while algorithm in world.server.counts():
        world.server.claim(algorithm)
    public = world.server.claim(algorithm)
    assert public is not None
    return public


def rotated(policy: ClientPolicy = ALONE) -> World:
    """A device with a previous key, whose successor has just been acknowledged."""
    world = settled(policy)
    use_up(world)
    world.now += max(policy.min_interval, policy.max_age)
    world.fair_sync()
    deliver(world)
    assert len(world.library.fallback[ONE]) == 2
    return world
