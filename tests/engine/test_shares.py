"""Every process that is after one call gets its share of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.engine.joiners import call_of, come_as_often_as_possible, let_in_as_many_as_possible
from tests.engine.processes import PATIENCE, Process
from tests.engine.referee import Referee

from greenroom import Greenroom
from greenroom.adapters.clock import SystemClock

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

pytestmark = pytest.mark.slow


@pytest.fixture
def room(rooms: Rooms, file_url: str) -> Greenroom:
    room = rooms.open(file_url, clock=SystemClock(), timers=False)
    call_of(room, "thierry").create()
    return room


@pytest.fixture
def four(room: Greenroom, file_url: str) -> Iterator[list[Process]]:
    with ExitStack() as started:
        processes = [started.enter_context(Process()) for _ in range(4)]
        for process in processes:
            process.open(file_url)
        yield processes


@pytest.mark.parametrize("work", [come_as_often_as_possible, let_in_as_many_as_possible])
def test_no_process_starves_where_all_are_after_one_call(
    work: Callable[[Greenroom, str, float], int], four: list[Process], room: Greenroom
) -> None:
    until = time.time() + 4
    names = ("thierry", "tommaso", "alice", "eve")
    asked = [process.begin(work, name, until) for process, name in zip(four, names, strict=True)]
    times = [one.result(PATIENCE) for one in asked]
    assert min(times) >= sum(times) / len(times) / 10, times
    assert len(Referee(room).admitted()) == sum(times)
