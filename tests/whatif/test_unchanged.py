"""Where nothing is supposed, everything comes out as it was."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from tests.engine.test_history_and_explain import carry_out
from tests.laws import NO_SHRINKING, times
from tests.whatif.conftest import START, call_of

from greenroom import Greenroom, Member, errors, whatif
from greenroom.domain.streams import EVENTS
from greenroom.testing.clock import VirtualClock
from greenroom.testing.history import Wish
from greenroom.testing.strategies import cids, courses
from greenroom.whatif import Mode
from greenroom.whatif.wishes import TOLD_AGAIN

OTHERS = "livestream:124"
AS_IT_IS = whatif.rule("team", lambda _facts, _there, as_it_is: as_it_is)
NO_STRANGERS = whatif.revoke("default", role="user", capability="join-call")
NO_HOSTS = whatif.revoke("livestream", role="host", capability="join-backstage")


FOLLOWS = {"session.started", "session.ended", "member.missed"}
"""What nobody asks for: it comes with something else, or with time."""


def test_whatever_is_recorded_of_calls_is_told_again() -> None:
    of_calls = {name for name in EVENTS if not name.startswith(("type.", "user."))}
    assert {event.name for event in TOLD_AGAIN} == of_calls - FOLLOWS


def test_true_is_written_over_one_again(room: Greenroom) -> None:
    """To Python they are equal; what wrote the one over the other did not go without effect."""
    call = call_of(room, "thierry")
    call.create(members=[Member("alice", custom={"plan": 1})], custom={"plan": True})
    assert call.update_members([Member("alice", custom={"plan": True})]).recorded
    assert call.update(custom={"plan": 1}).recorded
    for mode in Mode:
        assert room.what_if().over(mode=mode).same


def everything_comes_out_as_it_was(cid: str, course: Sequence[Wish], other: Sequence[Wish]) -> None:
    """Two calls of different types, whose wishes meet the timers of both."""
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        for called, wishes in ((cid, course), (OTHERS, other)):
            for wish in wishes:
                with suppress(errors.GreenroomError):
                    carry_out(room, clock, called, wish)
        asked = {mode: room.what_if().over(mode=mode) for mode in Mode}
        by_turns = {mode: room.what_if(AS_IT_IS).over(mode=mode) for mode in Mode}
        for found in (*asked.values(), *by_turns.values()):
            assert found.same, found.differences[0]
            assert found.differences == ()
        assert asked[Mode.PINNED].decided == asked[Mode.CASCADING].decided > 0
        for change in (NO_STRANGERS, NO_HOSTS):
            for mode in Mode:  # with another rule in play, nothing is decided on facts alone
                quick, slow = (room.what_if(change, *with_) for with_ in ((), (AS_IT_IS,)))
                assert quick.over(mode=mode) == slow.over(mode=mode)


@settings(max_examples=times(4), phases=NO_SHRINKING)
@given(cids(), courses(), courses(shortest=5, longest=10))
def test_whatever_happened(cid: str, course: Sequence[Wish], other: Sequence[Wish]) -> None:
    everything_comes_out_as_it_was(cid, course, other)


@pytest.mark.slow
@settings(max_examples=times(15), phases=NO_SHRINKING)
@given(cids(), courses(shortest=25, longest=60), courses())
def test_whatever_happened_in_long_courses(
    cid: str, course: Sequence[Wish], other: Sequence[Wish]
) -> None:
    everything_comes_out_as_it_was(cid, course, other)
