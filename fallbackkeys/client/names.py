"""Which key an id stands for: for the life of a device, one id one key and one key one id (FK-CLIENT-07)."""

from collections.abc import Callable

import attrs

from fallbackkeys.persistent import Map
from fallbackkeys.slots import maker

Ids = Map[str, str]
"""Key id → public key."""

NO_IDS: Ids = Map()


@attrs.frozen
class Memory:
    """The latest keys of one algorithm and kind, published or not, in two halves: none is ever walked."""

    half: int
    """At least so many of the keys generated last are remembered, and at most twice as many."""
    recent: Ids = NO_IDS
    older: Ids = NO_IDS
    holders: Ids = NO_IDS
    """Public key → key id, of the recent half."""
    older_holders: Ids = NO_IDS

    def with_key(self, key_id: str, public: str) -> "Memory":
        """Remember a key; when the recent half is full, the older one is forgotten."""
        if len(self.recent) >= self.half:
            return new_memory(
                self.half, Map({key_id: public}), self.recent, Map({public: key_id}), self.holders
            )
        recent, holders = self.recent.set(key_id, public), self.holders.set(public, key_id)
        return new_memory(self.half, recent, self.older, holders, self.older_holders)

    def public_of(self, key_id: str) -> str | None:
        """The public key that an id stands for, if it is remembered."""
        return self.recent.get(key_id) or self.older.get(key_id)

    def id_of(self, public: str) -> str | None:
        """The id of a public key, if it is remembered."""
        return self.holders.get(public) or self.older_holders.get(public)


new_memory: Callable[..., Memory] = maker(Memory)

NO_ONE_TIME_KEYS = Memory(75)
NO_FALLBACK_KEYS = Memory(20)
"""Empty memories. Longer ones would not fit into a snapshot of 20 kB beside a hundred keys under way
(FK-CLIENT-15)."""
