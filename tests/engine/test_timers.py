"""What happens by itself, on a virtual clock, on the real one, and across reopening."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from greenroom import Greenroom, errors
from greenroom.testing.clock import VirtualClock

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

    from greenroom import CallHandle

LONGEST = "x" * 64
RING = {"ring": {"auto_cancel_timeout_ms": 20_000, "missed_call_timeout_ms": 40_000}}


def recent(call: CallHandle, count: int) -> list[str]:
    return [event.name for event in call.history()][-count:]


def test_an_empty_session_closes_in_time(room: Greenroom, clock: VirtualClock) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.join(create=True).leave()
    clock.advance(seconds=29.999)
    assert call.get().current_session == "default:123/1"
    clock.advance(seconds=0.001)
    assert call.get().current_session is None
    closed = call.history()[-1]
    assert (closed.name, closed.by, closed.at) == ("session.ended", "system:timers", clock.now())


def test_a_session_that_somebody_came_back_to_stays_open(
    room: Greenroom, clock: VirtualClock
) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.join(create=True).leave()
    clock.advance(seconds=20)
    entry = call.join()
    clock.advance(seconds=3600)
    assert call.get().current_session == entry.session_id == "default:123/1"


def test_the_maximum_duration_ends_the_call_to_the_second(
    room: Greenroom, clock: VirtualClock
) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(max_duration=60)
    call.join()
    clock.advance(seconds=30)
    call.update(max_duration=90)
    clock.advance(seconds=59)
    assert call.get().ended_at is None
    clock.advance(seconds=500)
    ended = call.get().ended_at
    assert ended is not None
    assert (clock.now() - ended).total_seconds() == 499
    assert call.query_participants().items == ()


def test_a_ring_is_cancelled_or_missed_in_time(room: Greenroom, clock: VirtualClock) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice", "charlie"], settings=RING, ring=True)
    room.as_user("alice").call("default", "123").accept()
    clock.advance(seconds=39)
    assert recent(call, 1) == ["member.accepted"]
    clock.advance(seconds=1)
    assert recent(call, 1) == ["member.missed"]
    call.ring(["charlie"])
    clock.advance(seconds=20)
    assert recent(call, 2) == ["call.ring_cancelled", "member.missed"]
    before = len(call.history())
    clock.advance(seconds=1000)
    assert len(call.history()) == before


def test_a_ring_left_behind_is_finished_by_whoever_opens_the_store_next(
    rooms: Rooms, file_url: str
) -> None:
    with rooms.open(file_url) as room:
        call = room.as_user("thierry").call("default", "123")
        call.create(member_ids=["alice"], ring=True)
    rooms.clock.advance(seconds=600)
    room = rooms.open(file_url)
    call = room.as_user("thierry").call("default", "123")
    assert recent(call, 2) == ["call.ring_cancelled", "member.missed"]
    assert call.history()[-1].at == rooms.clock.now()


def test_two_rooms_that_both_run_timers_fire_each_once(rooms: Rooms, file_url: str) -> None:
    one = rooms.open(file_url)
    rooms.open(file_url)
    call = one.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice"], ring=True)
    call.join().leave()
    rooms.clock.advance(seconds=600)
    names = [event.name for event in call.history()]
    assert names.count("call.ring_cancelled") == names.count("member.missed") == 1
    assert names.count("session.ended") == 1


@pytest.mark.slow
def test_on_the_real_clock_an_empty_session_closes_by_itself() -> None:
    with Greenroom.open("memory://") as room:
        call = room.as_user("thierry").call("default", "123")
        call.create(max_duration=1)
        call.join()
        deadline = time.monotonic() + 60
        while call.get().ended_at is None:
            assert time.monotonic() < deadline, "the timers sleep"
            time.sleep(0.02)
        assert recent(call, 3) == ["session.left", "call.ended", "session.ended"]
        started, ended = (e for e in call.history() if e.name in {"session.started", "call.ended"})
        assert (ended.at - started.at).total_seconds() >= 1


def test_on_the_real_clock_a_session_without_timeout_closes_at_once() -> None:
    with Greenroom.open("memory://") as room:
        call = room.as_user("thierry").call("default", "123")
        call.create(settings={"session": {"inactivity_timeout_seconds": 0}})
        assert call.join().leave().recorded == ("session.left", "session.ended")


def test_time_runs_out_for_the_call_with_the_longest_name_as_well(
    room: Greenroom, clock: VirtualClock
) -> None:
    room.call_types.create(LONGEST)
    call = room.as_user("thierry").call(LONGEST, LONGEST)
    call.create(max_duration=60)
    call.join()
    clock.advance(timedelta(seconds=61))
    assert call.get().ended_at is not None


def test_no_request_of_a_user_stands_in_the_way_of_a_deadline(
    room: Greenroom, clock: VirtualClock
) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(max_duration=60)
    call.join()
    (due,) = room._core.seen().lookups.due(clock.now() + timedelta(seconds=60), 10)
    call.get(request_id=f"{due.key}@{due.due_at.isoformat()}")
    clock.advance(timedelta(seconds=61))
    assert call.get().ended_at is not None


def test_a_call_whose_deadline_fails_holds_up_no_other(
    room: Greenroom, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        call = room.as_user("thierry").call("default", name)
        call.create(max_duration=60)
        call.join()
    carry_out = room._core.carry_out

    def failing(command: Any) -> Any:
        if command.lane == "default:first":
            raise errors.StoreError("a record cannot be read")
        return carry_out(command)

    monkeypatch.setattr(room._core, "carry_out", failing)
    with pytest.raises(errors.StoreError):
        clock.advance(timedelta(seconds=61))
    assert room.as_user("thierry").call("default", "second").get().ended_at is not None
