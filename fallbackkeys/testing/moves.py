"""Moves: how the next step of an example is drawn from what was played so far.

Each function makes a move; a topic lists the moves that its examples are made of. Simple values are drawn
first, so that Hypothesis shrinks towards them.
"""

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON
from fallbackkeys.testing.keys import SIGNED, key_name, signed_key
from fallbackkeys.testing.play import ALICE, BOB, UNEXPECTED, Play
from fallbackkeys.testing.topics import Move
from fallbackkeys.traces.model import (
    ClaimStep,
    DeleteDeviceStep,
    FederationClaimStep,
    Step,
    SyncStep,
    UploadStep,
)

NUMBERS = 24
"""Keys that one example may bring, at most."""

OneOf = Sequence[Device]


def upload(device: Device, body: JSON) -> UploadStep:
    """A step that uploads a body."""
    return UploadStep(user=device.user_id, device=device.device_id, body=body, expect=UNEXPECTED)


def sync(device: Device) -> SyncStep:
    """A step in which a device syncs."""
    return SyncStep(user=device.user_id, device=device.device_id, expect=UNEXPECTED)


def claim(*wanted: tuple[Device, str]) -> ClaimStep:
    """A step that claims a key of each device and algorithm."""
    return ClaimStep(user=BOB, body=claim_body(*wanted), expect=UNEXPECTED)


def claim_body(*wanted: tuple[Device, str]) -> dict[str, JSON]:
    """The body of such a claim."""
    users: dict[str, dict[str, JSON]] = {}
    for device, algorithm in wanted:
        users.setdefault(device.user_id, {})[device.device_id] = algorithm
    return {"one_time_keys": dict(users)}


def unused_number(draw: st.DrawFn, play: Play) -> int:
    """A number that no key of the example has yet, not in any order."""
    ids = {name.partition(":")[2] for name in _uploaded_names(play)}
    free = [number for number in range(NUMBERS) if key_name(number).partition(":")[2] not in ids]
    return draw(st.sampled_from(free or [NUMBERS]))


def _uploaded_names(play: Play) -> set[str]:
    return {
        name
        for step in play.steps
        if isinstance(step, UploadStep) and isinstance(step.body, dict)
        for keys in step.body.values()
        for name in (keys if isinstance(keys, dict) else ())
    }


def one_time_key(device: Device, number: int) -> dict[str, JSON]:
    """The one-time key of a number."""
    return signed_key(device, f"one-time key {number}")


def fallback_key(device: Device, number: int, **members: JSON) -> dict[str, JSON]:
    """The fallback key of a number."""
    return signed_key(device, f"fallback key {number}", fallback=True, **members)


def new_one_time_keys(
    *, most: int = 1, devices: OneOf = (ALICE,), algorithms: Sequence[str] = (SIGNED,)
) -> Move:
    """Upload one-time keys never uploaded before, 1 to `most` of them."""

    def move(draw: st.DrawFn, play: Play) -> Step:
        device = draw(st.sampled_from(devices))
        keys: dict[str, JSON] = {}
        for _ in range(draw(st.integers(1, most))):
            number = unused_number(draw, play)
            algorithm = draw(st.sampled_from(algorithms))
            keys[key_name(number, algorithm)] = one_time_key(device, number)
        return upload(device, {"one_time_keys": keys})

    return move


def claims(*, devices: OneOf = (ALICE,), algorithms: Sequence[str] = (SIGNED,)) -> Move:
    """Claim one key, of an algorithm of which there were keys if there was any."""

    def move(draw: st.DrawFn, play: Play) -> Step:
        uploaded = {name.partition(":")[0] for name in _uploaded_names(play)}
        likely = [algorithm for algorithm in algorithms if algorithm in uploaded]
        return claim((draw(st.sampled_from(devices)), draw(st.sampled_from(likely or algorithms))))

    return move


def bulk_claims(*, devices: OneOf, algorithms: Sequence[str] = (SIGNED,)) -> Move:
    """Claim a key of several devices at once."""

    def move(draw: st.DrawFn, _: Play) -> Step:
        wanted = draw(st.lists(st.sampled_from(devices), min_size=1, max_size=4, unique=True))
        return claim(*((device, draw(st.sampled_from(algorithms))) for device in wanted))

    return move


def federation_claims(*, devices: OneOf = (ALICE,)) -> Move:
    """Claim one key from another server."""

    def move(draw: st.DrawFn, _: Play) -> Step:
        body = claim_body((draw(st.sampled_from(devices)), SIGNED))
        return FederationClaimStep(origin="other.example", body=body, expect=UNEXPECTED)

    return move


def syncs(*, devices: OneOf = (ALICE,)) -> Move:
    """Sync a device."""

    def move(draw: st.DrawFn, _: Play) -> Step:
        return sync(draw(st.sampled_from(devices)))

    return move


def removals(*, devices: OneOf = (ALICE,)) -> Move:
    """Remove a device that has uploaded something since it was there."""

    def move(draw: st.DrawFn, play: Play) -> Step | None:
        present = [device for device in devices if play.uploads(device)]
        if not present:
            return None
        device = draw(st.sampled_from(present))
        return DeleteDeviceStep(user=device.user_id, device=device.device_id, expect=UNEXPECTED)

    return move


def earlier_upload(change: Callable[[st.DrawFn, dict[str, JSON]], JSON] | None = None) -> Move:
    """Send the body of an earlier upload once more, changed if a change is given."""

    def move(draw: st.DrawFn, play: Play) -> Step | None:
        bodies = [step.body for step in play.uploads(ALICE) if isinstance(step.body, dict)]
        if not bodies:
            return None
        body = draw(st.sampled_from(bodies))
        return upload(ALICE, dict(body) if change is None else change(draw, body))

    return move


def new_fallback_key(
    *,
    devices: OneOf = (ALICE,),
    algorithms: Sequence[str] = (SIGNED,),
    change: Callable[[dict[str, JSON]], dict[str, JSON]] = dict,
) -> Move:
    """Upload a fallback key that was not uploaded before.

    Args:
        devices: of which one uploads it.
        algorithms: of which it has one.
        change: what is done to the signed key object.
    """

    def move(draw: st.DrawFn, play: Play) -> Step:
        device = draw(st.sampled_from(devices))
        number = unused_number(draw, play)
        name = key_name(number, draw(st.sampled_from(algorithms)))
        return upload(device, {"fallback_keys": {name: change(fallback_key(device, number))}})

    return move


def sends(*bodies: JSON) -> Move:
    """Upload one of these bodies."""
    return drawn_upload(st.sampled_from(bodies))


def drawn_upload(bodies: st.SearchStrategy[JSON]) -> Move:
    """Upload a drawn body."""

    def move(draw: st.DrawFn, _: Play) -> Step:
        return upload(ALICE, draw(bodies))

    return move


def keys_with(member: str, values: st.SearchStrategy[JSON], *, kind: str) -> Move:
    """Upload a new key with a further member.

    Args:
        member: its name.
        values: what it may hold.
        kind: `one_time_keys` or `fallback_keys`.
    """
    make = fallback_key if kind == "fallback_keys" else one_time_key

    def move(draw: st.DrawFn, play: Play) -> Step:
        number = unused_number(draw, play)
        return upload(ALICE, {kind: {key_name(number): {**make(ALICE, number), member: draw(values)}}})

    return move


def drawn_claim(bodies: st.SearchStrategy[JSON]) -> Move:
    """Claim with a drawn body."""

    def move(draw: st.DrawFn, _: Play) -> Step:
        return ClaimStep(user=BOB, body=draw(bodies), expect=UNEXPECTED)

    return move
