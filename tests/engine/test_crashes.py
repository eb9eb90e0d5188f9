"""One process of several is killed, or the server under all: nothing that was told is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.engine.joiners import ask_until_answered, be_impatient, call_of, work
from tests.engine.processes import PATIENCE, Process
from tests.engine.referee import Referee

from greenroom import Greenroom
from greenroom.adapters.clock import SystemClock
from greenroom.testing.postgres import PrivatePostgres

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

pytestmark = pytest.mark.slow

ANSWERS: Final = 5
"""So many are waited for, however long they take: a disk may be slow."""


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Process]]:
    with ExitStack() as started:
        yield [started.enter_context(Process()) for _ in range(3)]


@pytest.fixture
def over(tmp_path: Path) -> Path:
    """They work until this file stands."""
    return tmp_path / "over"


def begin(three: list[Process], url: str, notebooks: list[Path], over: Path) -> list[Future[int]]:
    """Let them work, once all of them have opened the room."""
    for process in three:
        process.open(url)
    return [
        process.begin(work, book.stem, book, over)
        for process, book in zip(three, notebooks, strict=True)
    ]


def notes(notebook: Path, about: str) -> list[str]:
    """The request ids of which that is noted."""
    if not notebook.exists():
        return []
    lines = [line.split() for line in notebook.read_text().splitlines()]
    return [request_id for word, request_id in lines if word == about]


def go_on(working: list[Future[int]], notebooks: list[Path]) -> None:
    """Wait until each of them has been answered some times more than up to now."""
    before = [len(notes(book, "answered")) for book in notebooks]
    ends = time.monotonic() + PATIENCE
    for one, book, then in zip(working, notebooks, before, strict=True):
        while len(notes(book, "answered")) < then + ANSWERS:
            assert not one.done(), one.result()
            assert time.monotonic() < ends, [b.read_text()[-99:] for b in notebooks]
            time.sleep(0.01)


def times_done(room: Greenroom) -> Counter[str]:
    """How often each request was carried out."""
    referee = Referee(room)
    referee.check()
    return Counter(str(records[0].request_id) for records in referee.commands)


def test_of_a_killed_process_all_is_there_that_it_was_told(
    rooms: Rooms, file_url: str, three: list[Process], tmp_path: Path, over: Path
) -> None:
    room = rooms.open(file_url, clock=SystemClock(), timers=False)
    call_of(room, "thierry").create()
    books = [tmp_path / name for name in ("alice", "tommaso", "charlie")]
    working = begin(three, file_url, books, over)
    go_on(working, books)
    three[0].kill()
    go_on(working[1:], books[1:])
    over.touch()
    assert all(one.result(PATIENCE) for one in working[1:])
    unsettled = set(notes(books[0], "asked")) - set(notes(books[0], "answered"))
    assert len(unsettled) <= 1
    for request_id in unsettled:  # by another process, which asks for the same
        three[1].ask(ask_until_answered, "alice", request_id)
    done = times_done(room)
    told = {request_id for book in books for request_id in notes(book, "answered")}
    assert all(done[request_id] == 1 for request_id in told | unsettled)


@pytest.mark.parametrize("crash", [True, False], ids=["killed", "restarted"])
def test_when_the_server_is_back_all_go_on_as_if_nothing_had_been(
    three: list[Process],
    tmp_path: Path,
    over: Path,
    tried: Callable[[str, int], None],
    *,
    crash: bool,
) -> None:
    """What nobody knew the outcome of is settled by asking again under the same request id."""
    with (
        PrivatePostgres(fsync=False) as server,
        server.database() as url,
        Greenroom.open(url) as room,
    ):
        call_of(room, "thierry").create()
        books = [tmp_path / name for name in ("alice", "tommaso", "charlie")]
        working = begin(three[:2], url, books[:2], over)
        three[2].open(url)
        three[2].ask(be_impatient)
        working.append(three[2].begin(work, "charlie", books[2], over))
        times = 0
        for times in count(1):
            go_on(working, books)
            (server.kill if crash else server.stop)()
            time.sleep(0.5)
            server.start()
            # Who stops a server lets a commit end; who kills it often enough meets one.
            if times >= 2 and (not crash or notes(books[2], "unknown")):
                break
        go_on(working, books)
        over.touch()
        assert all(one.result(PATIENCE) for one in working)
        done = times_done(room)
        for book in books:
            assert all(done[request_id] == 1 for request_id in notes(book, "answered"))
            assert all(done[request_id] == 0 for request_id in notes(book, "failed"))
        call_of(room, "thierry").end()
        assert call_of(room, "thierry").query_participants().items == ()
    tried("postgresql", times)
