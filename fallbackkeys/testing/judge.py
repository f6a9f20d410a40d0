"""What a server may answer, by the core: every permitted choice, and nothing else.

Where the specification leaves a choice open (which key of the oldest upload a claim takes), several states
are possible at once. A `Judge` keeps them all: `expect` says what any of them allows, as a pattern of traces,
and `follow` keeps those that an answer leaves possible. Without an answer all stay possible, so that the
pattern of each step of a trace holds for every server that keeps the rules.
"""

import enum
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import TypeAlias

import attrs

from fallbackkeys import wire
from fallbackkeys.devices import Device, Wanted
from fallbackkeys.errors import JSON, Refusal
from fallbackkeys.events import OneTimeKeyIssued
from fallbackkeys.evolve import apply
from fallbackkeys.keys import Key
from fallbackkeys.keystore import EMPTY_STORE, KeyStore
from fallbackkeys.policy import PURE
from fallbackkeys.state import DeviceState
from fallbackkeys.traces.model import (
    DEFAULT_SERVER_NAME,
    ClaimStep,
    DeleteDeviceStep,
    Expectation,
    FederationClaimStep,
    Step,
    SyncStep,
    UploadStep,
)
from fallbackkeys.transitions import claim, claimable, sync
from fallbackkeys.wire import Response, decode, encode

REFUSED = 400
MOST_STATES = 50
"""States kept at once; more are possible only in sequences that no shrunk trace has."""


class Facet(enum.Enum):
    """The parts of an answer that are judged apart: who gets one wrong is still judged by the others."""

    STATUS = "status"
    """Whether the request is accepted; always judged."""
    ERRCODE = "errcode of a refusal"
    UPLOAD_COUNTS = "counts in the answer of an upload"
    KEYS = "keys in the answer of a claim"
    EMPTY = "empty objects in the answer of a claim"
    """Whether those who get nothing are left out; else an empty object is as good (FK-CLAIM-08)."""
    SYNC_COUNTS = "counts in a sync"
    SYNC_UNUSED = "unused types in a sync"


ERRCODES = (
    "M_BAD_JSON", "M_DUPLICATE_ONE_TIME_KEY", "M_INVALID_PARAM", "M_MISSING_PARAM", "M_NOT_JSON",
    "M_TOO_LARGE", "M_UNKNOWN", "M_UNRECOGNIZED", "io.github.johennes.msc4420.M_DUPLICATE_ONE_TIME_KEY",
)  # fmt: skip
"""What a refusal may carry; the specification does not say which one a given fault deserves."""


EVERY_FACET = frozenset(Facet)


class Order(enum.Enum):
    """Which waiting keys a claim may take."""

    OLDEST_UPLOAD = enum.auto()
    """Those of the oldest upload (FK-CLAIM-01)."""
    ANY = enum.auto()
    """Any: for a server that is known to break the order, so that the rest can be judged."""


class _Nothing(enum.Enum):
    """In place of a key: there is none to give."""

    NOTHING = enum.auto()


_NOTHING = _Nothing.NOTHING
_Answer: TypeAlias = "JSON | _Nothing"


@attrs.define
class Judge:
    """The possible states of a server that keeps every rule."""

    facets: frozenset[Facet]
    order: Order = Order.OLDEST_UPLOAD
    states: list[KeyStore] = attrs.field(factory=lambda: [EMPTY_STORE])

    def expect(self, step: Step) -> Expectation:
        """What the server must answer, in any of the possible states."""
        match step:
            case UploadStep():
                return self._expect_upload(step)
            case ClaimStep():
                return self._expect_claim(step, {"failures": {}})
            case FederationClaimStep():
                return self._expect_claim(step, {})
            case SyncStep():
                return self._expect_sync(Device(step.user, step.device))
            case _:
                return Expectation()

    def follow(self, step: Step, response: Response | None = None) -> None:
        """Go on to the states after a step that was answered as expected.

        Args:
            step: what was done.
            response: the answer; without it, every possible answer is followed.
        """
        after: list[KeyStore] = []
        followed = (one for store in self.states for one in self._after(store, step, response))
        for one in followed:
            if one not in after:
                after.append(one)
            if len(after) == MOST_STATES:
                break
        if not after:  # an answer whose keys are not judged, and are none that could have been given
            return self.follow(step)
        self.states = after
        return None

    def _after(self, store: KeyStore, step: Step, response: Response | None) -> Iterable[KeyStore]:
        match step:
            case UploadStep():
                return [_upload(store, step).store]
            case ClaimStep() | FederationClaimStep():
                return self._after_claim(store, step, response)
            case DeleteDeviceStep():
                return [wire.delete_device(store, step.user, step.device).store]
            case _:
                return [store]

    # --- Uploads and syncs ---

    def _expect_upload(self, step: UploadStep) -> Expectation:
        answers = [_upload(store, step).response for store in self.states]
        first = answers[0]
        if first.status >= REFUSED:
            return self._refused(first.status)
        if Facet.UPLOAD_COUNTS not in self.facets:
            return Expectation()
        counts = [answer.body["one_time_key_counts"] for answer in answers if answer.status < REFUSED]
        return Expectation(body={"one_time_key_counts": _any_of({"$counts": count} for count in counts)})

    def _expect_sync(self, device: Device) -> Expectation:
        views = [sync(store.state(device)) for store in self.states]
        body: dict[str, JSON] = {}
        if Facet.SYNC_COUNTS in self.facets:
            counts: Iterator[dict[str, JSON]] = (dict(view.one_time_key_counts) for view in views)
            body[encode.COUNTS] = _any_of({"$counts": count} for count in counts)
        if Facet.SYNC_UNUSED in self.facets:
            body[encode.UNUSED] = _any_of({"$set": list(view.unused_fallback_key_types)} for view in views)
        return Expectation(body=body) if body else Expectation()

    def _refused(self, status: int) -> Expectation:
        return Expectation(status=status, errcodes=ERRCODES if Facet.ERRCODE in self.facets else None)

    # --- Claims ---

    def _expect_claim(self, step: ClaimStep | FederationClaimStep, others: dict[str, JSON]) -> Expectation:
        try:
            wanted = _wanted(step)
        except Refusal as refusal:
            return self._refused(refusal.status)
        if Facet.KEYS not in self.facets:
            return Expectation()
        users: dict[str, dict[str, list[_Answer]]] = {}
        for entry in wanted:
            user = users.setdefault(entry.device.user_id, {})
            user.setdefault(entry.device.device_id, []).extend(self._answers(entry))
        shown: tuple[dict[str, JSON], ...] = () if Facet.EMPTY in self.facets else ({},)
        return Expectation(body={"one_time_keys": _any_of(_objects(users, shown)), **others})

    def _answers(self, entry: Wanted) -> Iterator[_Answer]:
        """What the answer may hold for one device."""
        for store in self.states:
            keys = self._candidates(store.state(entry.device), entry.algorithm)
            yield from ({str(key.name): key.value} for key in keys)
            if not keys:
                yield _NOTHING

    def _candidates(self, state: DeviceState, algorithm: str) -> tuple[Key, ...]:
        waiting = tuple(one.key for one in state.pool(algorithm))
        if self.order is Order.ANY and waiting:
            return waiting
        return claimable(state, algorithm)

    def _after_claim(
        self, store: KeyStore, step: ClaimStep | FederationClaimStep, response: Response | None
    ) -> Iterator[KeyStore]:
        try:
            wanted = [entry for entry in _wanted(step) if entry.device.server_name == DEFAULT_SERVER_NAME]
        except Refusal:
            yield store
            return
        choices = [
            self._candidates(store.state(entry.device), entry.algorithm) or (None,) for entry in wanted
        ]
        for choice in product(*choices):
            if response is None or all(
                key is None or _has(response, entry.device, key)
                for entry, key in zip(wanted, choice, strict=True)
            ):
                after = store
                for entry, key in zip(wanted, choice, strict=True):
                    state = after.state(entry.device)
                    after = after.with_state(entry.device, _take(state, entry.algorithm, key))
                yield after


def _upload(store: KeyStore, step: UploadStep) -> wire.Answer:
    return wire.upload_keys(store, step.user, step.device, step.body, policy=PURE)


def _wanted(step: ClaimStep | FederationClaimStep) -> tuple[Wanted, ...]:
    """What a claim asks for; of another server's claim, all of it must be local (FK-FED-03)."""
    only_of = DEFAULT_SERVER_NAME if isinstance(step, FederationClaimStep) else None
    return decode.claim(step.body, only_of=only_of, policy=PURE)


def _take(state: DeviceState, algorithm: str, key: Key | None) -> DeviceState:
    """The state after a claim was given `key`."""
    if key is None or state.pool(algorithm).named(key.key_id) is None:
        return claim(state, algorithm).state
    return apply(state, OneTimeKeyIssued(key))


def _has(response: Response, device: Device, key: Key) -> bool:
    users = response.body.get("one_time_keys")
    devices = users.get(device.user_id) if isinstance(users, dict) else None
    keys = devices.get(device.device_id) if isinstance(devices, dict) else None
    return isinstance(keys, dict) and str(key.name) in keys


def _objects(
    users: dict[str, dict[str, list[_Answer]]], shown: tuple[dict[str, JSON], ...]
) -> Iterator[JSON]:
    """Every `one_time_keys` that a claim may be answered with.

    A member of a pattern is there or it is not, so that who may get nothing makes for several objects.

    Args:
        users: user id → device id → what the device may get.
        shown: what may stand for one who gets nothing, besides being left out.
    """
    choices: list[list[tuple[str, JSON]]] = []
    for user_id, devices in users.items():
        of_user: list[list[tuple[str, JSON]]] = []
        for device_id, answers in devices.items():
            keys = [answer for answer in answers if not isinstance(answer, _Nothing)]
            given = [(device_id, _any_of(keys))] if keys else []
            of_user.append([*_nothing(device_id, answers, shown), *given])
        objects = [_object(pairs) for pairs in product(*of_user)]
        left_out = _nothing(user_id, [_NOTHING if {} in objects else {}], shown)
        choices.append([*left_out, *((user_id, one) for one in objects if one)])
    return (_object(pairs) for pairs in product(*choices))


def _nothing(
    name: str, answers: Sequence[_Answer], shown: tuple[dict[str, JSON], ...]
) -> list[tuple[str, JSON]]:
    """How it may be shown that there is nothing for a name, if there may be; "" is no member."""
    return [("", None), *((name, one) for one in shown)] if _NOTHING in answers else []


def _object(pairs: Iterable[tuple[str, JSON]]) -> dict[str, JSON]:
    return {name: value for name, value in pairs if value is not None}


def _any_of(patterns: Iterable[JSON]) -> JSON:
    different: list[JSON] = []
    different += (pattern for pattern in patterns if pattern not in different)
    return different[0] if len(different) == 1 else {"$any_of": different}
