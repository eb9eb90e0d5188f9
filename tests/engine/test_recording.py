"""Recording as a room does it: what is decided reaches media, what media tells is on record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from greenroom import CallHandle, Greenroom, RecordingEnd, aio
from greenroom.domain.errors import MediaError, NoSession, NotAllowed, StoreError
from greenroom.domain.message import CallId
from greenroom.media.port import MediaRecording
from greenroom.media_link import MediaLink
from greenroom.testing import FakeMedia, VirtualClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = MediaRecording(CallId("default:lounge"), session=1, number=1)


class Studio:
    """A call, on media that remembers what it was told to record."""

    def __init__(self, url: str = "memory://", *, at: datetime = NOW, **options: Any) -> None:
        self.media = FakeMedia()
        self.clock = VirtualClock(at)
        self.room = Greenroom.open(url, media=self.media, clock=self.clock, **options)

    def call(self, user: str = "thierry", id: str = "lounge") -> CallHandle:
        return self.room.as_user(user).call("default", id)

    def told(self) -> list[str]:
        return [one.what for one in self.media.told_to_record]

    def names(self) -> list[str]:
        events = self.room.system("auditor").call("default", "lounge").history(kinds=["session"])
        return [event.name for event in events if "record" in event.name]

    def die(self) -> None:
        """What it would still say is not heard."""
        self.room._core.stop_recording()
        self.room.close()


@pytest.fixture
def studio() -> Iterator[Studio]:
    studio = Studio()
    yield studio
    studio.room.close()


def test_a_recording_is_begun_and_stopped_in_media_and_its_files_are_listed(
    studio: Studio,
) -> None:
    entry = studio.call().join(create=True)
    studio.call().start_recording()
    studio.call().start_recording()
    assert studio.media.recordings() == {FIRST}
    studio.clock.advance(seconds=60)
    studio.call().stop_recording()
    assert studio.media.recordings() == frozenset()
    file = studio.media.finish(FIRST, entry.entry_id, entry.state.user_id, "audio")
    [recording] = studio.call().recordings()
    assert recording.id == "default:lounge/1/1"
    assert recording.session_id == entry.session_id
    assert (recording.started_by, recording.started_at) == ("thierry", NOW)
    assert recording.stopped_at == NOW + timedelta(seconds=60)
    assert (recording.reason, recording.because) == (RecordingEnd.STOPPED, "")
    [track] = recording.tracks
    assert (track.user_id, track.kind, track.file) == ("thierry", "audio", file)


@pytest.mark.slow
def test_the_past_shows_what_was_known_of_recordings_then(studio: Studio) -> None:
    studio.call().join(create=True)
    studio.call().start_recording()
    before = studio.room.position
    studio.call().stop_recording()
    then = studio.room.at(before).as_user("thierry").call("default", "lounge")
    assert [one.stopped_at for one in then.recordings()] == [None]
    assert [one.stopped_at for one in studio.call().recordings()] == [NOW]


def test_the_history_of_a_user_tells_of_the_files_with_them(studio: Studio) -> None:
    studio.call().join(create=True)
    entry = studio.call("alice").join()
    studio.call().start_recording()
    studio.media.finish(FIRST, entry.entry_id, entry.state.user_id, "video")
    about = studio.call().history(user="alice", kinds=["session.recorded"])
    assert [event.event["user_id"] for event in about] == ["alice"]


def test_who_may_not_read_sees_no_recordings_and_who_may_not_record_does_not(
    studio: Studio,
) -> None:
    studio.call().join(create=True)
    with pytest.raises(NotAllowed):
        studio.room.as_user("nobody", role="none").call("default", "lounge").recordings()
    with pytest.raises(NotAllowed, match="start-record-call"):
        studio.call("alice").start_recording()
    assert studio.told() == []


def test_what_media_cannot_do_is_refused_with_what_to_configure(studio: Studio) -> None:
    studio.call().create()
    with pytest.raises(NoSession):
        studio.call().start_recording()
    studio.call().join()
    studio.media.obstacle = "no folder; name one"
    with pytest.raises(MediaError, match="name one"):
        studio.call().start_recording()
    with Greenroom.open("memory://") as plain:
        call = plain.as_user("thierry").call("default", "1")
        call.join(create=True)
        with pytest.raises(MediaError, match=r"AiortcMedia\(recordings="):
            call.start_recording()
        assert call.recordings() == []
        assert call.explain("start_recording").allowed, "the rules would let them"


def test_who_leaves_media_to_another_process_records_through_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    with Greenroom.open(url, timers=False) as application:
        call = application.as_user("thierry").call("default", "lounge")
        call.join(create=True)
        with pytest.raises(MediaError, match="no media runs"):
            call.start_recording()
        carrier = Studio(url)
        call.start_recording()
        link = carrier.room._core.media
        assert isinstance(link, MediaLink)
        link.follow()
        assert carrier.media.recordings() == {FIRST}
        carrier.room.close()


def test_where_every_session_is_recorded_and_nothing_can_that_is_on_record(
    studio: Studio,
) -> None:
    studio.media.obstacle = "no folder"
    studio.call().create(settings={"recording": {"mode": "auto-on"}})
    studio.call().join()
    [recording] = studio.call().recordings()
    assert (recording.started_by, recording.reason) == ("system:settings", RecordingEnd.FAILED)
    assert recording.because == "no folder"


def test_a_recording_ends_with_the_call_and_with_its_last_guest(studio: Studio) -> None:
    studio.call().join(create=True)
    studio.call().start_recording()
    studio.call().end()
    assert studio.media.recordings() == frozenset()
    studio.call().go_live()
    studio.call().join()
    studio.call().start_recording()
    assert studio.media.recordings() == {MediaRecording(CallId("default:lounge"), 2, 1)}
    studio.call().leave()
    studio.clock.advance(seconds=30)
    assert studio.media.recordings() == frozenset()
    assert [one.reason for one in studio.call().recordings()] == [RecordingEnd.ENDED] * 2


def test_a_failure_is_on_record_and_the_call_goes_on(studio: Studio) -> None:
    entry = studio.call().join(create=True)
    studio.call().start_recording()
    studio.media.fail_recording(FIRST, "No space left on device")
    [recording] = studio.call().recordings()
    assert (recording.reason, recording.because) == (RecordingEnd.FAILED, "No space left on device")
    assert entry.entry_id in studio.media.entries()
    studio.call().start_recording()
    assert [one.number for one in studio.media.recordings()] == [2]


def test_the_next_process_goes_on_and_says_so_with_how_long_it_had_been_on(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    first = Studio(url)
    first.call().join(create=True)
    first.call().start_recording()
    first.die()
    second = Studio(url, at=NOW + timedelta(seconds=10))
    [going] = second.media.recordings()
    assert going == FIRST
    assert going.elapsed == 10
    assert second.names() == ["session.recording_started", "session.recording_resumed"]
    assert [one.resumed_at for one in second.call().recordings()] == [
        (NOW + timedelta(seconds=10),)
    ]
    second.room.close()


def test_what_was_stopped_meanwhile_is_not_gone_on_with(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    first = Studio(url)
    first.call().join(create=True)
    first.call().start_recording()
    first.die()
    with Greenroom.open(url, timers=False) as other:
        other.system("night").call("default", "lounge").stop_recording()
    second = Studio(url)
    assert second.told() == []
    assert second.names() == ["session.recording_started", "session.recording_stopped"]
    second.room.close()


def test_somebody_who_comes_back_to_an_empty_session_finds_it_recorded_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    first = Studio(url)
    first.call().join(create=True)
    first.call().start_recording()
    first.call().leave()
    first.die()
    second = Studio(url)
    assert second.media.recordings() == frozenset()
    second.call().join()
    assert second.media.recordings() == {FIRST}
    assert second.names() == ["session.recording_started", "session.recording_resumed"]
    second.room.close()


def test_what_should_not_be_recorded_is_stopped_when_media_is_looked_over(studio: Studio) -> None:
    studio.call().join(create=True)
    studio.media.record(FIRST)  # behind everybody's back
    link = studio.room._core.media
    assert isinstance(link, MediaLink)
    link.look_over()
    assert studio.media.recordings() == frozenset()


def test_a_file_that_could_not_be_told_of_is_told_of_later_and_once(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = studio.call().join(create=True)
    studio.call().start_recording()
    core, link = studio.room._core, studio.room._core.media
    assert isinstance(link, MediaLink)

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("on purpose")

    with monkeypatch.context() as failing:
        failing.setattr(core, "ask", refuse)
        studio.media.finish(FIRST, entry.entry_id, entry.state.user_id, "audio")
        assert studio.names() == ["session.recording_started"]
    link.look_over()
    studio.media.finish(FIRST, entry.entry_id, entry.state.user_id, "audio")
    assert studio.names() == ["session.recording_started", "session.recorded"]


def test_the_asyncio_front_records_and_lists_alike() -> None:
    async def recorded() -> list[Any]:
        media = FakeMedia()
        async with aio.Greenroom.open("memory://", media=media) as room:
            call = room.as_user("thierry").call("default", "1")
            await call.join(create=True)
            await call.start_recording()
            await call.stop_recording()
            return await call.recordings()

    [recording] = asyncio.run(recorded())
    assert recording.reason is RecordingEnd.STOPPED
