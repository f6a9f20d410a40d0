"""Claims: in which order keys are given, each once, and what is answered where there is none."""

from hypothesis import strategies as st

from fallbackkeys.devices import Device
from fallbackkeys.errors import JSON
from fallbackkeys.testing.judge import Facet
from fallbackkeys.testing.keys import PLAIN, SIGNED
from fallbackkeys.testing.moves import bulk_claims, claim_body, claims, drawn_claim, new_one_time_keys, upload
from fallbackkeys.testing.play import ALICE, Play
from fallbackkeys.testing.topics import Topic, facets
from fallbackkeys.traces.model import DEFAULT_SERVER_NAME, Step

_SEVERAL = (ALICE, Device(ALICE.user_id, "OTHER"), Device(f"@carol:{DEFAULT_SERVER_NAME}", "CAROL"))
_NOBODY = Device(f"@nobody:{DEFAULT_SERVER_NAME}", "NOBODY")


def _next_key(draw: st.DrawFn, play: Play) -> Step:
    """Upload a key if none waits, else claim it: never two at a time, so that no order is tested."""
    [state] = play.judge.states
    waits = bool(state.state(ALICE).pool(SIGNED))
    return (claims() if waits else new_one_time_keys())(draw, play) or upload(ALICE, {})


def _unknown() -> st.SearchStrategy[JSON]:
    wanted = ((ALICE, "signed_unknown"), (Device(ALICE.user_id, "UNKNOWN"), SIGNED), (_NOBODY, SIGNED))
    return st.sampled_from(wanted).map(claim_body)


CLAIMS = (
    Topic(
        check="claims",
        name="given",
        title="A waiting one-time key is not given, or not as it was uploaded",
        why="Nobody can begin a session with the device.",
        requirements=("FK-CLAIM-02", "FK-UPLOAD-01"),
        moves=(_next_key,),
        judged=facets(Facet.KEYS),
    ),
    Topic(
        check="claims",
        name="order",
        title="Claims do not empty the oldest upload first",
        why="Old keys stay until their private halves are dropped; what is sent with them cannot be read.",
        requirements=("FK-CLAIM-01",),
        moves=(new_one_time_keys(most=2), claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given",),
    ),
    Topic(
        check="claims",
        name="bulk",
        title="A claim for several devices is not answered for each on its own",
        why="A message to a room reaches only some of its devices.",
        requirements=("FK-CLAIM-07",),
        moves=(
            new_one_time_keys(devices=_SEVERAL, algorithms=(SIGNED, PLAIN)),
            bulk_claims(devices=_SEVERAL, algorithms=(SIGNED, PLAIN)),
        ),
        judged=facets(Facet.KEYS),
        needs=("claims.given",),
    ),
    Topic(
        check="claims",
        name="nothing",
        title="A claim for which there is no key is not answered with nothing",
        why="One device without keys must not keep messages from the others.",
        requirements=("FK-CLAIM-05",),
        moves=(drawn_claim(_unknown()), claims()),
        judged=facets(Facet.KEYS),
    ),
    Topic(
        check="claims",
        name="empty-shown",
        title="A device or user that gets no key is shown with an empty object",
        why="Clients that look for a device in the answer take an empty object for a key.",
        requirements=("FK-CLAIM-08",),
        moves=(drawn_claim(_unknown()),),
        judged=facets(Facet.KEYS, Facet.EMPTY),
        needs=("claims.nothing",),
    ),
)
