"""A telemedicine appointment: booked days before, missed, tried again, and on file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.stories.conftest import MORNING, Stage

from greenroom import CallHandle, Member, errors

CALL = ("appointment", "charlie-4711")


@pytest.fixture
def booked(stage: Stage) -> Stage:
    """An appointment in three days, for alice (the doctor) and charlie."""
    types = stage.room.call_types
    types.create("appointment", settings={"limits": {"max_duration_seconds": 1800}})
    types.revoke("appointment", role="user", capability="join-call")
    types.revoke("appointment", role="user", capability="read-call")
    stage.room.users.upsert("alice", name="Dr. Alice")
    stage.room.system("booking").call(*CALL).create(
        members=[Member("alice", role="host"), Member("charlie", custom={"insured": True})],
        starts_at=MORNING + timedelta(days=3),
    )
    return stage


def doctor(stage: Stage) -> CallHandle:
    return stage.call("alice", *CALL)


def patient(stage: Stage) -> CallHandle:
    return stage.call("charlie", *CALL)


def test_the_call_exists_days_before_anybody_joins(booked: Stage) -> None:
    assert booked.user("charlie").query_calls(sort=[]).items[0].starts_at == MORNING + timedelta(
        days=3
    )
    booked.wait(days=2)
    state = patient(booked).get()
    assert state.ended_at is None
    assert state.session is None
    assert [(m.user_id, m.role) for m in state.members] == [
        ("alice", "host"),
        ("charlie", "call_member"),
    ]


def test_nobody_else_joins_or_even_sees_it(booked: Stage) -> None:
    stranger = booked.call("jaewoong", *CALL)
    with pytest.raises(errors.NotAllowed, match="join-call"):
        stranger.join()
    with pytest.raises(errors.NotAllowed, match="read-call"):
        stranger.get()
    assert booked.user("jaewoong").query_calls().items == ()


def test_an_unanswered_ring_is_a_missed_call_by_the_servers_own_clock(booked: Stage) -> None:
    booked.wait(days=3)
    doctor(booked).join()
    doctor(booked).ring(["charlie"])
    booked.wait(seconds=14)
    assert booked.heard("charlie") == ["session_started", "call_ring"]
    booked.wait(seconds=1)
    assert booked.heard("charlie") == ["session_started", "call_ring", "call_missed"]
    session = doctor(booked).get().session
    assert session is not None
    assert session.missed_by == {"charlie": MORNING + timedelta(days=3, seconds=15)}


def test_a_second_try_is_another_session_of_the_same_call(booked: Stage) -> None:
    booked.wait(days=3)
    doctor(booked).join()
    doctor(booked).ring(["charlie"])
    booked.wait(seconds=15)
    doctor(booked).leave()
    booked.wait(minutes=5)

    second = doctor(booked).join()
    assert second.session_id == "appointment:charlie-4711/2"
    doctor(booked).ring(["charlie"])
    booked.wait(seconds=3)
    patient(booked).join()
    session = patient(booked).get().session
    assert session is not None
    assert set(session.accepted_by) == {"charlie"}
    assert session.missed_by == {}

    booked.wait(minutes=12)
    doctor(booked).end()
    latest, first = doctor(booked).query_sessions().items
    assert (first.participant_count, first.end_reason) == (1, "empty")
    assert (latest.participant_count, latest.end_reason) == (2, "ended")
    assert latest.duration == 12 * 60 + 3


def test_the_half_hour_ends_it_for_both(booked: Stage) -> None:
    booked.wait(days=3)
    doctor(booked).join()
    booked.wait(minutes=10)
    patient(booked).join()
    booked.wait(minutes=20)
    with pytest.raises(errors.CallEnded):
        patient(booked).join()
    left = [event for event in doctor(booked).history() if event.name == "session.left"]
    assert {(event.event["user_id"], event.event["reason"]) for event in left} == {
        ("alice", "max_duration"),
        ("charlie", "max_duration"),
    }
    assert {event.by for event in left} == {"system:timers"}


def test_the_file_says_who_what_when_and_why_without_a_gap(booked: Stage) -> None:
    booked.wait(days=3)
    doctor(booked).join()
    doctor(booked).ring(["charlie"])
    patient(booked).reject("busy")
    doctor(booked).leave()
    booked.wait(minutes=1)
    history = doctor(booked).history()
    assert [event.seq for event in history] == list(range(1, len(history) + 1))
    assert [(event.name, event.by) for event in history] == [
        ("call.created", "system:booking"),
        ("member.added", "system:booking"),
        ("member.added", "system:booking"),
        ("session.started", "alice"),
        ("session.joined", "alice"),
        ("call.rung", "alice"),
        ("member.rejected", "charlie"),
        ("call.ring_cancelled", "charlie"),
        ("session.left", "alice"),
        ("session.ended", "system:timers"),
    ]
    assert history[6].event["reason"] == "busy"


def test_an_erased_patient_leaves_no_word_in_the_file(booked: Stage) -> None:
    booked.wait(days=3)
    doctor(booked).ring(["charlie"])
    patient(booked).reject("I am in tears")
    booked.room.users.erase("charlie")
    history = booked.room.system("audit").call(*CALL).history()
    assert "tears" not in repr(history)
    assert "insured" not in repr(history)
    (member,) = (m for m in doctor(booked).get().members if m.user_id == "charlie")
    assert member.custom == {}
