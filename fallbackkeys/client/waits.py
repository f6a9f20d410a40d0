"""What a decision waits for, as far as it is a matter of time. Nothing here changes anything.

Each question is answered with the waits that must all be over, or with None where there is nothing to decide:
no reason, or an obstacle that time alone does not remove.
"""

from typing import TypeAlias

from fallbackkeys.client.clock import Moment
from fallbackkeys.client.policy import ClientPolicy
from fallbackkeys.client.state import AlgorithmKeys, ClientState, Request, Stage

Waits: TypeAlias = tuple[tuple[Moment, int], ...]
"""Since when, and how long, in milliseconds."""


def hold(policy: ClientPolicy, keys: AlgorithmKeys) -> Waits | None:
    """What the previous key waits for (FK-CLIENT-02); None if there is none, or no acknowledged successor.

    MSC2732 suggests "one hour after receiving the first message that used it"; the wait since the successor's
    acknowledgement is for messages that no one has received yet.
    """
    if keys.previous is None or keys.current is None or keys.current.published is None:
        return None
    since_successor = (keys.current.published, policy.hold)
    first_used = keys.previous.first_used
    return (since_successor,) if first_used is None else (since_successor, (first_used, policy.hold))


def refill(state: ClientState, algorithm: str) -> Waits | None:
    """What a refill waits for; None if none is needed, or the server's count is not known (FK-CLIENT-09)."""
    one_time = state.algorithms[algorithm].one_time
    if one_time.pending or one_time.count is None or state.at_hand(algorithm) >= state.policy.low_water:
        return None
    if one_time.refilled is None:
        return ()
    interval = state.policy.refill_interval << min(one_time.conflicts, 32)
    longest = max(state.policy.retry_max, state.policy.refill_interval)
    return ((one_time.refilled, min(interval, longest)),)


def rotation(state: ClientState, keys: AlgorithmKeys) -> Waits | None:
    """What a new fallback key waits for; None if there is no reason for one, or it must not be made yet."""
    policy, current = state.policy, keys.current
    if keys.rotating or not state.supported:
        return None
    waits: Waits = ()
    if current is not None:
        # Generating twice without an acknowledgement evicts the only published key (FK-CLIENT-01).
        if current.published is None:
            return None
        # Generating evicts the previous key: only once it has been held long enough (FK-CLIENT-02). Where the
        # library can forget, it is gone by then.
        if keys.previous is not None and not keys.caught_up:
            return None
        used = current.handed_out or current.first_used is not None
        if not (policy.rotation.on_use and used):
            if not policy.rotation.by_age or keys.rotated is None:
                return None
            waits = ((keys.rotated, policy.max_age),)
    # Whatever the server says, and however often (FK-CLIENT-03).
    return waits if keys.rotated is None else (*waits, (keys.rotated, policy.min_interval))


def backoff(policy: ClientPolicy, request: Request) -> int:
    """How long to wait before an upload's next attempt, in milliseconds."""
    return min(policy.retry_max, policy.retry_min << min(request.attempts - 1, 32))


def over(waits: Waits, now: int) -> bool:
    """Whether all of these have passed."""
    for since, duration in waits:  # noqa: SIM110 - `all` takes three times as long, and a step asks thrice
        if since.elapsed(now) < duration:
            return False
    return True


def wake_at(state: ClientState, now: int) -> int | None:
    """The next reading of the clock at which a decision may fall due with nothing else happening."""
    pending: list[Waits | None] = []
    request, policy = state.request, state.policy
    if request is not None and request.stage is not Stage.WAITING:
        wait = request.wait if request.stage is Stage.UNKNOWN else policy.answer_timeout
        pending.append(((request.since, wait),))
    for algorithm in policy.algorithms:
        keys = state.algorithms[algorithm]
        if keys.held is None:
            pending.append(hold(policy, keys))
        if request is None or policy.per_id_publish:
            pending += (refill(state, algorithm), rotation(state, keys))
    dues = [max([since.due(duration) for since, duration in waits]) for waits in pending if waits]
    return min([due for due in dues if due > now], default=None)
