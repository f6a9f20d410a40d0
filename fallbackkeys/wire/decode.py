"""From parsed bodies to commands: uploads, claims of clients and of servers, other servers' answers.

A body may be any object a JSON parser can return. Whatever is not as the specification says is refused with
the member's path and the rule; nothing is ever repaired, so that what is stored is what was sent.
"""

import re
from collections.abc import Iterable
from typing import cast

import attrs

from fallbackkeys.devices import Device, Wanted
from fallbackkeys.errors import Errcode, Limit, Malformed, Rule, TooLarge, describe, quote
from fallbackkeys.keys import MAX_NAME_BYTES, Key, check_text, check_unicode
from fallbackkeys.outcomes import Upload
from fallbackkeys.policy import WIRE, Policy, check_limit
from fallbackkeys.wire.device_keys import check_device_keys
from fallbackkeys.wire.dialects import STABLE, Dialect, fallback_member

ONE_TIME_KEYS = "one_time_keys"
"""The member that holds one-time keys in an upload, and what is wanted or given in a claim."""

_SERVER_NAME = re.compile(
    r"""(?: [0-9A-Za-z.-]{1,255}            # a DNS name or an IPv4 literal
          | \[ [0-9A-Fa-f:.]{2,45} \] )     # an IPv6 literal
        (?: : [0-9]{1,5} )?                 # a port""",
    re.VERBOSE,
)


@attrs.frozen(kw_only=True)
class DecodedUpload:
    """What one `POST /keys/upload` asks for."""

    keys: Upload
    device_keys: bytes | None
    """The device's identity keys as canonical JSON, checked but not part of any state here: the embedder
    stores them. None if the body has none."""
    fallback_member: str | None = attrs.field(default=None, eq=False)
    """The member that held the fallback keys, for messages; None if the body has none."""


def is_server_name(text: str) -> bool:
    """Whether a text fits the grammar of Appendices, "Server Name"."""
    return _SERVER_NAME.fullmatch(text) is not None


def device(user_id: object, device_id: object, member: str = "") -> Device:
    """Check a user id and a device id (FK-FORM-10).

    The localpart may be any text without NUL: user ids of before Matrix 1.8 are still about (Appendices,
    "Historical User IDs").

    Raises:
        Malformed: `M_INVALID_PARAM`.
    """
    user_member, device_member = (member, member) if member else ("user_id", "device_id")
    if not isinstance(user_id, str):
        raise _invalid(user_member, Rule.USER_ID, describe(user_id))
    if "\0" in user_id:
        raise _invalid(user_member, Rule.NO_NUL, quote(user_id))
    check_unicode(user_id, user_member, Errcode.INVALID_PARAM)
    localpart, _, server_name = user_id.partition(":")
    if (
        not localpart.startswith("@")
        or not is_server_name(server_name)
        or len(user_id.encode()) > MAX_NAME_BYTES
    ):
        raise _invalid(user_member, Rule.USER_ID, quote(user_id))
    return Device(user_id, _device_id(device_id, device_member))


def _device_id(device_id: object, member: str) -> str:
    if not isinstance(device_id, str):
        raise _invalid(member, Rule.STRING, describe(device_id))
    check_text(device_id, member, Errcode.INVALID_PARAM)
    return device_id


def upload(
    body: object, uploader: Device, *, spoken: Iterable[Dialect] = STABLE, policy: Policy = WIRE
) -> DecodedUpload:
    """Decode the body of `POST /keys/upload`.

    Args:
        body: what the JSON parser returned.
        uploader: the device whose access token the request carried.
        spoken: the dialects this server speaks.
        policy: limits of single keys.

    Raises:
        Malformed: the body, a map or a key breaks a rule of form.
        TooLarge: more keys than an upload may hold, or a key beyond its limits.
        Misuse: `spoken` is empty, or holds what is not in `DIALECTS`.
    """
    if not isinstance(body, dict):
        raise Malformed(member="the body", rule=Rule.OBJECT, found=describe(body))
    device_keys = check_device_keys(body.get("device_keys"), uploader, policy)
    one_time_keys = _key_map(body, ONE_TIME_KEYS)
    fallback = fallback_member(body, spoken)
    fallback_keys = {} if fallback is None else _key_map(body, fallback)
    # Counted before the keys are looked at, so that a million of them cost nothing.
    count = len(one_time_keys) + len(fallback_keys)
    check_limit("an upload", Limit.KEYS_IN_UPLOAD, policy.max_keys_in_upload, count)
    return DecodedUpload(
        keys=Upload(
            one_time_keys=_keys(one_time_keys, ONE_TIME_KEYS, policy),
            fallback_keys=_keys(fallback_keys, fallback or "", policy),
        ),
        fallback_member=fallback,
        device_keys=device_keys,
    )


def claim(body: object, *, only_of: str | None = None, policy: Policy = WIRE) -> tuple[Wanted, ...]:
    """Decode the body of `POST /keys/claim` or `POST /user/keys/claim`, in body order.

    The whole body is checked here, before any key is taken (FK-CLAIM-09). `timeout` is the embedder's.

    Args:
        body: what the JSON parser returned.
        only_of: the one server whose users may be named, for a claim that another server makes (FK-FED-03).
        policy: limit of devices.

    Raises:
        Malformed: `M_INVALID_PARAM`.
        TooLarge: more devices than the policy allows (FK-LIMIT-05).
    """
    if not isinstance(body, dict):
        raise _invalid("the body", Rule.OBJECT, describe(body))
    if ONE_TIME_KEYS not in body:
        raise _invalid(ONE_TIME_KEYS, Rule.REQUIRED, describe(body))
    users = body[ONE_TIME_KEYS]
    if not isinstance(users, dict):
        raise _invalid(ONE_TIME_KEYS, Rule.OBJECT, describe(users))
    # Counted before anything is looked at, as in an upload.
    count = sum(len(devices) for devices in users.values() if isinstance(devices, dict))
    check_limit("a claim", Limit.DEVICES_IN_CLAIM, policy.max_devices_in_claim, count)
    wanted: list[Wanted] = []
    for user_id, devices in users.items():
        path = _path(ONE_TIME_KEYS, user_id)
        user = device(user_id, "", path)
        if only_of is not None and user.server_name != only_of:
            raise _invalid(path, Rule.LOCAL_USER, quote(user.server_name))
        if not isinstance(devices, dict):
            raise _invalid(path, Rule.OBJECT, describe(devices))
        for device_id, algorithm in devices.items():
            member = _path(path, device_id)
            claimed = Device(user.user_id, _device_id(device_id, member))
            if not isinstance(algorithm, str):
                raise _invalid(member, Rule.STRING, describe(algorithm))
            check_text(algorithm, member, Errcode.INVALID_PARAM)
            wanted.append(Wanted(claimed, algorithm))
    return tuple(wanted)


def remote_answer(
    body: object, asked: Iterable[Wanted], *, policy: Policy = WIRE
) -> dict[Wanted, Key] | None:
    """Decode another server's answer to `POST /user/keys/claim`.

    Per entry that was asked for, the first well-formed key of the asked algorithm; anything else in the
    answer is passed over (FK-FED-02): a server must not be able to hand its claimer a key that the claimer
    would have to refuse, or one of somebody else's.

    Returns:
        None if the body is no object with an object `one_time_keys`: then the server failed (FK-FED-04).
    """
    users = body.get(ONE_TIME_KEYS) if isinstance(body, dict) else None
    if not isinstance(users, dict):
        return None
    keys: dict[Wanted, Key] = {}
    for entry in asked:
        devices = users.get(entry.device.user_id)
        offered = devices.get(entry.device.device_id) if isinstance(devices, dict) else None
        for name, value in offered.items() if isinstance(offered, dict) else ():
            key = _well_formed(name, value, entry.algorithm, policy)
            if key is not None:
                keys[entry] = key
                break
    return keys


def _well_formed(name: object, value: object, algorithm: str, policy: Policy) -> Key | None:
    if not isinstance(name, str) or name.partition(":")[0] != algorithm:
        return None
    try:
        return Key.parse(name, value, policy=policy)
    except (Malformed, TooLarge):
        return None


def _key_map(body: dict[object, object], member: str) -> dict[object, object]:
    """A map of keys; absent and null are an empty one (FK-UPLOAD-05, FK-UPLOAD-06)."""
    keys = body.get(member)
    if keys is None:
        return {}
    if not isinstance(keys, dict):
        raise Malformed(member=member, rule=Rule.OBJECT, found=describe(keys))  # FK-FORM-07
    return keys


def _keys(keys: dict[object, object], member: str, policy: Policy) -> tuple[Key, ...]:
    for name in keys:
        if not isinstance(name, str):
            raise Malformed(member=f"{member}: a key's name", rule=Rule.STRING, found=describe(name))
    return tuple(
        Key.parse(cast("str", name), value, policy=policy, member=member) for name, value in keys.items()
    )


def _path(parent: str, name: object) -> str:
    return f"{parent}.{quote(name)}" if isinstance(name, str) else f"{parent}: a member name"


def _invalid(member: str, rule: Rule, found: str) -> Malformed:
    return Malformed(member=member, rule=rule, found=found, errcode=Errcode.INVALID_PARAM)
