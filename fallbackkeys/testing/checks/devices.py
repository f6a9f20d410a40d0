"""Devices: each has keys of its own, and takes them along when it goes."""

from fallbackkeys.devices import Device
from fallbackkeys.testing.judge import Facet
from fallbackkeys.testing.moves import (
    claims,
    earlier_upload,
    new_fallback_key,
    new_one_time_keys,
    removals,
)
from fallbackkeys.testing.play import ALICE
from fallbackkeys.testing.topics import Topic, blaming, facets

_PREFIX = (Device(ALICE.user_id, "AB"), Device(ALICE.user_id, "ABC"))
_OLD_KEYS = "Messages are sent to a device that is no more, and tables grow."

DEVICES = (
    Topic(
        check="devices",
        name="prefix",
        title="A device is told of the keys of another whose id begins alike, or claimers are given them",
        why="A device believes that it has keys enough, and uploads none.",
        requirements=("FK-DEVICE-03",),
        blamed=blaming(SYNC_COUNTS=("FK-DEVICE-03", "FK-SYNC-02")),
        moves=(new_one_time_keys(devices=_PREFIX), claims(devices=_PREFIX)),
        watched=_PREFIX,
        judged=facets(Facet.KEYS, Facet.SYNC_COUNTS),
        needs=("claims.given", "sync.counts"),
    ),
    Topic(
        check="devices",
        name="slots",
        title="A device's fallback key takes the place of another device's",
        why="Claimers get a key whose private half the device does not have.",
        requirements=("FK-UPLOAD-03", "FK-DEVICE-03"),
        moves=(new_fallback_key(devices=_PREFIX), claims(devices=_PREFIX)),
        watched=_PREFIX,
        judged=facets(Facet.KEYS, Facet.SYNC_UNUSED),
        needs=("fallback.used", "devices.prefix"),
    ),
    Topic(
        check="devices",
        name="removal",
        title="One-time keys of a removed device are still given",
        why=_OLD_KEYS,
        requirements=("FK-DEVICE-01",),
        moves=(new_one_time_keys(), removals(), claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given",),
    ),
    Topic(
        check="devices",
        name="removal-fallback",
        title="The fallback key of a removed device is still given",
        why=_OLD_KEYS,
        requirements=("FK-DEVICE-01",),
        moves=(new_fallback_key(), removals(), claims()),
        judged=facets(Facet.KEYS),
        needs=("fallback.given",),
    ),
    Topic(
        check="devices",
        name="removal-sync",
        title="A device that was removed and comes back is told of keys of before",
        why="It believes that it has keys, and uploads none.",
        requirements=("FK-DEVICE-01",),
        moves=(new_one_time_keys(), new_fallback_key(), removals()),
        watched=(ALICE,),
        judged=facets(Facet.SYNC_COUNTS, Facet.SYNC_UNUSED),
        needs=("fallback.used", "devices.removal", "devices.removal-fallback"),
    ),
    Topic(
        check="devices",
        name="removal-forgets",
        title="A removed device's issued keys are remembered: uploaded anew, they are not given",
        why="A device that is restored under its old id cannot be reached.",
        requirements=("FK-DEVICE-02",),
        moves=(new_one_time_keys(), claims(), removals(), earlier_upload()),
        judged=facets(Facet.KEYS),
        needs=("devices.removal", "one-time.issued-again"),
    ),
)
