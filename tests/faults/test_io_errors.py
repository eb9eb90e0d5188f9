"""The disk fails at each single operation: what is said of it is true, and then all goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from tests.faults.clients import ask, begin, requests
from tests.faults.failing_disk import FailingDisk
from tests.faults.judgement import Notes, judge, judge_log, well_told
from tests.faults.sizes import sized
from tests.faults.vfs import observed

from greenroom import Greenroom, errors
from greenroom.adapters.stores import open_store

pytestmark = pytest.mark.slow

LOG: Final = ("calls.db",)
MOST: Final = 5
"""Requests among which the disk fails: one of each kind."""
STEP: Final = sized(ci=9, large=2)
"""Opening a new room takes some hundred operations."""


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "until mended"])
@pytest.mark.parametrize("full", [False, True], ids=["broken", "full"])
def test_what_is_told_of_a_command_is_true_wherever_the_disk_fails(
    quick_path: Path, tried: Callable[[str, int], None], *, lasting: bool, full: bool
) -> None:
    """Also for whoever opens the file when this process is killed right then."""
    disk, notes, faults = FailingDisk(LOG), Notes(), 0
    url = f"sqlite:///{quick_path / 'calls.db'}"
    with observed(disk), Greenroom.open(url, timers=False) as room:
        begin(room)
        for number in count(1):
            disk.break_at(number, lasting=lasting, full=full)
            for request_id in requests("alice", number * MOST, MOST):
                if not notes.ask(room, request_id, ask) and not lasting:
                    break
            disk.mend()
            if not disk.failed:
                break
            faults += 1
            with explained(number, disk):
                judge_as_if_killed_now(quick_path, notes)
                notes.settle(room, ask)
        judge(room, notes, ask, url=url)
    tried("sqlite", faults)


def judge_as_if_killed_now(directory: Path, notes: Notes) -> None:
    with TemporaryDirectory(dir=directory) as other:
        for name in ("calls.db", "calls.db-wal"):
            shutil.copy(directory / name, other)
        with closing(open_store(f"sqlite:///{other}/calls.db", create=False)) as store:
            judge_log(store, notes)


@contextmanager
def explained(number: int, disk: FailingDisk) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        error.add_note(f"operation {number}: {disk.last}")
        raise


def test_a_room_that_could_not_be_opened_can_be_when_the_disk_is_mended(
    quick_path: Path, tried: Callable[[str, int], None]
) -> None:
    """Whichever operation failed while its files were made."""
    disk, faults = FailingDisk(), 0
    with observed(disk):
        for number in count(1, STEP):
            url = f"sqlite:///{quick_path / str(number)}.db"
            disk.break_at(number)
            try:
                with Greenroom.open(url, timers=False) as room:
                    begin(room)
            except errors.StoreError as error:
                well_told([error])
            if not disk.failed:
                break
            disk.mend()
            faults += 1
            with Greenroom.open(url, timers=False) as room:
                begin(room)
                judge(room, Notes(), ask, url=url)
    tried("sqlite", faults)
