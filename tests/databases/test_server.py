"""The PostgreSQL servers that the other tests stand on."""

import os
from pathlib import Path

import psycopg
import pytest

from tests.databases.fixtures import NewServer
from tests.databases.installation import DEFAULT, VARIABLE, Installation, NoServer, install
from tests.databases.server import LOOPBACK, Server, follow


def _runs(pid: int) -> bool:
    """Whether the process still does anything: one that ended may wait to be reaped, as a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_server_answers_by_its_own_random_name(postgres: Server) -> None:
    with postgres.connect() as connection:
        row = connection.execute("SHOW cluster_name").fetchone()
    assert row == (postgres.name,)


def test_the_server_is_of_the_version_that_was_chosen(
    postgres: Server, postgres_installation: Installation
) -> None:
    with postgres.connect() as connection:
        ((number,),) = connection.execute("SHOW server_version_num").fetchall()
    major = str(int(number) // 10000)
    assert postgres_installation.version().split(".")[0] == major
    assert os.environ.get(VARIABLE, DEFAULT) in {major, str(postgres_installation.programs)}


def test_each_test_has_an_empty_database(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE only_here ()")
        count = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert count == (1,)


def test_a_killed_server_leaves_no_process_and_comes_back_with_what_was_committed(
    new_postgres: NewServer,
) -> None:
    server = new_postgres({})
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept (number int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        processes = connection.execute("SELECT pid FROM pg_stat_activity").fetchall()
        server.kill()
        assert len(processes) > 1
        assert not [pid for (pid,) in processes if _runs(pid)]
    server.start()
    with server.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_a_standby_follows_and_can_be_promoted(new_postgres: NewServer) -> None:
    primary = new_postgres(LOOPBACK | {"synchronous_standby_names": "second"})
    standby = follow(primary, name="second")
    try:
        with primary.connect() as connection:
            connection.execute("SET synchronous_commit = remote_apply")
            connection.execute("CREATE TABLE copied AS SELECT 1 AS number")
        primary.kill()
        standby.promote()
        with standby.connect() as connection:
            connection.execute("INSERT INTO copied VALUES (2)")
            assert connection.execute("SELECT number FROM copied ORDER BY 1").fetchall() == [(1,), (2,)]
    finally:
        standby.remove()


def test_no_server_runs_as_root_whoever_starts_it(postgres: Server) -> None:
    assert postgres.process is not None
    assert Path(f"/proc/{postgres.process.pid}").stat().st_uid != 0


def test_without_a_server_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(
        NoServer, match=r"has no initdb and no postgres and no pg_basebackup: .* 15 \(Debian's"
    ):
        install(tmp_path)
