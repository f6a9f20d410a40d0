"""The library and the model are given the same commands and must not differ in anything that can be seen."""

from typing import Any, Final

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fallbackkeys import EMPTY_STORE, PURE, Device, Key, KeyStore, Policy, Upload
from fallbackkeys.errors import Errcode
from fallbackkeys.wire import (
    DIALECTS,
    Answer,
    Dialect,
    PendingClaim,
    Response,
    claim_keys,
    delete_device,
    dialects,
    federation_claim_keys,
    sync_keys,
    upload_keys,
)
from tests.properties import model
from tests.properties.comparison import Pair, dump, limits
from tests.properties.model import ServerModel
from tests.properties.strategies import (
    CHOOSING_CLAIMS,
    CLAIMS,
    CLAIMS_FOR_SEVERAL,
    CROWDS,
    DEVICES,
    DROPS,
    FIRST_STEPS,
    KEY_IDS,
    SIGNED,
    UPLOADS,
    USERS,
    Claim,
    ClaimSeveral,
    Drop,
    Remove,
    budget,
    claim_bodies,
    object_values,
    policies,
    upload_bodies,
)


class DeviceAgainstModel(RuleBasedStateMachine):
    """One device under one policy, which its operator may exchange for another."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.policy = PURE

    @initialize(policy=policies())
    def begin(self, policy: Policy) -> None:
        self.policy = policy

    @rule(policy=policies())
    def change_policy(self, policy: Policy) -> None:
        self.policy = policy

    @rule(command=UPLOADS)
    def upload(self, command: Upload) -> None:
        self.pair.step(command, self.policy)

    @rule(command=CROWDS)
    def upload_a_crowd(self, command: Upload) -> None:
        self.pair.step(command, self.policy)

    @rule(command=CLAIMS)
    def claim(self, command: Claim) -> None:
        self.pair.step(command, self.policy)

    @rule(command=CHOOSING_CLAIMS)
    def claim_a_chosen_key(self, command: Claim) -> None:
        self.pair.step(command, self.policy)

    @rule(command=FIRST_STEPS, between=UPLOADS | st.none())
    def claim_in_two_steps(self, command: Claim, between: Upload | None) -> None:
        first = self.pair.step(command, self.policy)
        if first is not None and not first.events:
            if between is not None:
                self.pair.step(between, self.policy)
            self.pair.step(attrs.evolve(command, only_one_time=False), self.policy)

    @rule(command=CLAIMS_FOR_SEVERAL)
    def claim_several(self, command: ClaimSeveral) -> None:
        self.pair.step(command, self.policy)

    @rule(command=DROPS)
    def drop(self, command: Drop) -> None:
        self.pair.step(command, self.policy)

    @rule()
    def remove(self) -> None:
        self.pair.step(Remove(), self.policy)


@pytest.mark.requirement(
    "FK-UPLOAD-01", "FK-UPLOAD-02", "FK-UPLOAD-04", "FK-UPLOAD-05", "FK-UPLOAD-07", "FK-UPLOAD-08",
    "FK-UPLOAD-09", "FK-UPLOAD-10", "FK-UPLOAD-11", "FK-UPLOAD-12", "FK-UPLOAD-13", "FK-UPLOAD-14",
    "FK-UPLOAD-15", "FK-UPLOAD-16", "FK-UPLOAD-17", "FK-UPLOAD-19", "FK-LIMIT-01", "FK-LIMIT-02",
    "FK-LIMIT-03", "FK-CLAIM-01", "FK-CLAIM-02", "FK-CLAIM-03", "FK-CLAIM-04", "FK-CLAIM-05", "FK-CLAIM-06",
    "FK-SYNC-01", "FK-SYNC-02", "FK-SYNC-04", "FK-DEVICE-01", "FK-DEVICE-02", "FK-DEVICE-04",
    "FK-MULTI-01", "FK-MULTI-02", "FK-MULTI-03",
)  # fmt: skip
def test_a_device_and_its_model_do_not_differ() -> None:
    run_state_machine_as_test(DeviceAgainstModel, settings=budget(400))


ERRCODES: Final = {
    model.UPLOAD_TOO_LARGE: Errcode.TOO_LARGE,
    model.POOL_TOO_LARGE: Errcode.TOO_LARGE,
    model.TOO_MANY_ALGORITHMS: Errcode.TOO_LARGE,
    model.SEVERAL_FALLBACK_KEYS: Errcode.INVALID_PARAM,
    model.CONFLICT: Errcode.UNKNOWN,
}

SERVERS: Final = ("one", "one.two")
"""Two that answer. The other servers of `USERS` cannot be reached."""
LOCAL_USERS: Final = tuple(user for user in USERS if user.partition(":")[2] in SERVERS)
SPOKEN: Final = st.sets(st.sampled_from([dialect.name for dialect in DIALECTS]), min_size=1)
CLAIMS_OF_FEW: Final = claim_bodies(users=(*LOCAL_USERS, *USERS), devices=DEVICES[:2])
"""Two devices a user, so that claims meet keys."""


@attrs.define
class Both:
    """A homeserver of the library and one of the model."""

    store: KeyStore
    server: ServerModel


class ServersAgainstModel(RuleBasedStateMachine):
    """Two servers that claim from each other; every body is well-formed."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = PURE
        self.spoken: tuple[Dialect, ...] = DIALECTS
        self.both: dict[str, Both] = {}

    @initialize(policy=policies(), max_devices=st.none() | st.integers(2, 5), spoken=SPOKEN)
    def begin(self, policy: Policy, max_devices: int | None, spoken: set[str]) -> None:
        self.policy = attrs.evolve(policy, max_devices_in_claim=max_devices)
        self.spoken = dialects(spoken)
        for name in SERVERS:
            self.both[name] = Both(EMPTY_STORE, ServerModel(name, spoken, limits(policy), max_devices))

    def _home(self, user_id: str) -> Both:
        return self.both[user_id.partition(":")[2]]

    @rule(user_id=st.sampled_from(LOCAL_USERS), device_id=st.sampled_from(DEVICES[:2]), body=upload_bodies())
    def upload(self, user_id: str, device_id: str, body: dict[str, Any]) -> None:
        home = self._home(user_id)
        before = home.server.sync(user_id, device_id)
        answer = upload_keys(home.store, user_id, device_id, body, spoken=self.spoken, policy=self.policy)
        errcodes: set[Errcode] = set()
        expected: dict[str, Any] = {}
        try:
            expected = home.server.upload(user_id, device_id, body)
        except model.Refused as refused:
            errcodes = {ERRCODES[reason] for reason in refused.reasons}
        if errcodes:
            assert answer.response.status == 400
            assert answer.response.body["errcode"] in errcodes
            assert answer == Answer(store=home.store, response=answer.response)
            return
        assert answer.response == Response(status=200, body=expected)
        device = Device(user_id, device_id)
        assert answer.woken == ({device} if before != home.server.sync(user_id, device_id) else set())
        assert {event.device for event in answer.events} <= {device}
        home.store = answer.store

    @rule(name=st.sampled_from(SERVERS), body=CLAIMS_OF_FEW)
    def claim(self, name: str, body: dict[str, Any]) -> None:
        here = self.both[name]
        pending = claim_keys(here.store, name, body, policy=self.policy)
        try:
            own, others = here.server.split(body["one_time_keys"])
        except model.TooManyDevices:
            assert isinstance(pending, Answer)
            assert pending == Answer(store=here.store, response=pending.response)
            assert pending.response.body["errcode"] == "M_TOO_LARGE"
            return
        assert isinstance(pending, PendingClaim)
        assert pending.requests == {server: {"one_time_keys": users} for server, users in others.items()}
        expected = self._with_the_right_ones_woken(here, own, pending)
        here.store = pending.store
        answers: dict[str, Any] = {}
        for server in sorted(set(others) & set(self.both)):
            there = self.both[server]
            answer = federation_claim_keys(there.store, server, pending.requests[server], policy=self.policy)
            given = self._with_the_right_ones_woken(there, others[server], answer)
            assert answer.response == Response(status=200, body={"one_time_keys": given})
            there.store = answer.store
            answers[server] = answer.response.body
            expected |= given
        response = pending.finish(answers)
        assert response.status == 200
        assert response.body["one_time_keys"] == expected
        failures = response.body["failures"]
        assert isinstance(failures, dict)
        assert set(failures) == set(others) - set(answers)

    def _with_the_right_ones_woken(
        self, both: Both, wanted: dict[str, dict[str, str]], answer: PendingClaim | Answer
    ) -> dict[str, Any]:
        asked = [(user_id, device_id) for user_id, devices in wanted.items() for device_id in devices]
        before = [both.server.sync(*device) for device in asked]
        given = both.server.claim(wanted)
        after = [both.server.sync(*device) for device in asked]
        changed = {Device(*asked[index]) for index, view in enumerate(before) if view != after[index]}
        assert answer.woken == changed
        return given

    @rule(user_id=st.sampled_from(LOCAL_USERS), device_id=st.sampled_from(DEVICES))
    def delete(self, user_id: str, device_id: str) -> None:
        home = self._home(user_id)
        answer = delete_device(home.store, user_id, device_id)
        home.server.remove(user_id, device_id)
        assert answer.response == Response(status=200, body={})
        home.store = answer.store

    @invariant()
    def same(self) -> None:
        for both in self.both.values():
            dumps = {(device.user_id, device.device_id): dump(state) for device, state in both.store}
            blank = model.DeviceModel().dump()
            known = {
                device: known.dump() for device, known in both.server.devices.items() if known.dump() != blank
            }
            assert dumps == known
            for user_id, device_id in known:
                answer = sync_keys(both.store, user_id, device_id, spoken=self.spoken)
                assert answer.response == Response(status=200, body=both.server.sync(user_id, device_id))
                assert answer.store is both.store


@pytest.mark.requirement(
    "FK-UPLOAD-03", "FK-UPLOAD-06", "FK-FORM-06", "FK-FORM-08", "FK-LIMIT-05", "FK-CLAIM-05", "FK-CLAIM-07",
    "FK-CLAIM-08", "FK-FED-01", "FK-SYNC-01", "FK-SYNC-02", "FK-SYNC-03", "FK-SYNC-04",
    "FK-DIALECT-01", "FK-DIALECT-02", "FK-DIALECT-03", "FK-DIALECT-04", "FK-DIALECT-05", "FK-DIALECT-06",
    "FK-DIALECT-07", "FK-DEVICE-01", "FK-DEVICE-03",
)  # fmt: skip
def test_servers_and_their_models_do_not_differ() -> None:
    run_state_machine_as_test(ServersAgainstModel, settings=budget(100))


@pytest.mark.requirement("FK-UPLOAD-14")
def test_a_lowered_bound_is_kept_from_the_next_issue_on() -> None:
    """An operator who lowers the bound has it kept, and not the number that was remembered before."""
    pair = Pair()
    keys = tuple(
        Key.parse(f"{SIGNED}:{key_id}", object_values(key_id.replace("id", "key"))[0])
        for key_id in KEY_IDS[:4]
    )
    pair.step(Upload(one_time_keys=keys), PURE)
    pair.step(ClaimSeveral(SIGNED, 3), PURE)
    pair.step(Claim(SIGNED), Policy(max_pool=2, max_remembered=2))
