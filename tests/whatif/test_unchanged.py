"""Where nothing is supposed, everything comes out as it was."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from tests.engine.test_history_and_explain import NO_SHRINKING, carry_out
from tests.whatif.conftest import START

from greenroom import Greenroom, errors
from greenroom.testing.clock import VirtualClock
from greenroom.testing.history import Wish
from greenroom.testing.strategies import cids, courses
from greenroom.whatif import Mode

OTHERS = "livestream:124"


def everything_comes_out_as_it_was(cid: str, course: Sequence[Wish], other: Sequence[Wish]) -> None:
    """Two calls of different types, whose wishes meet the timers of both."""
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        for called, wishes in ((cid, course), (OTHERS, other)):
            for wish in wishes:
                with suppress(errors.GreenroomError):
                    carry_out(room, clock, called, wish)
        asked = {mode: room.what_if().over(mode=mode) for mode in Mode}
        for found in asked.values():
            assert found.same, found.differences[0]
            assert found.differences == ()
        assert asked[Mode.PINNED].decided == asked[Mode.CASCADING].decided > 0


@settings(max_examples=8, phases=NO_SHRINKING)
@given(cids(), courses(), courses(shortest=5, longest=10))
def test_whatever_happened(cid: str, course: Sequence[Wish], other: Sequence[Wish]) -> None:
    everything_comes_out_as_it_was(cid, course, other)


@pytest.mark.slow
@settings(max_examples=150, phases=NO_SHRINKING)
@given(cids(), courses(shortest=25, longest=60), courses())
def test_whatever_happened_in_long_courses(
    cid: str, course: Sequence[Wish], other: Sequence[Wish]
) -> None:
    everything_comes_out_as_it_was(cid, course, other)
