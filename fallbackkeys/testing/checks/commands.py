"""Every command at once: for a machine of one's own, not for the search of single defects."""

from hypothesis import strategies as st

from fallbackkeys.devices import Device
from fallbackkeys.testing.judge import EVERY_FACET, Facet
from fallbackkeys.testing.play import ALICE, Play
from fallbackkeys.testing.strategies import commands
from fallbackkeys.testing.topics import Topic
from fallbackkeys.traces.model import DEFAULT_SERVER_NAME, Step

_DEVICES = (
    ALICE,
    Device(ALICE.user_id, f"{ALICE.device_id}X"),
    Device(f"@bob:{DEFAULT_SERVER_NAME}", "BOB"),
)


def _any_command(draw: st.DrawFn, _: Play) -> Step:
    return draw(commands(_DEVICES))


COMMANDS = Topic(
    check="commands",
    name="any",
    title="Some sequence of commands is not answered as the rules allow",
    why="Requirements meet: a server may keep each alone and not all together.",
    requirements=("FK-UPLOAD-01", "FK-UPLOAD-02", "FK-CLAIM-01", "FK-CLAIM-02", "FK-CLAIM-03", "FK-CLAIM-04"),
    moves=(_any_command,),
    judged=EVERY_FACET - {Facet.EMPTY},
)
"""Uploads that meet, claims of every kind, syncs and removals, of three devices."""
