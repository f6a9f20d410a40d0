"""The client's half: when to generate, upload, rotate and forget keys, and how to notice a replay.

A pure machine to embed around a crypto library: `step(state, input, now=…)` gives a new state and what to do
next. No cryptography, no I/O and no clock is here. How to embed it is in `specs/client.md`.
"""

from fallbackkeys.client.clock import Moment
from fallbackkeys.client.errors import KeyReused, UnknownAlgorithm, UnknownRequest, WrongInput
from fallbackkeys.client.inputs import (
    Conflict,
    Failure,
    Generated,
    Input,
    Missing,
    OutcomeUnknown,
    Persisted,
    PreKey,
    RateLimited,
    Rejected,
    Restored,
    Sync,
    Tick,
    UploadFailed,
    UploadOk,
    UploadSent,
)
from fallbackkeys.client.outputs import (
    ForgetPreviousFallbackKey,
    GenerateFallbackKey,
    GenerateOneTimeKeys,
    MarkPublished,
    Output,
    Persist,
    Report,
    Stepped,
    Topic,
    Upload,
)
from fallbackkeys.client.policy import BY_AGE, MSC2732, MSC4081, ON_USE, ClientPolicy, Rotation
from fallbackkeys.client.replay import Verdict, judge
from fallbackkeys.client.rules import step
from fallbackkeys.client.snapshot import restore, save
from fallbackkeys.client.state import (
    AlgorithmKeys,
    ClientState,
    FallbackKey,
    KeySet,
    Kind,
    OneTimeKeys,
    Request,
    Stage,
)

__all__ = [
    "BY_AGE",
    "MSC2732",
    "MSC4081",
    "ON_USE",
    "AlgorithmKeys",
    "ClientPolicy",
    "ClientState",
    "Conflict",
    "Failure",
    "FallbackKey",
    "ForgetPreviousFallbackKey",
    "GenerateFallbackKey",
    "GenerateOneTimeKeys",
    "Generated",
    "Input",
    "KeyReused",
    "KeySet",
    "Kind",
    "MarkPublished",
    "Missing",
    "Moment",
    "OneTimeKeys",
    "OutcomeUnknown",
    "Output",
    "Persist",
    "Persisted",
    "PreKey",
    "RateLimited",
    "Rejected",
    "Report",
    "Request",
    "Restored",
    "Rotation",
    "Stage",
    "Stepped",
    "Sync",
    "Tick",
    "Topic",
    "UnknownAlgorithm",
    "UnknownRequest",
    "Upload",
    "UploadFailed",
    "UploadOk",
    "UploadSent",
    "Verdict",
    "WrongInput",
    "judge",
    "restore",
    "save",
    "step",
]
