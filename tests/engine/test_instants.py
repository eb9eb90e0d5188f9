"""From an instant to a position: all that was recorded up to then, however clocks jump."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.engine.conftest import START, Rooms

from greenroom import Greenroom
from greenroom.domain.instants import micros
from greenroom.domain.membership import MemberAdded
from greenroom.domain.message import UserId
from greenroom.domain.streams import member_stream, user_stream
from greenroom.domain.user import UserUpserted
from greenroom.projections import instants
from greenroom.testing.clock import VirtualClock
from greenroom.testing.store_events import CID, decided

ALICE = UserId("alice")
SECONDS = st.integers(-5, 30)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def record(room: Greenroom, seconds: Sequence[float]) -> None:
    """Let these be the instants at which the next events about alice were decided."""
    stream = user_stream(ALICE)
    version = len(list(room._store.events(stream)))
    room._store.append(
        [
            decided(UserUpserted(at=at(each), user_id=ALICE), stream, version + n)
            for n, each in enumerate(seconds, 1)
        ]
    )


def last_until(room: Greenroom, instant: datetime) -> int:
    """The definition: all of the log is read."""
    return max((position for position, one in room._store.feed() if one.at <= instant), default=0)


@pytest.mark.slow
@given(st.lists(st.lists(SECONDS, min_size=1, max_size=12), max_size=5), st.lists(SECONDS))
@example([[9, 1, 9, 9, 9, 9, 2, 9]], [1, 2, 3])
@example([[9], [1], [8, 3]], [0, 1, 3, 8])
def test_the_last_record_up_to_an_instant_is_found(
    batches: list[list[int]], asked: list[int]
) -> None:
    clock = VirtualClock(START)
    with (
        pytest.MonkeyPatch.context() as patch,
        Greenroom.open("memory://", clock=clock, timers=False) as room,
    ):
        patch.setattr(instants, "SPANS", (2, 4, 8))  # as in a long log
        clock.advance(seconds=60)
        for batch in batches:
            record(room, batch)
            for seconds in asked:
                with room.at(at(seconds)) as past:
                    assert past.position == last_until(room, at(seconds))


@pytest.mark.slow
@given(st.lists(SECONDS, min_size=1, max_size=20))
@example([1, 2, 30, *range(5)])
def test_no_event_of_a_call_is_later_than_what_is_told_of_its_position(seconds: list[int]) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        Greenroom.open("memory://", clock=VirtualClock(START), timers=False) as room,
    ):
        patch.setattr(instants, "SPANS", (2, 4, 8))
        told: list[int] = []
        for version, each in enumerate(seconds, 1):
            event = MemberAdded(at=at(each), cid=CID, user_id=ALICE)
            room._store.append([decided(event, member_stream(CID, ALICE), version)])
            told.append(room._core.index().latest_until(room.position))
        first = room.position - len(seconds) + 1
        index = room._core.index()
        assert told == [index.latest_until(first + n) for n in range(len(seconds))]
        latest = accumulate(map(at, [0, *seconds]), max)
        assert told == [micros(each) for each in latest][1:]


@pytest.mark.slow
def test_in_a_long_log_as_well(rooms: Rooms, url: str, clock: VirtualClock) -> None:
    room = rooms.open(url, timers=False)
    record(room, [n - 300 * (n in {700, 1200}) for n in range(1500)])  # the clock jumps twice
    clock.advance(seconds=2000)
    for seconds in (-1, 0, 5, 399, 400, 401, 699, 700, 899, 900, 901, 1199, 1200, 1499.5):
        with room.at(at(seconds)) as past:
            assert past.position == last_until(room, at(seconds))


def test_an_instant_costs_one_stretch_of_the_log(
    room: Greenroom, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(room, range(1500))
    clock.advance(seconds=2000)
    room.at(at(1)).close()  # the views have seen it all
    read: list[int] = []
    feed = room._store.feed

    def counting(after: int = 0, *, until: int | None = None) -> object:
        for position, recorded in feed(after, until=until):
            read.append(position)
            yield position, recorded

    monkeypatch.setattr(room._store, "feed", counting)
    room.at(at(700)).close()
    assert len(read) == 256
