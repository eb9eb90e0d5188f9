"""Every process that is after one call gets its share of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.joiners import (
    SHARE,
    call_of,
    come_until_all_have_come,
    let_in_until_all_have,
)
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


@pytest.mark.parametrize("work", [come_until_all_have_come, let_in_until_all_have])
def test_no_process_starves_where_all_are_after_one_call(
    work: Callable[[Greenroom, str, Path], int],
    four: list[Process],
    room: Greenroom,
    tmp_path: Path,
) -> None:
    """Whoever is let through goes on asking: only a fair store lets the last one through."""
    tallies = tmp_path / "tallies"
    tallies.mkdir()
    names = ("thierry", "tommaso", "alice", "eve")
    for name in names:
        (tallies / name).touch()
    asked = [process.begin(work, name, tallies) for process, name in zip(four, names, strict=True)]
    times = [one.result(PATIENCE) for one in asked]
    assert min(times) >= SHARE
    assert len(Referee(room).admitted()) == sum(times)
