"""The disk is full: it is said so, and with some space all goes on."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from tests.faults.clients import ask, begin
from tests.faults.judgement import Notes, judge, judge_log
from tests.faults.sizes import sized
from tests.faults.small_disk import filled, mounted

from greenroom import Greenroom

pytestmark = pytest.mark.slow

TIMES: Final = sized(ci=3, large=30)
MARGIN: Final = 1 << 18
"""Bytes that are left, or given up, each time."""


def test_what_fills_a_small_disk_is_told_and_goes_on_when_there_is_space(
    tmp_path: Path, tried: Callable[[str, int], None]
) -> None:
    """On a file system of some megabytes; where none may be mounted, by a limit on file sizes."""
    notes, numbers = Notes(), count()
    with small_disk(tmp_path) as fill_up, Greenroom.open(url_in(tmp_path), timers=False) as room:
        begin(room)
        for _ in range(TIMES):
            make_space = fill_up()
            told = len(notes.told)
            while len(notes.told) == told:
                notes.ask(room, f"add:alice:{next(numbers)}", ask)
            for kind in ("update", "join", "upsert"):
                notes.ask(room, f"{kind}:alice:{next(numbers)}", ask)
            make_space()
            judge_log(room._store, notes)
            notes.settle(room, ask)
        judge(room, notes, ask, url=url_in(tmp_path))
    tried("sqlite", TIMES)


def url_in(directory: Path) -> str:
    return f"sqlite:///{directory / 'calls.db'}"


@contextmanager
def small_disk(at: Path) -> Iterator[Callable[[], Callable[[], None]]]:
    """What fills it up, and answers what makes space again."""
    with mounted(at, megabytes=64) as small:
        yield (lambda: filled(at, left=MARGIN)) if small else (lambda: limited(at))


def limited(at: Path) -> Callable[[], None]:
    """No file of this process grows by more than a little."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(file.stat().st_size for file in at.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + MARGIN, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
