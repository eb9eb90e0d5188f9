"""Histories read in part: of one user, of one kind, of a time; and followed as they grow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.conftest import START
from tests.engine.test_history_and_explain import outcome
from tests.laws import NO_SHRINKING, times

from greenroom import CallHandle, Greenroom, Member, errors
from greenroom.answers import HistoryEvent
from greenroom.domain.streams import EVENTS
from greenroom.testing.clock import VirtualClock
from greenroom.testing.ids import SequentialIds
from greenroom.testing.strategies import courses


def meeting(room: Greenroom, user: str = "thierry") -> CallHandle:
    return room.as_user(user).call("default", "meeting")


@pytest.fixture
def held(room: Greenroom, clock: VirtualClock) -> CallHandle:
    """A call in which thierry put alice out, who came back a minute later."""
    call = meeting(room)
    call.create(members=[Member("alice"), Member("tommaso")])
    call.join()
    meeting(room, "alice").join()
    clock.advance(seconds=60)
    call.kick("alice")
    meeting(room, "alice").join()
    return call


def names(events: list[HistoryEvent]) -> list[str]:
    return [event.name for event in events]


def test_a_history_is_asked_for_what_is_past_the_last_event_that_was_seen(
    held: CallHandle,
) -> None:
    whole = held.history()
    for seen in range(len(whole) + 1):
        assert held.history(after=seen) == whole[seen:]


def test_of_one_user_there_is_what_they_did_and_what_was_done_to_them(held: CallHandle) -> None:
    assert [(event.name, event.by) for event in held.history(user="alice")] == [
        ("member.added", "thierry"),
        ("session.joined", "alice"),
        ("session.left", "thierry"),
        ("session.joined", "alice"),
    ]
    assert names(held.history(user="tommaso")) == ["member.added"]
    assert held.history(user="charlie") == []


def test_what_timers_did_is_found_by_their_name(held: CallHandle, clock: VirtualClock) -> None:
    held.end()
    held.go_live()
    held.join().leave()
    clock.advance(seconds=600)
    assert names(held.history(user="system:timers")) == ["session.ended"]


def test_a_kind_is_a_stored_name_or_the_first_part_of_several(held: CallHandle) -> None:
    assert names(held.history(kinds=["session.left", "member"])) == [
        "member.added", "member.added", "session.left",
    ]  # fmt: skip  # in order


@pytest.mark.slow
def test_a_time_has_its_beginning_in_it_and_not_its_end(held: CallHandle) -> None:
    early = held.history(start=START, end=START + timedelta(seconds=60))
    late = held.history(start=START + timedelta(seconds=60))
    assert early + late == held.history()
    assert {event.at for event in late} == {START + timedelta(seconds=60)}


@pytest.mark.parametrize(
    ("wrong", "path", "nearest"),
    [
        ({"kinds": ["session.joind"]}, "kinds[0]", "session.joined"),
        ({"kinds": ["type.defined"]}, "kinds[0]", None),
        ({"kinds": "session"}, "kinds", None),
        ({"user": "a b"}, "user", None),
        ({"user": "system:"}, "user", None),
        ({"start": datetime(2026, 1, 1)}, "start", None),  # noqa: DTZ001 - that is the fault
        ({"after": -1}, "after", None),
    ],
)
def test_what_nobody_can_mean_is_refused_with_its_path(
    held: CallHandle, wrong: dict[str, object], path: str, nearest: str | None
) -> None:
    with pytest.raises(errors.InvalidInput) as fault:
        held.history(**wrong)  # type: ignore[arg-type]  # that is the fault
    assert fault.value.path == path
    if nearest is not None:
        assert fault.value.nearest == nearest


def test_of_the_past_there_is_what_was_recorded_by_then(room: Greenroom, held: CallHandle) -> None:
    whole = held.history()
    for event in whole:
        with room.at(event.position) as then:
            call = then.as_user("thierry").call("default", "meeting")
            assert call.history(after=1) == whole[1 : event.seq]
            assert list(call.follow_history()) == whole[: event.seq]  # and it ends


def test_when_a_record_was_made_is_told_by_the_clock_of_the_machine(clock: VirtualClock) -> None:
    before = time()
    with Greenroom.open("memory://", clock=clock) as room:
        meeting(room).create()
        (created,) = meeting(room).history()
    assert created.at == START  # the room's own clock
    assert created.recorded_at is not None
    assert before - 0.001 <= created.recorded_at.timestamp() <= time()
    assert created.recorded_at.tzinfo is UTC
    with Greenroom.open("memory://", clock=clock, ids=SequentialIds()) as room:
        meeting(room).create()
        assert meeting(room).history()[0].recorded_at is None


KINDS = sorted({*EVENTS, *(name.partition(".")[0] for name in EVENTS)} - {"type", "user"})
KINDS = [kind for kind in KINDS if not kind.startswith(("type.", "user."))]


@settings(max_examples=times(8), phases=NO_SHRINKING)
@given(
    courses(shortest=8, longest=20),
    st.sets(st.sampled_from(KINDS), max_size=3),
    st.none() | st.integers(0, 200),
    st.none() | st.integers(0, 200),
    st.integers(0, 20),
)
def test_a_part_of_a_history_is_what_a_look_at_all_of_it_leaves(
    course: list[object], kinds: set[str], start: int | None, end: int | None, after: int
) -> None:
    clock = VirtualClock(START)
    with Greenroom.open("memory://", clock=clock) as room:
        for wish in course:
            outcome(room, clock, "default:123", wish)  # type: ignore[arg-type]  # they are wishes
        call = room.system("auditor").call("default", "123")
        try:
            whole = call.history()
        except errors.CallNotFound:
            return  # deleted
        since, until = moment(start), moment(end)
        told = call.history(kinds=kinds, start=since, end=until, after=after)
        assert told == [
            event
            for event in whole
            if event.seq > after
            and (not kinds or {event.name, event.name.partition(".")[0]} & kinds)
            and (since is None or event.at >= since)
            and (until is None or event.at < until)
        ]
        for user in ("alice", "thierry"):
            told = call.history(user=user, after=after)
            assert told == [e for e in whole if e.seq > after and user in mentioned(e, whole)]


def moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)


def mentioned(event: HistoryEvent, whole: list[HistoryEvent]) -> Iterator[str]:
    """Whoever did it, and whoever it names: looked for without knowing any event."""
    yield event.by
    for field in ("user_id", "caller", "created_by", "started_by"):
        yield event.event.get(field, "")
    yield from event.event.get("user_ids", ())
    for joined in whole:
        if joined.name == "session.joined" and joined.event["entry_id"] == event.event.get(
            "entry_id"
        ):
            yield joined.event["user_id"]


# Following


@pytest.mark.slow
def test_who_follows_hears_what_was_and_then_what_comes(held: CallHandle, room: Greenroom) -> None:
    known = held.history()
    followed = held.follow_history(after=2, seconds=20)
    assert list(islice(followed, len(known) - 2)) == known[2:]
    threading.Timer(0.1, meeting(room, "tommaso").join).start()
    joined = next(followed)
    assert (joined.name, joined.by, joined.seq) == ("session.joined", "tommaso", len(known) + 1)


@pytest.mark.slow
def test_what_does_not_concern_who_follows_is_passed_over(
    held: CallHandle, room: Greenroom
) -> None:
    followed = held.follow_history(user="tommaso", kinds=["session"], seconds=20)

    def go_on() -> None:
        meeting(room, "jaewoong").join()
        room.as_user("jaewoong").call("default", "another").create()
        meeting(room, "tommaso").join()

    threading.Timer(0.1, go_on).start()
    assert next(followed).event["user_id"] == "tommaso"


def test_who_is_patient_for_no_time_hears_what_was_and_no_more(held: CallHandle) -> None:
    assert list(held.follow_history(seconds=0)) == held.history()


def test_who_may_read_no_more_is_told_so(room: Greenroom) -> None:
    room.call_types.create("open", based_on="default")
    call = room.as_user("thierry").call("open", "1")
    call.create()
    followed = room.as_user("alice").call("open", "1").follow_history(seconds=20)
    assert next(followed).name == "call.created"
    room.call_types.revoke("open", role="user", capability="read-call")
    call.go_live()
    with pytest.raises(errors.NotAllowed):
        next(followed)


def test_nobody_follows_what_they_may_not_read(room: Greenroom, held: CallHandle) -> None:
    with pytest.raises(errors.NotAllowed):
        room.as_user("charlie", role="anonymous").call("default", "meeting").follow_history()


@pytest.mark.slow
def test_closing_the_room_ends_it_with_an_error(rooms: object, held: CallHandle) -> None:
    followed = held.follow_history()
    for _ in held.history():
        next(followed)
    threading.Timer(0.1, rooms.close).start()  # type: ignore[attr-defined]  # of the fixture
    with pytest.raises(errors.StoreClosed):
        next(followed)
