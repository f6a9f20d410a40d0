"""A device of the library and a device of the model, side by side."""

import functools
from typing import Any, Final

import attrs
import pytest

from fallbackkeys import (
    EMPTY,
    Claimed,
    ClaimedSeveral,
    DeviceRemoved,
    DeviceState,
    Dropped,
    Event,
    FallbackKeyReplaced,
    FallbackKeysError,
    FallbackKeyUsed,
    IssuedKeyForgotten,
    Key,
    KeyInBothKinds,
    Limit,
    NotClaimable,
    Notice,
    OneTimeKeyAdded,
    OneTimeKeyConflict,
    OneTimeKeyDropped,
    OneTimeKeyIssued,
    Policy,
    Refusal,
    SecondIdIgnored,
    SeveralFallbackKeys,
    TooLarge,
    Upload,
    Uploaded,
    claim,
    claim_one_time_key,
    claim_several,
    claimable,
    drop,
    fingerprint,
    remove,
    sync,
    upload,
)
from tests.properties import model
from tests.properties.model import DeviceModel, Happened, Limits, PlainKey
from tests.properties.strategies import (
    ALGORITHMS,
    EVERY_PUBLIC_KEY,
    UNHEARD_OF,
    Claim,
    ClaimSeveral,
    Command,
    Drop,
)

Result = Uploaded | Claimed | ClaimedSeveral | Dropped

PUBLIC_KEY_OF: Final = {
    fingerprint(algorithm, public_key): (algorithm, public_key)
    for algorithm in ALGORITHMS
    for public_key in EVERY_PUBLIC_KEY
}


def run(state: DeviceState, command: Command, policy: Policy) -> Result:
    """Give one command to the library."""
    match command:
        case Upload():
            return upload(state, command, policy=policy)
        case Claim(algorithm, key_id, only_one_time):
            step = claim_one_time_key if only_one_time else claim
            return step(state, algorithm, key_id=key_id, policy=policy)
        case ClaimSeveral(algorithm, count):
            return claim_several(state, algorithm, count, policy=policy)
        case Drop(names):
            return drop(state, names)
        case _:
            return remove(state)


def run_model(device: DeviceModel, command: Command, policy: Policy) -> Happened | set[str]:
    """Give the same command to the model: what happened, or why nothing did."""
    try:
        return _run_model(device, command, policy)
    except model.Refused as refused:
        return refused.reasons
    except model.NotAmongThem:
        return {NOT_AMONG_THEM}


def _run_model(device: DeviceModel, command: Command, policy: Policy) -> Happened:
    match command:
        case Upload(one_time_keys=one_time_keys, fallback_keys=fallback_keys):
            return device.upload(
                [plain(key) for key in one_time_keys], [plain(key) for key in fallback_keys], limits(policy)
            )
        case Claim(algorithm, key_id, only_one_time):
            return device.claim(algorithm, key_id, limits(policy), fallback=not only_one_time)
        case ClaimSeveral(algorithm, count):
            return device.claim_several(algorithm, count, limits(policy))
        case Drop(names):
            return device.drop([str(name) for name in names])
        case _:
            return device.remove()


# --- The library's values in the model's terms ---


def limits(policy: Policy) -> Limits:
    return Limits(
        keys_in_upload=policy.max_keys_in_upload,
        pool=policy.max_pool,
        algorithms=policy.max_algorithms,
        remembered=policy.max_remembered,
        several=policy.max_keys_per_device,
    )


@functools.cache
def plain(key: Key) -> PlainKey:
    return PlainKey(key.algorithm, key.key_id, key.public_key, key.json.decode())


def plain_event(event: Event) -> model.Event:
    match event:
        case OneTimeKeyAdded(key, ordinal):
            return ("added", plain(key), ordinal)
        case OneTimeKeyIssued(key):
            return ("issued", plain(key))
        case OneTimeKeyDropped(key):
            return ("dropped", plain(key))
        case IssuedKeyForgotten(algorithm, digest):
            assert PUBLIC_KEY_OF[digest][0] == algorithm
            return ("forgotten", *PUBLIC_KEY_OF[digest])
        case FallbackKeyReplaced(key, used):
            return ("replaced", plain(key), used)
        case FallbackKeyUsed(key):
            return ("used", plain(key))
        case DeviceRemoved():
            return ("removed",)


def plain_notice(notice: Notice) -> model.Notice:
    match notice:
        case KeyInBothKinds(key):
            return ("KeyInBothKinds", key.algorithm, key.public_key)
        case SecondIdIgnored(key, first_id):
            return ("SecondIdIgnored", plain(key), first_id)
        case _:
            return (type(notice).__name__, plain(notice.key))


NOT_AMONG_THEM: Final = "not claimable"

REASONS: Final = {
    Limit.KEYS_IN_UPLOAD: model.UPLOAD_TOO_LARGE,
    Limit.POOL: model.POOL_TOO_LARGE,
    Limit.ALGORITHMS: model.TOO_MANY_ALGORITHMS,
}


def reason(refusal: FallbackKeysError) -> str:
    match refusal:
        case TooLarge(limit=limit):
            return REASONS[limit]
        case SeveralFallbackKeys():
            return model.SEVERAL_FALLBACK_KEYS
        case OneTimeKeyConflict():
            return model.CONFLICT
        case NotClaimable():
            return NOT_AMONG_THEM
        case _:
            raise AssertionError(refusal)


def dump(state: DeviceState) -> dict[str, Any]:
    """Everything that a state is, as the model's own dump has it."""
    return {
        "uploads": state.uploads,
        "pools": {
            algorithm: [
                PUBLIC_KEY_OF[entry][1] if isinstance(entry, bytes) else (plain(entry.key), entry.upload)
                for entry in pool.sequence
            ]
            for algorithm, pool in state.pools.items()
        },
        "slots": {algorithm: (plain(slot.key), slot.used) for algorithm, slot in state.slots.items()},
    }


def slots_last(events: list[model.Event]) -> list[model.Event]:
    """Events of one-time keys in their order, then those of slots sorted: their order means nothing."""
    of_slots = [event for event in events if event[0] in ("replaced", "used")]
    return [event for event in events if event not in of_slots] + sorted(of_slots)


@attrs.define
class Pair:
    """Runs each command on both and compares everything that can be seen of it."""

    state: DeviceState = EMPTY
    device: DeviceModel = attrs.field(factory=DeviceModel)

    def step(self, command: Command, policy: Policy) -> Result | None:
        """The library's result, or None if both refused."""
        before = (self.device.counts(), self.device.unused())
        expected = run_model(self.device, command, policy)
        if not isinstance(expected, Happened):
            with pytest.raises((Refusal, NotClaimable)) as caught:
                run(self.state, command, policy)
            assert reason(caught.value) in expected
            self.compare()
            return None
        result = run(self.state, command, policy)
        self.state = result.state
        self.compare()
        events = [plain_event(event) for event in result.events]
        assert slots_last(events) == slots_last(expected.events)
        assert result.wakes == (before != (self.device.counts(), self.device.unused()))
        compare_answers(result, expected)
        return result

    def compare(self) -> None:
        """The whole state, and every view of it."""
        assert dump(self.state) == self.device.dump()
        view = sync(self.state)
        assert dict(view.one_time_key_counts) == self.device.counts()
        assert list(view.unused_fallback_key_types) == self.device.unused()
        for algorithm in (*ALGORITHMS, UNHEARD_OF):
            permitted = [plain(key) for key in claimable(self.state, algorithm)]
            assert permitted == self.device.claimable(algorithm)


def compare_answers(result: Result, expected: Happened) -> None:
    match result:
        case Uploaded(notices=notices):
            assert {plain_notice(notice) for notice in notices} == expected.notices
        case Claimed(key=key):
            given = [*expected.one_time_keys, *([expected.fallback_key] if expected.fallback_key else [])]
            assert ([plain(key)] if key else []) == given
        case ClaimedSeveral(one_time_keys=one_time_keys, fallback_key=fallback_key):
            assert [plain(key) for key in one_time_keys] == expected.one_time_keys
            assert (plain(fallback_key) if fallback_key else None) == expected.fallback_key
        case _:
            pass
