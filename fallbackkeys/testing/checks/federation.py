"""Claims that come from another server."""

from hypothesis import strategies as st

from fallbackkeys.errors import JSON
from fallbackkeys.testing.judge import Facet
from fallbackkeys.testing.keys import SIGNED
from fallbackkeys.testing.moves import claims, federation_claims, new_fallback_key, new_one_time_keys
from fallbackkeys.testing.play import ALICE, UNEXPECTED, Play
from fallbackkeys.testing.topics import Topic, facets
from fallbackkeys.traces.model import FederationClaimStep, Step


def _for_a_stranger(draw: st.DrawFn, _: Play) -> Step:
    wanted: list[tuple[str, str]] = [("@stranger:other.example", "DEVICE"), (ALICE.user_id, ALICE.device_id)]
    users = draw(st.sampled_from((wanted[:1], wanted)))
    body: dict[str, JSON] = {"one_time_keys": {user: {device: SIGNED} for user, device in users}}
    return FederationClaimStep(origin="other.example", body=body, expect=UNEXPECTED)


FEDERATION = (
    Topic(
        check="federation",
        name="given",
        title="A claim of another server gets a key that was issued, or none, or the fallback key too early",
        why="Of two people who write to the device, one cannot be read.",
        requirements=("FK-CLAIM-02",),
        moves=(new_one_time_keys(), new_fallback_key(), federation_claims(), claims()),
        judged=facets(Facet.KEYS),
        needs=("claims.given", "fallback.after-one-time-keys"),
    ),
    Topic(
        check="federation",
        name="stranger",
        title="A claim of another server for users that are not local is not refused, or takes keys",
        why="A server answers for users it knows nothing of.",
        requirements=("FK-FED-03",),
        moves=(_for_a_stranger, new_one_time_keys(), claims()),
        judged=facets(Facet.KEYS),
        needs=("federation.given",),
    ),
)
