"""The line to the server breaks at any byte: the answer is true, and asking again does it once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import pytest
from tests.faults.clients import ask, begin
from tests.faults.judgement import Notes, judge, judge_log
from tests.faults.line import BreakingLine, Way
from tests.faults.sizes import sized

from greenroom import Greenroom
from greenroom.adapters import postgres_writing

pytestmark = pytest.mark.slow

STEP: Final = sized(ci=41, large=4)
"""Bytes from one break to the next."""


@pytest.fixture
def line(postgres_url: str) -> Iterator[BreakingLine]:
    with BreakingLine(postgres_url) as line:
        yield line


@pytest.mark.parametrize("way", ["questions", "answers"])
@pytest.mark.parametrize("stays", [False, True], ids=["for a moment", "until mended"])
def test_what_is_told_of_a_command_is_true_wherever_the_line_breaks(
    way: Way,
    postgres_url: str,
    line: BreakingLine,
    monkeypatch: pytest.MonkeyPatch,
    tried: Callable[[str, int], None],
    *,
    stays: bool,
) -> None:
    if stays:
        monkeypatch.setattr(postgres_writing, "_PATIENCE", 0.01)
    notes, breaks = Notes(), 0
    with Greenroom.open(line.url, timers=False) as room:
        begin(room)
        for number in count():
            line.break_after(number * STEP, way, stays=stays)
            notes.ask(room, f"add:alice:{number}", ask)
            line.mend()
            if not line.broken:
                break
            breaks += 1
            judge_log(room._store, notes)
            notes.settle(room, ask)
        judge(room, notes, ask, url=postgres_url)
    assert breaks > 10
    assert bool(notes.told) == stays, "who calls again gets through"
    tried("postgresql", breaks)
