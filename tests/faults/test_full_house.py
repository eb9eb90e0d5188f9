"""More want in than a call takes, which is ended, opened, changed: the log tells who was right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest
from tests.engine.joiners import Told, call_of
from tests.engine.processes import PATIENCE, Process
from tests.engine.referee import Referee
from tests.faults.crowding import CAPACITY, crowd_in, disturb
from tests.faults.judgement import Notes, judge
from tests.faults.sizes import sized

from greenroom import Greenroom
from greenroom.adapters.clock import SystemClock

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

pytestmark = pytest.mark.slow

TIMES: Final = sized(8, 60)
"""How often each of them asks."""
CODES: Final = {"in", "call_full", "call_ended", "blocked", "not_live_yet"}


@pytest.fixture(scope="module")
def processes() -> Iterator[list[Process]]:
    with ExitStack() as started:
        yield [started.enter_context(Process()) for _ in range(3)]


@pytest.fixture
def room(rooms: Rooms, file_url: str) -> Greenroom:
    room = rooms.open(file_url, clock=SystemClock(), timers=False)
    call_of(room, "thierry").create(max_participants=CAPACITY)
    return room


def crowd(name: str) -> list[str]:
    """Two more than there is room for."""
    return [f"{name}-{n}" for n in range(CAPACITY + 2)]


def test_from_threads_nobody_is_let_in_or_turned_away_wrongly(
    room: Greenroom, file_url: str, tried: Callable[[str, int], None]
) -> None:
    here = crowd("here")
    with ThreadPoolExecutor(2) as threads:
        coming = threads.submit(crowd_in, room, here, 2 * TIMES)
        disturbing = threads.submit(disturb, room, here, 1, 4 * TIMES)
        heard = coming.result(PATIENCE)
        disturbing.result(PATIENCE)
    everybody_was_told_the_truth(room, heard)
    judge(room, Notes(), lambda *_: None, url=file_url)
    tried(file_url.partition(":")[0], len(heard))


def test_from_processes_nobody_is_let_in_or_turned_away_wrongly(
    processes: list[Process], room: Greenroom, file_url: str, tried: Callable[[str, int], None]
) -> None:
    for process in processes:
        process.open(file_url)
    first, second, third = processes
    teams = crowd("first"), crowd("second")
    coming = [
        process.begin(crowd_in, team, TIMES)
        for process, team in zip((first, second), teams, strict=True)
    ]
    disturbing = third.begin(disturb, [one for team in teams for one in team], 2, 4 * TIMES)
    heard = [one for future in coming for one in future.result(PATIENCE)]
    disturbing.result(PATIENCE)
    for process in processes:
        process.leave()
    everybody_was_told_the_truth(room, heard)
    judge(room, Notes(), lambda *_: None, url=file_url)
    tried(file_url.partition(":")[0], len(heard))


def everybody_was_told_the_truth(room: Greenroom, heard: Sequence[Told]) -> None:
    """Each admission is decided again where it stands; each refusal was right at some moment."""
    assert {"in", "call_full"} <= {one.code for one in heard} <= CODES
    referee = Referee(room)
    referee.check()
    let_in = Counter(one.user_id for one in heard if one.code == "in")
    assert Counter(referee.admitted()) == let_in
    wrongly = [one for one in heard if one.code != "in" and not referee.was_true(one)]
    assert wrongly == []
    page = call_of(room, "thierry").query_participants(limit=1000, at_least=room.position)
    assert {one.user_id for one in page.items} == referee.present()
