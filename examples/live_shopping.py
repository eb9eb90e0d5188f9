"""Live shopping: a show with a backstage, a full house, a heckler, and an audience that reacts."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from greenroom import Backstage, Greenroom, Member, errors
from greenroom.testing import VirtualClock

clock = VirtualClock(datetime(2026, 5, 1, 19, tzinfo=UTC))
orders: list[tuple[str, Any]] = []


def order(user_id: str, event: Mapping[str, Any]) -> None:
    """What the shop does with a custom event."""
    orders.append((user_id, event["product"]))


with Greenroom.open("sqlite:///calls.db", clock=clock) as room:
    room.call_types.create("show", based_on="livestream")
    room.call_types.grant("show", role="user", capability="send-event")

    host = room.as_user("thierry").call("show", "spring")
    host.create(
        members=[Member("tommaso", role="host"), Member("alice", role="moderator")],
        starts_at=clock.now() + timedelta(hours=1),
        backstage=Backstage(join_ahead_time_seconds=600),
        max_participants=5,
    )
    host.join()
    room.as_user("tommaso").call("show", "spring").join()
    host.watch(order)

    clock.advance(timedelta(minutes=50))
    fans = [room.as_user(f"fan-{n}").call("show", "spring") for n in range(4)]
    for fan in fans:
        try:
            fan.join()
        except errors.CallFull as refusal:
            print(f"{fan!r} waits: {refusal}")

    host.go_live()
    fans[0].send_event({"product": "teapot"})
    print(orders)

    moderator = room.as_user("alice").call("show", "spring")
    moderator.kick("fan-1", block=True)
    print(f"fan-1 may come back: {fans[1].explain('join').allowed}")
    fans[3].join()  # there is room now

    host.stop_live()
    print(f"after the show: {sorted({p.user_id for p in host.query_participants().items})}")
    host.end()
    (session,) = host.query_sessions().items
    print(f"{session.participant_count} took part in {session.entry_count} connections")
