"""A history as seen by one device and one algorithm: keys offered, keys handed out, removals."""

from collections import defaultdict
from collections.abc import Iterable
from math import inf
from typing import Any

import attrs

from tests.concurrency.history import Operation


@attrs.frozen(kw_only=True)
class Event:
    """One operation's part in this device and algorithm; `end` is infinite where nobody knows the outcome."""

    operation: Operation
    one_time_keys: tuple[str, ...] = ()
    """Public keys that an upload offered, or the one that a claim returned."""
    fallback_keys: tuple[str, ...] = ()
    """The same for the fallback key."""

    @property
    def start(self) -> float:
        return self.operation.call

    @property
    def end(self) -> float:
        known = self.operation.answered and self.operation.returned is not None
        return self.operation.returned or inf if known else inf


@attrs.define
class Projection:
    """The operations on one device and algorithm, without those that were refused."""

    name: tuple[str, str, str]
    uploads: list[Event] = attrs.Factory(list)
    claims: list[Event] = attrs.Factory(list)
    removals: list[Event] = attrs.Factory(list)
    syncs: list[Event] = attrs.Factory(list)


def project(operations: Iterable[Operation]) -> list[Projection]:
    """Split a history by device and algorithm."""
    effective = [operation for operation in operations if not operation.refused]
    kinds = _kinds(effective)
    found: dict[tuple[str, str, str], Projection] = {}

    def at(user: str, device: str, algorithm: str) -> Projection:
        name = (user, device, algorithm)
        return found.setdefault(name, Projection(name))

    for operation in effective:
        if operation.do == "claim":
            for user, device, algorithm in _asked(operation):
                at(user, device, algorithm).claims.append(_claimed(operation, user, device, algorithm, kinds))
        elif operation.do == "upload":
            for algorithm, event in _uploads(operation):
                at(operation.user or "", operation.device or "", algorithm).uploads.append(event)
    for projection in found.values():
        own = [one for one in effective if (one.user, one.device) == projection.name[:2]]
        projection.removals += [Event(operation=one) for one in own if one.do == "delete_device"]
        projection.syncs += [Event(operation=one) for one in own if one.do == "sync" and one.answered]
    return list(found.values())


def _uploads(operation: Operation) -> list[tuple[str, Event]]:
    one_time, fallback = (_offered(operation, member) for member in ("one_time_keys", "fallback_keys"))
    return [
        (
            algorithm,
            Event(
                operation=operation,
                one_time_keys=tuple(one_time[algorithm]),
                fallback_keys=tuple(fallback[algorithm]),
            ),
        )
        for algorithm in one_time.keys() | fallback.keys()
    ]


def _public(value: Any) -> str:
    return str(value["key"]) if isinstance(value, dict) else str(value)


def _offered(operation: Operation, member: str) -> defaultdict[str, list[str]]:
    offered = defaultdict[str, list[str]](list)
    for name, value in (operation.body.get(member) or {}).items():
        offered[name.partition(":")[0]].append(_public(value))
    return offered


def _kinds(operations: Iterable[Operation]) -> set[tuple[str | None, str | None, str]]:
    """The fallback keys of the history: in a claim's answer they look like one-time keys."""
    return {
        (operation.user, operation.device, key)
        for operation in operations
        if operation.do == "upload"
        for keys in _offered(operation, "fallback_keys").values()
        for key in keys
    }


def _asked(operation: Operation) -> list[tuple[str, str, str]]:
    return [
        (user, device, algorithm)
        for user, devices in operation.body["one_time_keys"].items()
        for device, algorithm in devices.items()
    ]


def _claimed(
    operation: Operation,
    user: str,
    device: str,
    algorithm: str,
    fallback_keys: set[tuple[str | None, str | None, str]],
) -> Event:
    answer = (operation.result or {}).get("one_time_keys", {}).get(user, {}).get(device, {})
    keys = tuple(_public(value) for name, value in answer.items() if name.partition(":")[0] == algorithm)
    is_fallback = any((user, device, key) in fallback_keys for key in keys)
    return Event(
        operation=operation,
        one_time_keys=() if is_fallback else keys,
        fallback_keys=keys if is_fallback else (),
    )
