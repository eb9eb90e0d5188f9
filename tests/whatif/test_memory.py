"""However much there is to decide on again, only so much of it is in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.whatif.busy import busy_log

from greenroom import Greenroom, whatif
from greenroom.whatif import Comparison, Mode, running, worlds
from greenroom.whatif.changes import Change

NO_STRANGERS = whatif.revoke("default", role="user", capability="join-call")
SMALLER = whatif.settings("default", {"limits": {"max_participants": 1}})
CALLS, KEPT, UNFOLDED = 25, 12, 9
MOST = 20 * 1024
"""KiB; were all records kept, it would be fifty more MiB."""
PROGRAM = """
import sys
from pathlib import Path
from greenroom import Greenroom, whatif

with Greenroom.open(sys.argv[1], timers=False) as room:
    change = whatif.revoke("default", role="user", capability="join-call")
    assert room.what_if(change).over(processes=1, shown=0).decided > 10_000
print(*(line.split()[1] for line in Path("/proc/self/status").open() if line.startswith("VmHWM")))
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Greenroom]:
    """In which people come and go in 25 calls at the same time."""
    path = tmp_path_factory.mktemp("busy") / "calls.db"
    with Greenroom.open(busy_log(path, calls=CALLS, visits=3), timers=False) as room:
        yield room


@pytest.mark.slow
@pytest.mark.parametrize("mode", [*Mode])
@pytest.mark.parametrize("changes", [(), (NO_STRANGERS,), (SMALLER,), (whatif.without([30]),)])
def test_calls_that_are_let_go_and_read_again_come_out_the_same(
    room: Greenroom,
    monkeypatch: pytest.MonkeyPatch,
    changes: tuple[Change, ...],
    mode: Mode,
) -> None:
    def asked() -> Comparison:
        return room.what_if(*changes).over(mode=mode, processes=1)

    at_leisure = asked()
    held: list[worlds.Calls] = []

    class Cramped(worlds.Calls):
        def __init__(self, recall: worlds.Recall) -> None:
            super().__init__(recall, KEPT, UNFOLDED)
            held.append(self)

    monkeypatch.setattr(running, "Calls", Cramped)
    monkeypatch.setattr(worlds, "KEPT", 0)  # of call types and users
    monkeypatch.setattr(worlds, "_ALWAYS_KEPT", 2)
    assert asked() == at_leisure
    assert held[0].size < KEPT + 5 * UNFOLDED  # of CALLS, each of which has five


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory it was")
def test_six_times_as_many_records_of_as_many_calls_take_little_more(tmp_path: Path) -> None:
    few, many = (_peak(tmp_path / f"{visits}.db", visits) for visits in (25, 150))
    assert many - few < MOST


def _peak(path: Path, visits: int) -> int:
    """KiB that a process had at most to decide again on 500 calls."""
    url = busy_log(path, calls=500, visits=visits)
    asked = subprocess.run(
        [sys.executable, "-c", PROGRAM, url], check=True, capture_output=True, text=True
    )
    return int(asked.stdout)
