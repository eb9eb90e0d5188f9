"""Backstage: hosts set up first; regular users are let in ahead of the start, or on going live."""

from datetime import UTC, datetime, timedelta

from greenroom import Backstage, Greenroom, Member, errors
from greenroom.testing import VirtualClock

clock = VirtualClock(datetime(2026, 1, 1, 20, tzinfo=UTC))

with Greenroom.open("sqlite:///calls.db", clock=clock) as room:
    call = room.as_user("thierry").call("livestream", "launch")
    call.create(
        members=[Member("test")],
        starts_at=clock.now() + timedelta(seconds=500),
        backstage=Backstage(enabled=True, join_ahead_time_seconds=300),
    )
    call.join()  # its creator may set up in backstage

    fan = room.as_user("jaewoong").call("livestream", "launch")
    try:
        fan.join()
    except errors.NotLiveYet as refusal:
        print(f"it is {clock.now():%H:%M:%S}, the doors open at {refusal.opens_at:%H:%M:%S}")

    clock.advance(seconds=199)
    print(f"after 199 seconds: {fan.explain('join').allowed}")
    clock.advance(seconds=1)
    print(f"after 200 seconds: {fan.explain('join').allowed}")
    fan.join()

    call.go_live()
    assert not call.get().backstage
    print(f"live, with {len(call.query_participants().items)} in it")
