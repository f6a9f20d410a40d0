"""What the properties are tried on: few ids, few keys, small limits, so that everything meets everything.

Keys come from tables that are built once: a draw is then one number, fast to make and easy to shrink. Most
keys live at home, that is, their id and their public key have the same number; the others make the conflicts.
"""

import json
from typing import Any, Final, TypeAlias

import attrs
from hypothesis import settings
from hypothesis import strategies as st

from fallbackkeys import PURE, WIRE, Key, KeyName, Policy, Upload


def budget(examples: int, steps: int = 50) -> settings:
    """Settings for that many examples in the profile `ci`, and in proportion in any other."""
    return settings(max_examples=examples * settings().max_examples // 100, stateful_step_count=steps)


# --- Keys ---

SIGNED: Final = "signed_curve25519"
PLAIN: Final = "curve25519"
ALGORITHMS: Final = (SIGNED, PLAIN, "signed_x")
UNHEARD_OF: Final = "signed_never_uploaded"
NUMBERS: Final = range(6)
KEY_IDS: Final = tuple(f"id{number}" for number in NUMBERS)
PUBLIC_KEYS: Final = tuple(f"key{number}" for number in NUMBERS)
MANY: Final = 80


def object_values(public_key: str) -> tuple[dict[str, Any], ...]:
    """One key in several guises: signed anew, flagged or not, with other members, in another order."""
    signed = {"key": public_key, "signatures": {"@alice:one": {"ed25519:A": "c2ln"}}}
    signed_anew = {"key": public_key, "signatures": {"@alice:one": {"ed25519:A": "YW5ldw"}}}
    return (
        signed,
        signed_anew,
        {**signed, "fallback": True},
        {**signed_anew, "fallback": True},
        {**signed, "fallback": False},
        {**signed, "unsigned": {"age": 1}},
        {**signed, "unsigned": {"age": 2}},
        {**signed, "ünknown": [None, {"fallback": True}]},
        dict(reversed({**signed, "fallback": True}.items())),
    )


def values(algorithm: str, public_key: str) -> tuple[Any, ...]:
    """Every guise that the algorithm allows."""
    bare = () if algorithm.startswith("signed_") else (public_key,)
    return (*bare, *object_values(public_key))


def _table(algorithms: tuple[str, ...], *, at_home: bool) -> tuple[Key, ...]:
    return tuple(
        Key.parse(f"{algorithm}:{key_id}", value)
        for algorithm in algorithms
        for number, public_key in enumerate(PUBLIC_KEYS)
        for value in values(algorithm, public_key)
        for key_id in (KEY_IDS[number : number + 1] if at_home else KEY_IDS)
    )


def _one_of(table: tuple[Key, ...]) -> st.SearchStrategy[Key]:
    """As `sampled_from`, whose own repr would hold the whole table."""

    @st.composite
    def key(draw: st.DrawFn) -> Key:
        return table[draw(st.integers(0, len(table) - 1))]

    return key()


KEYS: Final = st.one_of(
    _one_of(_table((SIGNED,), at_home=True)),
    _one_of(_table((SIGNED,), at_home=True)),
    _one_of(_table(ALGORITHMS, at_home=True)),
    _one_of(_table(ALGORITHMS, at_home=False)),
)

CROWD: Final = tuple(
    Key.parse(f"{SIGNED}:id{number}", object_values(f"key{number}")[0]) for number in range(MANY)
)
"""More keys than one chunk of a pool holds."""

EVERY_PUBLIC_KEY: Final = tuple(f"key{number}" for number in range(MANY))

# --- Commands to one device ---


@attrs.frozen
class Claim:
    """A claim, or with `only_one_time` the first of its two steps."""

    algorithm: str
    key_id: str | None = None
    only_one_time: bool = False


@attrs.frozen
class ClaimSeveral:
    """A claim for several keys of one algorithm (MSC3983)."""

    algorithm: str
    count: int


@attrs.frozen
class Drop:
    """Waiting keys to be dropped."""

    names: tuple[KeyName, ...]


@attrs.frozen
class Remove:
    """The device's end."""


Command: TypeAlias = Upload | Claim | ClaimSeveral | Drop | Remove

ANY_ALGORITHM: Final = st.sampled_from((SIGNED, SIGNED, SIGNED, *ALGORITHMS, UNHEARD_OF))

UPLOADS: Final = st.builds(
    Upload,
    one_time_keys=st.lists(KEYS, max_size=4).map(tuple),
    fallback_keys=st.lists(KEYS, max_size=1).map(tuple) | st.lists(KEYS, max_size=3).map(tuple),
)
CROWDS: Final = st.builds(
    lambda start, size: Upload(one_time_keys=CROWD[start : start + size]),
    st.integers(0, MANY - 1),
    st.integers(1, MANY // 2),
)
CLAIMS: Final = st.builds(Claim, ANY_ALGORITHM)
CHOOSING_CLAIMS: Final = st.builds(Claim, ANY_ALGORITHM, st.sampled_from(KEY_IDS), st.booleans())
FIRST_STEPS: Final = st.builds(Claim, ANY_ALGORITHM, only_one_time=st.just(value=True))
CLAIMS_FOR_SEVERAL: Final = st.builds(ClaimSeveral, ANY_ALGORITHM, st.integers(1, 4) | st.integers(1, MANY))
NAMES: Final = st.builds(KeyName, st.sampled_from(ALGORITHMS), st.sampled_from(KEY_IDS))
DROPS: Final = st.builds(Drop, st.lists(NAMES, max_size=4).map(tuple))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Small limits, some of them, or none at all."""
    if draw(st.booleans()):
        return PURE
    max_pool = draw(st.none() | st.integers(2, 4))
    return Policy(
        max_keys_in_upload=draw(st.none() | st.integers(3, 5)),
        max_pool=max_pool,
        max_algorithms=draw(st.none() | st.integers(1, 2)),
        max_remembered=None if max_pool is None else draw(st.none() | st.integers(max_pool, 5)),
        max_keys_per_device=draw(st.none() | st.integers(1, 3)),
    )


# --- Bodies: well-formed, nearly so, and anything at all ---

USERS: Final = ("@a:one", "@ab:one", "@:one", "@a:one.two", "@a:two", "@a:two:8448", "@a:[::1]", "@a:ONE")
"""Ids that are prefixes of one another, and servers whose names are."""
DEVICES: Final = ("A", "AB", "", "A:B", "a", "@a:one")

SURROGATE: Final = "\ud800"
ODD_TEXTS: Final = (
    "", ":", "a:", ":a", "a:b:c", "a", "\0", "a:\0", "a:\x7f", "é:ü", f"a:{SURROGATE}", SURROGATE, "a" * 300,
    f"signed_curve25519:{'i' * 240}", "key", "signatures", "fallback", "one_time_keys", "fallback_keys",
    "org.matrix.msc2732.fallback_keys", "device_keys", *USERS, *DEVICES, "@a", "a:one", "@a:", "@\0:one",
    "@é:one", *(f"{SIGNED}:{key_id}" for key_id in KEY_IDS[:2]), f"{PLAIN}:id0", *ALGORITHMS,
)  # fmt: skip
TEXTS: Final = st.sampled_from(ODD_TEXTS) | st.text(max_size=5)
LEAVES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((0, -1, 2**53, -(2**53), 2**53 - 1, 10**400)),
    st.floats(),
    TEXTS,
)
ANYTHING: Final = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
"""Any JSON whatever, and more: NaN, lone surrogates, and numbers that JSON can write and Matrix forbids."""


@st.composite
def key_maps(draw: st.DrawFn, max_size: int, tag: str = "") -> dict[str, Any]:
    """A well-formed map of keys; the tag becomes part of each public key."""
    keys = draw(st.lists(KEYS, max_size=max_size))
    made: dict[str, Any] = {}
    for key in keys:
        value: Any = key.value
        if isinstance(value, dict):
            value["key"] += tag
        else:
            value += tag
        made[str(key.name)] = value
    return made


FALLBACK_MEMBERS: Final = (
    "fallback_keys",
    "org.matrix.msc2732.fallback_keys",
    "org.matrix.msc2732.fallback_key",
)


@st.composite
def upload_bodies(draw: st.DrawFn, tag: str = "") -> dict[str, Any]:
    """A well-formed body of `POST /keys/upload`, its limits and conflicts aside."""
    body: dict[str, Any] = {}
    if draw(st.integers(0, 3)):
        body["one_time_keys"] = draw(key_maps(4, tag) | key_maps(4, tag) | st.none())
    for member in FALLBACK_MEMBERS:
        if draw(st.booleans()):
            body[member] = draw(key_maps(1, tag) | key_maps(2, tag) | st.none())
    if draw(st.booleans()):
        body["org.example.unknown"] = draw(LEAVES)
    return body


@st.composite
def claim_bodies(
    draw: st.DrawFn, users: tuple[str, ...] = USERS, devices: tuple[str, ...] = DEVICES
) -> dict[str, Any]:
    """A well-formed body of `POST /keys/claim`."""
    of_user = st.dictionaries(st.sampled_from(devices), ANY_ALGORITHM, max_size=3)
    return {"one_time_keys": draw(st.dictionaries(st.sampled_from(users), of_user, max_size=3))}


@st.composite
def nearly(draw: st.DrawFn, well_formed: st.SearchStrategy[Any]) -> Any:
    """A well-formed body with one to three things in it gone, renamed, or exchanged for anything."""
    body = json.loads(json.dumps(draw(well_formed)))
    for _ in range(draw(st.integers(1, 3))):
        body = _damaged(draw, body)
    return body


def _damaged(draw: st.DrawFn, value: Any) -> Any:
    if not isinstance(value, dict) or not value or not draw(st.integers(0, 4)):
        return draw(ANYTHING)
    name = draw(st.sampled_from(sorted(value)))
    match draw(st.sampled_from(("within", "within", "gone", "renamed", "more"))):
        case "gone":
            del value[name]
        case "renamed":
            value[draw(TEXTS)] = value.pop(name)
        case "more":
            value[draw(TEXTS)] = draw(ANYTHING)
        case _:
            value[name] = _damaged(draw, value[name])
    return value


def any_bodies(well_formed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly bodies that get somewhere."""
    return well_formed | well_formed | nearly(well_formed) | ANYTHING


SMALL_WIRE: Final = attrs.evolve(
    WIRE, max_keys_in_upload=5, max_pool=4, max_algorithms=2, max_value_depth=4, max_devices_in_claim=5
)
"""The wire's policy with limits that a test can reach, and a memory that it cannot fill."""
