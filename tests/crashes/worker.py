"""Worker processes that are to be killed, and the process that they come from.

A worker claims and uploads without end, and writes to its journal before each operation and after. It
outlives the database, which it connects to again, but not its parent. SIGTERM ends it between operations.

Starting Python takes longer than most of these workers live. So they are forked from one process that has
imported everything: `python -m tests.crashes.worker TARGET FOLDER SEED`, which reads orders from its standard
input, one a line, and answers each with a line: `start CLIENT`, `kill CLIENT` (SIGKILL), `end CLIENT`.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from fallbackkeys import Device
from fallbackkeys.sql import ConnectionLost
from tests.concurrency.history import Operation
from tests.concurrency.running import Connect, postgresql, sqlite
from tests.concurrency.workers import Plan, Worker

DEVICES = tuple(Device("@alice:example.org", f"ALICE{n}") for n in range(4))
PLAN = Plan(devices=DEVICES, bulk_claims=10, uploads=15, syncs=0, aborts=0.05)


def connect_to(target: str) -> Connect:
    """Connect to a database named by the URL of a PostgreSQL server or the path of a SQLite file."""
    return postgresql(target, "READ COMMITTED") if "://" in target else sqlite(Path(target))


def work(target: str, journal: Path, client: int, seed: str) -> None:
    """Be a worker."""
    parent = os.getppid()
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ending.append(number))
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(operation: Operation) -> None:
        os.write(file, f"{operation.line()}\n".encode())

    state: dict[str, Any] = {}
    while not ending and os.getppid() == parent:
        # The outcome of what was going on is unknown: its line in the journal stays without a return.
        with suppress(ConnectionLost, psycopg.OperationalError), connect_to(target)() as database:
            worker = Worker(
                client=client,
                database=database,
                plan=PLAN,
                random=Random(f"{seed} {client}"),  # noqa: S311 - no secret
                record=note,
                begin=note,
                **state,
            )
            try:
                while not ending and os.getppid() == parent:
                    worker.step()
            finally:
                state = {"made": worker.made, "last": worker.last}
        time.sleep(0.01)


def take_orders(target: str, folder: Path, seed: str) -> None:
    """Start and end workers until there are no more orders; those that are left end by themselves."""
    children: dict[int, int] = {}
    for line in sys.stdin:
        order, client = line.split()[0], int(line.split()[1])
        status = 0
        if order == "start":
            children[client] = os.fork()
            if children[client] == 0:
                sys.stdin.close()
                work(target, folder / f"{client}.jsonl", client, seed)
                os._exit(0)
        else:
            child = children.pop(client)
            os.kill(child, signal.SIGKILL if order == "kill" else signal.SIGTERM)
            _, status = os.waitpid(child, 0)
        print(status, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    take_orders(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
