"""One PostgreSQL server that belongs to a test: made, started, killed, started again, copied, promoted.

Each server has a directory of its own and is reached by a Unix socket in it, a name that nobody else can
have. One with `LOOPBACK` among its settings also listens there, for standbys, at a port that the system
chose. Before a server is used it is asked for its cluster's name, a random one: so no test ever speaks to a
server that it did not start. Servers are ended by their own process ids.
"""

import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import psycopg

from tests.databases.installation import Installation, give_to_server

USER = "tests"
LOOPBACK = {"listen_addresses": "127.0.0.1"}
_SOCKET_PORT = 5432  # a part of the socket's name, no more
_PATIENCE = 60  # seconds for a server to come up, after which it never will
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "64",
    "shared_buffers": "64MB",
    # Fixed sizes keep what the crash tests write small; everything that durability depends on is as shipped.
    "max_wal_size": "256MB",
    "min_wal_size": "64MB",
    "wal_keep_size": "64MB",
    # A deadlock is resolved after this time, so that a test meets it and goes on.
    "deadlock_timeout": "200ms",
    # A standby that has lost its primary looks again after this time, and is promoted no sooner.
    "wal_retrieve_retry_interval": "100ms",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


class StartFailed(Exception):
    """The server did not come up; the message ends with its log."""


class Server:
    """A PostgreSQL server with its own data, and the process that serves them (none while it is down)."""

    def __init__(self, installation: Installation, scratch: Path, settings: Mapping[str, str]) -> None:
        self.installation = installation
        self.scratch = scratch
        self.settings = dict(settings)
        self.name = ""
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.scratch / "data"

    @property
    def log(self) -> Path:
        return self.scratch / "log"

    def dsn(self, database: str = "postgres") -> str:
        """Say how psycopg and asyncpg reach a database of this server, as a URL."""
        return f"postgresql://{USER}@/{database}?host={self.scratch}&port={self.port}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Connect with every statement a transaction of its own."""
        return psycopg.connect(self.dsn(database), autocommit=True)

    def start(self) -> None:
        """Start the server and wait until it answers; its port on loopback may be a new one."""
        deadline = monotonic() + _PATIENCE
        while True:
            self.name = f"fallbackkeys-{secrets.token_hex(8)}"
            self.port = _free_port() if self.settings.get("listen_addresses") else _SOCKET_PORT
            if self._started(deadline):
                return
            log = self.log.read_text(errors="replace")
            # Someone else took the port in between: another one.
            if "could not create any TCP/IP sockets" not in log.rpartition("starting PostgreSQL")[2]:
                raise StartFailed(log[-3000:])

    def _started(self, deadline: float) -> bool:
        settings = (
            _SETTINGS
            | self.settings
            | {
                "cluster_name": self.name,
                "port": str(self.port),
                "unix_socket_directories": str(self.scratch),
            }
        )
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.installation.command("postgres", "-D", str(self.data), *options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.scratch,
            )
        while monotonic() < deadline and self.process.poll() is None:
            with suppress(psycopg.OperationalError), self.connect() as connection:
                row = connection.execute("SHOW cluster_name").fetchone()
                if row != (self.name,):
                    raise StartFailed(f"another server answers in {self.scratch}: {row}")
                return True
            sleep(0.02)
        self.kill()
        return False

    def kill(self) -> None:
        """End every process of the server with SIGKILL: the postmaster, then what remains."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGSTOP)  # it starts no further process
        rest = _children(self.process.pid)
        self.process.kill()
        self.process.wait()
        self.process = None
        for handle in rest:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        # The next start waits for none of them: a pidfd is readable once its process is gone.
        for handle in rest:
            select.select([handle], [], [], _PATIENCE)
            os.close(handle)

    def stop(self) -> None:
        """Shut the server down in order, ending open transactions."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(_PATIENCE)
            self.process = None

    def remove(self) -> None:
        """End the server and delete its data."""
        self.kill()
        shutil.rmtree(self.scratch)

    def promote(self) -> None:
        """Make a standby accept writes, as the new primary."""
        with self.connect() as connection:
            connection.execute("SELECT pg_promote(true)")

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database for as long as the block runs; yields its URL."""
        name = f"test_{secrets.token_hex(8)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        try:
            yield self.dsn(name)
        finally:
            with self.connect() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def create(installation: Installation, settings: Mapping[str, str]) -> Server:
    """Make a server with empty data and start it."""
    server = Server(installation, _scratch(), settings)
    password = server.scratch / "password"
    password.write_text(secrets.token_hex(16))
    give_to_server(password)
    # On its socket, in a directory that only root and the server's user may enter, everyone is trusted.
    access = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
    _run(
        installation.command(
            "initdb",
            "-D",
            str(server.data),
            "-U",
            USER,
            *access,
            "--no-sync",
            "--no-locale",
            "--encoding=UTF8",
        )
    )
    server.start()
    return server


def follow(primary: Server, *, name: str) -> Server:
    """Make a standby that streams from the primary and start it.

    It is synchronous when the primary's `synchronous_standby_names` has its name; it waits for no standby of
    its own, once promoted.
    """
    settings = {
        name: value for name, value in primary.settings.items() if name != "synchronous_standby_names"
    }
    standby = Server(primary.installation, _scratch(), settings)
    password = (primary.scratch / "password").read_text()
    source = f"host=127.0.0.1 port={primary.port} user={USER} password={password} application_name={name}"
    _run(
        primary.installation.command(
            "pg_basebackup",
            "-D",
            str(standby.data),
            "-d",
            source,
            "--checkpoint=fast",
            "--wal-method=stream",
            "--write-recovery-conf",
            "--no-sync",
        )
    )
    standby.start()
    return standby


def _scratch() -> Path:
    # Directly under the system's directory: a socket's path may have 107 bytes.
    scratch = Path(tempfile.mkdtemp(prefix="fk-postgres-"))
    give_to_server(scratch)
    return scratch


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode:
        raise StartFailed(f"{' '.join(command)}: {done.stderr or done.stdout}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children(parent: int) -> list[int]:
    """Open a handle to each child process; a handle never comes to mean another process."""
    handles = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(ProcessLookupError):
            handles.append(os.pidfd_open(int(child)))
    return handles
