"""Hypothesis strategies for keys, bodies and whole sequences of commands.

For tests of your own: everything is plain JSON or a `Step` of a trace, so that it can be sent to any server.
Keys are truly signed, by the seeds of `keys.seed_of`. Numbers of keys are few, so that uploads meet: the same
key again, another under its id, an issued one.
"""

import json
from collections.abc import Sequence

from hypothesis import strategies as st

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON
from fallbackkeys.testing.keys import (
    PLAIN,
    SIGNED,
    key_id,
    key_name,
    public_key,
    signed_anew,
    signed_key,
    unsorted,
)
from fallbackkeys.traces.model import (
    ClaimStep,
    DeleteDeviceStep,
    Expectation,
    FederationClaimStep,
    Step,
    SyncStep,
    UploadStep,
)

FEW = 6
"""Different keys of one kind."""

ALGORITHMS = (SIGNED, PLAIN)

_NUMBERS = st.integers(0, FEW - 1)
_OPEN = Expectation()

TEXTS = st.sampled_from(("", "x", ":", "a:b", "key", "signed_curve25519", "é", "\N{KEY}")) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=5
)
"""Short texts, odd ones among them; every one is valid Unicode."""

JSON_LEAVES = st.one_of(st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), TEXTS, st.none())

JSON_VALUES = st.recursive(
    JSON_LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
"""Any JSON that Matrix allows, of every type, small."""


def key_ids() -> st.SearchStrategy[str]:
    """Ids of keys, as clients make them."""
    return _NUMBERS.map(key_id)


def key_names(algorithms: Sequence[str] = ALGORITHMS) -> st.SearchStrategy[str]:
    """Well-formed names, `<algorithm>:<key_id>`."""
    return st.builds(key_name, _NUMBERS, st.sampled_from(algorithms))


def public_keys() -> st.SearchStrategy[str]:
    """Public keys of 32 bytes in unpadded base64: what a key of an unsigned algorithm is."""
    return _NUMBERS.map(lambda number: public_key(f"one-time key {number}"))


@st.composite
def signed_keys(draw: st.DrawFn, device: Device, *, kind: str = "one-time") -> dict[str, JSON]:
    """Key objects with a valid ed25519 signature of the device, in several guises.

    Args:
        draw: Hypothesis's.
        device: whose keys they are.
        kind: `one-time`, or `fallback`, which has the member `fallback` too.
    """
    members = draw(st.fixed_dictionaries({}, optional={"org.example.more": JSON_LEAVES}))
    if kind == "fallback":
        members["fallback"] = True
    key = signed_key(device, f"{kind} key {draw(_NUMBERS)}", **members)
    return draw(st.sampled_from((key, unsorted(key), signed_anew(key))))


@st.composite
def keys(draw: st.DrawFn, device: Device, *, kind: str = "one-time") -> tuple[str, JSON]:
    """A name, and a key that fits it."""
    name = draw(key_names())
    if name.startswith(f"{PLAIN}:") and kind == "one-time":
        return name, draw(public_keys())
    return name, draw(signed_keys(device, kind=kind))


@st.composite
def uploads(draw: st.DrawFn, device: Device) -> dict[str, JSON]:
    """Well-formed bodies of `POST /keys/upload`; with the uploads before they may still conflict."""
    body: dict[str, JSON] = {}
    if draw(st.booleans()):
        body["one_time_keys"] = dict(draw(st.lists(keys(device), max_size=3)))
    if draw(st.booleans()):
        body["fallback_keys"] = dict(draw(st.lists(keys(device, kind="fallback"), max_size=1)))
    return body


@st.composite
def claims(draw: st.DrawFn, devices: Sequence[Device]) -> dict[str, JSON]:
    """Well-formed bodies of `POST /keys/claim`, for one or several of these devices."""
    users: dict[str, dict[str, JSON]] = {}
    for device in draw(st.lists(st.sampled_from(devices), min_size=1, max_size=3)):
        users.setdefault(device.user_id, {})[device.device_id] = draw(st.sampled_from(ALGORITHMS))
    return {"one_time_keys": dict(users)}


@st.composite
def commands(draw: st.DrawFn, devices: Sequence[Device]) -> Step:
    """One well-formed step of any kind, by or on these devices, its expectation left open."""
    device = draw(st.sampled_from(devices))
    user, name = device.user_id, device.device_id
    match draw(st.sampled_from(("upload", "upload", "claim", "claim", "sync", "federation", "removal"))):
        case "upload":
            return UploadStep(user=user, device=name, body=draw(uploads(device)), expect=_OPEN)
        case "claim":
            return ClaimStep(user=user, body=draw(claims(devices)), expect=_OPEN)
        case "sync":
            return SyncStep(user=user, device=name, expect=_OPEN)
        case "federation":
            return FederationClaimStep(origin="other.example", body=draw(claims(devices)), expect=_OPEN)
        case _:
            return DeleteDeviceStep(user=user, device=name, expect=_OPEN)


def command_sequences(devices: Sequence[Device], *, most: int = 20) -> st.SearchStrategy[list[Step]]:
    """Whole sequences of commands."""
    return st.lists(commands(devices), max_size=most)


def malformed_uploads(device: Device) -> st.SearchStrategy[JSON]:
    """Bodies of uploads with one member gone, renamed or exchanged for any JSON, at any depth."""
    return _damaged(uploads(device))


def malformed_claims(devices: Sequence[Device]) -> st.SearchStrategy[JSON]:
    """The same of claims. Some of them are still well-formed by chance."""
    return _damaged(claims(devices))


@st.composite
def _damaged(draw: st.DrawFn, well_formed: st.SearchStrategy[dict[str, JSON]]) -> JSON:
    return _damage(draw, json.loads(json.dumps(draw(well_formed))))


def _damage(draw: st.DrawFn, value: JSON) -> JSON:
    if not isinstance(value, dict) or not value or not draw(st.integers(0, 4)):
        return draw(JSON_VALUES)
    name = draw(st.sampled_from(sorted(value)))
    match draw(st.sampled_from(("within", "within", "gone", "renamed"))):
        case "gone":
            del value[name]
        case "renamed":
            value[draw(TEXTS)] = value.pop(name)
        case _:
            value[name] = _damage(draw, value[name])
    return value
