"""Conformance tests: hold a homeserver, of any language and in any process, against the reference.

A server author writes an `Adapter` (six methods; `fallbackkeys.testing.http` has one for every server that
speaks the client-server API) and calls the `check_…` functions from pytest, unittest or plain code, or
`examine` for results one by one. Nothing is scripted: Hypothesis generates sequences of requests, the core
judges each answer, every choice that the specification leaves open is accepted, and what is wrong comes back
as a `Finding` with the smallest trace that shows it.

`state_machine` gives the machines to run under your own settings, `fallbackkeys.testing.strategies` the keys,
bodies and commands. Needs the extra `testing`; pytest is not needed.
"""

from fallbackkeys.testing.adapter import Adapter, AdapterError, NotSupported, ReferenceAdapter, ServerLost
from fallbackkeys.testing.assertions import (
    CHECKS,
    NotConformant,
    Strictness,
    check_claims,
    check_devices,
    check_fallback,
    check_federation,
    check_forms,
    check_one_time,
    check_parallel,
    check_sync,
)
from fallbackkeys.testing.checks import COMMANDS, TOPICS
from fallbackkeys.testing.effort import Effort, EffortError
from fallbackkeys.testing.generated import examine
from fallbackkeys.testing.machine import state_machine
from fallbackkeys.testing.play import Deviation
from fallbackkeys.testing.report import CheckResult, Ended, Finding, Report, Untested, Verdict
from fallbackkeys.testing.stage import Lodging, Stage
from fallbackkeys.testing.topics import Topic

__all__ = [
    "CHECKS",
    "COMMANDS",
    "TOPICS",
    "Adapter",
    "AdapterError",
    "CheckResult",
    "Deviation",
    "Effort",
    "EffortError",
    "Ended",
    "Finding",
    "Lodging",
    "NotConformant",
    "NotSupported",
    "ReferenceAdapter",
    "Report",
    "ServerLost",
    "Stage",
    "Strictness",
    "Topic",
    "Untested",
    "Verdict",
    "check_claims",
    "check_devices",
    "check_fallback",
    "check_federation",
    "check_forms",
    "check_one_time",
    "check_parallel",
    "check_sync",
    "examine",
    "state_machine",
]
