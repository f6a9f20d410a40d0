"""One example: steps played on a server, each answer judged as it comes."""

import attrs

from fallbackkeys.devices import Device
from fallbackkeys.testing.judge import REFUSED, Facet, Judge
from fallbackkeys.traces.model import (
    DEFAULT_SERVER_NAME,
    Expectation,
    Step,
    SyncStep,
    UploadStep,
)
from fallbackkeys.traces.patterns import Difference, compare_answer
from fallbackkeys.traces.replay import play
from fallbackkeys.traces.server import Server
from fallbackkeys.wire import Response
from fallbackkeys.wire.encode import COUNTS, UNUSED

FAILED = 500
"""The lowest status by which a server says that it is at fault itself."""

ALICE = Device(f"@alice:{DEFAULT_SERVER_NAME}", "ALICE")
"""The device whose keys most examples are about."""
BOB = f"@bob:{DEFAULT_SERVER_NAME}"
"""Who claims."""

UNEXPECTED = Expectation()
"""Of a step that is not yet judged."""


@attrs.frozen(kw_only=True, str=False)
class Deviation(AssertionError):
    """A server answered otherwise than the rules allow."""

    steps: tuple[Step, ...]
    """What was played; the last step is the one."""
    differences: tuple[Difference, ...]
    facet: Facet
    """The part of the answer that is wrong."""
    response: Response

    def __str__(self) -> str:
        place = f"step {len(self.steps)}, {self.steps[-1]}"
        return "\n".join(
            f"{place}: {one.path}: expected {one.expected}, got {one.actual}" for one in self.differences
        )


class Play:
    """A server, a judge, and what was played so far."""

    def __init__(self, server: Server, judge: Judge) -> None:
        self.judge = judge
        self.steps: list[Step] = []
        self._server = server

    def do(self, step: Step) -> Response:
        """Play a step.

        Raises:
            Deviation: its answer is none that the rules allow.
        """
        expect = self.judge.expect(step)
        self.steps.append(attrs.evolve(step, expect=expect))
        response = play(self._server, step)
        refused = REFUSED <= expect.status <= response.status < FAILED
        judged = attrs.evolve(expect, status=response.status) if refused else expect
        differences = compare_answer(judged, response, sync=isinstance(step, SyncStep))
        if differences:
            raise Deviation(
                steps=tuple(self.steps),
                differences=differences,
                facet=_facet(differences[0]),
                response=response,
            )
        self.judge.follow(step, response)
        return response

    def uploads(self, device: Device) -> list[UploadStep]:
        """The uploads that a device has made."""
        return [
            step
            for step in self.steps
            if isinstance(step, UploadStep) and (step.user, step.device) == (device.user_id, device.device_id)
        ]


_FACETS = {
    "status": Facet.STATUS,
    "body.errcode": Facet.ERRCODE,
    "body.one_time_key_counts": Facet.UPLOAD_COUNTS,
    f"body.{COUNTS}": Facet.SYNC_COUNTS,
    f"body.{UNUSED}": Facet.SYNC_UNUSED,
}


def _facet(difference: Difference) -> Facet:
    """Which part of an answer a difference is in."""
    inside = (facet for path, facet in _FACETS.items() if difference.path.startswith(path))
    return next(inside, Facet.KEYS)
