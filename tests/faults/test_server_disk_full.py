"""The disk of a PostgreSQL server is full: that of the tables, or that of its write-ahead log."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg
import pytest
from tests.faults.clients import CALL, KINDS, ask, begin, requests
from tests.faults.judgement import PATIENCE, Notes, judge, judge_log, wait_for
from tests.faults.sizes import sized
from tests.faults.small_disk import MEGABYTE, filled, mounted

from greenroom import Greenroom, errors
from greenroom.adapters import postgres_writing
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

TIMES: Final = sized(ci=2, large=10)
SETTINGS: Final = {"wal_recycle": "off", "checkpoint_timeout": "1h"}
"""No file of the log is kept to be written to again, and none is freed in time."""


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Where such a file system is, to which the server may write."""
    with TemporaryDirectory() as directory, mounted(Path(directory), megabytes=128) as small:
        if not small:
            pytest.skip("a file system in memory may not be mounted here")
        yield Path(directory)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_writing, "_PATIENCE", 1.0)


def test_when_no_table_can_grow_it_is_said_so_and_goes_on_when_there_is_space(
    small_disk: Path, tried: Callable[[str, int], None]
) -> None:
    notes, numbers = Notes(), count(1)
    with (
        PrivatePostgres(fsync=False) as server,
        tables_on(small_disk, server) as url,
        Greenroom.open(url, timers=False) as one,
        Greenroom.open(url, timers=False) as other,
    ):
        begin(one)
        for _ in range(TIMES):
            make_space = filled(small_disk, left=MEGABYTE // 8)
            ask_until_told((one, other), notes, numbers)
            assert "disk is full" in str(notes.told[-1])
            query(one)
            make_space()
            judge_log(one._store, notes)
            notes.settle(other, ask)
        judge(one, notes, ask, url=url)
    tried("postgresql", TIMES)


def test_when_its_log_cannot_grow_the_server_dies_and_nothing_acknowledged_is_lost(
    small_disk: Path, tried: Callable[[str, int], None]
) -> None:
    """It panics, cannot recover without space, and is started by whoever makes some."""
    notes, numbers = Notes(), count(1)
    with (
        PrivatePostgres(fsync=False, settings=SETTINGS) as server,
        server.database() as url,
        Greenroom.open(url, timers=False) as one,
        Greenroom.open(url, timers=False) as other,
    ):
        begin(one)
        log_on(small_disk, server)
        for _ in range(TIMES):
            make_space = filled(small_disk, left=MEGABYTE)
            ask_until_told((one, other), notes, numbers, before=lambda: next_file(url))
            query(one)
            assert "PANIC" in server._log.read_text(), "it failed for something else"
            make_space()
            bring_back(server)
            wait_for(one)
            judge_log(one._store, notes)
            notes.settle(other, ask)
        judge(one, notes, ask, url=url)
    tried("postgresql", TIMES)


def ask_until_told(
    rooms: tuple[Greenroom, ...],
    notes: Notes,
    numbers: Iterator[int],
    before: Callable[[], None] = lambda: None,
) -> None:
    """All of them ask at once, in both rooms, until somebody is told that it does not work."""
    told = len(notes.told)
    with ThreadPoolExecutor(len(rooms)) as clients:
        while len(notes.told) == told:
            before()
            number, many = next(numbers), len(KINDS)
            asked = [
                clients.submit(notes.ask_all, room, requests(who, number * many, many), ask)
                for room, who in zip(rooms, ("alice", "tommaso"), strict=True)
            ]
            for one in asked:
                one.result(2 * PATIENCE)


def query(room: Greenroom) -> None:
    """Answered, or refused in our words."""
    with suppress(errors.StoreError):
        room.as_user("thierry").call(*CALL).query_members()


@contextmanager
def tables_on(disk: Path, server: PrivatePostgres) -> Iterator[str]:
    """The URL of a database all of whose tables are there."""
    place = disk / "tables"
    place.mkdir()
    belong(place, server)
    server.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
    server.execute("CREATE DATABASE small TEMPLATE template0 TABLESPACE small")
    yield server.url("small")


def log_on(disk: Path, server: PrivatePostgres) -> None:
    """Let the server's log be there from now on."""
    log = data_of(server) / "pg_wal"
    server.stop()
    subprocess.run(["mv", log, disk / "log"], check=True)
    log.symlink_to(disk / "log")
    server.start()


def data_of(server: PrivatePostgres) -> Path:
    return Path(server.execute("SHOW data_directory"))


def belong(place: Path, server: PrivatePostgres) -> None:
    """To whoever the server runs as."""
    subprocess.run(["chown", f"--reference={data_of(server)}", place], check=True)


def next_file(url: str) -> None:
    """The server's log goes on in its next file, which takes 16 MB."""
    with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute("SELECT pg_switch_wal()")


def bring_back(server: PrivatePostgres) -> None:
    """As an administrator does who finds it dead, or still dying."""
    server.kill()
    server.start()
