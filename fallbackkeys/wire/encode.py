"""From results to bodies: the answers of uploads and claims, and the fields of `/sync` in all their forms.

Every function builds fresh plain JSON, which is the caller's to change.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from fallbackkeys.devices import Device, Wanted
from fallbackkeys.errors import JSON, Refusal
from fallbackkeys.keys import Key
from fallbackkeys.outcomes import SyncView
from fallbackkeys.wire.decode import ONE_TIME_KEYS
from fallbackkeys.wire.dialects import STABLE, Dialect, in_order

ALWAYS_COUNTED = "signed_curve25519"
"""Counted even at zero: clients took a missing count for "no news" and never uploaded (FK-SYNC-03)."""

COUNTS = "device_one_time_keys_count"
"""The member of `/sync` that holds the counts."""

UNUSED = "device_unused_fallback_key_types"
"""The stable member of `/sync` that lists the unused types."""

APPSERVICE_COUNTS = f"org.matrix.msc3202.{COUNTS}"
APPSERVICE_UNUSED = f"org.matrix.msc3202.{UNUSED}"


def counts(view: SyncView) -> dict[str, JSON]:
    """Counts for a client: every algorithm with keys, and `ALWAYS_COUNTED` (FK-SYNC-02, FK-SYNC-03)."""
    return {ALWAYS_COUNTED: 0, **_plain_counts(view)}


def upload_answer(view: SyncView) -> dict[str, JSON]:
    """The answer of `POST /keys/upload`."""
    return {"one_time_key_counts": counts(view)}


def sync_fields(view: SyncView, spoken: Iterable[Dialect] = STABLE) -> dict[str, JSON]:
    """The two fields of `/sync`, the second under the name of every dialect spoken (FK-DIALECT-06).

    Both are always present, in initial and incremental syncs (FK-SYNC-01).

    Raises:
        Misuse: `spoken` is empty, or holds what is not in `DIALECTS`.
    """
    fields: dict[str, JSON] = {COUNTS: counts(view)}
    for dialect in in_order(spoken):
        fields[dialect.sync_member] = list(view.unused_fallback_key_types)
    return fields


def sliding_sync_fields(view: SyncView) -> dict[str, JSON]:
    """The same for the e2ee extension of sliding sync, in full (proposals, MSC3884, MSC4186; FK-FORMS-02)."""
    return sync_fields(view)


def sliding_sync_delta(before: SyncView | None, view: SyncView) -> dict[str, JSON]:
    """The same as a delta: a field that is absent has not changed (FK-FORMS-02).

    Args:
        before: what the connection was told last; None at its start, which gives both fields.
        view: what it is now. `[]` means that every fallback key is used, or that there is none.
    """
    fields = sliding_sync_fields(view)
    if before is not None:
        if before.one_time_key_counts == view.one_time_key_counts:
            del fields[COUNTS]
        if before.unused_fallback_key_types == view.unused_fallback_key_types:
            del fields[UNUSED]
    return fields


def appservice_fields(views: Mapping[Device, SyncView]) -> dict[str, JSON]:
    """The fields of an appservice transaction, per user and device (proposal, MSC3202; FK-FORMS-01).

    `{}` and `[]` say that there is nothing; no count is forced.
    """
    all_counts: dict[str, dict[str, JSON]] = {}
    all_unused: dict[str, dict[str, JSON]] = {}
    for device, view in views.items():
        all_counts.setdefault(device.user_id, {})[device.device_id] = _plain_counts(view)
        all_unused.setdefault(device.user_id, {})[device.device_id] = list(view.unused_fallback_key_types)
    return {APPSERVICE_COUNTS: dict(all_counts), APPSERVICE_UNUSED: dict(all_unused)}


def claim_answer(keys: Mapping[Wanted, Key], failures: Iterable[str] | None = ()) -> dict[str, JSON]:
    """The answer of a claim: user id → device id → key name → key.

    What got no key is left out, users and devices too (FK-CLAIM-08).

    Args:
        keys: what was given.
        failures: names of servers that could not be asked; None leaves the member out, as the federation
            API has none.
    """
    users: dict[str, dict[str, JSON]] = {}
    for wanted in sorted(keys, key=lambda entry: entry.device):
        key = keys[wanted]
        devices = users.setdefault(wanted.device.user_id, {})
        given = cast("dict[str, JSON]", devices.setdefault(wanted.device.device_id, {}))
        given[str(key.name)] = key.value
    answer: dict[str, JSON] = {ONE_TIME_KEYS: dict(users)}
    if failures is not None:
        answer["failures"] = {server: {"status": 503, "message": "No usable answer"} for server in failures}
    return answer


def claim_request(asked: Iterable[Wanted]) -> dict[str, JSON]:
    """The body of the `POST /user/keys/claim` that asks another server."""
    users: dict[str, dict[str, JSON]] = {}
    for wanted in asked:
        users.setdefault(wanted.device.user_id, {})[wanted.device.device_id] = wanted.algorithm
    return {ONE_TIME_KEYS: dict(users)}


def refusal_answer(refusal: Refusal) -> dict[str, JSON]:
    """A standard error response (CS "Standard error response"; FK-FORM-11)."""
    return {"errcode": str(refusal.errcode), "error": refusal.message}


def _plain_counts(view: SyncView) -> dict[str, JSON]:
    return dict(sorted(view.one_time_key_counts.items()))
