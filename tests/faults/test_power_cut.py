"""The power goes at any moment: a file has all that was acknowledged, and nothing by halves."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from tests.faults.clients import ask, begin, requests
from tests.faults.disk import Disk, Files, Op, cut, play
from tests.faults.judgement import Notes, judge
from tests.faults.sizes import sized
from tests.faults.vfs import observed

from greenroom import Greenroom

pytestmark = pytest.mark.slow

CUTS: Final = sized(ci=60, large=1_000)


def recorded(directory: Path) -> Disk:
    """A day of a room that is closed and opened again, and all that it wrote."""
    disk = Disk()
    url = f"sqlite:///{directory / 'calls.db'}"
    with observed(disk):
        for day in range(3):
            with Greenroom.open(url, timers=False) as room:
                begin(room)
                for request_id in requests("alice", day * 40, 40):
                    disk.asked(request_id)
                    ask(room, request_id)
                    disk.answered(request_id)
                room.as_user("thierry").call("default", "123").query_members()
    return disk


def noted(notes: Notes, op: Op) -> None:
    """What clients know once it is done."""
    if op.kind == "asked":
        notes.open.add(op.of)
    elif op.kind == "answered":
        notes.open.discard(op.of)
        notes.acknowledged.add(op.of)


def test_all_that_was_acknowledged_is_there_when_the_power_is_back(
    quick_path: Path, tried: Callable[[str, int], None]
) -> None:
    """The days are cut anywhere; sectors that were not synced are there, or not, or torn."""
    (quick_path / "days").mkdir()
    disk = recorded(quick_path / "days")
    lots = Random(CUTS)
    cuts = sorted(lots.choices(range(1, len(disk.ops) + 1), k=CUTS))
    files: Files = {}
    notes = Notes()
    for before, at in pairwise([0, *cuts]):
        for op in disk.ops[before:at]:
            play(files, op)
            noted(notes, op)
        with TemporaryDirectory(dir=quick_path) as after:
            cut(files, Path(after), lots)
            judge_what_is_left(f"sqlite:///{after}/calls.db", deepcopy(notes))
    tried("sqlite", len(cuts))


def judge_what_is_left(url: str, notes: Notes) -> None:
    with Greenroom.open(url, timers=False) as room:
        begin(room)
        judge(room, notes, ask, url=url)
