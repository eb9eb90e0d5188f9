"""Recordings by the rules: when they begin and end, and what is on record of their files."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map
from msgspec.structs import replace
from tests.domain.story import SYSTEM, Story, at, names, story

from greenroom.domain.errors import MediaError, NoSession, NotAllowed, RecordingDisabled
from greenroom.domain.message import EntryId, Event, UserId
from greenroom.domain.operations import life, presence, recording
from greenroom.domain.session_events import (
    RecordedFile,
    RecordingEnd,
    RecordingStarted,
    RecordingStopped,
    Track,
    TrackRecorded,
)
from greenroom.domain.session_recording import Recordings
from greenroom.domain.streams import session_stream
from greenroom.domain.turn import Folded
from greenroom.snapshots import restored, snapshot

ALWAYS = {"recording": {"mode": "auto-on"}}
FILE = RecordedFile(
    name="default.123/1/1/e-audio-1.opus",
    codec="opus",
    starts_after=0.5,
    seconds=60,
    bytes=240_000,
    sha256="ab" * 32,
)


def tell_file(
    told: Story, file: RecordedFile = FILE, *, session: int = 1, number: int = 1
) -> tuple[Event, ...]:
    operation = recording.recorded(
        session,
        number,
        file,
        entry_id=EntryId("e"),
        user_id=UserId("thierry"),
        epoch=1,
        kind=Track.AUDIO,
    )
    return told.ask(operation, by=SYSTEM)


def recorded_call() -> Story:
    """thierry is in, and the call is recorded from second 10 on."""
    told = story()
    told.join("thierry", at=5)
    told.ask(recording.start(), by="thierry", at=10)
    return told


def on(told: Story) -> int:
    return told.session.recordings.running


def test_a_host_records_what_is_on_and_asking_twice_records_nothing() -> None:
    told = story()
    told.join("thierry")
    [started] = told.ask(recording.start(), by="thierry", at=10)
    assert isinstance(started, RecordingStarted)
    assert (started.session, started.recording, started.at) == (1, 1, at(10))
    assert told.ask(recording.start(), by="thierry", at=11) == ()
    [stopped] = told.ask(recording.stop(), by="thierry", at=20)
    assert isinstance(stopped, RecordingStopped)
    assert (stopped.recording, stopped.reason) == (1, RecordingEnd.STOPPED)
    assert told.ask(recording.stop(), by="thierry", at=21) == ()


def test_recordings_of_a_session_are_counted_and_the_next_session_counts_anew() -> None:
    told = recorded_call()
    told.ask(recording.stop(), by="thierry")
    [again] = told.ask(recording.start(), by="thierry")
    assert isinstance(again, RecordingStarted)
    assert again.recording == 2
    told.leave("thierry", at=30)
    told.settle(at=90)
    told.join("thierry", at=100)
    [first] = told.ask(recording.start(), by="thierry")
    assert isinstance(first, RecordingStarted)
    assert (first.session, first.recording) == (2, 1)


def test_nothing_is_recorded_while_nobody_is_in() -> None:
    told = story()
    told.refused(NoSession, recording.start())
    assert told.ask(recording.stop(), by="thierry") == ()
    told.join("thierry", at=5)
    told.leave("thierry", at=6)
    assert names(told.ask(recording.start(), by="thierry", at=7)) == ["session.recording_started"]


def test_where_the_settings_disable_it_nobody_records_not_even_the_system() -> None:
    told = story(settings={"recording": {"mode": "disabled"}})
    told.join("thierry")
    refused = told.refused(RecordingDisabled, recording.start())
    assert str(refused) == "recording.mode is 'disabled' here; set it to 'available' first"
    told.refused(RecordingDisabled, recording.start(), by=SYSTEM)
    assert told.ask(recording.stop(), by="thierry") == ()


def test_disabling_it_lets_a_recording_that_is_on_go_on() -> None:
    told = recorded_call()
    told.ask(life.update(settings={"recording": {"mode": "disabled"}}), by=SYSTEM)
    assert on(told) == 1
    assert told.ask(recording.start(), by="thierry") == ()


def test_where_nothing_could_record_the_one_who_asks_is_told_but_only_if_they_may() -> None:
    told = story()
    told.join("thierry")
    with pytest.raises(MediaError, match="no folder"):
        told.rehearse(recording.start(obstacle="no folder"), by="thierry")
    told.refused(NotAllowed, recording.start(obstacle="no folder"), by="alice")


def test_always_on_begins_with_each_session_by_the_settings() -> None:
    told = story(settings=ALWAYS)
    told.join("thierry", at=5)
    assert names(step.event for step in told.steps[-3:]) == [
        "session.started",
        "session.recording_started",
        "session.joined",
    ]
    assert told.steps[-2].by.user_id == "system:settings"
    told.ask(recording.stop(), by="thierry", at=10)
    told.join("alice", at=11)
    assert on(told) == 0, "who stopped it meant it"
    told.leave("alice", at=12)
    told.leave("thierry", at=13)
    told.settle(at=90)
    told.join("thierry", at=100)
    assert on(told) == 1


@pytest.mark.parametrize("ending", ["end", "empty", "max_duration", "soft", "hard"])
def test_it_ends_with_the_session_and_before_it(ending: str) -> None:
    told = story(max_duration=60)
    told.join("thierry", at=5)
    told.ask(recording.start(), by="thierry", at=10)
    before = len(told.steps)
    match ending:
        case "end":
            told.ask(life.end(), by="thierry")
        case "empty":
            told.leave("thierry", at=20)
            told.settle(at=50)
        case "max_duration":
            told.settle(at=65)
        case _:
            told.ask(life.delete(hard=ending == "hard"), by=SYSTEM)
    assert told.last(RecordingStopped).reason is RecordingEnd.ENDED
    since = names(step.event for step in told.steps[before:])
    assert since.count("session.recording_stopped") == 1
    assert since.index("session.recording_stopped") < since.index("session.ended")


def test_a_recording_goes_on_while_somebody_may_come_back() -> None:
    told = recorded_call()
    told.leave("thierry", at=20)
    told.join("alice", at=40)
    assert on(told) == 1


def test_what_a_restart_and_a_failure_tell_counts_for_the_recording_that_is_on() -> None:
    told = recorded_call()
    assert names(told.ask(recording.resumed(1, 1), by=SYSTEM)) == ["session.recording_resumed"]
    assert told.ask(recording.resumed(1, 2), by=SYSTEM) == ()
    assert told.ask(recording.failed(1, 2, "late"), by=SYSTEM) == ()
    [failed] = told.ask(recording.failed(1, 1, "no space\x00left\n" + "!" * 999), by=SYSTEM)
    assert isinstance(failed, RecordingStopped)
    assert failed.reason is RecordingEnd.FAILED
    assert failed.because.startswith("no space left !")
    assert len(failed.because) == 500
    assert told.ask(recording.failed(1, 1, "again"), by=SYSTEM) == ()
    assert told.ask(recording.resumed(1, 1), by=SYSTEM) == ()
    assert names(told.ask(recording.start(), by="thierry")) == ["session.recording_started"]


def test_a_file_is_on_record_once_also_when_the_session_is_over() -> None:
    told = recorded_call()
    told.ask(life.end(), by="thierry")
    [file] = tell_file(told)
    assert isinstance(file, TrackRecorded)
    assert (file.recording, file.user_id, file.file) == (1, "thierry", FILE)
    assert tell_file(told) == ()
    other = replace(FILE, name="another")
    assert tell_file(told, other, number=0) == tell_file(told, other, number=2) == ()
    assert tell_file(told, session=2) == ()


def test_of_an_erased_call_nothing_is_told_any_more() -> None:
    told = recorded_call()
    told.ask(life.delete(hard=True), by=SYSTEM)
    assert tell_file(told) == ()
    assert told.ask(recording.resumed(1, 1), by=SYSTEM) == ()
    assert told.ask(recording.failed(1, 1, "late"), by=SYSTEM) == ()


def test_it_is_known_since_when_and_who_stops_it_need_not_say_why() -> None:
    told = recorded_call()
    assert told.session.recordings.started_at == at(10)
    told.ask(recording.stop(), by="thierry")
    assert told.last(RecordingStopped).because == ""


@pytest.mark.parametrize("none", [math.nan, math.inf, -math.inf, -1.0])
def test_times_that_are_none_stop_no_report(none: float) -> None:
    told = recorded_call()
    odd = RecordedFile(
        name="x", codec="opus", starts_after=none, seconds=none, bytes=0, sha256="", failure="a\0"
    )
    [event] = tell_file(told, odd)
    assert isinstance(event, TrackRecorded)
    assert (event.file.starts_after, event.file.seconds, event.file.failure) == (0, 0, "a ")


def test_a_snapshot_of_the_session_knows_what_was_recorded() -> None:
    told = recorded_call()
    tell_file(told)
    stream = session_stream(told.cid, 1)
    kept = snapshot(stream, Folded(told.session, 5))
    assert restored(stream, kept) == Folded(told.session, 5)
    assert told.session.recordings.files == Map({FILE.name: 1})


WISHES = st.sampled_from(["start", "stop", "join", "leave", "end", "file", "failed", "resumed"])


@given(st.lists(WISHES, max_size=14))
def test_whatever_happens_one_recording_is_on_at_a_time_and_only_in_a_session(
    course: list[str],
) -> None:
    told = story()
    for number, wish in enumerate(course):
        match wish:
            case "start":
                if told.call.session:
                    told.ask(recording.start(), by="thierry")
            case "stop":
                told.ask(recording.stop(), by="thierry")
            case "join":
                told.ask(presence.join(told.entry()), by=SYSTEM)
            case "leave":
                told.leave("thierry")
                told.settle(at=(number + 1) * 100)
            case "end":
                told.ask(life.end(), by="thierry")
            case "file":
                tell_file(told)
            case "failed":
                told.ask(recording.failed(told.call.session or 1, 1, "disk"), by=SYSTEM)
            case _:
                told.ask(recording.resumed(told.call.session or 1, 1), by=SYSTEM)
    open_ones: set[tuple[int, int]] = set()
    for step in told.steps:
        match step.event:
            case RecordingStarted(session=session, recording=one):
                assert not open_ones
                open_ones.add((session, one))
            case RecordingStopped(session=session, recording=one):
                open_ones.remove((session, one))
    assert bool(open_ones) == bool(on(told))
    if not told.call.session:
        assert told.session.recordings == Recordings()
