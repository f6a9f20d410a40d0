"""One Synapse that belongs to a run: configured, started on loopback, found, and ended by its own process id.

Synapse is configured as the author of a server would for tests: rate limits so high that none is met, a
password hash of 4 rounds instead of 12, no presence, and no other server to talk to. Nothing about keys is
touched. The port is the system's choice; it is read from the sockets of the very process that was started, so
whatever answers there is that process.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TypeAlias

SERVER_NAME = "localhost"
_PATIENCE = 120  # seconds to come up; a first start makes the whole schema
_UNLIMITED = {"per_second": 1e6, "burst_count": 1_000_000}
_LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp

Database: TypeAlias = Mapping[str, object]
"""The member `database` of Synapse's configuration."""

SQLITE: Database = {"name": "sqlite3", "args": {"database": "homeserver.db"}}


class StartFailed(Exception):
    """Synapse did not come up; the message ends with its log."""


@contextmanager
def synapse(python: Path, database: Database) -> Iterator[str]:
    """Run a Synapse without any user for as long as the block runs; yields its URL.

    Args:
        python: the interpreter of an environment that `matrix-synapse` is installed in.
        database: the member `database` of its configuration, for example `SQLITE`.
    """
    with tempfile.TemporaryDirectory(prefix="fk-synapse-") as directory:
        home = Path(directory)
        configuration = _configure(python, home, database)
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [python, "-m", "synapse.app.homeserver", "-c", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home,
            )
        try:
            yield f"http://127.0.0.1:{_port(process, home / 'log')}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _configure(python: Path, home: Path, database: Database) -> Path:
    file = home / "homeserver.yaml"
    settings = {
        "server_name": SERVER_NAME,
        "listeners": [
            {
                "type": "http",
                "port": 0,
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client"]}],
            }
        ],
        "database": database,
        "log_config": str(home / "log.yaml"),
        "media_store_path": str(home / "media"),
        "signing_key_path": str(home / "signing.key"),
        "macaroon_secret_key": "of a server that holds nothing",
        "pid_file": str(home / "pid"),
        "report_stats": False,
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
        "presence": {"enabled": False},
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "bcrypt_rounds": 4,
        "rc_registration": _UNLIMITED,
        "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED},
        "rc_key_requests": _UNLIMITED,
    }
    # JSON is YAML.
    file.write_text(json.dumps(settings))
    (home / "log.yaml").write_text(
        json.dumps(
            {
                "version": 1,
                "handlers": {"console": {"class": "logging.StreamHandler"}},
                "root": {"level": "WARNING", "handlers": ["console"]},
                "disable_existing_loggers": False,
            }
        )
    )
    made = subprocess.run(
        [python, "-m", "synapse.app.homeserver", "-c", file, "--generate-keys"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
    )
    if made.returncode:
        raise StartFailed(made.stdout + made.stderr)
    return file


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until the process listens, and say where."""
    deadline = monotonic() + _PATIENCE
    while monotonic() < deadline and process.poll() is None:
        for port in _listening(process.pid):
            return port
        sleep(0.1)
    raise StartFailed(log.read_text(errors="replace")[-3000:])


def _listening(pid: int) -> Iterator[int]:
    """The TCP ports that a process listens on, by the inodes of its open sockets."""
    try:
        links = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # a file that was closed meanwhile; the next look will tell
        return
    inodes = {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENING and fields[9] in inodes:
            yield int(fields[1].rpartition(":")[2], 16)
