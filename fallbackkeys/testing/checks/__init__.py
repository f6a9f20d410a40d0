"""The checks: lists of topics, by what they are about."""

from fallbackkeys.testing.checks.claims import CLAIMS
from fallbackkeys.testing.checks.commands import COMMANDS
from fallbackkeys.testing.checks.devices import DEVICES
from fallbackkeys.testing.checks.fallback import FALLBACK
from fallbackkeys.testing.checks.federation import FEDERATION
from fallbackkeys.testing.checks.forms import CLAIM_FORMS, KEY_FORMS, UPLOAD_FORMS
from fallbackkeys.testing.checks.one_time import ONE_TIME
from fallbackkeys.testing.checks.sync import SYNC

TOPICS = (
    *SYNC, *CLAIMS, *FALLBACK, *ONE_TIME, *DEVICES, *FEDERATION, *UPLOAD_FORMS, *KEY_FORMS, *CLAIM_FORMS,
)  # fmt: skip
"""Every topic; one that needs another comes after it."""

__all__ = [
    "CLAIMS",
    "CLAIM_FORMS",
    "COMMANDS",
    "DEVICES",
    "FALLBACK",
    "FEDERATION",
    "KEY_FORMS",
    "ONE_TIME",
    "SYNC",
    "TOPICS",
    "UPLOAD_FORMS",
]
