"""Every state that a device with two one-time keys can be in, and every command in each of them.

Breadth first from the blank device, library and model side by side, until no command leads anywhere new.
States that differ only in the ordinals of uploads, but not in their order, are one: no rule looks at anything
but the order. That makes the states finite, and few enough to be counted by hand beforehand, so that a search
which explores too little fails, and so does one that finds states which cannot be.
"""

import itertools
from collections.abc import Hashable, Iterator

import attrs
import pytest

from fallbackkeys import PURE, Key, KeyName, Policy, Upload
from tests.properties.comparison import Pair
from tests.properties.model import DeviceModel
from tests.properties.strategies import SIGNED, Claim, ClaimSeveral, Command, Drop, Remove, object_values

KEY_IDS = ("id0", "id1")
FALLBACK = 2
"""Place of a flagged value in `object_values`."""


def key(public_key: int, key_id: str, guise: int) -> Key:
    return Key.parse(f"{SIGNED}:{key_id}", object_values(f"key{public_key}")[guise])


def one_time_keys(guises: int) -> list[Key]:
    """Two public keys under two ids, each signed in so many ways."""
    return [
        key(public_key, key_id, guise)
        for public_key in (0, 1)
        for key_id in KEY_IDS
        for guise in range(guises)
    ]


def fallback_keys(guises: int) -> list[Key]:
    """Two public keys, one of which is a one-time key as well; one id, which both kinds share."""
    return [key(public_key, "id0", FALLBACK + guise) for public_key in (0, 2) for guise in range(guises)]


def commands(guises: int) -> Iterator[Command]:
    """Everything that can be asked of the device with these keys, one or two of them at a time."""
    one_time, fallback = one_time_keys(guises), fallback_keys(guises)
    for single in one_time:
        yield Upload(one_time_keys=(single,))
    for pair in itertools.product(one_time, repeat=2):
        yield Upload(one_time_keys=pair)
    for single in fallback:
        yield Upload(fallback_keys=(single,))
    for pair in itertools.product(fallback, repeat=2):
        yield Upload(fallback_keys=pair)
    for one, other in itertools.product(one_time, fallback):
        yield Upload(one_time_keys=(one,), fallback_keys=(other,))
    for key_id in (None, *KEY_IDS):
        yield Claim(SIGNED, key_id)
        yield Claim(SIGNED, key_id, only_one_time=True)
    for count in (1, 2, 3):
        yield ClaimSeveral(SIGNED, count)
    for names in (KEY_IDS[:1], KEY_IDS[1:], KEY_IDS):
        yield Drop(tuple(KeyName(SIGNED, key_id) for key_id in names))
    yield Remove()


def up_to_ordinals(device: DeviceModel) -> Hashable:
    """A state without the numbers that uploads happen to have."""
    ordinals = sorted({entry.upload for entry in device.waiting(SIGNED)})
    return (
        tuple(
            entry.key.public_key if entry.issued else (entry.key, ordinals.index(entry.upload))
            for entry in device.entries.get(SIGNED, [])
        ),
        tuple((slot.key, slot.used) for slot in device.slots.values()),
    )


def explore(guises: int, policy: Policy) -> tuple[set[Hashable], int]:
    """Every state, and how many steps were compared."""
    start = Pair()
    seen, frontier, steps = {up_to_ordinals(start.device)}, [start], 0
    every = list(commands(guises))
    while frontier:
        following: list[Pair] = []
        for pair in frontier:
            for command in every:
                tried = attrs.evolve(pair, device=pair.device.copy())
                tried.step(command, policy)
                steps += 1
                reached = up_to_ordinals(tried.device)
                if reached not in seen:
                    seen.add(reached)
                    following.append(tried)
        frontier = following
    return seen, steps


SLOTS = {1: 1 + 2 * 2, 2: 1 + 2 * 2 * 2}
"""Empty, or one of two public keys in any guise, used or not."""

UNBOUNDED = {
    # Nothing; or one key of two: issued (1), or waiting under one of two ids (2); or both, in one of two
    # orders: both issued (1), or one issued and the other waiting under one of two ids (2 x 2), or both
    # waiting, one under either id (2), of one upload or of two (2).
    1: 1 + 2 * (1 + 2) + 2 * (1 + 2 * 2 + 2 * 2),
    # The same with two guises for every waiting key.
    2: 1 + 2 * (1 + 2 * 2) + 2 * (1 + 2 * 2 * 2 + 2 * 2 * 2 * 2),
}

ONE_AT_A_TIME = {
    # Nothing; one key; or one issued and behind it the other waiting, under one of two ids.
    1: 1 + 2 * (1 + 2) + 2 * 2,
    2: 1 + 2 * (1 + 2 * 2) + 2 * 2 * 2,
}

TIGHT = Policy(max_pool=1, max_remembered=1)


@pytest.mark.requirement(
    "FK-UPLOAD-01", "FK-UPLOAD-02", "FK-UPLOAD-04", "FK-UPLOAD-07", "FK-UPLOAD-08", "FK-UPLOAD-09",
    "FK-UPLOAD-10", "FK-UPLOAD-11", "FK-UPLOAD-12", "FK-UPLOAD-13", "FK-UPLOAD-14", "FK-UPLOAD-15",
    "FK-UPLOAD-16", "FK-UPLOAD-17", "FK-LIMIT-02", "FK-CLAIM-01", "FK-CLAIM-02", "FK-CLAIM-03",
    "FK-CLAIM-04", "FK-CLAIM-06", "FK-SYNC-01", "FK-SYNC-02", "FK-DEVICE-01", "FK-DEVICE-02",
)  # fmt: skip
@pytest.mark.parametrize("guises", [1, 2])
@pytest.mark.parametrize(
    ("policy", "pools"), [(PURE, UNBOUNDED), (TIGHT, ONE_AT_A_TIME)], ids=["unbounded", "one at a time"]
)
def test_every_state_and_every_command(policy: Policy, pools: dict[int, int], guises: int) -> None:
    states, steps = explore(guises, policy)
    assert len(states) == pools[guises] * SLOTS[guises]
    assert steps == len(states) * len(list(commands(guises)))
