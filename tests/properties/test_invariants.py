"""What holds of every device after any commands whatever.

An account of its own is kept of each invariant, from what the commands returned and what `/sync` said.
"""

import json
from collections import Counter
from typing import TypeAlias

import attrs
import pytest
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fallbackkeys import (
    EMPTY,
    PURE,
    Claimed,
    ClaimedSeveral,
    DeviceRemoved,
    DeviceState,
    Event,
    IssuedKeyForgotten,
    Key,
    NotClaimable,
    OneTimeKeyAdded,
    OneTimeKeyDropped,
    OneTimeKeyIssued,
    Policy,
    Refusal,
    SyncView,
    Upload,
    apply,
    apply_all,
    sync,
)
from fallbackkeys.snapshot import restore_device, save_device
from tests.properties.comparison import PUBLIC_KEY_OF, Result, run
from tests.properties.strategies import (
    CHOOSING_CLAIMS,
    CLAIMS,
    CLAIMS_FOR_SEVERAL,
    CROWDS,
    DROPS,
    FIRST_STEPS,
    UPLOADS,
    Claim,
    ClaimSeveral,
    Command,
    Drop,
    Remove,
    budget,
    policies,
)

Failure: TypeAlias = tuple[type[Exception], str]


@attrs.define
class Mark:
    """What is known of a slot: the key last uploaded, and whether it was given for want of any other."""

    key: Key
    used: bool


def saved(state: DeviceState) -> str:
    return json.dumps(save_device(state), sort_keys=True)


def attempt(state: DeviceState, command: Command, policy: Policy) -> Result | Failure:
    """The result, or in a form that can be compared the error, if it is one that a command may raise."""
    try:
        return run(state, command, policy)
    except (Refusal, NotClaimable) as error:
        return type(error), str(error)


class AnyDevice(RuleBasedStateMachine):
    """A device, and a twin that was restored or replayed at some time and gets the same commands since."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = PURE
        self.state = EMPTY
        self.twin = EMPTY
        self.log: list[Event] = []
        self.issued: list[tuple[str, str]] = []
        self.marks: dict[str, Mark] = {}
        self.seen: list[tuple[DeviceState, str]] = []

    @initialize(policy=policies())
    def begin(self, policy: Policy) -> None:
        self.policy = policy

    # --- Commands, and the account that is kept of each ---

    @rule(command=UPLOADS)
    def upload(self, command: Upload) -> None:
        if self.step(command) is None:
            return
        for key in command.fallback_keys:
            mark = self.marks.get(key.algorithm)
            if mark is None or mark.key.public_key != key.public_key:
                self.marks[key.algorithm] = Mark(key, used=False)
            else:
                mark.key = key

    @rule(command=CROWDS)
    def upload_a_crowd(self, command: Upload) -> None:
        self.step(command)

    @rule(command=CLAIMS)
    def claim(self, command: Claim) -> None:
        self.step_of_claim(command)

    @rule(command=CHOOSING_CLAIMS)
    def claim_a_chosen_key(self, command: Claim) -> None:
        self.step_of_claim(command)

    @rule(command=FIRST_STEPS)
    def claim_a_one_time_key(self, command: Claim) -> None:
        self.step_of_claim(command)

    def step_of_claim(self, command: Claim) -> None:
        left = sync(self.state).one_time_key_counts.get(command.algorithm, 0)
        result = self.step(command)
        if result is None:
            return
        assert isinstance(result, Claimed)
        if left:
            assert result.key is not None
            self.hand_out(result.key, result.events)
        elif not command.only_one_time and command.algorithm in self.marks:
            assert result.key == self.use(command.algorithm)
        else:
            assert result.key is None

    @rule(command=CLAIMS_FOR_SEVERAL)
    def claim_several(self, command: ClaimSeveral) -> None:
        left = sync(self.state).one_time_key_counts.get(command.algorithm, 0)
        result = self.step(command)
        assert isinstance(result, ClaimedSeveral)
        most = self.policy.max_keys_per_device
        asked = command.count if most is None else min(command.count, most)
        assert len(result.one_time_keys) == min(left, asked)
        for key in result.one_time_keys:
            self.hand_out(key, result.events)
        if command.algorithm in self.marks and not result.one_time_keys:
            assert result.fallback_key == self.use(command.algorithm)
        elif command.algorithm in self.marks:
            assert result.fallback_key == self.marks[command.algorithm].key
        else:
            assert result.fallback_key is None

    @rule(command=DROPS)
    def drop(self, command: Drop) -> None:
        self.step(command)

    @rule()
    def remove(self) -> None:
        self.step(Remove())
        assert self.state == EMPTY
        self.issued, self.marks = [], {}

    @rule()
    def restore(self) -> None:
        self.twin = restore_device(json.loads(saved(self.state)))

    @rule()
    def replay(self) -> None:
        self.twin = apply_all(EMPTY, self.log)

    def hand_out(self, key: Key, events: tuple[Event, ...]) -> None:
        """A one-time key was given: for the first time as long as it is remembered."""
        assert (key.algorithm, key.public_key) not in self.issued
        self.issued.append((key.algorithm, key.public_key))
        bound = self.policy.max_remembered
        remembered = [issued for issued in self.issued if issued[0] == key.algorithm]
        forgotten = [PUBLIC_KEY_OF[e.fingerprint] for e in events if isinstance(e, IssuedKeyForgotten)]
        if bound is None:
            assert not forgotten
        elif len(remembered) > bound:  # one too many: one of those before it goes
            self.issued.remove(next(issued for issued in remembered[:-1] if issued in forgotten))

    def use(self, algorithm: str) -> Key:
        self.marks[algorithm].used = True
        return self.marks[algorithm].key

    # --- What holds of every command ---

    def step(self, command: Command) -> Result | None:
        """The result, or None if the command was refused."""
        before, view = saved(self.state), sync(self.state)
        result = attempt(self.state, command, self.policy)
        assert attempt(self.state, command, self.policy) == result, "the same twice"
        of_twin = attempt(self.twin, command, self.policy)
        assert of_twin == result, "the twin goes on alike"
        assert saved(self.state) == before, "the old state is as it was"
        if isinstance(result, tuple):
            return None
        assert not isinstance(of_twin, tuple)
        self.check_events(result)
        assert result.wakes == (sync(result.state) != view)
        self.check_counts(view, result)
        self.state, self.twin = result.state, of_twin.state
        self.log += result.events
        return result

    def check_events(self, result: Result) -> None:
        folded = self.state
        for event in result.events:
            folded = apply(folded, event)
        assert folded == result.state == apply_all(self.state, result.events)
        assert hash(folded) == hash(result.state)
        if not result.events:
            assert result.state == self.state

    def check_counts(self, before: SyncView, result: Result) -> None:
        """The counts have changed by as many keys as the events name."""
        counts = Counter(dict(before.one_time_key_counts))
        for event in result.events:
            match event:
                case OneTimeKeyAdded(key):
                    counts[key.algorithm] += 1
                case OneTimeKeyIssued(key) | OneTimeKeyDropped(key):
                    counts[key.algorithm] -= 1
                case DeviceRemoved():
                    counts.clear()
                case _:
                    pass
        assert dict(+counts) == dict(sync(result.state).one_time_key_counts)

    # --- What holds of every state ---

    @invariant()
    def counts_are_the_pools_lengths(self) -> None:
        counts = sync(self.state).one_time_key_counts
        assert all(counts.values())
        for algorithm in self.state.algorithms | set(counts):
            pool = self.state.pool(algorithm)
            assert counts.get(algorithm, 0) == len(pool) == len(list(pool))

    @invariant()
    def unused_is_what_was_not_given_for_want_of_others(self) -> None:
        unused = sorted(algorithm for algorithm, mark in self.marks.items() if not mark.used)
        assert list(sync(self.state).unused_fallback_key_types) == unused

    @invariant()
    def a_slot_holds_the_last_upload(self) -> None:
        """At most one key per algorithm, then, and exactly that one."""
        assert {algorithm: slot.key for algorithm, slot in self.state.slots.items()} == {
            algorithm: mark.key for algorithm, mark in self.marks.items()
        }

    @invariant()
    def the_memory_keeps_to_its_bound(self) -> None:
        for algorithm in self.state.algorithms:
            remembered = {PUBLIC_KEY_OF[digest] for digest in self.state.pool(algorithm).issued}
            assert remembered == {issued for issued in self.issued if issued[0] == algorithm}
            assert self.policy.max_remembered is None or len(remembered) <= self.policy.max_remembered

    @invariant()
    def a_snapshot_restores(self) -> None:
        restored = restore_device(json.loads(saved(self.state)))
        assert restored == self.state == self.twin
        assert hash(restored) == hash(self.state) == hash(self.twin)
        assert saved(restored) == saved(self.state) == saved(self.twin)

    @invariant()
    def equal_states_have_equal_snapshots_and_hashes(self) -> None:
        text = saved(self.state)
        for state, other in self.seen:
            assert (state == self.state) == (other == text)
            if state == self.state:
                assert hash(state) == hash(self.state)
        self.seen.append((self.state, text))

    @invariant()
    def the_log_is_the_state(self) -> None:
        assert apply_all(EMPTY, self.log) == self.state


@pytest.mark.requirement(
    "FK-UPLOAD-02", "FK-UPLOAD-07", "FK-UPLOAD-12", "FK-UPLOAD-14", "FK-UPLOAD-17", "FK-CLAIM-02",
    "FK-CLAIM-03", "FK-CLAIM-04", "FK-SYNC-01", "FK-SYNC-02", "FK-SYNC-04", "FK-DEVICE-02", "FK-MULTI-01",
    "FK-MULTI-02",
)  # fmt: skip
def test_invariants_of_any_device() -> None:
    run_state_machine_as_test(AnyDevice, settings=budget(250))
