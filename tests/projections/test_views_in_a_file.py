"""Views in a file of their own: whose it is, what may be wrong with it, what it keeps of nobody."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.projections.history import SECRET, History
from tests.projections.places import digest_of, opened

from greenroom.domain import call_events as call
from greenroom.domain import errors
from greenroom.projections import database, sqlite
from greenroom.projections.views import Views


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "calls.views.db"


def test_the_end_of_the_log_is_asked_for_while_nobody_can_move_the_views(
    file: Path, history: History
) -> None:
    opened(file, history).close()
    asked: list[int] = []

    def head() -> int:
        other = sqlite3.connect(file, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
        asked.append(history.head)
        return history.head

    made = Views.open(file, secret=SECRET, head=head)
    assert asked == [history.head]
    assert made.position() == history.head
    made.close()


def test_a_file_of_something_else_is_left_alone(file: Path) -> None:
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE patients (name)")
    other.execute("INSERT INTO patients VALUES ('alice')")
    other.commit()
    other.close()
    before = file.read_bytes()
    with pytest.raises(errors.NotOurStore, match="another file"):
        Views.open(file, secret=SECRET)
    assert file.read_bytes() == before
    assert [found.name for found in file.parent.iterdir()] == [file.name]


def test_a_file_that_is_no_database_is_left_alone(file: Path) -> None:
    file.write_bytes(b"minutes of the meeting\n" * 100)
    before = file.read_bytes()
    with pytest.raises(errors.NotOurStore):
        Views.open(file, secret=SECRET)
    assert file.read_bytes() == before


def test_an_empty_file_is_taken(file: Path, history: History) -> None:
    file.touch()
    opened(file, history).close()


def test_a_file_of_a_newer_greenroom_is_refused(file: Path, history: History) -> None:
    opened(file, history).close()
    raw = sqlite3.connect(file)
    raw.execute(f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}")
    raw.close()
    with pytest.raises(errors.WrongSchema) as refused:
        Views.open(file, secret=SECRET)
    assert refused.value.found == database.SCHEMA_VERSION + 1


def test_a_file_of_an_older_greenroom_starts_from_nothing(file: Path, history: History) -> None:
    opened(file, history).close()
    raw = sqlite3.connect(file)
    raw.execute("PRAGMA user_version = 0")
    raw.execute("CREATE TABLE of_old_times (x)")
    raw.close()
    made = opened(file, history)
    assert made.digest() == digest_of(history)
    made.close()
    raw = sqlite3.connect(file)
    assert not raw.execute("SELECT * FROM sqlite_master WHERE name = 'of_old_times'").fetchall()
    raw.close()


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreError, match="create it first"):
        Views.open(tmp_path / "nowhere" / "calls.views.db", secret=SECRET)


def test_a_damaged_file_says_that_nothing_is_lost(file: Path, history: History) -> None:
    opened(file, history).close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(errors.StoreError, match="delete the file, nothing is lost"):
        opened(file, history)


@pytest.mark.slow
def test_a_writer_that_never_ends_is_a_store_error(
    file: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    made = opened(file, history)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    history.added("alice")
    with pytest.raises(errors.StoreError, match="locked"):
        made.catch_up(history.feed, until=history.head)
    other.execute("ROLLBACK")
    other.close()
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()


def test_a_deleted_file_is_filled_again_with_the_same(file: Path, history: History) -> None:
    before = opened(file, history)
    digest = before.digest()
    before.close()
    for left_behind in file.parent.glob(f"{file.name}*"):
        left_behind.unlink()
    after = opened(file, history)
    assert after.digest() == digest
    after.close()


def test_a_rebuild_leaves_nothing_beside_the_file(file: Path, history: History) -> None:
    made = opened(file, history)
    made.rebuild(history.feed, until=history.head)
    made.close()
    assert [found.name for found in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("by", ["deletion of the call", "erasure of the user"])
def test_what_was_erased_is_in_no_byte_of_the_files(history: History, file: Path, by: str) -> None:
    for number in range(50):
        history.added(f"member-{number}", custom={"filler": "x" * 100})
    history.added("alice", custom={"diagnosis": "measles"})
    history.upserted("alice", name="Alice of the measles")
    views = opened(file, history)
    with file.with_name(f"{file.name}-wal").open("rb") as log:
        assert b"measles" in log.read()
    history.forgotten("alice")
    if by == "deletion of the call":
        history.in_call(call.CallDeleted, hard=True)
    views.catch_up(history.feed, until=history.head)
    for found in file.parent.iterdir():
        assert b"measles" not in found.read_bytes(), found.name
    views.close()


def test_a_reader_in_the_way_of_an_erasure_only_delays_it(history: History, file: Path) -> None:
    history.added("alice", custom={"diagnosis": "measles"})
    views = opened(file, history)
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM members").fetchall()
    history.forgotten("alice")
    views.catch_up(history.feed, until=history.head)
    reader.execute("ROLLBACK")
    reader.close()
    history.added("charlie")
    views.catch_up(history.feed, until=history.head)
    for found in file.parent.iterdir():
        assert b"measles" not in found.read_bytes(), found.name
    views.close()
