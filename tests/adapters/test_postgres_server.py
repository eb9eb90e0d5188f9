"""A private PostgreSQL server: nothing is shared, nothing is left behind, a crash is a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest

from greenroom.testing.postgres import PrivatePostgres, find_programs


@pytest.fixture
def server() -> Iterator[PrivatePostgres]:
    with PrivatePostgres(fsync=False) as server:
        yield server


def runs(process: int) -> bool:
    """Whether it does; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_each_test_has_a_database_of_its_own(postgres: PrivatePostgres) -> None:
    with postgres.database() as one, postgres.database() as other:
        with psycopg.connect(one) as connection:
            connection.execute("CREATE TABLE calls (cid text)")
        with psycopg.connect(other) as connection:
            found = connection.execute("SELECT to_regclass('calls')").fetchone()
            assert found == (None,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(one)


@pytest.mark.slow
def test_a_database_may_be_a_copy_of_another(postgres: PrivatePostgres) -> None:
    with postgres.database() as one:
        name = one.rpartition("/")[2]
        postgres.execute("CREATE TABLE calls AS SELECT 'default:1' AS cid", name)
        with postgres.database(template=name) as copy:
            found = postgres.execute("SELECT cid FROM calls", copy.rpartition("/")[2])
    assert found == "default:1"


@pytest.mark.slow
def test_nobody_gets_in_without_the_password(postgres: PrivatePostgres) -> None:
    user, _, place = postgres.url().partition("@")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"{user.rpartition(':')[0]}@{place}")


@pytest.mark.slow
def test_what_was_committed_outlives_a_crash_and_what_was_not_does_not(
    server: PrivatePostgres,
) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE calls AS SELECT 1 AS committed")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO calls VALUES (2)")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("COMMIT")
    server.start()
    assert server.execute("SELECT committed FROM calls") == "1"


@pytest.mark.slow
def test_it_starts_again_where_it_was(server: PrivatePostgres) -> None:
    url = server.url()
    for end in (server.stop, server.kill):
        end()
        end()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        server.start()
        psycopg.connect(url).close()
    with pytest.raises(RuntimeError, match="running"):
        server.start()


@pytest.mark.slow
def test_a_server_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match="invalid value for parameter"),
        PrivatePostgres(settings={"wal_level": "nonsense"}),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked at in /proc")
def test_it_ends_with_the_process_that_started_it() -> None:
    program = """if True:
        import time
        from greenroom.testing.postgres import PrivatePostgres
        with PrivatePostgres(fsync=False) as server:
            print(server.execute("SHOW data_directory"), flush=True)
            time.sleep(60)
    """
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    data = Path(starter.stdout.readline().strip())
    server = int((data / "postmaster.pid").read_text().split()[0])
    starter.kill()
    starter.wait()
    starter.stdout.close()
    deadline = monotonic() + 60
    while (runs(server) or data.exists()) and monotonic() < deadline:
        sleep(0.05)
    assert not runs(server)
    assert not data.parent.exists()


def test_where_postgresql_is_missing_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    with pytest.raises(FileNotFoundError, match="apt-get install postgresql"):
        PrivatePostgres()


@pytest.mark.skipif(os.name == "nt", reason="the programs stand in are shell scripts")
def test_the_newest_of_several_versions_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = [tmp_path / version / "bin" for version in ("9.6", "15", "14", "unversioned")]
    for place in installed:
        place.mkdir(parents=True)
        for program in ("initdb", "postgres", "psql"):
            (place / program).touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Path, "glob", lambda *_: iter(installed))
    assert find_programs() == tmp_path / "15" / "bin"
