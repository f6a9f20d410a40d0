"""Whoever watches the world and knows nothing of the machine: the invariants, checked from what happened.

Two memories. `known` is what the client can know: it goes back to the last persisted point with every crash.
What is counted for life (which ids were sent with which keys) is never taken back.
"""

import itertools
from typing import Any, NamedTuple

from fallbackkeys.client import ClientPolicy, KeySet, Kind, Missing
from tests.client.library import Library, Name, names


class Event(NamedTuple):
    """Something the client knows; `seq` orders everything, `reading` is an index into the clock's."""

    what: str
    seq: int
    reading: int
    algorithm: str = ""
    public: str = ""
    keys: frozenset[Name] = frozenset()
    unused: tuple[str, ...] | None = None
    counts: dict[str, int] | None = None
    missing: Missing = Missing.ZERO
    caught_up: bool = False
    sent_seq: int = 0
    sent_reading: int = 0
    ok: bool = True


class Observer:
    """Raises AssertionError as soon as an invariant is broken; each names its requirement."""

    def __init__(self, policy: ClientPolicy) -> None:
        self.policy = policy
        self.readings: list[int] = []
        self.known: list[Event] = []
        self.durable: list[Event] = []
        self.disk: set[str] = set()
        """Every public key whose private half was ever persisted; it may have been used up since."""
        self.sent_for_life: dict[tuple[Kind, str, str], str] = {}
        self.owners_for_life: dict[tuple[Kind, str, str], str] = {}
        self.attempts: list[tuple[int, int]] = []
        """Request and reading of each attempt in this life."""
        self.seq = 0

    def copy(self) -> "Observer":
        other = Observer(self.policy)
        for name, value in vars(self).items():
            setattr(other, name, value.copy() if isinstance(value, list | dict | set) else value)
        return other

    # --- What the clock says ---

    def waited(self, start: int, duration: int, end: int | None = None) -> bool:
        """Whether so long has passed between two readings, as far as anyone can tell (FK-CLIENT-10)."""
        shown = self.readings[start : None if end is None else end + 1]
        if self.progress(shown) < duration:
            return False
        now, moment = shown[-1], shown[0]
        if now >= moment:
            return now - moment >= duration
        behind = []
        for reading in reversed(shown):
            if reading >= moment:
                break
            behind.append(reading)
        return now - min(behind) >= duration

    @staticmethod
    def progress(readings: list[int]) -> int:
        """What has passed if every step back is taken out: never less than what any rule counts."""
        return sum(max(0, after - before) for before, after in itertools.pairwise(readings))

    # --- What the client knows ---

    def note(self, what: str, **fields: Any) -> Event:
        self.seq += 1
        event = Event(what, self.seq, len(self.readings) - 1)._replace(**fields)
        self.known.append(event)
        return event

    def latest(self, what: str, **fields: Any) -> Event | None:
        for event in reversed(self.known):
            if event.what == what and all(getattr(event, name) == value for name, value in fields.items()):
                return event
        return None

    def acknowledged(self, public: str) -> Event | None:
        """The acknowledgement of a key; the only one, as the client knows it."""
        for event in reversed(self.known):
            if event.what == "ok" and any(name[3] == public for name in event.keys):
                return event
        return None

    def persisted(self, library: Library) -> None:
        self.durable = list(self.known)
        self.disk |= set(library.halves())

    def crashed(self) -> None:
        self.known = list(self.durable)
        self.attempts = []

    # --- Invariants ---

    def generates_fallback_key(self, algorithm: str, asked: int, held: list[Name]) -> None:
        """Before the library generates: `held` is what it holds, `asked` the reading of the request."""
        current = held[0] if held else None
        last = self.latest("fallback", algorithm=algorithm)
        if last is not None:
            assert self.waited(last.reading, self.policy.min_interval, asked), "FK-CLIENT-03"
        if current is None:
            # Someone must have shown that the server knows fallback keys.
            assert any(e.what == "sync" and e.unused is not None for e in self.known), "FK-CLIENT-05"
            return
        acknowledged = self.acknowledged(current[3])
        assert acknowledged is not None, "FK-CLIENT-01"
        if held[1:]:
            assert not self.policy.can_forget, "FK-CLIENT-02: it should have been forgotten first"
            self.evicts(held, asked)
        assert self._reason(algorithm, current, acknowledged, asked), "FK-CLIENT-04, FK-CLIENT-05"

    def _reason(self, algorithm: str, current: Name, acknowledged: Event, asked: int) -> bool:
        rotation = self.policy.rotation
        made = self.latest("fallback", algorithm=algorithm)
        assert made is not None
        if rotation.by_age and self.waited(made.reading, self.policy.max_age, asked):
            return True
        if not rotation.on_use:
            return False
        last_ok = 0
        for event in self.known:
            if event.what == "ok":
                last_ok = event.seq
            if event.seq < acknowledged.seq:
                continue
            if event.what == "message" and event.public == current[3] and event.ok:
                return True
            lists = event.what == "sync" and event.unused is not None
            if lists and algorithm not in (event.unused or ()) and event.sent_seq > last_ok:
                return True
        return any(e.what == "message" and e.public == current[3] and e.ok for e in self.known)

    def evicts(self, held: list[Name], asked: int) -> None:
        """A private half is about to go (FK-CLIENT-02)."""
        assert len(held) == 2
        successor = self.acknowledged(held[0][3])
        assert successor is not None, "FK-CLIENT-02: the successor is not acknowledged"
        used = [e for e in self.known if e.what == "message" and e.public == held[1][3] and e.ok]
        moments = [successor, *used[:1]]

        def over(at: int) -> bool:
            return all(
                moment.reading <= at and self.waited(moment.reading, self.policy.hold, at)
                for moment in moments
            )

        assert over(asked), "FK-CLIENT-02: hold"
        latest = max(moment.seq for moment in moments)
        assert any(
            e.what == "sync"
            and e.caught_up
            and e.sent_seq > latest
            and any(over(at) for at in range(successor.reading, e.sent_reading + 1))
            for e in self.known
        ), "FK-CLIENT-02: no sync since then had every message"

    def generates_one_time_keys(self, algorithm: str, count: int, asked: int) -> None:
        """FK-CLIENT-09, and no more than the policy allows."""
        last = self.latest("refill", algorithm=algorithm)
        if last is not None:
            assert self.waited(last.reading, self.policy.refill_interval, asked), "FK-CLIENT-03: refills"
        server = self._count(algorithm)
        assert server is not None, "FK-CLIENT-09: nothing is known of the server's count"
        at_hand = server + len(self.unsettled(algorithm))
        assert at_hand < self.policy.low_water, "FK-CLIENT-09: enough at hand"
        assert count == self.policy.target - at_hand, "FK-CLIENT-09: how many"

    def _count(self, algorithm: str) -> int | None:
        count: int | None = None
        last_ok = 0
        for event in self.known:
            if event.what == "ok":
                last_ok = event.seq
                count = (event.counts or {}).get(algorithm)
            elif event.what == "sync" and event.sent_seq > last_ok:
                if event.missing is Missing.ZERO:
                    count = (event.counts or {}).get(algorithm, 0)
                elif event.missing is Missing.UNCHANGED:
                    count = (event.counts or {}).get(algorithm, count)
        return count

    def unsettled(self, algorithm: str) -> set[Name]:
        """One-time keys that were made, and neither acknowledged nor given up."""
        made: set[Name] = set()
        for event in self.known:
            if event.what == "made":
                made |= {name for name in event.keys if name[:2] == (Kind.ONE_TIME, algorithm)}
            elif event.what in ("ok", "conflict"):
                made -= event.keys
        return made

    def made(self, name: Name) -> None:
        self.note("made", keys=frozenset([name]))

    def sends(self, request: int, keys: KeySet) -> None:
        """FK-CLIENT-07, FK-CLIENT-08, and how often."""
        sent = names(keys)
        assert sent, "an empty upload"
        for kind, algorithm, key_id, public in sent:
            assert public in self.disk, "FK-CLIENT-07: not persisted"
            assert self.sent_for_life.setdefault((kind, algorithm, key_id), public) == public, "FK-CLIENT-07"
            owner = self.owners_for_life.setdefault((kind, algorithm, public), key_id)
            assert owner == key_id, "FK-CLIENT-07: two ids for one key"
        before = self.latest("sent")
        if before is not None:
            settled = [e for e in self.known if e.what in ("ok", "conflict") and e.keys == before.keys]
            if not any(e.seq > before.seq for e in settled):
                assert before.keys == sent, "FK-CLIENT-07: other keys after an unknown outcome"
        for event in self.known:
            if event.what == "conflict":
                given_up = {name for name in event.keys if name[0] is Kind.ONE_TIME}
                assert not given_up & sent, "FK-CLIENT-08: offered again"
        conflict = self.known[-1] if self.known and self.known[-1].what == "conflict" else None
        if conflict is not None:
            fallback = {name for name in conflict.keys if name[0] is Kind.FALLBACK}
            assert not fallback or sent == fallback, "FK-CLIENT-08: kept back"
        attempts = [reading for number, reading in self.attempts if number == request]
        if attempts:
            wait = min(self.policy.retry_max, self.policy.retry_min << (len(attempts) - 1))
            assert self.progress(self.readings[attempts[-1] :]) >= wait, "uploads too often"
        self.attempts.append((request, len(self.readings)))  # the step that says it was sent comes next
        self.note("sent", keys=sent)

    def marks(self, keys: KeySet, library: Library) -> None:
        """FK-CLIENT-06: what the library will call published is acknowledged, or given up."""
        last = self.latest("ok")
        assert last is not None, "FK-CLIENT-06"
        assert names(keys) == last.keys, "FK-CLIENT-06"
        if not self.policy.per_id_publish:
            settled = {name for e in self.known if e.what in ("ok", "conflict") for name in e.keys}
            assert library.unpublished <= settled, "FK-CLIENT-06: marked, and never uploaded"
