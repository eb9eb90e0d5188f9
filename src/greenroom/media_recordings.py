"""Keeps media recording what is to be recorded by the record."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import MediaError
from greenroom.domain.message import CallId, Event
from greenroom.domain.operations import recording as reports
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_events import RecordingStarted, RecordingStopped
from greenroom.media.port import MediaPort, MediaRecording
from greenroom.media_erasing import MAY_ERASE, ErasedFiles, erased_files

if TYPE_CHECKING:
    from greenroom.live import LiveCore


class MediaRecordings:
    """Of the calls that this process carries: what is recorded, is written; nothing else is.

    Args:
        media: what writes.
        turn: reads a call as it is on record.
        mine: whether a call is carried here.
        note: takes what is to be recorded of a recording.
    """

    def __init__(
        self,
        media: MediaPort,
        turn: Callable[[CallId], CallTurn],
        mine: Callable[[CallId], bool],
        note: Callable[[MediaRecording, Operation[CallTurn]], None],
    ) -> None:
        self._media: Final = media
        self._turn: Final = turn
        self._mine: Final = mine
        self._note: Final = note
        self._files: ErasedFiles | None = None
        self._erasing = False
        """Whether something was recorded since `settle` that files may have to go for."""
        self._changed: set[CallId] = set()
        """Calls whose recording was begun or stopped since `settle`: no other process had it."""

    def erase_files_of(self, core: LiveCore) -> None:
        """Take away the files of whoever is erased in that room, where media has files here."""
        self._files = erased_files(self._media, core)
        if self._files is not None:
            self._files.settle()

    def obstacle(self) -> str:
        """Why nothing here could record; empty where it could."""
        return self._media.recording_obstacle()

    def calls(self) -> Collection[CallId]:
        """Calls that are recorded here."""
        return {one.cid for one in self._media.recordings()}

    def react(self, event: Event) -> None:
        """Take note of what was recorded."""
        if isinstance(event, RecordingStarted | RecordingStopped):
            self._changed.add(event.cid)
        self._erasing = self._erasing or event.name in MAY_ERASE

    def settle(self) -> None:
        """Begin and stop what was begun and stopped on record; erase what was erased."""
        while self._changed:
            self._settle(self._changed.pop())
        if self._erasing and self._files is not None:
            self._files.settle()
        self._erasing = False

    def take(self, cid: CallId) -> None:
        """Go on with the recording of a call that somebody else carried until now, if it is on."""
        if cid not in self._changed:
            self._settle(cid, resumed=True)

    def drop(self, cid: CallId) -> None:
        """Record nothing of a call any more, which somebody else carries."""
        for one in self._media.recordings():
            if one.cid == cid:
                self._media.stop_recording(one)

    def reconcile(self) -> None:
        """Stop whatever should not be recorded; erase what was being written when it was erased."""
        for cid in self.calls():
            self._settle(cid)
        if self._files is not None:
            self._files.settle(again=True)

    def _settle(self, cid: CallId, *, resumed: bool = False) -> None:
        wanted = self._wanted(cid) if self._mine(cid) else None
        going = [one for one in self._media.recordings() if one.cid == cid]
        for one in going:
            if one != wanted:
                self._media.stop_recording(one)
        if wanted is None or wanted in going:
            return
        try:
            self._media.record(wanted)
        except MediaError as error:
            self._note(wanted, reports.failed(wanted.session, wanted.number, str(error)))
        else:
            if resumed:
                self._note(wanted, reports.resumed(wanted.session, wanted.number))

    def _wanted(self, cid: CallId) -> MediaRecording | None:
        """The recording of a call that is on by the record."""
        turn = self._turn(cid)
        state = turn.session.recordings
        if not state.running or state.started_at is None:
            return None
        elapsed = max(0.0, (turn.at - state.started_at).total_seconds())
        return MediaRecording(cid, turn.call.session, state.running, elapsed)
