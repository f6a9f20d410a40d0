"""Traces: what crosses the wire, written down, and played against a server.

A trace is a JSON file of requests and of the answers they must get, in no programming language, so that any
server can be held against it; `specs/traces.md` describes the format. `read_trace` reads one, `replay` plays
it against the reference or against a `Server` of your own, and `vectors` is the folder of those that come
with this package. Needs the extra `cli`, for the schema of the format.
"""

from fallbackkeys.traces.codec import InvalidTrace, parse_trace, read_trace
from fallbackkeys.traces.files import TraceFile, read_traces, vectors
from fallbackkeys.traces.model import (
    ClaimStep,
    DeleteDeviceStep,
    Expectation,
    FederationClaimStep,
    Step,
    SyncStep,
    Trace,
    UploadStep,
)
from fallbackkeys.traces.patterns import Difference, compare_answer
from fallbackkeys.traces.replay import Replayed, ReplayedStep, replay
from fallbackkeys.traces.server import ReferenceServer, Server
from fallbackkeys.traces.writer import write_trace

__all__ = [
    "ClaimStep",
    "DeleteDeviceStep",
    "Difference",
    "Expectation",
    "FederationClaimStep",
    "InvalidTrace",
    "ReferenceServer",
    "Replayed",
    "ReplayedStep",
    "Server",
    "Step",
    "SyncStep",
    "Trace",
    "TraceFile",
    "UploadStep",
    "compare_answer",
    "parse_trace",
    "read_trace",
    "read_traces",
    "replay",
    "vectors",
    "write_trace",
]
