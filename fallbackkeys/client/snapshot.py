"""Versioned JSON of a client's state, stored in one transaction with the account (FK-CLIENT-15).

Format 1:

    {"format": 1, "supported": true, "requests": 3, "generation": 7, "epoch": 2, "acknowledged": 2,
     "request": null or {"number": 2, "generation": 7, "stage": "sent", "sent": true, "attempts": 1,
                         "since": moment, "wait": 0,
                         "one_time_keys": {algorithm: ids}, "fallback_keys": {algorithm: ids}},
     "algorithms": {algorithm: {
        "one_time": {"unpublished": ids, "pending": 0, "count": 50 or null, "refilled": moment or null,
                     "conflicts": 0, "memory": [ids, ids]},
        "current": key or null, "previous": key or null, "rotating": false, "rotated": moment or null,
        "held": 2 or null, "caught_up": false, "memory": [ids, ids]}}}

`ids` is an object of key ids and public keys, a `moment` is a reading of the clock, a `key` has the members
of `FallbackKey`. Three things are not part of it. The policy is the embedder's to give. What is persisted is
the snapshot itself. And how far the clock has fallen behind a moment begins anew after a restart: nobody
knows where the clock has been in between. A member that the format does not name is an error.
"""

import json
from typing import NoReturn

import attrs

from fallbackkeys.canonical import MAX_INTEGER
from fallbackkeys.client.clock import Moment
from fallbackkeys.client.names import NO_FALLBACK_KEYS, NO_ONE_TIME_KEYS, Ids, Memory
from fallbackkeys.client.policy import ClientPolicy
from fallbackkeys.client.state import (
    AlgorithmKeys,
    ClientState,
    FallbackKey,
    KeySet,
    OneTimeKeys,
    Request,
    Stage,
)
from fallbackkeys.errors import JSON, Refusal, SnapshotError, quote
from fallbackkeys.keys import KeyName, check_text
from fallbackkeys.node import Node
from fallbackkeys.persistent import Map

FORMAT = 1
"""The version this module writes, and the only one it reads."""


def save(state: ClientState) -> str:
    """The snapshot of a state, as JSON text. Linear in the keys remembered."""
    algorithms: JSON = {name: _save_algorithm(keys) for name, keys in state.algorithms.items()}
    document: JSON = {
        "format": FORMAT,
        "supported": state.supported,
        "requests": state.requests,
        "generation": state.generation,
        "epoch": state.epoch,
        "acknowledged": state.acknowledged,
        "request": None if state.request is None else _save_request(state.request),
        "algorithms": algorithms,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def restore(text: str | bytes, *, policy: ClientPolicy) -> ClientState:
    """Read what `save` wrote; then give `step` a `Restored`.

    Args:
        text: the snapshot.
        policy: the client's; it may differ from the one before, but must name every algorithm that the
            snapshot has keys of.

    Raises:
        SnapshotError: another version, a truncated or malformed text, ids that contradict each other.
    """
    root = Node.root(_parsed(text), version=FORMAT)
    root.members(
        "format", "supported", "requests", "generation", "epoch", "acknowledged", "request", "algorithms"
    )
    state = ClientState.start(policy)
    algorithms = state.algorithms
    epoch = root["epoch"].integer()
    for algorithm, saved in root["algorithms"].items():
        if algorithm not in algorithms:
            _refuse(saved, "is of an algorithm that the policy does not name")
        algorithms = algorithms.set(algorithm, _restore_algorithm(saved, algorithm, epoch))
    state = attrs.evolve(
        state,
        algorithms=algorithms,
        supported=root["supported"].boolean(),
        requests=root["requests"].integer(),
        generation=root["generation"].integer(),
        persisted=root["generation"].integer(),
        epoch=epoch,
        acknowledged=_at_most(root["acknowledged"], epoch),
    )
    request = None if root["request"].value is None else _restore_request(root["request"], state)
    return attrs.evolve(state, request=request)


# --- Writing ---


def _save_algorithm(keys: AlgorithmKeys) -> JSON:
    one_time = keys.one_time
    return {
        "one_time": {
            "unpublished": dict(one_time.unpublished),
            "pending": one_time.pending,
            "count": one_time.count,
            "refilled": _save_moment(one_time.refilled),
            "conflicts": one_time.conflicts,
            "memory": [dict(one_time.memory.recent), dict(one_time.memory.older)],
        },
        "current": None if keys.current is None else _save_key(keys.current),
        "previous": None if keys.previous is None else _save_key(keys.previous),
        "rotating": keys.rotating,
        "rotated": _save_moment(keys.rotated),
        "held": keys.held,
        "caught_up": keys.caught_up,
        "memory": [dict(keys.memory.recent), dict(keys.memory.older)],
    }


def _save_key(key: FallbackKey) -> JSON:
    return {
        "key_id": key.key_id,
        "public": key.public,
        "published": _save_moment(key.published),
        "handed_out": key.handed_out,
        "first_used": _save_moment(key.first_used),
        "sessions": [*sorted(key.sessions)],
        "messages": [*sorted(key.messages)],
    }


def _save_moment(moment: Moment | None) -> JSON:
    return None if moment is None else moment.at


def _save_request(request: Request) -> JSON:
    return {
        "number": request.number,
        "generation": request.generation,
        "stage": request.stage.value,
        "sent": request.sent,
        "attempts": request.attempts,
        "since": _save_moment(request.since),
        "wait": request.wait,
        "one_time_keys": {name: dict(ids) for name, ids in request.keys.one_time_keys.items()},
        "fallback_keys": {name: dict(ids) for name, ids in request.keys.fallback_keys.items()},
    }


# --- Reading ---


def _parsed(text: str | bytes) -> object:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, TypeError, RecursionError) as error:
        raise SnapshotError(place="the snapshot", reason=f"is not JSON: {error}") from error


def _unique(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) < len(members):
        raise SnapshotError(place="the snapshot", reason="names a member twice")
    return found


def _refuse(saved: Node, reason: str) -> NoReturn:
    raise SnapshotError(place=saved.place, reason=reason)


def _at_most(saved: Node, limit: int) -> int:
    if saved.integer() > limit:
        _refuse(saved, f"must be at most {limit}")
    return saved.integer()


def _restore_algorithm(saved: Node, algorithm: str, epoch: int) -> AlgorithmKeys:
    saved.members("one_time", "current", "previous", "rotating", "rotated", "held", "caught_up", "memory")
    memory = _restore_memory(saved["memory"], algorithm, NO_FALLBACK_KEYS.half)
    current, previous = (
        None if saved[place].value is None else _restore_key(saved[place], algorithm, memory)
        for place in ("current", "previous")
    )
    held = None if saved["held"].value is None else _at_most(saved["held"], epoch)
    keys = AlgorithmKeys(
        one_time=_restore_one_time(saved["one_time"], algorithm),
        current=current,
        previous=previous,
        rotating=saved["rotating"].boolean(),
        rotated=_restore_moment(saved["rotated"]),
        held=held,
        caught_up=saved["caught_up"].boolean(),
        memory=memory,
    )
    if previous is not None and (current is None or current.key_id == previous.key_id):
        _refuse(saved["previous"], "must be another key than the current one, and have a successor")
    if current is not None and keys.rotated is None:
        _refuse(saved["rotated"], "must say when the current fallback key was generated")
    if keys.held is not None and previous is None:
        _refuse(saved["held"], "is about a previous key, of which there is none")
    if keys.caught_up and keys.held is None:
        _refuse(saved["caught_up"], "must be false before a hold is over")
    return keys


def _restore_one_time(saved: Node, algorithm: str) -> OneTimeKeys:
    saved.members("unpublished", "pending", "count", "refilled", "conflicts", "memory")
    memory = _restore_memory(saved["memory"], algorithm, NO_ONE_TIME_KEYS.half)
    return OneTimeKeys(
        unpublished=_restore_ids(saved["unpublished"], algorithm, memory),
        pending=saved["pending"].integer(),
        count=None if saved["count"].value is None else saved["count"].integer(),
        refilled=_restore_moment(saved["refilled"]),
        conflicts=saved["conflicts"].integer(),
        memory=memory,
    )


def _restore_key(saved: Node, algorithm: str, memory: Memory) -> FallbackKey:
    saved.members("key_id", "public", "published", "handed_out", "first_used", "sessions", "messages")
    key_id, public = saved["key_id"].string(), saved["public"].string()
    _check_pair(saved, algorithm, key_id, public)
    if memory.public_of(key_id) != public:
        _refuse(saved, "is not the key that the memory has under its id")
    return FallbackKey(
        key_id=key_id,
        public=public,
        published=_restore_moment(saved["published"]),
        handed_out=saved["handed_out"].boolean(),
        first_used=_restore_moment(saved["first_used"]),
        sessions=Map((_restore_text(item), None) for item in saved["sessions"].elements()),
        messages=Map((_restore_text(item), None) for item in saved["messages"].elements()),
    )


def _restore_text(saved: Node) -> str:
    text = saved.string()
    try:
        check_text(text, "it")
    except Refusal as refusal:
        raise SnapshotError(place=saved.place, reason=refusal.message) from refusal
    return text


def _restore_request(saved: Node, state: ClientState) -> Request:
    saved.members(
        "number", "generation", "stage", "sent", "attempts", "since", "wait", "one_time_keys", "fallback_keys"
    )
    stage, since = saved["stage"].string(), _restore_moment(saved["since"])
    attempts, sent = saved["attempts"].integer(), saved["sent"].boolean()
    if stage not in {member.value for member in Stage}:
        _refuse(saved["stage"], f"is no stage: {quote(stage)}")
    tried = attempts > 0
    if tried is (stage == Stage.WAITING) or (sent and not tried) or (stage == Stage.SENT and not sent):
        _refuse(saved["stage"], "contradicts the attempts that were made")
    if since is None:
        _refuse(saved["since"], "must be a moment")
    one_time: Map[str, Ids] = Map()
    for algorithm, ids in saved["one_time_keys"].items():
        keys = _algorithm_of(ids, algorithm, state).one_time
        one_time = one_time.set(algorithm, _restore_ids(ids, algorithm, keys.memory))
        if set(one_time[algorithm]) & set(keys.unpublished):
            _refuse(ids, "has keys that are still unpublished")
    fallback: Map[str, Ids] = Map()
    for algorithm, ids in saved["fallback_keys"].items():
        memory = _algorithm_of(ids, algorithm, state).memory
        fallback = fallback.set(algorithm, _restore_ids(ids, algorithm, memory))
        if len(fallback[algorithm]) != 1:
            _refuse(ids, "must be one fallback key")
    if saved["number"].integer() >= state.requests:
        _refuse(saved["number"], "is of an upload that was never asked for")
    return Request(
        number=saved["number"].integer(),
        keys=KeySet(one_time, fallback),
        generation=_at_most(saved["generation"], state.generation),
        stage=Stage(stage),
        sent=sent,
        attempts=attempts,
        since=since,
        wait=saved["wait"].integer(),
    )


def _algorithm_of(saved: Node, algorithm: str, state: ClientState) -> AlgorithmKeys:
    if algorithm not in state.algorithms:
        _refuse(saved, "is of an algorithm that the policy does not name")
    return state.algorithms[algorithm]


def _restore_memory(saved: Node, algorithm: str, half: int) -> Memory:
    match saved.elements():
        case [first, second]:
            recent, older = (
                {key_id: item.string() for key_id, item in one.items()} for one in (first, second)
            )
        case _:
            _refuse(saved, "must have two halves")
    both = {**older, **recent}
    for key_id, public in both.items():
        _check_pair(saved, algorithm, key_id, public)
    if len(set(both.values())) < len(recent) + len(older):
        _refuse(saved, "gives a key two ids, or an id two keys")
    if max(len(recent), len(older)) > half:
        _refuse(saved, f"remembers more than {half} keys in a half")
    return Memory(
        half, Map(recent), Map(older), *(Map({p: i for i, p in one.items()}) for one in (recent, older))
    )


def _restore_ids(saved: Node, algorithm: str, memory: Memory) -> Ids:
    found = {key_id: item.string() for key_id, item in saved.items()}
    for key_id, public in found.items():
        _check_pair(saved, algorithm, key_id, public)
        if memory.public_of(key_id) not in (None, public) or memory.id_of(public) not in (None, key_id):
            _refuse(saved, "contradicts the memory of its ids")
    if len(set(found.values())) < len(found):
        _refuse(saved, "gives a key two ids")
    return Map(found)


def _check_pair(saved: Node, algorithm: str, key_id: str, public: str) -> None:
    """Refuse an id or a public key that `Generated` would refuse."""
    try:
        KeyName.parse(f"{algorithm}:{key_id}")
        check_text(public, "its public key")
    except Refusal as refusal:
        raise SnapshotError(place=saved.place, reason=refusal.message) from refusal
    if not public:
        _refuse(saved, "has an empty public key")


def _restore_moment(saved: Node) -> Moment | None:
    if saved.value is None:
        return None
    reading = saved.expect(int, "a reading of the clock")
    if isinstance(reading, bool) or abs(reading) > MAX_INTEGER:
        _refuse(saved, f"must be a reading of the clock, an integer within {MAX_INTEGER}")
    return Moment(reading)
