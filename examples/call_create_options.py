"""A call with members and custom data, that starts tomorrow, is for one team, and rings."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from greenroom import Greenroom, Member, errors

tomorrow = datetime.now(UTC) + timedelta(days=1)

with Greenroom.open("sqlite:///calls.db") as room:
    for user in ("thierry", "tommaso", "alice"):
        room.users.upsert(user, teams=["stream"])

    call = room.as_user("alice").call("default", str(uuid4()))
    result = call.create(
        member_ids=["thierry", "tommaso"],
        custom={"color": "red"},
        starts_at=tomorrow,
        team="stream",
        ring=True,
        notify=False,
    )
    assert result.starts_at == tomorrow
    print(f"{result.member_count} members, team {result.team}, {dict(result.custom)}")
    print("rings" if "call.rung" in result.recorded else "is silent")

    room.as_user("thierry").call("default", call.id).accept()

    try:
        room.as_user("jaewoong").call("default", call.id).join()
    except errors.WrongTeam as refusal:
        print(f"jaewoong: {refusal.code}")

    # Members may have a role and custom data of their own; limits are options as well.
    webinar = room.as_user("alice").call("default", "webinar")
    webinar.create(
        members=[Member("tommaso", role="host", custom={"topic": "event sourcing"})],
        max_duration=3600,
        max_participants=50,
    )
    limits = webinar.get().settings.limits
    print(limits.max_duration_seconds, limits.max_participants)
