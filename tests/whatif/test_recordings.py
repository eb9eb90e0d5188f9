"""Recordings are decided on again as everything else is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.whatif.conftest import START, call_of

from greenroom import Greenroom, Member, errors, whatif
from greenroom.domain.message import CallId
from greenroom.media.port import MediaRecording
from greenroom.testing import FakeMedia, VirtualClock
from greenroom.whatif import Comparison, Kind, Mode

NOBODY_RECORDS = whatif.revoke("default", role="host", capability="start-record-call")
CALL = CallId("default:123")


@pytest.fixture
def media() -> FakeMedia:
    return FakeMedia()


@pytest.fixture
def room(media: FakeMedia) -> Iterator[Greenroom]:
    with Greenroom.open("memory://", media=media, clock=VirtualClock(START)) as room:
        yield room


@pytest.fixture
def recorded(room: Greenroom, media: FakeMedia) -> Greenroom:
    """Alice, a host, records twice; the second time the disk is full."""
    call_of(room, "thierry").create(members=[Member("alice", role="host")])
    entry = call_of(room, "alice").join()
    call_of(room, "alice").start_recording()
    call_of(room, "alice").stop_recording()
    media.finish(MediaRecording(CALL, 1, 1), entry.entry_id, entry.state.user_id, "audio")
    call_of(room, "alice").start_recording()
    media.fail_recording(MediaRecording(CALL, 1, 2), "the disk is full")
    return room


def told(found: Comparison) -> list[tuple[str, Kind, str | None]]:
    return [(one.operation, one.kind, one.code) for one in found.differences]


@pytest.mark.parametrize("mode", [*Mode])
def test_where_nothing_is_supposed_recordings_are_as_they_were(
    recorded: Greenroom, mode: Mode
) -> None:
    found = recorded.what_if().over(mode=mode)
    assert found.same
    assert found.decided == 5  # the creation, a join, two starts and a stop; nobody asked the rest


def test_who_might_not_record_would_have_been_refused_each_time(recorded: Greenroom) -> None:
    assert told(recorded.what_if(NOBODY_RECORDS).over()) == [
        ("start_recording", Kind.NEWLY_REFUSED, "not_allowed"),
        ("start_recording", Kind.NEWLY_REFUSED, "not_allowed"),
    ]


def test_what_was_never_started_is_not_stopped(recorded: Greenroom) -> None:
    assert told(recorded.what_if(NOBODY_RECORDS).over(mode="cascading")) == [
        ("start_recording", Kind.NEWLY_REFUSED, "not_allowed"),
        ("stop_recording", Kind.OTHERWISE, None),
        ("start_recording", Kind.NEWLY_REFUSED, "not_allowed"),
    ]


def test_who_was_not_allowed_to_record_might_have_been(room: Greenroom) -> None:
    call_of(room, "thierry").create(member_ids=["alice"])
    call_of(room, "alice").join()
    with pytest.raises(errors.NotAllowed):
        call_of(room, "alice").start_recording()
    assert room.what_if().over().same
    allowed = whatif.grant("default", role="user", capability="start-record-call")
    (one,) = room.what_if(allowed).over().differences
    assert (one.kind, one.user_id) == (Kind.NEWLY_ADMITTED, "alice")
    assert one.would_record == ("session.recording_started",)


def test_a_session_that_is_always_recorded_is_so_again(room: Greenroom) -> None:
    call_of(room, "thierry").create(settings={"recording": {"mode": "auto-on"}})
    call_of(room, "thierry").join()
    assert room.what_if().over(mode="cascading").same
    disabled = whatif.settings("default", {"recording": {"mode": "disabled"}})
    assert room.what_if(disabled).over(mode="cascading").same  # the call has a setting of its own
