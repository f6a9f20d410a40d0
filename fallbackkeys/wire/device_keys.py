"""The identity keys that an upload may carry besides.

They are no part of the state here: checked, made canonical, and handed to the embedder (FK-UPLOAD-18).
"""

from fallbackkeys import canonical
from fallbackkeys.devices import Device
from fallbackkeys.errors import Errcode, Limit, Malformed, Rule, describe, quote
from fallbackkeys.keys import check_signatures
from fallbackkeys.policy import WIRE, Policy, check_limit

_MEMBER = "device_keys"
_REQUIRED = ("user_id", "device_id", "algorithms", "keys", "signatures")


def check_device_keys(keys: object, uploader: Device, policy: Policy = WIRE) -> bytes | None:
    """Check the member `device_keys` of an upload (CS definitions, DeviceKeys).

    Unknown members stay: they are signed too.

    Returns:
        The object as canonical JSON; None if it is absent or null.

    Raises:
        Malformed: `M_BAD_JSON` for another shape, `M_INVALID_PARAM` for another user or device.
        TooLarge: nested deeper than any value may be, or larger than the policy allows a key to be.
    """
    if keys is None:
        return None
    if not isinstance(keys, dict):
        raise Malformed(member=_MEMBER, rule=Rule.OBJECT, found=describe(keys))
    for name in _REQUIRED:
        if name not in keys:
            raise Malformed(member=f"{_MEMBER}.{name}", rule=Rule.REQUIRED, found=describe(keys))
    canonical.check(keys, _MEMBER)
    _check_shape(keys)
    for name, expected, rule in (
        ("user_id", uploader.user_id, Rule.SAME_USER),
        ("device_id", uploader.device_id, Rule.SAME_DEVICE),
    ):
        if keys[name] != expected:
            found = quote(keys[name])
            raise Malformed(member=f"{_MEMBER}.{name}", rule=rule, found=found, errcode=Errcode.INVALID_PARAM)
    encoded = canonical.encode(keys, _MEMBER)
    check_limit(_MEMBER, Limit.VALUE_BYTES, policy.max_value_bytes, len(encoded))
    return encoded


def _check_shape(keys: dict[str, object]) -> None:
    for name in ("user_id", "device_id"):
        if not isinstance(keys[name], str):
            raise Malformed(member=f"{_MEMBER}.{name}", rule=Rule.STRING, found=describe(keys[name]))
    algorithms = keys["algorithms"]
    if not isinstance(algorithms, list) or not all(isinstance(item, str) for item in algorithms):
        raise Malformed(member=f"{_MEMBER}.algorithms", rule=Rule.LIST_OF_STRINGS, found=describe(algorithms))
    public_keys = keys["keys"]
    if not isinstance(public_keys, dict):
        raise Malformed(member=f"{_MEMBER}.keys", rule=Rule.OBJECT, found=describe(public_keys))
    for name, value in public_keys.items():
        if not isinstance(value, str):
            raise Malformed(member=f"{_MEMBER}.keys.{quote(name)}", rule=Rule.STRING, found=describe(value))
    check_signatures(keys["signatures"], f"{_MEMBER}.signatures")
