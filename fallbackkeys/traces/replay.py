"""Playing a trace: each step against a server, each answer against what is expected.

Without a server of your own, a trace is played against the reference, and the result depends on nothing but
the trace and the policy. All steps are played, also after a difference.
"""

import attrs

from fallbackkeys.keystore import KeyStore
from fallbackkeys.policy import WIRE, Policy
from fallbackkeys.traces.invariants import REFUSED, Ledger, changes, views
from fallbackkeys.traces.model import ClaimStep, FederationClaimStep, Step, SyncStep, Trace, UploadStep
from fallbackkeys.traces.patterns import Difference, compare_answer
from fallbackkeys.traces.server import ReferenceServer, Server
from fallbackkeys.wire import Response


@attrs.frozen(kw_only=True)
class ReplayedStep:
    """A step that was played."""

    number: int
    """Its place in the trace, from 1."""
    step: Step
    response: Response
    differences: tuple[Difference, ...]
    """What is not as expected; nothing if all is."""
    store: KeyStore | None
    """What the reference knows after it; None of any other server."""


@attrs.frozen(kw_only=True)
class Replayed:
    """A trace that was played."""

    trace: Trace
    steps: tuple[ReplayedStep, ...]

    @property
    def failing(self) -> tuple[ReplayedStep, ...]:
        """The steps that were not answered as expected."""
        return tuple(step for step in self.steps if step.differences)


def replay(trace: Trace, policy: Policy = WIRE, server: Server | None = None) -> Replayed:
    """Play a trace from its beginning.

    Args:
        trace: what to play.
        policy: the reference's; a server of your own has its own.
        server: what to play it against, without any key yet; by default the reference.
    """
    if server is None:
        server = ReferenceServer(trace.server_name, policy)
    ledger = Ledger(trace.server_name)
    devices, spoken = trace.devices, trace.dialects
    steps: list[ReplayedStep] = []
    for number, step in enumerate(trace.steps, 1):
        before = views(server, devices, spoken)
        response = play(server, step)
        differences = list(compare_answer(step.expect, response, sync=isinstance(step, SyncStep)))
        differences += ledger.enter(number, step, response)
        if response.status >= REFUSED:
            differences += changes(before, views(server, devices, spoken))
        store = server.store if isinstance(server, ReferenceServer) else None
        steps.append(
            ReplayedStep(
                number=number, step=step, response=response, differences=tuple(differences), store=store
            )
        )
    return Replayed(trace=trace, steps=tuple(steps))


def play(server: Server, step: Step) -> Response:
    """Do one step on a server; its expectation is not looked at."""
    match step:
        case UploadStep():
            return server.upload(user=step.user, device=step.device, body=step.body, dialects=step.dialects)
        case ClaimStep():
            return server.claim(user=step.user, body=step.body, remote=step.remote)
        case FederationClaimStep():
            return server.federation_claim(origin=step.origin, body=step.body)
        case SyncStep():
            return server.sync(user=step.user, device=step.device, dialects=step.dialects)
        case _:
            return server.delete_device(user=step.user, device=step.device)
