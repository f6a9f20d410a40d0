"""Writing traces: from a `Trace` to a file that `codec` reads as the same trace."""

import json

from fallbackkeys.errors import JSON
from fallbackkeys.traces.codec import FORMAT
from fallbackkeys.traces.model import (
    DEFAULT_SERVER_NAME,
    ClaimStep,
    Expectation,
    FederationClaimStep,
    Step,
    SyncStep,
    Trace,
    UploadStep,
)


def write_trace(trace: Trace) -> bytes:
    """Write a trace as one JSON object, indented, in ASCII; what has its default value is left out."""
    document: dict[str, JSON] = {
        "format": FORMAT,
        "id": trace.id,
        "title": trace.title,
        "why": trace.why,
        "level": trace.level,
        "source": trace.source,
        "requirements": list(trace.requirements) or None,
        "server_name": None if trace.server_name == DEFAULT_SERVER_NAME else trace.server_name,
        "steps": [_step(step) for step in trace.steps],
    }
    return f"{json.dumps(_present(document), indent=1)}\n".encode("ascii")


def _present(members: dict[str, JSON]) -> dict[str, JSON]:
    return {name: value for name, value in members.items() if value is not None}


def _step(step: Step) -> dict[str, JSON]:
    written: dict[str, JSON]
    match step:
        case UploadStep():
            written = {"do": "upload", "user": step.user, "device": step.device, **_dialect(step.dialects)}
            written["body"] = step.body
        case ClaimStep():
            written = _present({"do": "claim", "user": step.user, "remote": dict(step.remote) or None})
            written["body"] = step.body
        case FederationClaimStep():
            written = {"do": "federation_claim", "origin": step.origin, "body": step.body}
        case SyncStep():
            written = {"do": "sync", "user": step.user, "device": step.device, **_dialect(step.dialects)}
        case _:
            written = {"do": "delete_device", "user": step.user, "device": step.device}
    expect = _expectation(step.expect)
    return {**written, "expect": expect} if expect else written


def _dialect(dialects: tuple[str, ...]) -> dict[str, JSON]:
    return {} if dialects == ("stable",) else {"dialect": list(dialects)}


def _expectation(expect: Expectation) -> dict[str, JSON]:
    return _present(
        {
            "status": None if expect.status == Expectation().status else expect.status,
            "errcode": None if expect.errcodes is None else list(expect.errcodes),
            "body": expect.body,
        }
    )
