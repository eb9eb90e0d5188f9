"""What media learns of entries, on its way to the record."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from greenroom.answers import Done, done
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import GreenroomError, Refused, StoreClosed
from greenroom.domain.message import CallId, EntryId, Event, Recorded, UserId, recorded_as
from greenroom.domain.operations import media as reports
from greenroom.domain.operations import recording as recordings
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_events import MediaStatistics, RecordedFile, Track
from greenroom.domain.turn import Claim
from greenroom.holding import Holding, Sole
from greenroom.media.port import Kind, MediaRecording, RecordedTrack
from greenroom.media_stats import Tally
from greenroom.waiting import Waiting

if TYPE_CHECKING:
    from greenroom.live import LiveCore

_log = logging.getLogger(__name__)
CLAIM: Final = Claim("media", system=True)
RECORDER: Final = recorded_as("recorder", system=True)
"""Whose what a recording reports is, where it is nobody's track."""
_DONE: Final = TypeAdapter(Done)


@dataclass(eq=False, slots=True)
class Place:
    """Where an entry is, for what media reports of it."""

    cid: CallId
    session: int
    user_id: UserId
    joined: Recorded[Event] | None = None
    """The record that let it in, of those who came since media started."""
    running: set[int] = field(default_factory=set)
    """Epochs that were reported to stand and not to have ended."""
    gone: bool = False
    """Whether it has left; it is forgotten when nothing of it runs any more."""


class MediaReports:
    """The MediaObserver of a room: what it is told of calls that are carried here is recorded.

    What it hears of others comes from connections that are nobody's any more: it is forgotten.
    """

    def __init__(self) -> None:
        self._core: LiveCore | None = None
        self._holding: Holding = Sole()
        self._places: dict[EntryId, Place] = {}
        self._tally = Tally()
        self._waiting = Waiting()
        """Who wants to know when to ask for another invitation."""
        self._untold: deque[tuple[Place, int | None, Operation[CallTurn]]] = deque()
        """What media reported in which term, and is not on record yet; in order. What is so
        whoever carries the call has no term."""
        self._telling = threading.Lock()
        self.connections = 0
        """How many have been made here."""

    def connected(self, entry_id: EntryId, epoch: int, fingerprint: str) -> None:
        """Media flows for an entry."""
        place = self._places.get(entry_id)
        if place is not None:
            place.running.add(epoch)
            self.connections += 1
            self._tally.began(place.cid)
            self._note(place, reports.connected(entry_id, epoch, fingerprint))

    def published(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Others may receive this of an entry."""
        self._note(self._places.get(entry_id), reports.published(entry_id, epoch, Track(kind)))

    def unpublished(self, entry_id: EntryId, epoch: int, kind: Kind) -> None:
        """Others do not receive this of an entry any more."""
        self._note(self._places.get(entry_id), reports.unpublished(entry_id, epoch, Track(kind)))

    def lost(self, entry_id: EntryId, epoch: int) -> None:
        """The peer behind a connection is gone."""
        self._note(self._places.get(entry_id), reports.lost(entry_id, epoch))
        self.outdated(entry_id)

    def ended(self, entry_id: EntryId, epoch: int, statistics: MediaStatistics) -> None:
        """A connection of an entry is over, which may have left."""
        place = self._places.get(entry_id)
        if place is None:
            return
        self._note(place, reports.measured(entry_id, place.session, epoch, statistics))
        if epoch in place.running:
            place.running.remove(epoch)
            self._tally.ended(place.cid, statistics)
        if place.gone and not place.running:
            self._places.pop(entry_id, None)

    def outdated(self, entry_id: EntryId) -> None:
        """Whoever waits for another invitation of an entry is to ask for it."""
        self._waiting.wake(entry_id)

    def recorded(self, recording: MediaRecording, track: RecordedTrack, file: RecordedFile) -> bool:
        """A file is finished; whoever carries the call by now, it is there."""
        report = recordings.recorded(
            recording.session,
            recording.number,
            file,
            entry_id=track.entry_id,
            user_id=track.user_id,
            epoch=track.epoch,
            kind=Track(track.kind),
        )
        self._untold.append((Place(recording.cid, recording.session, track.user_id), None, report))
        self._tell()
        return all(one is not report for _, _, one in tuple(self._untold))

    def recording_failed(self, recording: MediaRecording, because: str) -> None:
        """Nothing can be written any more."""
        _log.error("the recording of %s has failed: %s", recording.cid, because)
        self._note_recording(
            recording, recordings.failed(recording.session, recording.number, because)
        )

    def _note_recording(self, recording: MediaRecording, report: Operation[CallTurn]) -> None:
        self._note(Place(recording.cid, recording.session, RECORDER), report)

    def _note(self, place: Place | None, report: Operation[CallTurn]) -> None:
        term = None if place is None else self._holding.term(place.cid)
        if place is not None and term is not None:
            self._untold.append((place, term, report))
            self._tell()

    def _tell(self) -> None:
        """Record what media reported, one after another; what fails is tried again later.

        Nobody waits for whoever is at it: they look again before they end.
        """
        while self._untold and self._telling.acquire(blocking=False):
            try:
                while self._untold:
                    if not self._record(*self._untold[0]):
                        return
                    self._untold.popleft()
            finally:
                self._telling.release()

    def _record(self, place: Place, term: int | None, report: Operation[CallTurn]) -> bool:
        """Whether that is done with: recorded, refused, or none of this process's business."""
        if term is not None and self._holding.term(place.cid) != term:
            return True
        if not self._holding.sure():
            return False  # who was cut off for long has to find out first what others did
        assert self._core is not None, "reports come once media was started"  # noqa: S101 - a bug here
        try:
            self._core.ask(place.cid, CLAIM, report, answer=done, kind=_DONE, cause=place.joined)
        except StoreClosed:
            return False  # the next room on the store will find that nothing stands any more
        except Refused:
            _log.exception("what media reported was refused: %s", report.arguments)
        except GreenroomError:
            _log.exception("what media reported is not recorded yet: %s", report.arguments)
            return False
        return True
