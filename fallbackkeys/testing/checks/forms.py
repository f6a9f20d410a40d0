"""Malformed bodies, each place on its own, with every type of JSON in it; and odd ones that must be accepted.

A refused body must be refused by a 4xx: one that makes the server fail (5xx) breaks the specification in any
case, since every answer of the client-server API is a success or a standard error response.
"""

from collections.abc import Callable

from hypothesis import strategies as st

from fallbackkeys.errors import JSON
from fallbackkeys.testing.judge import Facet
from fallbackkeys.testing.keys import PLAIN, SIGNED, key_name
from fallbackkeys.testing.moves import (
    claims,
    drawn_claim,
    drawn_upload,
    fallback_key,
    keys_with,
    new_one_time_keys,
    one_time_key,
)
from fallbackkeys.testing.play import ALICE
from fallbackkeys.testing.strategies import JSON_VALUES
from fallbackkeys.testing.topics import Topic, facets

_KEY = one_time_key(ALICE, 0)
_FALLBACK = fallback_key(ALICE, 0)
_WHY_REFUSED = "A client at fault believes that it is not, or that the server is, and tries again."


def _no(*types: type) -> st.SearchStrategy[JSON]:
    """Any JSON but of these types; every type has a simple value that is tried early."""
    simple: tuple[JSON, ...] = ([], "x", {}, 0, True, None, "", [[]], {"a": 1})
    wrong = st.sampled_from([value for value in simple if not _is(value, types)])
    return wrong | JSON_VALUES.filter(lambda value: not _is(value, types))


def _is(value: JSON, types: tuple[type, ...]) -> bool:
    return type(value) in types


def _one_time(key: JSON, name: str = key_name(0)) -> JSON:
    return {"one_time_keys": {name: key}}


def _with(member: str) -> Callable[[JSON], JSON]:
    """A key with one member exchanged."""
    return lambda value: _one_time({**_KEY, member: value})


def _named(*names: str) -> st.SearchStrategy[JSON]:
    return st.sampled_from(names).map(lambda name: _one_time(_KEY, name))


def _without(member: str) -> JSON:
    return _one_time({name: value for name, value in _KEY.items() if name != member})


_NONE = type(None)


def _refused(name: str, what: str, requirement: str, bodies: st.SearchStrategy[JSON], *needs: str) -> Topic:
    return Topic(
        check="upload-forms",
        name=name,
        title=f"An upload is not refused properly: {what}",
        why=_WHY_REFUSED,
        requirements=(requirement,),
        moves=(drawn_upload(bodies),),
        judged=facets(),
        needs=needs,
    )


UPLOAD_FORMS = (
    _refused("body", "a body that is no object", "FK-FORM-07", _no(dict)),
    _refused(
        "one-time-map",
        "one_time_keys that are no object",
        "FK-FORM-07",
        _no(dict, _NONE).map(lambda value: {"one_time_keys": value}),
    ),
    _refused(
        "fallback-map",
        "fallback_keys that are no object",
        "FK-FORM-07",
        _no(dict, _NONE).map(lambda value: {"fallback_keys": value}),
        "fallback.given",
    ),
    _refused(
        "name-colons",
        "a key's name without exactly one colon",
        "FK-FORM-01",
        _named(SIGNED, f"{SIGNED}:a:b", "x", f"{SIGNED}::a", f"{SIGNED}:a:"),
    ),
    _refused("name-empty", "an empty key name", "FK-FORM-01", _named("")),
    _refused("name-parts", "a key's name with an empty part", "FK-FORM-01", _named(":x", f"{SIGNED}:", ":")),
    _refused(
        "name-control",
        "a key's name with a control character",
        "FK-FORM-01",
        _named(*(f"{SIGNED}:a{chr(code)}" for code in (10, 127, 9, 0x85))),
    ),
    _refused("name-nul", "a key's name with NUL", "FK-FORM-01", _named(f"{SIGNED}:a\0")),
    _refused(
        "name-surrogate", "a key's name with a lone surrogate", "FK-FORM-05", _named(f"{SIGNED}:a\ud800")
    ),
    _refused(
        "name-length",
        "a key's name of more than 255 bytes",
        "FK-FORM-01",
        _named(f"{SIGNED}:{'a' * 238}", f"{SIGNED}:{'a' * 500}", f"{SIGNED}:{'é' * 120}"),
    ),
    _refused(
        "key-type",
        "a key that is neither string nor object",
        "FK-FORM-02",
        _no(dict, str).map(lambda value: _one_time(value, key_name(0, PLAIN))),
    ),
    _refused(
        "fallback-key-type",
        "a fallback key that is neither string nor object",
        "FK-FORM-02",
        _no(dict, str).map(lambda value: {"fallback_keys": {key_name(0, PLAIN): value}}),
        "fallback.given",
    ),
    _refused("key-missing", "a key without the member key", "FK-FORM-02", st.just(_without("key"))),
    _refused(
        "signatures-missing",
        "a key object without signatures",
        "FK-FORM-02",
        st.just(_without("signatures")),
    ),
    _refused("key-member", "a member key that is no string", "FK-FORM-02", _no(str).map(_with("key"))),
    _refused("signatures", "signatures that are no object", "FK-FORM-02", _no(dict).map(_with("signatures"))),
    _refused(
        "signatures-of-user",
        "signatures of a user that are no object",
        "FK-FORM-02",
        _no(dict).map(lambda value: _with("signatures")({ALICE.user_id: value})),
    ),
    _refused(
        "signature",
        "a signature that is no string",
        "FK-FORM-02",
        _no(str).map(lambda value: _with("signatures")({ALICE.user_id: {"ed25519:X": value}})),
    ),
    _refused(
        "fallback-member",
        "a member fallback that is no boolean",
        "FK-FORM-04",
        _no(bool).map(lambda value: {"fallback_keys": {key_name(0): {**_FALLBACK, "fallback": value}}}),
        "fallback.given",
    ),
    _refused(
        "signed-string",
        "a string for a key of a signed algorithm",
        "FK-FORM-03",
        st.just(_one_time(_KEY["key"])),
    ),
    _refused(
        "float",
        "a key with a number that is no integer",
        "FK-FORM-05",
        st.sampled_from((1.5, -0.0, 1e10)).map(_with("org.example.more")),
    ),
    _refused(
        "integer",
        "a key with an integer beyond 53 bits",
        "FK-FORM-05",
        st.sampled_from((2**53, -(2**53), 2**64, 10**40)).map(_with("org.example.more")),
    ),
    _refused(
        "surrogate",
        "a key with a lone surrogate",
        "FK-FORM-05",
        st.just("\ud800").map(_with("org.example.more")),
    ),
)


def _kept(name: str, what: str, values: st.SearchStrategy[JSON], kind: str) -> Topic:
    """A key that must come back as it was uploaded."""
    return Topic(
        check="key-forms",
        name=name,
        title=f"{what} is refused, or does not come back as it was uploaded",
        why="The signature covers every member: what is changed or lost makes it invalid.",
        requirements=("FK-FORM-06",),
        moves=(keys_with("org.example.more", values, kind=kind), claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given", "fallback.given")[: 1 + (kind == "fallback_keys")],
    )


_MEMBERS: tuple[JSON, ...] = (0, True, None, "x", [], {}, {"b": [1, {"a": None}]})
_NON_ASCII = st.sampled_from(("é", "\N{KEY}", "\u2028", "漢"))

KEY_FORMS = (
    _kept(
        "unknown-members",
        "A one-time key with unknown members",
        st.sampled_from(_MEMBERS),
        "one_time_keys",
    ),
    _kept(
        "non-ascii",
        "A one-time key with non-ASCII text in a member",
        _NON_ASCII,
        "one_time_keys",
    ),
    _kept(
        "non-ascii-fallback",
        "A fallback key with non-ASCII text in a member",
        _NON_ASCII,
        "fallback_keys",
    ),
    Topic(
        check="key-forms",
        name="unknown-in-body",
        title="An upload with unknown members beside its keys is refused",
        why="Clients that speak newer versions cannot upload.",
        requirements=("FK-FORM-08",),
        moves=(
            drawn_upload(
                JSON_VALUES.map(
                    lambda value: {"one_time_keys": {key_name(0): _KEY}, "org.example.more": value}
                )
            ),
        ),
        judged=facets(),
        needs=("claims.given",),
    ),
)


def _claim_refused(name: str, what: str, bodies: st.SearchStrategy[JSON], *needs: str) -> Topic:
    return Topic(
        check="claim-forms",
        name=name,
        title=f"A claim is not refused properly: {what}",
        why=_WHY_REFUSED,
        requirements=("FK-CLAIM-09",),
        moves=(drawn_claim(bodies), new_one_time_keys(), claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given", *needs),
    )


def _of_alice(value: JSON) -> JSON:
    return {"one_time_keys": {ALICE.user_id: value}}


CLAIM_FORMS = (
    _claim_refused("body", "a body that is no object", _no(dict)),
    _claim_refused("missing", "one_time_keys are missing", st.sampled_from(({}, {"timeout": 1}))),
    _claim_refused(
        "map",
        "one_time_keys that are no object",
        _no(dict).map(lambda value: {"one_time_keys": value}),
    ),
    _claim_refused("devices", "a user's devices that are no object", _no(dict).map(_of_alice)),
    _claim_refused(
        "algorithm",
        "an algorithm that is no string",
        _no(str).map(lambda value: _of_alice({ALICE.device_id: value})),
    ),
    _claim_refused(
        "algorithm-beside",
        "an algorithm that is no string, beside one that is",
        _no(str).map(lambda value: _of_alice({ALICE.device_id: SIGNED, "OTHER": value})),
        "claim-forms.algorithm",
    ),
    _claim_refused(
        "user-id",
        "a malformed user id",
        st.sampled_from(("alice", "@alice", "alice:example.org", "", "@", "@alice:")).map(
            lambda user: {"one_time_keys": {user: {"DEVICE": SIGNED}}}
        ),
    ),
)
