"""One-time keys: uploaded again, in conflict, issued once."""

from hypothesis import strategies as st

from fallbackkeys.errors import JSON
from fallbackkeys.testing.judge import Facet
from fallbackkeys.testing.keys import key_name, signed_anew
from fallbackkeys.testing.moves import (
    claims,
    fallback_key,
    new_one_time_keys,
    one_time_key,
    unused_number,
    upload,
)
from fallbackkeys.testing.play import ALICE, Play
from fallbackkeys.testing.topics import Topic, blaming, facets
from fallbackkeys.traces.model import Step, UploadStep


def _waiting(play: Play) -> list[str]:
    """Ids of waiting keys."""
    [state] = play.judge.states
    return [one.key.key_id for pool in state.state(ALICE).pools.values() for one in pool]


def _issued_uploads(play: Play) -> list[UploadStep]:
    """Uploads of single keys that wait no more."""
    waiting = _waiting(play)
    return [step for step in play.uploads(ALICE) if _only_id(step) not in waiting]


def _waiting_uploads(play: Play) -> list[UploadStep]:
    waiting = _waiting(play)
    return [step for step in play.uploads(ALICE) if _only_id(step) in waiting]


def _only_id(step: UploadStep) -> str:
    [(name, _)] = _keys(step.body).items()
    return name.partition(":")[2]


def _keys(body: JSON) -> dict[str, JSON]:
    keys = body["one_time_keys"] if isinstance(body, dict) else {}
    return keys if isinstance(keys, dict) else {}


def _again_issued(draw: st.DrawFn, play: Play) -> Step | None:
    uploads = _issued_uploads(play)
    return upload(ALICE, draw(st.sampled_from(uploads)).body) if uploads else None


def _again_waiting(draw: st.DrawFn, play: Play) -> Step | None:
    uploads = _waiting_uploads(play)
    return upload(ALICE, draw(st.sampled_from(uploads)).body) if uploads else None


def _again_signed_anew(draw: st.DrawFn, play: Play) -> Step | None:
    uploads = _waiting_uploads(play)
    if not uploads:
        return None
    [(name, key)] = _keys(draw(st.sampled_from(uploads)).body).items()
    return upload(ALICE, {"one_time_keys": {name: signed_anew(key) if isinstance(key, dict) else key}})


def _under_second_id(draw: st.DrawFn, play: Play) -> Step | None:
    uploads = _waiting_uploads(play)
    if not uploads:
        return None
    [key] = _keys(draw(st.sampled_from(uploads)).body).values()
    return upload(ALICE, {"one_time_keys": {key_name(unused_number(draw, play)): key}})


def _other_key(draw: st.DrawFn, play: Play, uploads: list[UploadStep], *more: str) -> Step | None:
    """Upload another key under the id of an earlier one."""
    if not uploads:
        return None
    [name] = _keys(draw(st.sampled_from(uploads)).body)
    body: dict[str, JSON] = {"one_time_keys": {name: one_time_key(ALICE, 100 + len(play.steps))}}
    if "fallback" in more:
        body["fallback_keys"] = {key_name(200): fallback_key(ALICE, 200)}
    return upload(ALICE, body)


def _conflict(draw: st.DrawFn, play: Play) -> Step | None:
    return _other_key(draw, play, _waiting_uploads(play))


def _conflict_beside_fallback(draw: st.DrawFn, play: Play) -> Step | None:
    return _other_key(draw, play, _waiting_uploads(play), "fallback")


def _id_of_issued(draw: st.DrawFn, play: Play) -> Step | None:
    return _other_key(draw, play, _issued_uploads(play))


def _same_name_in_both(draw: st.DrawFn, play: Play) -> Step:
    number = unused_number(draw, play)
    name = key_name(number)
    key = draw(st.sampled_from((fallback_key(ALICE, number), one_time_key(ALICE, number))))
    return upload(ALICE, {"one_time_keys": {name: one_time_key(ALICE, number)}, "fallback_keys": {name: key}})


ONE_TIME = (
    Topic(
        check="one-time",
        name="issued-again",
        title="A one-time key that was issued and is uploaded again is issued a second time",
        why="Of two people who write to the device, one cannot be read.",
        requirements=("FK-UPLOAD-12", "FK-CLAIM-02"),
        silent=facets(),
        moves=(new_one_time_keys(), claims(), _again_issued),
        judged=facets(Facet.KEYS),
        needs=("claims.given",),
    ),
    Topic(
        check="one-time",
        name="waiting-again",
        title="A waiting one-time key that is uploaded again is refused, counted twice or moved",
        why="A client repeats an upload whose answer it lost.",
        requirements=("FK-UPLOAD-09",),
        moves=(new_one_time_keys(), _again_waiting, claims()),
        judged=facets(Facet.UPLOAD_COUNTS, Facet.KEYS),
        needs=("claims.given",),
    ),
    Topic(
        check="one-time",
        name="waiting-signed-anew",
        title="A waiting one-time key that is uploaded with a new signature is refused, or exchanged",
        why="A client that signs again cannot upload any more (synapse#2206).",
        requirements=("FK-UPLOAD-09",),
        moves=(new_one_time_keys(), _again_signed_anew, claims()),
        judged=facets(Facet.UPLOAD_COUNTS, Facet.KEYS),
        needs=("one-time.waiting-again",),
    ),
    Topic(
        check="one-time",
        name="second-id",
        title="A waiting one-time key is issued under a second id as well",
        why="One key begins two sessions.",
        requirements=("FK-UPLOAD-11",),
        moves=(new_one_time_keys(), _under_second_id, claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given",),
    ),
    Topic(
        check="one-time",
        name="conflict",
        title="A one-time key whose id another waiting key holds is accepted, or takes its place",
        why="Someone may be about to claim the waiting key; the client may have lost its private half.",
        requirements=("FK-UPLOAD-10",),
        blamed=blaming(KEYS=("FK-UPLOAD-17",)),
        moves=(new_one_time_keys(), _conflict, claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given",),
    ),
    Topic(
        check="one-time",
        name="conflict-errcode",
        title="A one-time key whose id another waiting key holds is refused without an errcode",
        why="Clients cannot tell what is wrong, and try again.",
        requirements=("FK-FORM-11",),
        moves=(new_one_time_keys(), _conflict),
        judged=facets(Facet.ERRCODE),
        needs=("one-time.conflict",),
    ),
    Topic(
        check="one-time",
        name="conflict-whole",
        title="A refused upload leaves some of its keys behind",
        why="A client takes a refused key for one that the server does not have.",
        requirements=("FK-UPLOAD-17",),
        blamed=blaming(STATUS=("FK-UPLOAD-10",)),
        moves=(new_one_time_keys(), _conflict_beside_fallback, claims()),
        judged=facets(Facet.KEYS),
        needs=("one-time.conflict", "fallback.given"),
    ),
    Topic(
        check="one-time",
        name="id-of-issued",
        title="A new one-time key under the id of an issued one is refused or never given",
        why="A client that lost answers is refused for ever, its fallback key with it (element-ios#3721).",
        requirements=("FK-UPLOAD-13",),
        moves=(new_one_time_keys(), claims(), _id_of_issued),
        judged=facets(Facet.KEYS),
        needs=("claims.given",),
    ),
    Topic(
        check="one-time",
        name="both-kinds",
        title="A name, or a key, that stands among one-time keys and fallback keys is refused or lost",
        why="Clients number both kinds as they like.",
        requirements=("FK-UPLOAD-15", "FK-UPLOAD-16"),
        moves=(_same_name_in_both, claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given", "fallback.given"),
    ),
)
