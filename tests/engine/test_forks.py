"""A room that was opened before the process forked serves parent and children."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.engine.joiners import CALL, call_of
from tests.engine.referee import Referee

from greenroom import Greenroom, errors
from greenroom.adapters.clock import SystemClock
from greenroom.projections import forks

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks"),
]

HANGS = 150
"""Seconds after which a child that is not done is ended."""
FAILED = 255


@pytest.fixture
def room(rooms: Rooms, file_url: str) -> Greenroom:
    """With every connection that it may have."""
    room = rooms.open(file_url, clock=SystemClock(), timers=False)
    call = call_of(room, "thierry")
    call.create(max_participants=12)
    call.join()
    call.query_participants()
    call.leave()
    return room


def child(do: Callable[[], int]) -> int:
    """The process id of a child that ends with what `do` answers."""
    process = os.fork()
    if process:
        return process
    answer = FAILED
    try:
        signal.alarm(HANGS)
        answer = do()
        gc.collect()  # what belongs to the parent must not be given back in its name
    finally:
        os._exit(answer)


def answer_of(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def admitted(room: Greenroom, name: str) -> int:
    """How many of ten get in; the room is closed by whoever asks in a child."""
    times = 0
    for n in range(10):
        try:
            room.as_user(f"{name}-{n}").call(*CALL).join()
        except errors.CallFull:
            continue
        times += 1
    return times


def test_children_and_their_parent_let_in_exactly_as_many_as_the_call_takes(
    room: Greenroom,
) -> None:
    def let_in(name: str) -> int:
        times = admitted(room, name)
        call_of(room, "thierry").query_participants()
        room.close()
        return times

    children = [child(partial(let_in, name)) for name in ("first", "second", "third")]
    mine = admitted(room, "parent")
    theirs = [answer_of(process) for process in children]
    assert FAILED not in theirs
    assert mine + sum(theirs) == 12
    referee = Referee(room)
    referee.check()
    assert len(referee.present()) == 12
    call_of(room, "thierry").end()
    assert call_of(room, "thierry").query_participants().items == ()


def test_a_child_that_is_forked_in_the_middle_of_commands_is_not_held_up_by_them(
    room: Greenroom,
) -> None:
    """Who gave those commands is not there, in the child: nobody would finish them."""
    over = threading.Event()

    def come_and_go(user_id: str) -> None:
        call = call_of(room, user_id)
        while not over.is_set():
            call.join()
            call.leave()

    def once() -> int:
        call_of(room, "charlie").join()
        call_of(room, "charlie").leave()
        return 0

    with ExitStack() as stack:
        for user_id in ("alice", "tommaso", "eve", "jaewoong"):
            thread = threading.Thread(target=come_and_go, args=[user_id])
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        assert [answer_of(child(once)) for _ in range(5)] == [0] * 5
    referee = Referee(room)
    referee.check()
    assert referee.admitted().count("charlie") == 5
    assert referee.present() == set()


def test_a_child_finds_no_lock_that_a_thread_of_its_parent_held(room: Greenroom) -> None:
    def everything() -> int:
        call = call_of(room, "charlie")
        call.join()
        call.leave()
        room.at(room.position).as_user("charlie").call(*CALL).query_participants()
        room.outbox.entries()
        return 0

    everything()
    with ExitStack() as stack:
        for lock in list(forks._LOCKS):
            stack.enter_context(lock)
        process = child(everything)
    assert answer_of(process) == 0


def test_what_a_child_records_is_there_when_its_parent_has_closed_the_room(
    rooms: Rooms, file_url: str
) -> None:
    """Whoever is the last to close a file does away with its log: a child must count."""
    room = rooms.open(file_url, clock=SystemClock())
    call_of(room, "thierry").create(member_ids=["alice"], ring=True)
    call_of(room, "thierry").block("eve")
    with pytest.raises(errors.Blocked):
        call_of(room, "eve").join()
    room.outbox.entries()
    parent_is_done, child_is_in = os.pipe(), os.pipe()

    def come_and_go() -> int:
        call = call_of(room, "charlie")
        call.join()
        os.write(child_is_in[1], b"!")
        os.read(parent_is_done[0], 1)
        call.leave()
        with pytest.raises(errors.Blocked):
            call_of(room, "eve").join()
        return 0  # it ends without closing anything

    process = child(come_and_go)
    os.read(child_is_in[0], 1)
    room.close()
    os.write(parent_is_done[1], b"!")
    assert answer_of(process) == 0
    again = rooms.open(file_url, clock=SystemClock(), timers=False)
    kinds = [one.name for one in call_of(again, "thierry").history(user="charlie")]
    assert kinds == ["session.started", "session.joined", "session.left"]


@pytest.mark.parametrize("where", ["outbox", "views", "log"])
def test_a_child_that_is_forked_while_somebody_writes_is_not_held_up(
    rooms: Rooms, file_url: str, where: str
) -> None:
    room = rooms.open(file_url, clock=SystemClock())
    call_of(room, "thierry").create(ring=True, member_ids=["alice"])
    views, store, begun = room._views._database, room._store, threading.Event()
    written = {"outbox": room.outbox._database.writing, "views": views.write, "log": store.alone}

    def write() -> None:
        with written[where]():
            begun.set()
            time.sleep(0.5)
            with views.read():  # as who decides alone may have to
                pass

    def everything() -> int:
        call = call_of(room, "charlie")
        call.join()
        assert [one.user_id for one in call.query_participants().items] == ["charlie"]
        call.leave()
        return 0

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait(HANGS)
    process = child(everything)
    writer.join()
    assert answer_of(process) == 0
    assert call_of(room, "alice").accept().recorded == ("member.accepted",)


class Never:
    """A ticker to which nothing falls due."""

    def next_due(self) -> None:
        """Never."""

    def fire_due(self) -> None:
        """Nothing."""


def test_a_child_waits_for_no_thread_that_was_about_to_look_at_a_timer() -> None:
    drive = SystemClock().drive(Never())
    held, over = threading.Event(), threading.Event()

    def look() -> None:
        with drive._changed:  # type: ignore[attr-defined]  # as its own thread does
            held.set()
            over.wait(HANGS)

    def go_on() -> int:
        drive.wake()
        drive.stop()
        return 0

    looking = threading.Thread(target=look)
    looking.start()
    held.wait(HANGS)
    process = child(go_on)
    over.set()
    looking.join()
    assert answer_of(process) == 0
    drive.stop()
