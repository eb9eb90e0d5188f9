"""Views are made anew beside those in use: interrupted and gone on with, compared, exchanged."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest
from tests.projections.history import CID, SECRET, History, Pair
from tests.projections.places import Where, digest_of, execute, members_of, opened, together

from greenroom.domain.errors import StoreError
from greenroom.projections import views
from greenroom.projections.members import Members
from greenroom.projections.rebuilding import Rebuilt
from greenroom.projections.views import PROJECTIONS, Views


class Interrupted(BaseException):
    """Somebody pressed a key."""


def interrupt(made: Views, history: History, *, after: int = 5) -> None:
    """A rebuild that ends once it has come `after` batches far."""
    batches = iter(range(after))

    def progress(_: int) -> None:
        if next(batches, None) is None:
            raise Interrupted

    with pytest.raises(Interrupted):
        made.rebuild(history.feed, until=history.head, progress=progress)


def left_beside(where: Where) -> list[str]:
    """What there is of a second set of views."""
    if isinstance(where, str):
        found = execute(where, "SELECT nspname FROM pg_namespace WHERE nspname ~ '_(fresh|old)_'")
        return [name for (name,) in found]
    assert where is not None
    return [file.name for file in where.parent.glob(f"{where.name}-rebuild-*")]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "BATCH", 2)
    monkeypatch.setattr(views, "_GROWTH", (1,))


def test_an_interrupted_rebuild_is_gone_on_with(durable: Where, history: History) -> None:
    made = opened(durable, history)
    interrupt(made, history)
    assert len(left_beside(durable)) == 1
    told: list[int] = []
    rebuilt = made.rebuild(history.feed, until=history.head, progress=told.append)
    assert rebuilt.position == history.head
    assert 0 < rebuilt.resumed_from < min(told)
    assert made.digest() == digest_of(history)
    assert left_beside(durable) == []
    assert made.rebuild(history.feed, until=history.head).resumed_from == 0
    made.close()


def rebuild_and_die(where: Where, pairs: Sequence[Pair]) -> None:
    views.BATCH = 2

    def feed(after: int) -> Iterator[Pair]:
        yield from (pair for pair in pairs[:-3] if pair[0] > after)
        os.kill(os.getpid(), signal.SIGKILL)

    Views.open(where, secret=SECRET).rebuild(feed, until=pairs[-1][0])


@pytest.mark.slow
def test_a_killed_rebuild_is_gone_on_with(durable: Where, history: History) -> None:
    made = opened(durable, history)
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=rebuild_and_die, args=(durable, history.pairs))
    other.start()
    other.join(60)
    assert other.exitcode == -signal.SIGKILL
    assert made.digest() == digest_of(history)
    assert made.rebuild(history.feed, until=history.head).resumed_from > 0
    assert made.digest() == digest_of(history)
    assert left_beside(durable) == []
    made.close()


class NewerMembers(Members):
    version = Members.version + 1


def test_what_an_older_release_left_half_built_is_filled_again(
    durable: Where, history: History
) -> None:
    with closing(opened(durable, history)) as old:
        interrupt(old, history)
    newer = [NewerMembers() if each.name == "members" else each for each in PROJECTIONS]
    made = opened(durable, history, projections=newer)
    rebuilt = made.rebuild(history.feed, until=history.head)
    assert rebuilt.resumed_from == 0, "its members start from nothing"
    assert made.digest() == digest_of(history)
    made.close()


def test_what_another_store_left_half_built_is_not_taken_over(
    durable: Where, history: History
) -> None:
    with closing(opened(durable, history)) as old:
        interrupt(old, history)
    other = Views.open(durable, secret=b"o" * 32)
    shorter = History()
    shorter.created()
    rebuilt = other.rebuild(shorter.feed, until=shorter.head)
    assert (rebuilt.position, rebuilt.resumed_from) == (shorter.head, 0)
    assert other.digest() == digest_of(shorter)
    other.close()


def test_what_a_newer_release_left_half_built_is_removed_and_named(
    durable: Where, history: History
) -> None:
    newer = [NewerMembers() if each.name == "members" else each for each in PROJECTIONS]
    with closing(opened(durable, history, projections=newer)) as upgraded:
        interrupt(upgraded, history)
    if isinstance(durable, Path):
        for file in durable.parent.glob(f"{durable.name}*"):
            if file.is_file():
                file.unlink()
    else:
        execute(str(durable), "DROP SCHEMA greenroom_views CASCADE")
    made = opened(durable, history)
    with pytest.raises(StoreError):
        made.rebuild(history.feed, until=history.head)
    assert left_beside(durable) == []
    assert made.rebuild(history.feed, until=history.head).position == history.head
    made.close()


def test_whoever_is_erased_is_in_no_half_built_table(durable: Where, history: History) -> None:
    history.added("alice", custom={"diagnosis": "measles"})
    made = opened(durable, history)
    interrupt(made, history, after=7)
    assert left_beside(durable)
    history.forgotten("alice")
    made.catch_up(history.feed, until=history.head)
    assert left_beside(durable) == []
    made.close()


@pytest.mark.slow
def test_old_views_that_say_the_same_are_told_from_those_that_do_not(
    where: Where, history: History
) -> None:
    made = Views.open(where, secret=SECRET)

    def rebuild() -> Rebuilt:
        return made.rebuild(history.feed, until=history.head, compare=True)

    assert rebuild().same is True
    history.added("late")
    made.catch_up(history.feed, until=history.head)
    assert rebuild().same is True
    with made._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM members WHERE user_id = 'member-5'")
    assert rebuild().same is False
    assert made.rebuild(history.feed, until=history.head).same is None
    assert made.digest() == digest_of(history)
    made.close()


def test_rows_are_compared_at_one_position_while_others_write(
    durable: Where, history: History
) -> None:
    made = opened(durable, history)
    elsewhere = Views.open(durable, secret=SECRET)
    numbers = iter(range(20))

    def progress(_: int) -> None:
        number = next(numbers, None)
        if number is not None:
            history.added(f"late-{number}")
            elsewhere.catch_up(history.feed, until=history.head)

    rebuilt = made.rebuild(history.feed, until=history.head, compare=True, progress=progress)
    assert rebuilt.same is True
    assert made.digest() == digest_of(history)
    made.close()
    elsewhere.close()


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["the same views", "views of another process"])
def test_readers_find_one_set_or_the_other_and_never_fail(
    durable: Where, history: History, reader: str
) -> None:
    made = opened(durable, history)
    reading = made if reader == "the same views" else opened(durable, history)
    over = threading.Event()
    asked: list[int] = []

    def until_over(ask: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            while not over.is_set():
                ask()

        return run

    def count() -> None:
        assert len(reading.queries.members(CID, limit=100).items) == 7
        assert members_of(reading) == 7
        asked.append(1)

    def compare() -> None:
        assert reading.digest() == digest

    def rebuild() -> None:
        try:
            for _ in range(4):
                made.rebuild(history.feed, until=history.head)
        finally:
            over.set()

    digest = made.digest()
    together(rebuild, until_over(count), until_over(compare))
    assert len(asked) > 4
    made.close()
    reading.close()


@pytest.mark.slow
def test_a_rebuild_ends_though_somebody_is_always_ahead(
    postgres_url: str, history: History
) -> None:
    """The views in use take in the next event whenever the fresh ones have caught up."""
    made, elsewhere = opened(postgres_url, history), opened(postgres_url, history)
    feeds = 0

    def feed(after: int) -> Iterator[Pair]:
        nonlocal feeds
        feeds += 1
        yield from history.feed(after)
        if feeds < 50:
            history.added(f"late-{feeds}")
            ahead = threads.submit(elsewhere.catch_up, history.feed, until=history.head)
            wait([ahead], timeout=0.5)  # longer only while nobody may move them

    with ThreadPoolExecutor(1) as threads:
        made.rebuild(feed, until=history.head)
    assert 1 < feeds < 50
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()
    elsewhere.close()


@pytest.mark.slow
def test_writers_go_on_during_rebuilds_and_every_record_counts_once(
    durable: Where, history: History
) -> None:
    made, elsewhere = opened(durable, history), Views.open(durable, secret=SECRET)
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set() and number < 300:
            history.added(f"late-{number}")
            elsewhere.catch_up(history.feed, until=history.head)
            assert members_of(elsewhere) == 8 + number
            number += 1

    def rebuild() -> None:
        try:
            for _ in range(4):
                made.rebuild(history.feed, until=history.head)
        finally:
            over.set()

    together(rebuild, write)
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()
    elsewhere.close()
