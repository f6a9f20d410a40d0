"""Every rule that changes what a client knows about its keys.

Nothing here reads a clock, a store or a socket, and no private key is ever here: callers pass a state, an
input and the reading of their clock, and get back a new state and what is to be done. The same state, input
and reading always give the same result (FK-CLIENT-12).

Theory of operation. For each algorithm a device has one-time keys, which are kept between a low-water mark
and a target, and at most two fallback keys whose private halves the crypto library holds: the *current* one,
which the server hands out, and the *previous* one, for messages that are still under way. The life of a
fallback key:

    generated → in a request → acknowledged → (used, or old) → previous → held long enough → forgotten

Each arrow waits for the one before it, because each protects against a loss that real clients have had:

- A new key is asked for only when the current one is acknowledged. Two in a row without an acknowledgement
  would push the only published key out of the library (FK-CLIENT-01).
- Keys are persisted before they are uploaded, and an upload whose fate is unknown is repeated with the same
  keys. Otherwise a crash makes the library give out an id anew, with another key (FK-CLIENT-07).
- Libraries mark *everything* they hold as published. So nothing is generated while an upload is under way,
  and an upload carries everything unpublished (FK-CLIENT-06).
- The previous key is given up when its successor has been acknowledged and `hold` has passed since then, and
  since its first use; and a sync that *started* after that had every message. Epochs make "started after"
  exact without a clock: the embedder notes the epoch when it sends a sync off (FK-CLIENT-02, FK-CLIENT-04).

A step has two halves. First the input becomes facts: `_record` notes what it says, or refuses it. Then
decisions follow from facts alone, in a fixed order, whatever the input was. So a lost input delays a decision
to the next step, and never loses it (FK-CLIENT-14). Misuse by the embedder raises, nonsense from the server
is a single `Report`, and neither changes anything (FK-CLIENT-13).

Not here: how long to wait (`policy`, `waits`), what a moment is (`clock`), what is nonsense (`checks`), which
pre-key message is a replay (`replay`).
"""

from typing import TypeAlias, assert_never

from fallbackkeys.client import checks, inputs, outputs, waits
from fallbackkeys.client.clock import Moment
from fallbackkeys.client.errors import KeyReused
from fallbackkeys.client.inputs import Input, Missing
from fallbackkeys.client.names import NO_IDS
from fallbackkeys.client.outputs import Output, Report, Stepped, Topic
from fallbackkeys.client.policy import DAY
from fallbackkeys.client.state import (
    NO_KEYS,
    ClientState,
    KeySet,
    Kind,
    Request,
    Stage,
    change_keys,
    change_one_time,
    change_request,
    change_state,
    new_request,
)
from fallbackkeys.persistent import Map

_Done: TypeAlias = tuple[ClientState, list[Output]]


def step(state: ClientState, given: Input, *, now: int) -> Stepped:
    """Take one input.

    Args:
        state: the state before.
        given: what happened.
        now: the reading of the wall clock, in milliseconds. It may jump either way.

    Raises:
        Misuse: the embedder broke the contract (a class of `fallbackkeys.client.errors`); nothing changed.
    """
    checks.reading(now)
    recorded = _record(state.seen(now), given, now)
    if isinstance(recorded, Report):
        return Stepped(state, (recorded,), waits.wake_at(state, now))
    after, asked = recorded
    after = _end_holds(after, now, asked)
    after = _form_request(after, now)
    # What must be durable, before anything builds on it. An upload waits for it (FK-CLIENT-07).
    if after.generation > (state.persisted if isinstance(given, inputs.Restored) else state.generation):
        asked.append(outputs.Persist(generation=after.generation))
    after = _send(after, now, asked)
    after = _generate(after, now, asked)
    return Stepped(after, tuple(asked), waits.wake_at(after, now))


# --- Facts ---


def _record(state: ClientState, given: Input, now: int) -> _Done | Report:  # noqa: PLR0911 - one per input
    """Note what an input says; a report means that it was refused."""
    match given:
        case inputs.Tick():
            return state, []
        case inputs.Generated():
            return _record_generated(state, given, now)
        case inputs.Sync():
            return _record_sync(state, given)
        case inputs.PreKey():
            return _record_prekey(state, given, now)
        case inputs.Persisted():
            checks.generation(given.generation, state)
            return change_state(state, persisted=max(given.generation, state.persisted)), []
        case inputs.UploadSent():
            return _record_sent(state, given, now)
        case inputs.UploadOk():
            return _record_ok(state, given, now)
        case inputs.UploadFailed():
            return _record_failed(state, given, now)
        case inputs.Restored():
            return _record_restored(state, given, now)
        case _:
            raise checks.no_input(given)


def _record_restored(state: ClientState, restored: inputs.Restored, now: int) -> _Done:
    """Nothing is under way any more; an upload that may have gone out has an unknown fate (FK-CLIENT-07)."""
    reports: list[Output] = []
    for made in checks.unpublished(restored):
        # Before anything else is decided: a fallback key that nobody knows of must not be pushed out.
        state, reported = _record_generated(state, made, now)
        reports += reported
    for algorithm in state.policy.algorithms:
        keys = state.algorithms[algorithm]
        one_time = change_one_time(keys.one_time, pending=0)
        state = state.with_keys(algorithm, change_keys(keys, one_time=one_time, rotating=False))
    request = state.request
    if request is not None and request.generation <= state.persisted:
        request = change_request(request, stage=Stage.UNKNOWN, sent=True, since=Moment(now), wait=0)
    return change_state(state, request=request), reports


def _record_sync(state: ClientState, sync: inputs.Sync) -> _Done | Report:
    checks.sync(sync, state)
    # "No information" is exactly that, whatever else the sync says of counts (FK-CLIENT-09).
    counts = checks.counts(None if sync.missing is Missing.NO_INFORMATION else sync.counts)
    if counts is None:
        return Report(topic=Topic.BAD_COUNTS, subject=checks.shown(sync.counts))
    unused = checks.unused_types(sync.unused)
    if unused is None:
        return Report(topic=Topic.BAD_UNUSED_TYPES, subject=checks.shown(sync.unused))

    # MSC2732: the field "must be present if the server supports fallback keys". Seen once, support stays:
    # sliding sync leaves the field out when nothing changed (FK-CLIENT-05).
    supported = state.supported or sync.unused is not None
    durable = supported is not state.supported
    # A view that began before the last acknowledgement is about keys that are no longer ours (FK-CLIENT-04).
    fresh = sync.started_at >= state.acknowledged
    algorithms = state.algorithms
    for algorithm in state.policy.algorithms:
        keys = state.algorithms[algorithm]
        count = keys.one_time.count
        if fresh and sync.missing is not Missing.NO_INFORMATION:
            count = counts.get(algorithm, 0 if sync.missing is Missing.ZERO else count)
        # Not listed means handed out, or lost: `[]` and `[other]` say the same (FK-CLIENT-05).
        noted = keys.viewed(count, listed=not fresh or sync.unused is None or algorithm in unused)
        durable = durable or noted.current is not keys.current
        if sync.caught_up and keys.held is not None and sync.started_at >= keys.held and not keys.caught_up:
            noted = change_keys(noted, caught_up=True)
        if noted is not keys:
            algorithms = algorithms.set(algorithm, noted)
    if algorithms is not state.algorithms or durable:
        generation = state.generation + durable
        state = change_state(state, algorithms=algorithms, supported=supported, generation=generation)
    return state, checks.unknown_algorithms(state, (*counts, *unused))


def _record_generated(state: ClientState, made: inputs.Generated, now: int) -> _Done:
    checks.generated(made, state)
    keys = state.algorithms[made.algorithm]
    memory = keys.one_time.memory if made.kind is Kind.ONE_TIME else keys.memory
    # An id stands for one key and a key has one id, for life: servers refuse anything else, and senders would
    # use a key whose private half is gone (FK-CLIENT-07).
    known = memory.public_of(made.key_id)
    if made.kind is Kind.ONE_TIME and known is None:
        known = keys.one_time.unpublished.get(made.key_id) or state.requested(made.algorithm).get(made.key_id)
    if known == made.public:
        return state, []
    if known is not None or memory.id_of(made.public) is not None:
        raise KeyReused(algorithm=made.algorithm, key_id=made.key_id, public=made.public)
    memory = memory.with_key(made.key_id, made.public)
    reports: list[Output] = []
    # A key that nobody asked for is noted all the same: the state mirrors the library.
    if not (keys.one_time.pending if made.kind is Kind.ONE_TIME else keys.rotating):
        reports.append(Report(topic=Topic.UNASKED_GENERATION, subject=f"{made.algorithm}:{made.key_id}"))

    if made.kind is Kind.ONE_TIME:
        one_time = keys.one_time.with_key(made.key_id, made.public, memory, now)
        return state.with_keys(made.algorithm, change_keys(keys, one_time=one_time)), reports

    # The library moved its current key to the previous place, and dropped what stood there.
    expected = None if keys.previous is None else keys.previous.public
    if made.evicted not in (None, expected):
        reports.append(Report(topic=Topic.UNEXPECTED_EVICTION, subject=f"{made.algorithm}:{made.key_id}"))
    keys = keys.with_new_fallback_key(made.key_id, made.public, memory, now)
    return state.with_keys(made.algorithm, keys), reports


def _record_prekey(state: ClientState, message: inputs.PreKey, now: int) -> _Done | Report:
    checks.prekey(message)
    for algorithm in state.policy.algorithms:
        keys = state.algorithms[algorithm]
        for key in keys.fallback_keys:
            # Only a message that was decrypted is a use: anyone can send one that names a key (MSC4081).
            if key.public != message.public or not message.ok:
                continue
            subject = checks.shown(message.session)
            if message.message in key.messages:
                return Report(topic=Topic.REPLAY, subject=subject)
            if message.session in key.sessions and not message.known_session:
                return Report(topic=Topic.SESSION_CREATED_AGAIN, subject=subject)
            used = key.with_message(message.session, message.message, now)
            after = state.with_keys(algorithm, keys.with_fallback_key(used))
            return change_state(after, generation=state.generation + 1), []
    return state, []  # a one-time key: its private half went with its first use


def _record_sent(state: ClientState, sent: inputs.UploadSent, now: int) -> _Done | Report:
    request = checks.request(sent.request, state)
    if request is None:
        return Report(topic=Topic.LATE_ANSWER, subject=f"request {sent.request}")
    checks.sendable(request, sent.keys)
    if request.stage is Stage.SENT:
        return state, []
    request = change_request(request, stage=Stage.SENT, sent=True, since=Moment(now))
    return change_state(state, request=request), []


def _record_ok(state: ClientState, answer: inputs.UploadOk, now: int) -> _Done | Report:
    request = checks.answered(answer.request, state)
    if request is None:
        return Report(topic=Topic.LATE_ANSWER, subject=f"request {answer.request}")
    counts = checks.counts(answer.counts)
    if counts is None:
        return Report(topic=Topic.BAD_COUNTS, subject=checks.shown(answer.counts))
    algorithms = state.algorithms
    for algorithm in state.policy.algorithms:
        keys = state.algorithms[algorithm]
        # A count that the answer lacks is not known: the next sync will tell (FK-CLIENT-09).
        settled = keys.acknowledged(algorithm, request.keys, counts.get(algorithm), now)
        algorithms = algorithms.set(algorithm, settled)
    epoch, generation = state.epoch + 1, state.generation + 1
    after = change_state(
        state, algorithms=algorithms, request=None, epoch=epoch, acknowledged=epoch, generation=generation
    )
    # Only what the server acknowledged (FK-CLIENT-06).
    return after, [outputs.MarkPublished(keys=request.keys), *checks.unknown_algorithms(state, counts)]


def _record_failed(state: ClientState, answer: inputs.UploadFailed, now: int) -> _Done | Report:
    request, failure = checks.answered(answer.request, state), answer.failure
    checks.failure(failure)
    # An upload that waits for its next attempt has failed already; only a conflict is news.
    if request is None or (request.stage is Stage.UNKNOWN and not isinstance(failure, inputs.Conflict)):
        return Report(topic=Topic.LATE_ANSWER, subject=f"request {answer.request}")
    wait = waits.backoff(state.policy, request)
    match failure:
        case inputs.Conflict():
            return _record_conflict(state, request, failure)
        case inputs.OutcomeUnknown():
            return _failed(state, request, wait, now), []
        case inputs.Rejected():
            report = Report(topic=Topic.REJECTED, subject=f"request {request.number}")
            return _failed(state, request, wait, now), [report]
        case inputs.RateLimited():
            after = checks.delay(failure.after)
            if after is None:
                return Report(topic=Topic.BAD_DELAY, subject=checks.shown(failure.after))
            # A day at most: no server may silence a client for good.
            return _failed(state, request, max(wait, min(after, DAY)), now), []
        case _:
            assert_never(failure)


def _failed(state: ClientState, request: Request, wait: int, now: int) -> ClientState:
    """The next attempt has the same keys: the server may have them already (FK-CLIENT-07)."""
    request = change_request(request, stage=Stage.UNKNOWN, since=Moment(now), wait=wait)
    return change_state(state, request=request)


def _record_conflict(state: ClientState, request: Request, conflict: inputs.Conflict) -> _Done | Report:
    """Give up the upload's one-time keys; the fallback keys go into the next upload, alone (FK-CLIENT-08).

    An id that the server has with another key means that the library was set back once, and then the ids
    around it are taken too. Offering the same ids again, or all but one, is how clients fall into loops.
    """
    if not checks.names_one_of(conflict, request.keys.one_time_keys):
        return Report(topic=Topic.BAD_CONFLICT, subject=f"request {request.number}")
    algorithms = state.algorithms
    for algorithm in request.keys.one_time_keys:
        keys = algorithms[algorithm]
        one_time = change_one_time(keys.one_time, conflicts=keys.one_time.conflicts + 1)
        algorithms = algorithms.set(algorithm, change_keys(keys, one_time=one_time))
    after = change_state(state, algorithms=algorithms, request=None, generation=state.generation + 1)
    return after, [Report(topic=Topic.CONFLICT, subject=f"{conflict.algorithm}:{conflict.key_id}")]


# --- Decisions ---


def _end_holds(state: ClientState, now: int, asked: list[Output]) -> ClientState:
    """Note which previous keys have been held long enough, and give up those that nobody needs any more."""
    for algorithm in state.policy.algorithms:
        keys = state.algorithms[algorithm]
        hold = waits.hold(state.policy, keys)
        over = hold is not None and waits.over(hold, now)
        if over and keys.previous and keys.caught_up and state.policy.can_forget:
            asked.append(outputs.ForgetPreviousFallbackKey(algorithm=algorithm, public=keys.previous.public))
            rest = change_keys(keys, previous=None, held=None, caught_up=False)
            state = change_state(state.with_keys(algorithm, rest), generation=state.generation + 1)
        elif over and keys.held is None:
            # From here on a sync that starts, and brings every message, brings all that were sent in time.
            noted = state.algorithms.set(algorithm, change_keys(keys, held=state.epoch + 1))
            state = change_state(state, algorithms=noted, epoch=state.epoch + 1)
        elif not over and keys.held is not None:
            # A late first use, or a clock that was set back.
            state = state.with_keys(algorithm, change_keys(keys, held=None, caught_up=False))
    return state


def _form_request(state: ClientState, now: int) -> ClientState:
    """Put every unpublished key into one upload, once all keys asked for are there (FK-CLIENT-06)."""
    if state.request is not None:
        return state
    one_time, fallback, conflicts, algorithms = NO_KEYS, NO_KEYS, False, state.algorithms
    for algorithm in state.policy.algorithms:
        keys = state.algorithms[algorithm]
        if keys.one_time.pending or keys.rotating:
            return state
        conflicts = conflicts or keys.one_time.conflicts > 0
        if keys.one_time.unpublished:
            one_time = one_time.set(algorithm, keys.one_time.unpublished)
            included = change_keys(keys, one_time=change_one_time(keys.one_time, unpublished=NO_IDS))
            algorithms = algorithms.set(algorithm, included)
        if keys.current is not None and keys.current.published is None:
            fallback = fallback.set(algorithm, Map({keys.current.key_id: keys.current.public}))
    # After a conflict the fallback keys go first and alone (FK-CLIENT-08). Where everything would be marked,
    # that is so anyway: the upload's one-time keys are given up, and none were generated meanwhile.
    if fallback and conflicts and state.policy.per_id_publish:
        one_time, algorithms = NO_KEYS, state.algorithms
    if not one_time and not fallback:
        return state
    generation = state.generation + 1
    request = new_request(state.requests, KeySet(one_time, fallback), generation, Moment(now))
    return change_state(
        state, algorithms=algorithms, request=request, requests=state.requests + 1, generation=generation
    )


def _send(state: ClientState, now: int, asked: list[Output]) -> ClientState:
    """Ask for the upload to be sent: once it is persisted, and again when an attempt failed or timed out."""
    request = state.request
    if request is None:
        return state
    if request.stage in (Stage.ASKED, Stage.SENT):
        if request.since.elapsed(now) < state.policy.answer_timeout:
            return state
        return _failed(state, request, waits.backoff(state.policy, request), now)
    ready = (
        request.generation <= state.persisted
        if request.stage is Stage.WAITING
        else request.since.elapsed(now) >= request.wait
    )
    if not ready:
        return state
    asked.append(outputs.Upload(request=request.number, keys=request.keys))
    request = change_request(request, stage=Stage.ASKED, attempts=request.attempts + 1, since=Moment(now))
    return change_state(state, request=request)


def _generate(state: ClientState, now: int, asked: list[Output]) -> ClientState:
    """Ask for the keys that are missing.

    Not while an upload is under way: its answer would mark them in a library that marks all (FK-CLIENT-06).
    """
    if state.request is not None and not state.policy.per_id_publish:
        return state
    for algorithm in state.policy.algorithms:
        keys = state.algorithms[algorithm]
        pending, rotating = keys.one_time.pending, keys.rotating
        refill = waits.refill(state, algorithm)
        if refill is not None and waits.over(refill, now):
            pending = state.policy.target - state.at_hand(algorithm)
            asked.append(outputs.GenerateOneTimeKeys(algorithm=algorithm, count=pending))
        rotation = waits.rotation(state, keys)
        if rotation is not None and waits.over(rotation, now):
            rotating = True
            evicts = None if keys.previous is None else keys.previous.public
            asked.append(outputs.GenerateFallbackKey(algorithm=algorithm, evicts=evicts))
        if pending != keys.one_time.pending or rotating is not keys.rotating:
            one_time = change_one_time(keys.one_time, pending=pending)
            state = state.with_keys(algorithm, change_keys(keys, one_time=one_time, rotating=rotating))
    return state
