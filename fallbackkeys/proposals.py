"""Transitions that only an unmerged proposal asks for.

They are composed of those in `transitions` and have no rules of their own.
"""

from fallbackkeys.errors import Misuse
from fallbackkeys.events import Event
from fallbackkeys.keys import Key
from fallbackkeys.outcomes import ClaimedSeveral
from fallbackkeys.policy import PURE, Policy
from fallbackkeys.state import DeviceState
from fallbackkeys.transitions import claim, claim_one_time_key


def claim_several(state: DeviceState, algorithm: str, count: int, *, policy: Policy = PURE) -> ClaimedSeveral:
    """Hand out up to `count` one-time keys, and always the fallback key (proposal, MSC3983).

    Fewer one-time keys than asked for are not filled up (FK-MULTI-01). The fallback key, if there is one, is
    in every answer, but counts as used only if it is the only key in it (FK-MULTI-02). `count` is capped by
    the policy's `max_keys_per_device`.

    Raises:
        Misuse: `count` is less than 1.
    """
    if count < 1:
        raise Misuse(f"count must be at least 1, and is {count}")
    if policy.max_keys_per_device is not None:
        count = min(count, policy.max_keys_per_device)
    after = state
    events: list[Event] = []
    keys: list[Key] = []
    while len(keys) < count:
        claimed = claim_one_time_key(after, algorithm, policy=policy)
        if claimed.key is None:
            break
        after = claimed.state
        events.extend(claimed.events)
        keys.append(claimed.key)
    slot = state.slots.get(algorithm)
    if slot is not None and not keys:
        claimed = claim(after, algorithm, policy=policy)
        after = claimed.state
        events.extend(claimed.events)
    return ClaimedSeveral(
        state=after,
        events=tuple(events),
        one_time_keys=tuple(keys),
        fallback_key=None if slot is None else slot.key,
    )
