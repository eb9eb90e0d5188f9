"""What is special about a store in a file: its marks, its faults, its threads and processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest
from msgspec import to_builtins
from tests.open_files import open_files

from greenroom.adapters.sqlite_connections import READERS, Connections
from greenroom.adapters.sqlite_file import APPLICATION_ID, SCHEMA
from greenroom.adapters.sqlite_recorder import SQLiteRecorder
from greenroom.adapters.stores import SQLiteStore
from greenroom.domain.errors import NotOurStore, StoreClosed, StoreError, WrongSchema
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Append, Request
from greenroom.domain.streams import session_stream
from greenroom.testing.store_events import CID, STAGE, added, everything, pinned


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path)
    yield store
    store.close()


def _connections(store: SQLiteStore) -> Connections:
    assert isinstance(store.recorder, SQLiteRecorder)
    return store.recorder._connections


# Opening


def test_a_missing_and_an_empty_file_become_stores(path: Path) -> None:
    SQLiteStore(path).close()
    empty = path.with_name("empty.db")
    empty.touch()
    SQLiteStore(empty).close()
    for made in (path, empty):
        with closing(sqlite3.connect(made)) as file:
            assert file.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
            assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
            assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_missing_store_is_not_made_unless_wanted(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        SQLiteStore(path, create=False)
    assert not path.exists()
    path.touch()
    with pytest.raises(StoreError, match="there is no store"):
        SQLiteStore(path, create=False)
    assert path.stat().st_size == 0


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no directory .*nowhere"):
        SQLiteStore(tmp_path / "nowhere" / "calls.db")


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a directory"):
        SQLiteStore(tmp_path)


def test_a_file_of_another_kind_is_left_alone(path: Path) -> None:
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(NotOurStore):
        SQLiteStore(path)
    assert path.read_text() == "Dear diary, " * 1000


@pytest.mark.parametrize("mark", ["CREATE TABLE diary (page)", "PRAGMA application_id = 7"])
def test_the_database_of_another_program_is_left_alone(path: Path, mark: str) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 3")
        file.execute(mark)
    before = path.read_bytes()
    with pytest.raises(NotOurStore):
        SQLiteStore(path)
    assert path.read_bytes() == before


def test_a_store_of_a_newer_greenroom_says_which_schema_it_has(path: Path) -> None:
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {SCHEMA + 4}")
    with pytest.raises(WrongSchema) as refused:
        SQLiteStore(path)
    assert (refused.value.found, refused.value.supported) == (SCHEMA + 4, SCHEMA)


@pytest.mark.slow
def test_several_processes_may_make_the_same_store_at_once(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from greenroom.adapters.stores import SQLiteStore\n"
        "sys.stdin.read(1); store = SQLiteStore(Path(sys.argv[1]))\n"
        "print(store.secret.hex()); store.close()"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    secrets = {child.communicate(timeout=150)[0] for child in children}
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    assert len(secrets) == 1


# Durability and order


def test_every_commit_is_synced_in_full_unless_told_otherwise(path: Path) -> None:
    for store, level in ((SQLiteStore(path), 2), (SQLiteStore(path, synchronous="NORMAL"), 1)):
        with _connections(store).alone() as writer:
            assert writer.execute("PRAGMA synchronous").fetchone() == (level,)
        store.close()


def test_the_position_of_a_deleted_record_is_never_given_again(
    store: SQLiteStore, path: Path
) -> None:
    store.append([pinned(1), added("alice")])
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM stored_events WHERE rowid = 2")
    assert list(store.append([pinned(2)])) == [3]


def test_a_damaged_record_is_named_with_its_place_but_not_its_content(
    store: SQLiteStore, path: Path
) -> None:
    store.append([added("alice"), pinned(1), pinned(2)])
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE stored_events SET state = ? WHERE rowid = 3", (b'{"event":"gossip"}',))
    for reading in (store.read(STAGE, after=1), store.events(STAGE, after=1), store.feed(2)):
        with pytest.raises(StoreError, match=f"{STAGE} version 2 at position 3") as refused:
            list(reading)
        assert "gossip" not in str(refused.value)
    assert len(list(store.events(STAGE, until=2))) == 1


# Faults


def test_a_full_disk_records_nothing_and_is_over_when_there_is_space(store: SQLiteStore) -> None:
    store.append([pinned(1)])
    with _connections(store).alone() as writer:
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages + 1}")
    request = Request(RequestId("r1"), "f", b"x" * 100_000)
    with pytest.raises(StoreError, match="the disk is full"):
        store.append([pinned(2), added("alice", phone="123")], request=request)
    assert store.position() == 1
    assert store.request(RequestId("r1")) is None
    store.append([pinned(2)], request=request)
    assert [to_builtins(event)["user_id"] for event in store.events(STAGE)] == ["user-1", "user-2"]


@pytest.mark.slow
def test_a_disk_that_fails_at_a_commit_leaves_its_outcome_open(path: Path) -> None:
    """The kernel refuses to let the file grow: a real write error, in a process of its own."""
    program = """if True:
        import resource, signal, sys
        from pathlib import Path
        from greenroom.adapters.stores import SQLiteStore
        from greenroom.domain.errors import StoreError
        from greenroom.domain.message import RequestId
        from greenroom.domain.ports import Append, Request
        from greenroom.testing.store_events import pinned

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = SQLiteStore(Path(sys.argv[1]))
        store.append([pinned(1)])
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        try:
            store.append([pinned(2)], request=Request(RequestId("r1"), "f", b"x" * 300_000))
        except StoreError as error:
            print(error)
        assert store.position() == 1, store.position()
        assert store.request(RequestId("r1")) is None
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        store.append([pinned(2)])
        assert [record.version for _, record in store.feed()] == [1, 2]
        """
    child = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        check=False,
        text=True,
        timeout=150,
    )
    assert child.returncode == 0, child.stderr
    assert "whether it was recorded is not known" in child.stdout


@pytest.mark.slow
def test_a_writer_who_never_ends_is_waited_for_in_vain(path: Path) -> None:
    with (
        closing(SQLiteStore(path, busy_seconds=0.2)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        store.append([pinned(1)])
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.append([pinned(2)])
        assert [event.name for event in store.events(STAGE)] == ["session.pinned"]
        other.execute("ROLLBACK")
        assert store.append([pinned(2)])


def test_a_store_whose_file_was_taken_away_does_not_come_back_empty(
    store: SQLiteStore, path: Path
) -> None:
    path.rename(path.with_name("elsewhere.db"))
    with _connections(store).reading(), pytest.raises(StoreError, match="cannot be opened"):
        store.position()  # over another connection
    assert not path.exists()


# Threads


def test_threads_that_come_and_go_leave_nothing_behind(store: SQLiteStore, path: Path) -> None:
    store.append([pinned(1)])
    before = set(threading.enumerate())
    for _ in range(5):
        with ThreadPoolExecutor(20) as threads:
            counts = threads.map(lambda _: len(list(store.feed())), range(60))
            assert set(counts) == {1}
    assert _open_files(path) <= 2 * (READERS + 1)  # the file and its log, for each connection
    store.close()
    assert _open_files(path) == 0
    assert set(threading.enumerate()) <= before


def _open_files(path: Path) -> int:
    if not Path("/proc/self/fd").exists():
        pytest.skip("cannot count open files here")
    names = open_files().elements()
    return sum(name.startswith(str(path)) and not name.endswith("-shm") for name in names)


def test_a_batch_is_one_commit(store: SQLiteStore) -> None:
    statements: list[str] = []
    with _connections(store).alone() as writer:
        writer.set_trace_callback(statements.append)
    streams = [session_stream(CID, number) for number in range(1, 6)]
    store.record([Append([pinned(1, stream)]) for stream in streams])
    assert statements.count("COMMIT") == 1
    assert {record.stream for _, record in store.feed()} == set(streams)


def test_whoever_is_interrupted_while_waiting_writes_nothing_later(store: SQLiteStore) -> None:
    connections = _connections(store)
    held, asking, interrupted = Event(), Event(), Event()

    def hold_the_turn() -> None:
        with connections._turn:
            held.set()
            asking.wait(60)
            Event().wait(0.05)  # now it sleeps for its turn
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            interrupted.wait(60)

    holder = Thread(target=hold_the_turn)
    holder.start()
    assert held.wait(60)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come early, if we are slow
        asking.set()
        store.append([pinned(1)])
    interrupted.set()
    holder.join()
    store.append([added("alice")])
    assert {stream for _, stream, _ in everything(store)} == {f"member-{CID}/alice"}


def test_closing_while_others_work_ends_them_cleanly(path: Path) -> None:
    store = SQLiteStore(path)
    started = Event()

    def work(number: int) -> BaseException | None:
        stream = session_stream(CID, number)
        try:
            for version in range(1, 10_000):
                store.append([pinned(version, stream)])
                list(store.feed(store.position() - 3))
                started.set()
        except StoreClosed as error:
            return error
        return None

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work, number) for number in range(1, 5)]
        assert started.wait(60)
        store.close()
        assert all(isinstance(one.result(timeout=60), StoreClosed) for one in working)
    assert _open_files(path) == 0


# Processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_store_goes_on_in_both_processes_after_a_fork(store: SQLiteStore, path: Path) -> None:
    store.append([pinned(1)])
    list(store.feed())
    with store.recorder.listening():
        child = os.fork()
        if child == 0:
            try:
                assert _open_files(path) == 0
                for version in range(1, 21):
                    store.append([pinned(version, session_stream(CID, 2))])
                os._exit(0 if len(list(store.feed())) >= 21 else 1)
            except BaseException:  # noqa: BLE001  # the copy must never return into the tests
                os._exit(2)
    for version in range(2, 22):
        store.append([pinned(version)])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(store.events(STAGE))) == 21
    assert len(list(store.events(session_stream(CID, 2)))) == 20
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
