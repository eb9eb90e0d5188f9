"""One process of several is killed, or the server under all: nothing that was told is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

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


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Process]]:
    with ExitStack() as started:
        yield [started.enter_context(Process()) for _ in range(3)]


def begin(
    three: list[Process], url: str, notebooks: list[Path], seconds: float
) -> list[Future[int]]:
    """Let them work for so long, once all of them have opened the room."""
    for process in three:
        process.open(url)
    until = time.time() + seconds
    return [
        process.begin(work, book.stem, book, until)
        for process, book in zip(three, notebooks, strict=True)
    ]


def notes(notebook: Path, about: str) -> list[str]:
    """The request ids of which that is noted."""
    lines = [line.split() for line in notebook.read_text().splitlines()]
    return [request_id for word, request_id in lines if word == about]


def go_on(working: list[Future[int]], notebooks: list[Path]) -> None:
    """Wait until they are done; each of them is answered much more than up to now."""
    before = [len(notes(book, "answered")) for book in notebooks]
    after = [one.result(PATIENCE) for one in working]
    assert all(now > then + 20 for then, now in zip(before, after, strict=True)), [
        Counter(line.split()[0] for line in book.read_text().splitlines()) for book in notebooks
    ]


def times_done(room: Greenroom) -> Counter[str]:
    """How often each request was carried out."""
    referee = Referee(room)
    referee.check()
    return Counter(str(records[0].request_id) for records in referee.commands)


def test_of_a_killed_process_all_is_there_that_it_was_told(
    rooms: Rooms, file_url: str, three: list[Process], tmp_path: Path
) -> None:
    room = rooms.open(file_url, clock=SystemClock(), timers=False)
    call_of(room, "thierry").create()
    books = [tmp_path / name for name in ("alice", "tommaso", "charlie")]
    working = begin(three, file_url, books, 4)
    while not books[0].exists() or len(notes(books[0], "answered")) < 20:
        assert not working[0].done(), "too little was done"
        time.sleep(0.01)
    three[0].kill()
    others_then = [len(notes(book, "answered")) for book in books[1:]]
    assert all(
        one.result(PATIENCE) > then + 20 for one, then in zip(working[1:], others_then, strict=True)
    )
    unsettled = set(notes(books[0], "asked")) - set(notes(books[0], "answered"))
    assert len(unsettled) <= 1
    for request_id in unsettled:  # by another process, which asks for the same
        three[1].ask(ask_until_answered, "alice", request_id)
    done = times_done(room)
    told = {request_id for book in books for request_id in notes(book, "answered")}
    assert all(done[request_id] == 1 for request_id in told | unsettled)


@pytest.mark.parametrize("crash", [True, False], ids=["killed", "restarted"])
def test_when_the_server_is_back_all_go_on_as_if_nothing_had_been(
    three: list[Process], tmp_path: Path, *, crash: bool
) -> None:
    """What nobody knew the outcome of is settled by asking again under the same request id."""
    with (
        PrivatePostgres(fsync=False) as server,
        server.database() as url,
        Greenroom.open(url) as room,
    ):
        call_of(room, "thierry").create()
        books = [tmp_path / name for name in ("alice", "tommaso", "charlie")]
        working = begin(three[:2], url, books[:2], 14)
        three[2].open(url)
        three[2].ask(be_impatient)
        working.append(three[2].begin(work, "charlie", books[2], time.time() + 14))
        for times in count(1):
            time.sleep(1)
            (server.kill if crash else server.stop)()
            time.sleep(0.5)
            server.start()
            if times >= 2 and (not crash or times == 5 or notes(books[2], "unknown")):
                break
        go_on(working, books)
        assert notes(books[2], "unknown") or not crash  # who stops a server lets a commit end
        done = times_done(room)
        for book in books:
            assert all(done[request_id] == 1 for request_id in notes(book, "answered"))
            assert all(done[request_id] == 0 for request_id in notes(book, "failed"))
        call_of(room, "thierry").end()
        assert call_of(room, "thierry").query_participants().items == ()
