"""The views keep step with the log: exactly once, whoever applies it, and again from nothing."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.projections.histories import histories
from tests.projections.history import CID, SECRET, History, Pair
from tests.projections.shared import refilled

from greenroom.domain import errors
from greenroom.domain.message import Event, Recorded
from greenroom.projections import database, sqlite, views
from greenroom.projections.members import Members
from greenroom.projections.projection import Write
from greenroom.projections.views import PROJECTIONS, Views


@pytest.fixture
def history() -> History:
    """A call with ten members, three of whom have left again."""
    made = History()
    made.created()
    for number in range(10):
        made.added(f"member-{number}")
    for number in range(3):
        made.removed(f"member-{number}")
    return made


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "calls.views.db" if request.param == "file" else None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "calls.views.db"


def opened(path: Path | None, history: History, **options: Any) -> Views:
    """Views at `path` that have seen all of `history`."""
    made = Views.open(path, secret=SECRET, **options)
    made.catch_up(history.feed, until=history.head)
    return made


def digest_of(history: History) -> str:
    """What views say that saw `history` in one go."""
    made = opened(None, history)
    try:
        return made.digest()
    finally:
        made.close()


def members_of(made: Views) -> int:
    found = made.lookups.call(CID)
    assert found is not None
    return found.member_count


def test_the_views_stand_where_the_log_ends(path: Path | None, history: History) -> None:
    made = Views.open(path, secret=SECRET)
    assert made.position() == 0
    assert made.catch_up(history.feed, until=history.head) == history.head
    assert made.position() == history.head
    assert members_of(made) == 7
    made.close()


def test_catching_up_stops_where_it_was_told(path: Path | None, history: History) -> None:
    made = Views.open(path, secret=SECRET)
    middle = history.pairs[5][0]
    assert made.catch_up(history.feed, until=middle) == middle
    assert members_of(made) == 5
    made.close()


def test_records_that_come_again_count_once(history: History) -> None:
    made = Views.open(None, secret=SECRET)

    def everything_again(_: int) -> Iterator[Pair]:
        return iter(history.pairs)

    for position, _ in history.pairs:
        made.catch_up(everything_again, until=position)
    assert made.digest() == digest_of(history)
    made.close()


def test_views_that_are_up_to_date_do_not_read_the_log(history: History) -> None:
    made = opened(None, history)

    def unread(_: int) -> Iterator[Pair]:
        raise AssertionError("nothing new: no reason to read")

    assert made.catch_up(unread, until=history.head) == history.head
    made.close()


@given(histories(), st.lists(st.integers(0, 120), max_size=4), st.integers(1, 7))
def test_any_history_in_any_batches_gives_the_same_views(
    history: History, stops: list[int], size: int
) -> None:
    at_once = refilled(history).digest()
    made = Views.open(None, secret=SECRET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "BATCH", size)
        for stop in sorted(stops):
            made.catch_up(history.feed, until=min(stop, history.head))
        made.catch_up(history.feed, until=history.head)
    assert made.digest() == at_once
    made.close()


@settings(max_examples=5)
@given(histories())
def test_any_history_rebuilds_to_the_same_views(history: History) -> None:
    made = refilled(history)
    digest = made.digest()
    assert made.rebuild(history.feed, until=history.head) == history.head
    assert made.digest() == digest


@given(histories())
def test_the_member_count_is_the_number_of_members(history: History) -> None:
    made = refilled(history)
    for call in made.queries.calls().items:
        assert call.member_count == len(made.queries.members(call.cid, limit=1000).items)
        assert call.ongoing == any(
            session.ended_at is None for session in made.queries.sessions(call.cid).items
        )


def test_threads_that_catch_up_at_once_apply_each_record_once(
    path: Path | None, history: History
) -> None:
    made = Views.open(path, secret=SECRET)
    together(*[lambda: made.catch_up(history.feed, until=history.head)] * 4)
    assert made.digest() == digest_of(history)
    made.close()


def test_two_rooms_on_one_file_apply_each_record_once(
    file: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "BATCH", 1)
    rooms = [Views.open(file, secret=SECRET) for _ in range(3)]
    together(*(lambda room=room: room.catch_up(history.feed, until=history.head) for room in rooms))
    assert {room.digest() for room in rooms} == {digest_of(history)}
    for room in rooms:
        room.close()


@pytest.mark.slow
def test_two_processes_on_one_new_file_apply_each_record_once(file: Path, history: History) -> None:
    for _ in range(200):
        history.upserted("alice", name=str(len(history.pairs)))
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=catch_up_in_small_steps, args=(file, history.pairs))
        for _ in range(2)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert [other.exitcode for other in others] == [0, 0]
    made = Views.open(file, secret=SECRET)
    assert made.position() == history.head
    assert made.digest() == digest_of(history)
    made.close()


def catch_up_in_small_steps(path: Path, pairs: Sequence[Pair]) -> None:
    views.BATCH = 3  # many small transactions, so that the two meet
    made = Views.open(path, secret=SECRET)
    made.catch_up(lambda after: (pair for pair in pairs if pair[0] > after), until=pairs[-1][0])
    made.close()


def together(*jobs: Any) -> None:
    """Run all jobs at once; the first that fails, fails here."""
    failures: list[BaseException] = []
    ready = threading.Barrier(len(jobs))

    def run(job: Any) -> None:
        try:
            ready.wait()
            job()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_a_deleted_file_is_filled_again_with_the_same(file: Path, history: History) -> None:
    before = opened(file, history)
    digest = before.digest()
    before.close()
    for left_behind in file.parent.glob(f"{file.name}*"):
        left_behind.unlink()
    after = opened(file, history)
    assert after.digest() == digest
    after.close()


def test_reopened_views_go_on_where_they_were(file: Path, history: History) -> None:
    opened(file, history).close()
    again = Views.open(file, secret=SECRET)
    assert again.position() == history.head
    again.close()


def test_views_of_another_store_start_from_nothing(file: Path, history: History) -> None:
    opened(file, history).close()
    other = Views.open(file, secret=b"o" * 32)
    assert other.position() == 0
    assert other.queries.calls().items == ()
    other.close()


def test_views_past_the_end_of_the_log_start_from_nothing(file: Path, history: History) -> None:
    opened(file, history).close()
    restored = Views.open(file, secret=SECRET, head=history.head - 1)
    assert restored.position() == 0
    restored.close()
    kept = opened(file, history)
    kept.close()
    assert Views.open(file, secret=SECRET, head=history.head).position() == history.head


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


class NewerMembers(Members):
    version = Members.version + 1


def test_only_the_projection_that_changed_is_filled_again(file: Path, history: History) -> None:
    opened(file, history).close()
    changed = [NewerMembers() if each.name == "members" else each for each in PROJECTIONS]
    made = Views.open(file, secret=SECRET, projections=changed)
    assert made.position() == 0
    assert members_of(made) == 7, "calls were not touched"
    assert made.queries.members(CID).items == ()
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()


def test_tables_of_a_newer_greenroom_are_left_to_it(file: Path, history: History) -> None:
    running = opened(file, history)
    newer = [NewerMembers() if each.name == "members" else each for each in PROJECTIONS]
    upgraded = opened(file, history, projections=newer)
    digest = upgraded.digest()
    with pytest.raises(errors.WrongSchema):
        Views.open(file, secret=SECRET)
    history.added("alice")
    with pytest.raises(errors.WrongSchema):
        running.catch_up(history.feed, until=history.head)
    assert upgraded.digest() == digest
    running.close()
    upgraded.close()


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


class FailingMembers(Members):
    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        if recorded.version == 2:
            raise ZeroDivisionError
        return super().statements(recorded)


def test_tables_that_somebody_empties_meanwhile_are_filled_from_the_beginning(
    file: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "BATCH", 3)
    made = Views.open(file, secret=SECRET)
    emptied: list[Pair] = []

    def feed(after: int) -> Iterator[Pair]:
        for number, pair in enumerate(history.feed(after)):
            if number == 4 and not emptied:
                emptied.append(pair)
                Views.open(file, secret=b"o" * 32).close()
                Views.open(file, secret=SECRET).close()
            yield pair

    assert made.catch_up(feed, until=history.head) == history.head
    assert emptied
    assert made.digest() == digest_of(history)
    made.close()


def test_a_batch_that_fails_leaves_no_trace(file: Path, history: History) -> None:
    failing = [FailingMembers() if each.name == "members" else each for each in PROJECTIONS]
    made = Views.open(file, secret=SECRET, projections=failing)
    with pytest.raises(ZeroDivisionError):
        made.catch_up(history.feed, until=history.head)
    assert made.position() == 0
    assert made.queries.calls().items == ()
    made.close()
    again = opened(file, history)
    assert again.digest() == digest_of(history)
    again.close()


def test_closed_views_say_so(path: Path | None, history: History) -> None:
    made = opened(path, history)
    made.close()
    made.close()
    for ask in (
        made.position,
        made.digest,
        made.queries.calls,
        made.lookups.next_due,
        lambda: made.catch_up(history.feed, until=history.head + 1),
        lambda: made.rebuild(history.feed, until=history.head),
    ):
        with pytest.raises(errors.StoreClosed):
            ask()


def test_a_rebuild_tells_how_far_it_is_and_leaves_nothing_beside(
    file: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(file, history)
    digest = made.digest()
    monkeypatch.setattr(views, "BATCH", 5)
    told: list[int] = []
    raw = sqlite3.connect(file)
    raw.execute("DELETE FROM members WHERE user_id = 'member-5'")
    raw.commit()
    raw.close()
    assert made.digest() != digest
    made.rebuild(history.feed, until=history.head, progress=told.append)
    assert made.digest() == digest
    assert told == [history.pairs[4][0], history.pairs[9][0], history.head]
    made.close()
    assert [found.name for found in file.parent.iterdir()] == [file.name]


def test_readers_see_the_old_rows_until_the_new_ones_are_complete(
    path: Path | None, history: History
) -> None:
    made = opened(path, history)
    seen: list[int] = []

    def feed(after: int) -> Iterator[Pair]:
        for pair in history.feed(after):
            seen.append(members_of(made))
            yield pair

    made.rebuild(feed, until=history.head)
    assert set(seen) == {7}
    made.close()


def test_a_rebuild_takes_along_what_happens_meanwhile(path: Path | None, history: History) -> None:
    made = opened(path, history)
    first = history.head

    def feed(after: int) -> Iterator[Pair]:
        yield from list(history.feed(after))
        if history.head == first:
            history.added("late")
            made.catch_up(history.feed, until=history.head)

    assert made.rebuild(feed, until=first) == history.head
    assert made.digest() == digest_of(history)
    made.close()


def test_a_rebuild_forgets_what_the_log_no_longer_holds(
    path: Path | None, history: History
) -> None:
    made = opened(path, history)
    del history.pairs[6:]
    assert made.rebuild(history.feed, until=history.head) == history.head
    assert made.position() == history.head
    assert made.digest() == digest_of(history)
    made.close()
