"""Telemedicine: the appointment's id is the call's; it rings, is missed, and tried again."""

from datetime import UTC, datetime, timedelta

from greenroom import Greenroom, Member
from greenroom.domain.ports import Notification
from greenroom.testing import VirtualClock


class Push:
    """Stands for your push service. Raising would mean: try again later."""

    def notify(self, notification: Notification) -> None:
        """Deliver one message, once per `notification.key`."""
        print(f"  -> {notification.user_id}: {notification.title}")


clock = VirtualClock(datetime(2026, 3, 2, 9, tzinfo=UTC))

with Greenroom.open("sqlite:///calls.db", clock=clock, notifier=Push()) as room:
    room.users.upsert("dr-alice", name="Dr. Alice")
    room.call_types.create(
        "appointment",
        settings={"limits": {"max_participants": 2, "max_duration_seconds": 1800}},
    )
    room.call_types.revoke("appointment", role="user", capability="join-call")

    # Days before: the booking application makes the call. Nobody is in it yet.
    booked = room.system("booking").call("appointment", "2026-03-05-0930-charlie")
    booked.create(
        members=[Member("dr-alice", role="host"), Member("charlie")],
        starts_at=clock.now() + timedelta(days=3, minutes=30),
        custom={"appointment": 4711},
    )

    print("the day comes")
    clock.advance(timedelta(days=3, minutes=30))
    doctor = room.as_user("dr-alice").call("appointment", "2026-03-05-0930-charlie")
    doctor.join()
    doctor.ring(["charlie"])

    print("nobody answers for 15 seconds")
    clock.advance(seconds=15)
    doctor.leave()

    print("second try")
    clock.advance(timedelta(minutes=5))
    doctor.join()
    doctor.ring(["charlie"])
    patient = room.as_user("charlie").call("appointment", "2026-03-05-0930-charlie")
    patient.join()  # joining on a ring accepts it
    clock.advance(timedelta(minutes=12))
    doctor.end()

    print("what the file will say")
    sessions = doctor.query_sessions().items
    for session in reversed(sessions):
        print(f"  {session.started_at:%H:%M} {session.end_reason} {session.participant_count}")
    names = [event.name for event in doctor.history()]
    assert names.count("member.missed") == 1
    assert names.count("member.accepted") == 1
