"""What a device is told of its keys, in syncs and in the answers of its uploads."""

from fallbackkeys.testing.judge import Facet
from fallbackkeys.testing.keys import PLAIN, SIGNED
from fallbackkeys.testing.moves import claims, new_one_time_keys, syncs
from fallbackkeys.testing.play import ALICE
from fallbackkeys.testing.topics import Topic, facets

_BOTH = (SIGNED, PLAIN)
_UPLOADS = new_one_time_keys(most=3, algorithms=_BOTH)

SYNC = (
    Topic(
        check="sync",
        name="fields",
        title="A sync lacks device_unused_fallback_key_types, or lists a type that has no fallback key",
        why="Clients take an absent list for a server without fallback keys, and never upload one.",
        requirements=("FK-SYNC-01",),
        moves=(syncs(), new_one_time_keys()),
        judged=facets(Facet.SYNC_UNUSED),
    ),
    Topic(
        check="sync",
        name="counts",
        title="A sync does not give the number of waiting one-time keys",
        why="A device that is told a wrong number uploads too many keys, or runs out of them.",
        requirements=("FK-SYNC-02",),
        moves=(_UPLOADS, claims(algorithms=_BOTH)),
        watched=(ALICE,),
        judged=facets(Facet.SYNC_COUNTS),
    ),
    Topic(
        check="sync",
        name="upload-counts",
        title="The answer of an upload does not give the number of waiting one-time keys",
        why="A device that is told a wrong number uploads too many keys, or runs out of them.",
        requirements=("FK-UPLOAD-01",),
        moves=(_UPLOADS, claims(algorithms=_BOTH)),
        judged=facets(Facet.UPLOAD_COUNTS),
    ),
)
