"""Where timers run, the views follow the log by themselves; who reads depends on nobody."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.engine.joiners import call_of, member_ids
from tests.engine.processes import Process

from greenroom import Greenroom, Member
from greenroom.adapters.clock import SystemClock
from greenroom.projections import following

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

AT_ONCE: Final = 0.05
"""Seconds between attempts to lead, where a test waits for one."""
PATIENCE: Final = 60.0


@pytest.fixture
def opened(
    rooms: Rooms, file_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Greenroom]]:
    """Opens rooms of the same store, in real time; the first makes the call."""
    monkeypatch.setattr(following, "_ASK_AGAIN", AT_ONCE)

    def opened(*, timers: bool = True) -> Greenroom:
        room = rooms.open(file_url, clock=SystemClock(), timers=timers)
        call_of(room, "thierry").create()
        return room

    yield opened
    rooms.close()


def lag_of(room: Greenroom) -> int:
    """How far the views are behind; nothing is caught up by asking."""
    return max(one.lag for one in room.positions().values())


def follows(room: Greenroom) -> bool:
    """Whether somebody brings the views in step with what `room` records now."""
    add(room, f"member-{room.position}")
    return comes_true(lambda: lag_of(room) == 0)


def comes_true(asked: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    ends = time.monotonic() + seconds
    while not asked():
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def add(room: Greenroom, *user_ids: str) -> None:
    call_of(room, "thierry").add_members([Member(user_id) for user_id in user_ids])


def is_led(room: Greenroom) -> bool:
    """Whether somebody follows for all: nobody else can have that role then."""
    lead = room._views.lead()
    assert lead is not None
    try:
        return not lead.taken()
    finally:
        lead.give_up()


def test_the_views_reach_the_end_of_the_log_though_nobody_asks(
    opened: Callable[..., Greenroom],
) -> None:
    assert follows(opened())


def test_what_others_record_is_followed_as_well(opened: Callable[..., Greenroom]) -> None:
    writer = opened(timers=False)
    add(writer, "alice")
    assert lag_of(writer) > 0
    opened()
    assert follows(writer)


@pytest.mark.slow
def test_without_timers_nothing_runs_in_between(opened: Callable[..., Greenroom]) -> None:
    before = set(threading.enumerate())
    room = opened(timers=False)
    add(room, "alice")
    assert comes_true(lambda: set(threading.enumerate()) <= before)
    assert not comes_true(lambda: lag_of(room) == 0, seconds=0.2)
    assert member_ids(room, at_least=0) == ["alice"]


@pytest.mark.parametrize("place", ["memory", "sqlite"])
def test_on_a_virtual_clock_nothing_runs_in_between_either(
    rooms: Rooms, tmp_path: Path, place: str
) -> None:
    before = set(threading.enumerate())
    url = "memory://" if place == "memory" else f"sqlite:///{tmp_path / 'calls.db'}"
    room = rooms.open(url)
    call_of(room, "thierry").create()
    assert comes_true(lambda: set(threading.enumerate()) <= before)


def test_of_two_one_follows_and_the_other_takes_over(opened: Callable[..., Greenroom]) -> None:
    first = opened()
    assert comes_true(lambda: is_led(first))
    second = opened()
    first.close()
    assert comes_true(lambda: is_led(second))
    assert follows(second)


@pytest.mark.slow
def test_who_does_not_lead_leaves_the_work_to_the_leader(
    opened: Callable[..., Greenroom],
) -> None:
    bystander = opened(timers=False)
    lead = bystander._views.lead()
    assert lead is not None
    assert lead.taken()
    add(opened(), "alice")
    assert not comes_true(lambda: not is_led(bystander), seconds=4 * AT_ONCE)
    lead.give_up()
    assert follows(bystander)


def test_closing_leaves_neither_thread_nor_leader(opened: Callable[..., Greenroom]) -> None:
    bystander = opened(timers=False)
    before = set(threading.enumerate())
    room = opened()
    assert comes_true(lambda: is_led(bystander))
    room.close()
    assert comes_true(lambda: set(threading.enumerate()) <= before)
    assert not is_led(bystander)


def test_who_has_written_finds_it_whoever_follows(opened: Callable[..., Greenroom]) -> None:
    leader, other, bystander = opened(), opened(), opened(timers=False)
    expected = []
    for n in range(8):
        for room in (leader, other, bystander):
            expected.append(f"member-{n}-{id(room)}")
            add(room, expected[-1])
            assert sorted(member_ids(room, at_least=0)) == sorted(expected)


@pytest.mark.slow
def test_what_is_wrong_is_said_once_and_then_it_goes_on(
    opened: Callable[..., Greenroom], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    room, views = opened(), tmp_path / "calls.views.db"
    assert follows(room)
    renamed(views, "positions", "hidden")
    add(room, "alice")
    with caplog.at_level(logging.INFO, following.__name__):
        assert comes_true(lambda: bool(said(caplog)))
        time.sleep(0.3)  # it tried again after 0.1 s
        assert [one.levelname for one in said(caplog)] == ["ERROR"]
        renamed(views, "hidden", "positions")
        assert comes_true(lambda: [one.levelname for one in said(caplog)] == ["ERROR", "INFO"])
    assert lag_of(room) == 0


def renamed(views: Path, table: str, name: str) -> None:
    with closing(sqlite3.connect(views, timeout=PATIENCE)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {name}")


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name == following.__name__]


@pytest.mark.slow
def test_after_the_leader_was_killed_another_process_follows(rooms: Rooms, file_url: str) -> None:
    room = rooms.open(file_url, clock=SystemClock(), timers=False)
    call_of(room, "thierry").create()
    with Process() as first, Process() as second:
        first.open(file_url, timers=True)
        assert comes_true(lambda: is_led(room))
        second.open(file_url, timers=True)
        first.kill()
        assert comes_true(lambda: is_led(room), seconds=3)
        assert follows(room)
        second.kill()
        assert comes_true(lambda: not is_led(room), seconds=3)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_child_neither_follows_nor_keeps_others_from_it(
    opened: Callable[..., Greenroom],
) -> None:
    bystander = opened(timers=False)
    room = opened()
    assert comes_true(lambda: is_led(bystander))
    heard, said = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(said)
            os.read(heard, 1)  # until the parent lets go
            add(room, "alice")
            known = member_ids(room, at_least=0)
            room.close()
            status = 0 if known == ["alice"] else 2
        finally:
            os._exit(status)
    assert is_led(bystander)
    room.close()
    assert not is_led(bystander)  # though the child lives
    os.close(said)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
