"""The presets with waits of a few units instead of days, so that tests wander through all of them."""

from typing import Any

import attrs

from fallbackkeys.client import BY_AGE, MSC2732, MSC4081, ON_USE, ClientPolicy

ONE, OTHER = "signed_curve25519", "signed_other"

PRESETS = {"MSC2732": MSC2732, "ON_USE": ON_USE, "BY_AGE": BY_AGE, "MSC4081": MSC4081}


def small(preset: ClientPolicy, **changes: Any) -> ClientPolicy:
    """A preset in the same proportions, with pools of three."""
    scaled: dict[str, Any] = {
        name: max(1, getattr(preset, name) * 60 // (60 * 60 * 1000))
        for name in ("hold", "min_interval", "max_age")
    }
    return attrs.evolve(
        preset,
        **{
            **scaled,
            "algorithms": (ONE, OTHER),
            "low_water": 2,
            "target": 3,
            "refill_interval": 10,
            "retry_min": 2,
            "retry_max": 40,
            "answer_timeout": 30,
            **changes,
        },
    )


ALL = {
    f"{name}, {'forgets' if can_forget else 'cannot forget'}, {'per id' if per_id else 'marks all'}": small(
        preset, can_forget=can_forget, per_id_publish=per_id
    )
    for name, preset in PRESETS.items()
    for can_forget in (False, True)
    for per_id in (False, True)
}
