"""Who was there, from when to when, how long, and how they left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.conftest import START
from tests.engine.test_history_and_explain import outcome
from tests.laws import NO_SHRINKING, times

from greenroom import CallHandle, Greenroom, errors
from greenroom.answers import HistoryEvent
from greenroom.attendance import Attendance, Attending
from greenroom.domain.admission import Evidence
from greenroom.domain.call_events import SessionStarted
from greenroom.domain.message import (
    Actor,
    CallId,
    EntryId,
    Event,
    EventId,
    Recorded,
    RequestId,
    Role,
    StreamId,
    UserId,
)
from greenroom.domain.session_events import Joined, Left, LeftReason
from greenroom.testing.clock import VirtualClock
from greenroom.testing.strategies import courses

if TYPE_CHECKING:
    from greenroom.testing.history import Wish


def appointment(room: Greenroom, user: str = "thierry") -> CallHandle:
    return room.as_user(user).call("default", "appointment")


def seconds(attendance: Attendance) -> dict[str, float]:
    return {one.user_id: one.seconds for one in attendance.users}


@pytest.fixture
def doctor(room: Greenroom) -> CallHandle:
    call = appointment(room)
    call.create(member_ids=["alice"])
    return call


def test_whoever_came_is_told_with_when_how_long_and_how_they_left(
    room: Greenroom, doctor: CallHandle, clock: VirtualClock
) -> None:
    doctor.join()
    clock.advance(seconds=60)
    appointment(room, "alice").join()
    clock.advance(seconds=600)
    doctor.kick("alice")
    clock.advance(seconds=5)
    doctor.end()
    told = doctor.attendance()
    (session,) = told.sessions
    assert (session.seconds, session.ended_at, session.end_reason) == (665, clock.now(), "ended")
    assert seconds(told) == {"thierry": 665, "alice": 600}
    thierry, alice = told.stays
    assert (thierry.reason, thierry.left_by) == ("ended", "thierry")
    assert (alice.reason, alice.left_by, alice.seconds) == ("kicked", "thierry", 600)
    assert alice.joined_at == START + timedelta(seconds=60)
    assert alice.left_at == START + timedelta(seconds=660)


def test_who_is_there_still_is_counted_up_to_now_and_has_not_left(
    doctor: CallHandle, clock: VirtualClock
) -> None:
    doctor.join()
    clock.advance(seconds=30)
    told = doctor.attendance()
    (thierry,) = told.users
    assert (thierry.seconds, thierry.left_at, thierry.reason) == (30, None, None)
    assert told.sessions[0].ended_at is None


def test_two_connections_of_one_user_count_once_where_they_overlap(
    room: Greenroom, doctor: CallHandle, clock: VirtualClock
) -> None:
    desk = appointment(room).join()
    clock.advance(seconds=10)
    phone = appointment(room).join()
    clock.advance(seconds=10)
    desk.leave()
    clock.advance(seconds=10)
    phone.leave()
    clock.advance(seconds=5)
    appointment(room).join()
    clock.advance(seconds=10)
    told = doctor.attendance()
    assert [stay.seconds for stay in told.stays] == [20, 20, 10]
    (thierry,) = told.users
    assert (thierry.seconds, thierry.entries) == (40, 3)


def test_it_is_told_as_of_an_instant_as_the_room_of_then_tells_it(
    room: Greenroom, doctor: CallHandle, clock: VirtualClock
) -> None:
    doctor.join()
    clock.advance(seconds=60)
    appointment(room, "alice").join()
    clock.advance(seconds=60)
    doctor.end()
    then = START + timedelta(seconds=90)
    told = doctor.attendance(at=then)
    assert seconds(told) == {"thierry": 90, "alice": 30}
    assert {user.left_at for user in told.users} == {None}
    with room.at(then) as past:
        assert past.as_user("thierry").call("default", "appointment").attendance() == told
    with pytest.raises(errors.InvalidInput, match="has come"):
        doctor.attendance(at=clock.now() + timedelta(seconds=1))


def test_nobody_was_in_a_call_that_nobody_joined(doctor: CallHandle) -> None:
    told = doctor.attendance()
    assert (told.sessions, told.users, told.stays) == ((), (), ())


def test_it_needs_read_call(room: Greenroom, doctor: CallHandle) -> None:
    with pytest.raises(errors.NotAllowed):
        room.as_user("charlie", role="anonymous").call("default", "appointment").attendance()


# Laws


@settings(max_examples=times(10), phases=NO_SHRINKING)
@given(courses(shortest=8, longest=20))
def test_attendance_is_what_counting_moment_by_moment_comes_to(course: Sequence[Wish]) -> None:
    count_and_compare(course)


@pytest.mark.slow
@settings(max_examples=times(40), phases=NO_SHRINKING)
@given(courses(shortest=15, longest=45))
def test_so_it_is_in_long_courses(course: Sequence[Wish]) -> None:
    count_and_compare(course)


def count_and_compare(course: Sequence[Wish]) -> None:
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        for wish in course:
            outcome(room, clock, "default:123", wish)
        clock.advance(seconds=7)
        call = room.system("auditor").call("default", "123")
        try:
            history, told = call.history(), call.attendance()
        except errors.CallNotFound:
            return  # deleted
        present = {one.user_id for one in call.query_participants(limit=1000).items}
    assert seconds(told) == counted(history, clock.now())
    assert {user.user_id for user in told.users if user.left_at is None} == present
    assert {stay.entry_id for stay in told.stays} == {
        event.event["entry_id"] for event in history if event.name == "session.joined"
    }
    check(told)


def counted(history: Sequence[HistoryEvent], now: datetime) -> dict[str, object]:
    """Seconds of each user, by asking between any two events who is there."""
    there: dict[str, set[str]] = defaultdict(set)
    spent: dict[str, float] = defaultdict(float)
    instants = [*(event.at for event in history), now]
    for event, (at, until) in zip(history, pairwise(instants), strict=True):
        match event.name:
            case "session.joined":
                there[event.event["user_id"]].add(event.event["entry_id"])
            case "session.left":
                there[event.event["user_id"]].remove(event.event["entry_id"])
        for user, entries in there.items():
            spent[user] += (until - at).total_seconds() if entries else 0
    return {user: pytest.approx(total) for user, total in spent.items()}


def check(told: Attendance) -> None:
    """What holds of any attendance, whatever clocks say."""
    for session in told.sessions:
        assert session.seconds >= 0
        for user in session.users:
            assert 0 <= user.seconds <= session.seconds
    for user in told.users:
        theirs = [stay.seconds for stay in told.stays if stay.user_id == user.user_id]
        assert max(theirs) <= user.seconds <= sum(theirs)
        assert user.entries == len(theirs)


CID = CallId("default:123")


@given(st.lists(st.tuples(st.sampled_from("jjlls"), st.integers(-90, 90)), max_size=30))
def test_no_sum_is_negative_or_longer_than_its_session_whatever_the_clocks_say(
    course: list[tuple[str, int]],
) -> None:
    attending = Attending(CID)
    attending.take(skewed(course))
    told = attending.attendance(START)
    check(told)
    joined = {entry for event in skewed(course) if (entry := entered(event.event))}
    assert {stay.entry_id for stay in told.stays} <= joined


def entered(event: Event) -> EntryId | None:
    return event.entry_id if isinstance(event, Joined) else None


def skewed(course: list[tuple[str, int]]) -> Iterator[Recorded[Event]]:
    """A session as machines record it whose clocks differ: some leave who never came, or twice."""
    evidence = Evidence(call=1, call_type=1, membership=0, user=0, member_role=None, owner=False)
    yield recorded(
        SessionStarted(at=START, cid=CID, session=1, started_by=UserId("thierry"), backstage=False)
    )
    for number, (what, skew) in enumerate(course):
        at = START + timedelta(seconds=skew)
        entry = EntryId(f"entry-{number if what == 'j' else number // 2}")
        user = UserId(f"user-{number % 3}")
        if what == "j":
            yield recorded(
                Joined(
                    at=at,
                    cid=CID,
                    session=1,
                    entry_id=entry,
                    user_id=user,
                    role=Role("user"),
                    counts=True,
                    evidence=evidence,
                )
            )
        elif what == "l":
            yield recorded(
                Left(
                    at=at,
                    cid=CID,
                    session=1,
                    entry_id=entry,
                    user_id=user,
                    reason=LeftReason.LEFT,
                )
            )


def recorded(event: Event) -> Recorded[Event]:
    return Recorded(
        stream=StreamId("session-default:123/1"),
        version=1,
        event=event,
        event_id=EventId("event-1"),
        by=Actor("thierry"),
        request_id=RequestId("request-1"),
        correlation_id=RequestId("request-1"),
        position=1,
    )
