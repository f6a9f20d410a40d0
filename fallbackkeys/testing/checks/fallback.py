"""The fallback slot: what fills it, who may have its key, and when it counts as used."""

from typing import cast

from hypothesis import strategies as st

from fallbackkeys.errors import JSON
from fallbackkeys.testing.judge import Facet
from fallbackkeys.testing.keys import PLAIN, SIGNED, key_name, signed_anew, unsorted
from fallbackkeys.testing.moves import (
    claims,
    earlier_upload,
    fallback_key,
    new_fallback_key,
    new_one_time_keys,
    sends,
    unused_number,
    upload,
)
from fallbackkeys.testing.play import ALICE, Play
from fallbackkeys.testing.topics import Topic, facets
from fallbackkeys.traces.model import Step

_BOTH = (SIGNED, PLAIN)
_REPLAYS = "Sessions go on starting from one key: the device is not told that it was used."


def _last_again(_: st.DrawFn, play: Play) -> Step | None:
    """Upload the key that is in the slot once more."""
    uploads = play.uploads(ALICE)
    return upload(ALICE, uploads[-1].body) if uploads else None


def _slot(play: Play) -> tuple[str, dict[str, JSON]] | None:
    """Name and object of the last fallback key; every upload here has one."""
    uploads = play.uploads(ALICE)
    if not uploads:
        return None
    body = cast("dict[str, dict[str, dict[str, JSON]]]", uploads[-1].body)
    [(name, key)] = body["fallback_keys"].items()
    return name, key


def _last_signed_anew(_: st.DrawFn, play: Play) -> Step | None:
    slot = _slot(play)
    if slot is None:
        return None
    return upload(ALICE, {"fallback_keys": {slot[0]: signed_anew(slot[1])}})


def _last_under_new_id(draw: st.DrawFn, play: Play) -> Step | None:
    slot = _slot(play)
    if slot is None:
        return None
    return upload(ALICE, {"fallback_keys": {key_name(unused_number(draw, play)): slot[1]}})


def _two_at_once(draw: st.DrawFn, play: Play) -> Step:
    first = unused_number(draw, play)
    second = draw(st.sampled_from([number for number in range(3) if number != first]))
    keys: dict[str, JSON] = {key_name(number): fallback_key(ALICE, number) for number in (first, second)}
    return upload(ALICE, {"fallback_keys": keys})


def _without_flag(key: dict[str, JSON]) -> dict[str, JSON]:
    return {name: value for name, value in key.items() if name != "fallback"}


FALLBACK = (
    Topic(
        check="fallback",
        name="given",
        title="The newest fallback key is not given, or not again and again, where no one-time key is left",
        why="Nobody can begin a session with a device that is offline and out of one-time keys.",
        requirements=("FK-UPLOAD-02", "FK-CLAIM-04"),
        moves=(new_fallback_key(algorithms=_BOTH), claims(algorithms=_BOTH)),
        judged=facets(Facet.KEYS),
        needs=("claims.nothing",),
    ),
    Topic(
        check="fallback",
        name="used",
        title="device_unused_fallback_key_types does not list just the types whose key was not yet given",
        why=_REPLAYS,
        requirements=("FK-SYNC-01", "FK-CLAIM-04"),
        moves=(new_fallback_key(algorithms=_BOTH), claims(algorithms=_BOTH)),
        watched=(ALICE,),
        judged=facets(Facet.SYNC_UNUSED),
        needs=("sync.fields", "fallback.given"),
    ),
    Topic(
        check="fallback",
        name="after-one-time-keys",
        title="The fallback key is given while one-time keys wait",
        why="Given too early, it takes the protection against replays from everybody.",
        requirements=("FK-CLAIM-03",),
        moves=(new_one_time_keys(), new_fallback_key(), claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given", "fallback.given"),
    ),
    Topic(
        check="fallback",
        name="same-again",
        title="The fallback key in the slot, uploaded again, loses its used mark",
        why=_REPLAYS,
        requirements=("FK-UPLOAD-07",),
        moves=(new_fallback_key(), claims(), _last_again),
        watched=(ALICE,),
        judged=facets(Facet.SYNC_UNUSED),
        needs=("fallback.used",),
    ),
    Topic(
        check="fallback",
        name="unsorted-members",
        title="A fallback key whose members are not in sorted order, uploaded again, loses its used mark",
        why=_REPLAYS,
        requirements=("FK-UPLOAD-07",),
        moves=(new_fallback_key(change=unsorted), claims(), _last_again),
        watched=(ALICE,),
        judged=facets(Facet.SYNC_UNUSED),
        needs=("fallback.same-again",),
    ),
    Topic(
        check="fallback",
        name="signed-anew",
        title="The fallback key in the slot, uploaded with another signature, loses its used mark",
        why=_REPLAYS,
        requirements=("FK-UPLOAD-07",),
        moves=(new_fallback_key(), claims(), _last_signed_anew),
        watched=(ALICE,),
        judged=facets(Facet.SYNC_UNUSED),
        needs=("fallback.same-again",),
    ),
    Topic(
        check="fallback",
        name="new-id",
        title="The fallback key in the slot, uploaded under a new id, is still given under the old one",
        why="Claimers name a key id that the device has given up.",
        requirements=("FK-UPLOAD-07",),
        moves=(new_fallback_key(), _last_under_new_id, claims()),
        judged=facets(Facet.KEYS),
        needs=("fallback.given",),
    ),
    Topic(
        check="fallback",
        name="comes-back",
        title="A fallback key that comes back after another one is not unused",
        why="A device that uploads a key of before is never told whether it was used since.",
        requirements=("FK-UPLOAD-08",),
        moves=(new_fallback_key(), earlier_upload(), claims()),
        watched=(ALICE,),
        judged=facets(Facet.SYNC_UNUSED),
        needs=("fallback.same-again",),
    ),
    Topic(
        check="fallback",
        name="two-at-once",
        title="Two fallback keys of one algorithm in one upload are accepted",
        why="The client may have kept the private half of the other one.",
        requirements=("FK-UPLOAD-04",),
        moves=(_two_at_once,),
        judged=facets(),
        needs=("fallback.given",),
    ),
    Topic(
        check="fallback",
        name="empty-map",
        title="An upload with an empty map of keys, or none, takes a key away",
        why="A device that uploads one-time keys alone loses its fallback key.",
        requirements=("FK-UPLOAD-05",),
        moves=(new_fallback_key(), sends({}, {"fallback_keys": {}}, {"one_time_keys": {}}), claims()),
        judged=facets(Facet.KEYS),
        needs=("fallback.given",),
    ),
    Topic(
        check="fallback",
        name="null-map",
        title="A null in place of a map of keys is refused, or takes a key away",
        why="Clients in typed languages write null for an absent map.",
        requirements=("FK-UPLOAD-06",),
        moves=(new_fallback_key(), sends({"fallback_keys": None}, {"one_time_keys": None}), claims()),
        judged=facets(Facet.KEYS),
        needs=("fallback.empty-map",),
    ),
    Topic(
        check="fallback",
        name="without-flag",
        title="A fallback key without the member fallback is refused or not given",
        why="Clients of before Matrix 1.2 do not write it.",
        requirements=("FK-UPLOAD-19",),
        moves=(new_fallback_key(change=_without_flag), claims()),
        judged=facets(Facet.KEYS),
        needs=("fallback.given",),
    ),
)
