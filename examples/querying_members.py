"""Querying members: filter, sort and page through thousands of them."""

from datetime import UTC, datetime

from greenroom import Greenroom, Member, asc, desc, errors
from greenroom.testing import VirtualClock

clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))

with Greenroom.open("sqlite:///calls.db", clock=clock) as room:
    call = room.as_user("thierry").call("default", "all-hands")
    call.create()
    for hundred in range(10):
        clock.advance(seconds=1)
        call.add_members(
            Member(
                f"user-{hundred}-{n:02}", custom={"seat": n, "color": "red" if n % 2 else "blue"}
            )
            for n in range(100)
        )
    clock.advance(seconds=1)
    call.add_members([Member("jaewoong", role="host")])

    response = call.query_members(
        filters={"user_id": "jaewoong"}, sort=[desc("created_at")], limit=5
    )
    print([(member.user_id, member.role) for member in response.items])

    filters = {"custom.color": "red", "custom.seat": {"$lt": 10}}
    page = call.query_members(filters=filters, sort=[asc("user_id")], limit=20)
    seen = list(page.items)
    while page.next:
        page = call.query_members(
            filters=filters, sort=[asc("user_id")], limit=20, cursor=page.next
        )
        seen += page.items
    print(f"{len(seen)} red seats in front, of {call.get().member_count} members")
    assert len({member.user_id for member in seen}) == len(seen) == 50

    room.users.upsert("jaewoong", name="Jaewoong", custom={"plan": "gold"})
    found = call.query_members(filters={"user.custom.plan": "gold"})
    print([member.user.name for member in found.items])

    try:
        call.query_members(filters={"user_idd": "jaewoong"})
    except errors.InvalidFilter as refusal:
        print(f"{refusal.path}: did you mean {refusal.nearest}?")
