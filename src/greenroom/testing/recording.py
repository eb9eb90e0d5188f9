"""Recordings that write nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from greenroom.domain.errors import MediaError
from greenroom.domain.message import EntryId, UserId
from greenroom.domain.session_events import RecordedFile
from greenroom.media.port import Kind, MediaObserver, MediaRecording, RecordedTrack

_EXTENSIONS: Final = {"audio": "opus", "video": "webm", "screenshare": "webm"}


@dataclass(frozen=True, slots=True)
class ToldToRecord:
    """One thing that a port was told to do about a recording."""

    what: Literal["record", "stop_recording"]
    recording: MediaRecording


class FakeRecordings:
    """The part of `FakeMedia` about recordings: it remembers what it was told.

    `finish` and `fail_recording` report to the observer on the calling thread.
    """

    def __init__(self, observer: Callable[[], MediaObserver | None]) -> None:
        self.obstacle = ""
        """What keeps it from recording; the test says it."""
        self.told_to_record: list[ToldToRecord] = []
        """Everything that was asked, in order, refused or not."""
        self._observer_now = observer
        self._recordings: set[MediaRecording] = set()

    def recording_obstacle(self) -> str:
        """As the test said."""
        return self.obstacle

    def record(self, recording: MediaRecording) -> None:
        """Remember it."""
        self.told_to_record.append(ToldToRecord("record", recording))
        if self.obstacle:
            raise MediaError(self.obstacle)
        if self._observer_now() is None:
            raise MediaError("media is not running; start it first")
        room = recording.cid, recording.session
        self._recordings = {one for one in self._recordings if (one.cid, one.session) != room}
        self._recordings.add(recording)

    def stop_recording(self, recording: MediaRecording) -> None:
        """Forget it."""
        self.told_to_record.append(ToldToRecord("stop_recording", recording))
        self._recordings.discard(recording)

    def recordings(self) -> frozenset[MediaRecording]:
        """Those that were begun and not stopped."""
        return frozenset(self._recordings) if self._observer_now() is not None else frozenset()

    def finish(
        self, recording: MediaRecording, entry_id: EntryId, user_id: UserId, kind: Kind
    ) -> RecordedFile:
        """A file with what this entry sent is finished.

        Returns:
            What was reported of it.
        """
        file = RecordedFile(
            name=f"{recording.session}/{recording.number}/{entry_id}-{kind}.{_EXTENSIONS[kind]}",
            codec="opus" if kind == "audio" else "VP8",
            starts_after=0.5,
            seconds=60.0,
            bytes=1_000,
            sha256="00" * 32,
        )
        self._to_tell().recorded(recording, RecordedTrack(entry_id, user_id, 1, kind), file)
        return file

    def fail_recording(self, recording: MediaRecording, because: str) -> None:
        """Nothing can be written any more."""
        self._recordings.discard(recording)
        self._to_tell().recording_failed(recording, because)

    def _to_tell(self) -> MediaObserver:
        observer = self._observer_now()
        assert observer is not None, "start the media first"
        return observer
