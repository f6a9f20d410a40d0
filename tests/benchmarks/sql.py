"""What the SQL programs cost against a deployed claim: `python -m tests.benchmarks.sql`.

One run, one server, the same data, the same driver and runner for everything compared. Rounds are
interleaved, and a figure is the median over them. The ratios are what counts: figures of another machine say
nothing. `tests.benchmarks.strategies` compares the other ways to claim in strict order.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import attrs

from fallbackkeys import Device, Key, Wanted, sql
from tests.benchmarks.contenders import CURVE, RELAXED, STRICT, SYNAPSE, Contender
from tests.benchmarks.core import key_name, signed_value
from tests.benchmarks.databases import Clients, PostgreSQL, SQLite, Tally
from tests.databases.installation import give_to_server, install
from tests.databases.server import create

ROUNDS = 5
KEYS = [Key.parse(key_name(number), signed_value(number)) for number in range(100_000)]
FALLBACK = Key.parse(f"{CURVE}:F", {**signed_value(-1), "fallback": True})


def say(text: str = "") -> None:
    print(text, flush=True)  # noqa: T201 - it is a report


@attrs.frozen(kw_only=True)
class Case:
    """Devices with keys, and as many claims as there are keys, spread over the devices."""

    name: str
    devices: int
    keys: int
    per_upload: int


CASES = (
    Case(name="one hot device, 3,200 keys in uploads of 50", devices=1, keys=3_200, per_upload=50),
    Case(name="one hot device, 3,200 keys in one upload", devices=1, keys=3_200, per_upload=3_200),
    Case(name="64 devices of 50 keys", devices=64, keys=50, per_upload=50),
)


@attrs.define
class Figures:
    """Of each round: one-time keys handed out per second, answers per second, wrong answers of how many."""

    keys: list[float] = attrs.Factory(list)
    answers: list[float] = attrs.Factory(list)
    wrong: int = 0
    of: int = 0

    def add(self, tally: Tally) -> None:
        self.keys.append(tally.one_time_keys / tally.seconds)
        self.answers.append(tally.answers / tally.seconds)
        self.wrong += tally.wrong
        self.of += tally.answers


def _devices(count: int, name: str) -> list[Device]:
    return [Device(f"@{name}{number}:example.org", "JLAFKJWSCS") for number in range(count)]


def _fill(clients: Clients, contender: Contender, devices: Sequence[Device], case: Case) -> None:
    for device in devices:
        for start in range(0, case.keys, case.per_upload):
            keys = KEYS[start : start + case.per_upload]
            clients.do(contender.upload(device, keys, FALLBACK, clients.engine))
    clients.tidy(contender.tables)


def claims(clients: Clients, contenders: Sequence[Contender], case: Case) -> dict[str, Figures]:
    """Let all clients claim at once; each round begins with the same tables."""
    found = {contender.name: Figures() for contender in contenders}
    for number in range(ROUNDS):
        for contender in contenders:
            clients.clear(contender.tables)
            devices = _devices(case.devices, "user")
            _fill(clients, contender, devices, case)
            schedule = devices * case.keys
            Random(number).shuffle(schedule)  # noqa: S311 - no secret
            tally = Tally(dict.fromkeys(devices, case.keys))
            clients.claim(contender, iter(schedule), tally)
            found[contender.name].add(tally)
    return found


def report_claims(clients: Clients, contenders: Sequence[Contender]) -> None:
    for case in CASES:
        found = claims(clients, contenders, case)
        theirs = found[SYNAPSE.name]
        say(f"\n{clients.kind}: {case.name}")
        say(f"{'':34}{'keys/s':>9}{'answers/s':>11}{'wrong answers':>18}   against Synapse's: keys, answers")
        for name, figures in found.items():
            keys, answers = statistics.median(figures.keys), statistics.median(figures.answers)
            # Rounds are compared with their neighbours, then the median is taken: the machine's mood cancels.
            ratios = [
                statistics.median(ours / others for ours, others in zip(mine, their, strict=True))
                for mine, their in ((figures.keys, theirs.keys), (figures.answers, theirs.answers))
            ]
            wrong = f"{figures.wrong} of {figures.of}"
            say(f"{name:34}{keys:9.0f}{answers:11.0f}{wrong:>18}{ratios[0]:24.1f}{ratios[1]:9.2f}")


def report_pools(clients: Clients) -> None:
    """One client at rest: does a claim cost more where the pool is larger?"""
    say(f"\n{clients.kind}: microseconds of a claim by one client, by size of the pool")
    sizes = (50, 1_000, 10_000, 100_000)
    one = Device("@pool:example.org", "")
    for contender, times in ((STRICT, 8), (SYNAPSE, 2)):
        found: dict[int, list[float]] = {size: [] for size in sizes}
        devices = {size: attrs.evolve(one, device_id=f"{size}") for size in sizes}
        clients.clear(contender.tables)
        for size, device in devices.items():
            case = Case(name="", devices=1, keys=size, per_upload=min(size, 2_500))
            _fill(clients, contender, [device], case)
        for _ in range(ROUNDS):
            for size, device in devices.items():
                for _ in range(times):
                    start = time.perf_counter()
                    clients.claim_alone(contender, device)
                    found[size].append(time.perf_counter() - start)
        medians = {size: statistics.median(times) * 1e6 for size, times in found.items()}
        row = "".join(f"{size:>9,}: {median:8.0f}" for size, median in medians.items())
        say(f"{contender.name:28}{row}   100,000 against 50: {medians[100_000] / medians[50]:.2f}")


def _counted(program: sql.Program[object], count: list[int]) -> sql.Program[object]:
    statement = next(program)
    while True:
        count.append(1)
        rows = yield statement
        try:
            statement = program.send(rows)
        except StopIteration as stop:
            return stop.value


def report_bulk(clients: Clients) -> None:
    """A claim for many devices at once, against a claim for each."""
    devices = _devices(1_000, "bulk")
    case = Case(name="", devices=1_000, keys=2 * ROUNDS, per_upload=2 * ROUNDS)
    clients.clear(STRICT.tables)
    _fill(clients, STRICT, devices, case)
    wanted = [Wanted(device, CURVE) for device in devices]
    bulk, single = [], []
    count: list[int] = []
    for _ in range(ROUNDS):
        count.clear()
        start = time.perf_counter()
        clients.do(_counted(sql.claim_many(wanted, engine=clients.engine), count))
        bulk.append(time.perf_counter() - start)
        start = time.perf_counter()
        for device in devices:
            clients.claim_alone(STRICT, device)
        single.append(time.perf_counter() - start)
    share = statistics.median(bulk) / statistics.median(single)
    say(f"\n{clients.kind}: 1,000 devices, one client")
    say(
        f"one bulk claim {statistics.median(bulk) * 1e3:.0f} ms in {len(count)} statements, "
        f"1,000 single claims {statistics.median(single) * 1e3:.0f} ms: a share of {share:.3f}"
    )


def report(clients: Clients, contenders: Sequence[Contender]) -> None:
    for contender in contenders:
        clients.do(contender.create(clients.engine))
    report_claims(clients, contenders)
    report_pools(clients)
    report_bulk(clients)


def main() -> None:
    say(f"CPython {sys.version.split()[0]}; medians of {ROUNDS} interleaved rounds")
    scratch = Path(tempfile.mkdtemp(prefix="fk-benchmark-"))
    give_to_server(scratch)
    installation = install(scratch)
    server = create(installation, {})
    with closing(PostgreSQL(server.dsn(), installation.version(), 16)) as clients:
        report(clients, (SYNAPSE, STRICT, RELAXED))
    server.remove()
    with closing(SQLite(scratch / "keys.sqlite", 8)) as clients:
        report(clients, (SYNAPSE, STRICT))


if __name__ == "__main__":
    main()
