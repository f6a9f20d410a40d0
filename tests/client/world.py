"""An embedder, its disk, its clock and the wire: everything around the machine, in steps that can be cut off.

Outputs wait in a queue and are carried out one by one, so that a crash can come between any two. Whatever
happens is told to the observer, never read from the machine's state.
"""

from collections import deque

from fallbackkeys.client import (
    ClientPolicy,
    ClientState,
    Conflict,
    Failure,
    ForgetPreviousFallbackKey,
    Generated,
    GenerateFallbackKey,
    GenerateOneTimeKeys,
    Input,
    Kind,
    MarkPublished,
    Missing,
    OutcomeUnknown,
    Output,
    Persist,
    Persisted,
    PreKey,
    Report,
    Restored,
    Stepped,
    Sync,
    Upload,
    UploadFailed,
    UploadOk,
    UploadSent,
    Verdict,
    judge,
    restore,
    save,
    step,
)
from tests.client.library import Library, Name, Server, names
from tests.client.observer import Observer


class OpenSync:
    """A sync request that was sent and not answered."""

    def __init__(self, epoch: int, seq: int, reading: int) -> None:
        self.epoch, self.seq, self.reading = epoch, seq, reading


class World:
    """One device and its server."""

    def __init__(self, policy: ClientPolicy, *, now: int = 1_000_000) -> None:
        self.policy = policy
        self.now = now
        self.state = ClientState.start(policy)
        self.library = Library()
        self.server = Server()
        self.observer = Observer(policy)
        self.outputs: deque[tuple[int, Output]] = deque()
        self.attempt: Upload | None = None
        """The upload on the wire: sent, and not yet seen by the server."""
        self.answers: list[UploadOk | UploadFailed] = []
        """Answers on the wire."""
        self.bodies: dict[int, frozenset[Name]] = {}
        """Request → its keys, for the life of the process."""
        self.wake_at: int | None = None
        self.reports: list[Report] = []
        self.made = 0
        self.messages: list[tuple[str, str, str]] = []
        """To-device messages on the server: algorithm, public key, session."""
        self.disk = (save(self.state), self.library.copy())
        self.first = self.state
        self.log: list[tuple[Input, int, Stepped]] = []
        """Every input of this life, for a second run of it (FK-CLIENT-12)."""
        self.observer.persisted(self.library)

    def copy(self) -> "World":
        other = World.__new__(World)
        for name, value in vars(self).items():
            setattr(other, name, value)
        other.library, other.observer = self.library.copy(), self.observer.copy()
        other.server = Server()
        other.server.state = self.server.state
        for name in ("outputs", "answers", "bodies", "reports", "messages", "log"):
            setattr(other, name, getattr(self, name).copy())
        return other

    # --- The machine ---

    def give(self, given: Input) -> Stepped:
        self.observer.readings.append(self.now)
        stepped = step(self.state, given, now=self.now)
        self.log.append((given, self.now, stepped))
        self.state, self.wake_at = stepped.state, stepped.wake_at
        reading = len(self.observer.readings) - 1
        self.outputs.extend((reading, output) for output in stepped.outputs)
        return stepped

    def carry_out(self) -> None:
        """The first output that waits."""
        asked, output = self.outputs.popleft()
        match output:
            case GenerateOneTimeKeys(algorithm=algorithm, count=count):
                self.observer.generates_one_time_keys(algorithm, count, asked)
                for _ in range(count):
                    self.generate(Kind.ONE_TIME, algorithm)
                self.observer.note("refill", algorithm=algorithm)
            case GenerateFallbackKey(algorithm=algorithm, evicts=evicts):
                held = self.library.fallback.get(algorithm, [])
                self.observer.generates_fallback_key(algorithm, asked, held)
                assert evicts == (held[1][3] if held[1:] else None)
                self.generate(Kind.FALLBACK, algorithm)
                self.observer.note("fallback", algorithm=algorithm)
            case Persist(generation=generation):
                self.disk = (save(self.state), self.library.copy())
                self.observer.persisted(self.library)
                self.give(Persisted(generation=generation))
            case Upload(request=request, keys=keys):
                self.observer.sends(request, keys)
                self.attempt = output
                self.bodies[request] = names(keys)
                self.give(UploadSent(request=request, keys=keys))
            case MarkPublished(keys=keys):
                self.observer.marks(keys, self.library)
                if self.policy.per_id_publish:
                    self.library.mark_published(names(keys))
                else:
                    self.library.mark_everything_published()
            case ForgetPreviousFallbackKey(algorithm=algorithm, public=public):
                assert self.policy.can_forget
                self.observer.evicts(self.library.fallback[algorithm], asked)
                assert self.library.forget_previous(algorithm)[3] == public
            case Report():
                self.reports.append(output)
        self.check()

    def generate(self, kind: Kind, algorithm: str) -> None:
        self.made += 1
        public = f"key{self.made}"
        evicted = None
        if kind is Kind.ONE_TIME:
            name = self.library.generate_one_time_key(algorithm, public)
        else:
            name, evicted = self.library.generate_fallback_key(algorithm, public)
        self.observer.made(name)
        self.give(
            Generated(
                kind=kind,
                algorithm=algorithm,
                key_id=name[2],
                public=public,
                evicted=None if evicted is None else evicted[3],
            )
        )

    def settle(self) -> None:
        while self.outputs:
            self.carry_out()

    def check(self) -> None:
        """What must hold at any moment: whoever is given a key by the server can be answered."""
        held = set(self.library.halves())
        assert self.server.published() <= held, (
            "FK-CLIENT-01: the server hands out a key without a private half"
        )

    # --- The process ---

    def crash(self) -> None:
        """Lose everything but the disk, and start again."""
        self.replay()
        text, library = self.disk
        self.library = library.copy()
        self.state = self.first = restore(text, policy=self.policy)
        assert save(self.state) == text
        self.outputs.clear()
        self.log.clear()
        self.attempt = None
        self.answers.clear()
        self.observer.crashed()
        unpublished = tuple(
            Generated(kind=kind, algorithm=algorithm, key_id=key_id, public=public)
            for kind, algorithm, key_id, public in sorted(self.library.unpublished)
        )
        self.give(Restored(unpublished=unpublished))
        self.check()

    def replay(self) -> None:
        """The same log gives the same states and outputs (FK-CLIENT-12)."""
        state = self.first
        for given, now, stepped in self.log:
            again = step(state, given, now=now)
            assert again == stepped
            state = again.state

    # --- The wire ---

    def serve(self, *, counts: bool = True) -> None:
        """The attempt on the wire reaches the server, and its answer is on the wire."""
        assert self.attempt is not None
        upload, self.attempt = self.attempt, None
        conflict = self.server.upload(upload.keys)
        if conflict is None:
            told = self.server.counts() if counts else None
            self.answers.append(UploadOk(request=upload.request, counts=told))
        else:
            failure = Conflict(algorithm=conflict[0], key_id=conflict[1])
            self.answers.append(UploadFailed(request=upload.request, failure=failure))

    def lose(self) -> None:
        """The attempt never reaches the server."""
        assert self.attempt is not None
        self.answers.append(UploadFailed(request=self.attempt.request, failure=OutcomeUnknown()))
        self.attempt = None

    def refuse(self, failure: Failure) -> None:
        """The server refuses the attempt, and says so at once."""
        assert self.attempt is not None
        refused, self.attempt = self.attempt, None
        self.answer(UploadFailed(request=refused.request, failure=failure))

    def answer(self, answer: UploadOk | UploadFailed) -> None:
        """Give an answer: a first one or a late one, that is for the observer to say."""
        keys = self.bodies[answer.request]
        last = self.observer.latest("sent")
        settled = [e for e in self.observer.known if e.what in ("ok", "conflict") and e.keys == keys]
        open_ = last is not None and last.keys == keys and not settled
        stepped = self.give(answer)
        if isinstance(answer, UploadOk):
            if open_:
                self.observer.note("ok", keys=keys, counts=answer.counts)
        elif isinstance(answer.failure, Conflict) and open_:
            self.observer.note("conflict", keys=keys)
        assert open_ or all(isinstance(output, Report) for output in stepped.outputs)

    def send_sync(self) -> OpenSync:
        self.observer.seq += 1
        return OpenSync(self.state.epoch, self.observer.seq, len(self.observer.readings) - 1)

    def answer_sync(
        self,
        sync: OpenSync,
        *,
        counts: dict[str, int] | None,
        unused: list[str] | None,
        missing: Missing = Missing.ZERO,
        caught_up: bool = False,
    ) -> Stepped:
        stepped = self.give(
            Sync(counts=counts, missing=missing, unused=unused, caught_up=caught_up, started_at=sync.epoch)
        )
        self.observer.note(
            "sync",
            counts=counts,
            missing=missing,
            unused=None if unused is None else tuple(unused),
            caught_up=caught_up,
            sent_seq=sync.seq,
            sent_reading=sync.reading,
        )
        return stepped

    def fair_sync(self) -> None:
        """A sync that tells the truth and brings every message."""
        sync = self.send_sync()
        self.receive()
        self.answer_sync(sync, counts=self.server.counts(), unused=self.server.unused(), caught_up=True)

    # --- Senders ---

    def write(self, algorithm: str, session: str) -> str | None:
        """A sender claims a key and writes a message with it."""
        public = self.server.claim(algorithm)
        if public is not None:
            self.messages.append((algorithm, public, session))
        return public

    def write_late(self, algorithm: str, session: str) -> None:
        """A sender that claimed the fallback key long ago writes only now."""
        held = self.library.fallback.get(algorithm, [])
        if held:
            self.messages.append((algorithm, held[-1][3], session))

    def receive(self) -> list[tuple[str, bool]]:
        """Every message on the server is handed over: public key, and whether it was decrypted."""
        received = []
        while self.messages:
            algorithm, public, session = self.messages.pop(0)
            received.append((public, self.decrypt(algorithm, public, session, f"hash of {session}")))
            self.settle()
        return received

    def decrypt(self, algorithm: str, public: str, session: str, message: str) -> bool:
        known = any(e.what == "message" and e.algorithm == session for e in self.observer.known)
        verdict = judge(self.state, public=public, session=session, message=message, known_session=known)
        if verdict is not Verdict.CREATE_SESSION:
            return False
        ok = self.library.decrypt(algorithm, public)
        self.give(PreKey(public=public, session=session, message=message, known_session=known, ok=ok))
        self.observer.note("message", public=public, algorithm=session, ok=ok)
        return ok
