"""What `step` accepts (FK-CLIENT-13).

A caller's misuse raises. What a server wrote is never trusted and never raises: the functions that read it
return None where it is nonsense, and `step` then reports it and changes nothing.
"""

import enum
from collections.abc import Iterable

from fallbackkeys.canonical import MAX_INTEGER
from fallbackkeys.client.errors import UnknownAlgorithm, UnknownRequest, WrongInput
from fallbackkeys.client.inputs import Conflict, Failure, Generated, Missing, PreKey, Restored, Sync
from fallbackkeys.client.names import NO_IDS, Ids
from fallbackkeys.client.outputs import Output, Report, Topic
from fallbackkeys.client.state import ClientState, KeySet, Kind, Request, Stage
from fallbackkeys.errors import Malformed, describe, quote
from fallbackkeys.keys import KeyName, check_text
from fallbackkeys.persistent import Map

# --- What the embedder says ---


def reading(now: object) -> None:
    """Refuse a reading of the clock that is no integer, or none that a snapshot can hold."""
    if type(now) is not int or abs(now) > MAX_INTEGER:
        raise _wrong("now", f"must be an integer within {MAX_INTEGER}", now)


def no_input(given: object) -> WrongInput:
    """The error for a value that is no input at all."""
    return _wrong("the input", "must be one of fallbackkeys.client's", given)


def unpublished(given: Restored) -> tuple[Generated, ...]:
    """The keys that the library lists as unpublished; refuse anything else in their place."""
    keys: object = given.unpublished
    if not isinstance(keys, tuple) or not all(isinstance(made, Generated) for made in keys):
        raise _wrong("Restored.unpublished", "must be a tuple of Generated", keys)
    return keys


def failure(value: object) -> None:
    """Refuse what is no failure, whatever became of the upload."""
    if not isinstance(value, Failure):
        raise _wrong("UploadFailed.failure", "must be one of fallbackkeys.client's", value)


def generation(number: object, state: ClientState) -> None:
    """Refuse a generation that was never asked to be persisted."""
    if type(number) is not int or not 0 <= number <= state.generation:
        raise _wrong("Persisted.generation", f"must be an integer from 0 to {state.generation}", number)


def sync(given: Sync, state: ClientState) -> None:
    """Refuse a sync whose fields of our own making are wrong."""
    _member(given.missing, Missing, "Sync.missing")
    if type(given.caught_up) is not bool:
        raise _wrong("Sync.caught_up", "must be a boolean", given.caught_up)
    if type(given.started_at) is not int or not 0 <= given.started_at <= state.epoch:
        raise _wrong("Sync.started_at", f"must be an epoch, from 0 to {state.epoch}", given.started_at)


def generated(made: Generated, state: ClientState) -> None:
    """Refuse a key without a kind, of an algorithm that is not ours, or with a name that no key may have."""
    _member(made.kind, Kind, "Generated.kind")
    if made.algorithm not in state.policy.algorithms:
        _text("Generated.algorithm", made.algorithm)
        raise UnknownAlgorithm(algorithm=made.algorithm)
    _text("Generated.key_id", made.key_id)
    _text("Generated.public", made.public)
    try:
        KeyName.parse(f"{made.algorithm}:{made.key_id}")
    except Malformed as malformed:
        raise _wrong("Generated.key_id", malformed.rule.value, made.key_id) from malformed
    if made.evicted is not None and (made.kind is Kind.ONE_TIME or not isinstance(made.evicted, str)):
        raise _wrong("Generated.evicted", "must be None, or of a fallback key a string", made.evicted)


def prekey(message: PreKey) -> None:
    """Refuse a message described by anything but strings and booleans."""
    _text("PreKey.public", message.public)
    _text("PreKey.session", message.session)
    _text("PreKey.message", message.message)
    for field in ("known_session", "ok"):
        if type(getattr(message, field)) is not bool:
            raise _wrong(f"PreKey.{field}", "must be a boolean", getattr(message, field))


def request(number: object, state: ClientState) -> Request | None:
    """The upload of this number; None if it is settled already.

    Raises:
        UnknownRequest: there never was one.
    """
    if type(number) is not int:
        raise _wrong("a request", "must be an integer", number)
    if not 0 <= number < state.requests:
        raise UnknownRequest(request=number, reason="was never asked for")
    under_way = state.request
    return under_way if under_way is not None and under_way.number == number else None


def sendable(under_way: Request, keys: object) -> None:
    """Refuse to send what was not asked for: too early, or other keys."""
    if under_way.stage is Stage.WAITING:
        raise UnknownRequest(request=under_way.number, reason="was not asked for yet: persist first")
    if keys != under_way.keys:
        raise WrongInput(
            field="UploadSent.keys",
            rule="must be those of the Upload",
            found="others" if isinstance(keys, KeySet) else describe(keys),
        )


def answered(number: object, state: ClientState) -> Request | None:
    """The upload that an answer belongs to; None if it is settled already.

    Raises:
        UnknownRequest: it was never sent.
    """
    under_way = request(number, state)
    if under_way is not None and not under_way.sent:
        raise UnknownRequest(request=under_way.number, reason="was not sent yet")
    return under_way


# --- What the server says ---


def counts(value: object) -> dict[str, int] | None:
    """A map of counts, None where it is none; an absent one has no members."""
    if value is None:
        return {}
    if not isinstance(value, (dict, Map)):
        return None
    found = dict(value.items())
    for name, count in found.items():
        if not isinstance(name, str) or type(count) is not int or not 0 <= count <= MAX_INTEGER:
            return None
    return found


def unused_types(value: object) -> tuple[str, ...] | None:
    """A list of algorithms, None where it is none; an absent one has no elements."""
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)


def delay(value: object) -> int | None:
    """A delay in milliseconds, None where it is none."""
    if type(value) is int:
        return value if value >= 0 else None
    if type(value) is float and 0 <= value < float("inf"):
        return int(value)
    return None


def names_one_of(conflict: Conflict, keys: Map[str, Ids]) -> bool:
    """Whether a conflict names a key of these."""
    algorithm: object = conflict.algorithm
    key_id: object = conflict.key_id
    return isinstance(algorithm, str) and isinstance(key_id, str) and key_id in keys.get(algorithm, NO_IDS)


def unknown_algorithms(state: ClientState, named: Iterable[str]) -> list[Output]:
    """Reports of the algorithms that are none of ours; servers may well have such keys of the device."""
    return [
        Report(topic=Topic.UNKNOWN_ALGORITHM, subject=shown(algorithm))
        for algorithm in dict.fromkeys(named)
        if algorithm not in state.policy.algorithms
    ]


def shown(value: object) -> str:
    """A value for a report, in printable ASCII."""
    return quote(value) if isinstance(value, str) else describe(value)


def _wrong(field: str, rule: str, found: object) -> WrongInput:
    return WrongInput(field=field, rule=rule, found=describe(found))


def _member(value: object, kind: type[enum.Enum], field: str) -> None:
    if not isinstance(value, kind):
        raise _wrong(field, f"must be a member of {kind.__name__}", value)


def _text(field: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise _wrong(field, "must be a non-empty string", value)
    try:
        check_text(value, field)
    except Malformed as malformed:
        raise _wrong(field, malformed.rule.value, value) from malformed
