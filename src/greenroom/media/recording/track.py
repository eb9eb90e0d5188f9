"""One track, on its way from packets to files. Lives on the thread that writes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from greenroom.domain.session_events import RecordedFile
from greenroom.media.packets import Kept
from greenroom.media.port import MediaRecording, RecordedTrack
from greenroom.media.recording.alignment import ENOUGH, Alignment, Known, Report
from greenroom.media.recording.files import FAILURES, TrackFile, may_begin
from greenroom.media.recording.frames import Frame, Frames
from greenroom.media.recording.ordering import Arrived, Ordering
from greenroom.media.recording.pictures import Pictures
from greenroom.media.recording.remains import Claim, Note
from greenroom.media.recording.sound import Sound

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Whose:
    """What is written, and since when."""

    recording: MediaRecording
    track: RecordedTrack
    began: float
    """When the recording did, by the clock of the packets."""
    alignment: Alignment = field(default_factory=Alignment)
    """With the other tracks of its connection."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Whom a track tells what came of it."""

    finished: Callable[[Whose, RecordedFile, Claim], None]
    """A file is whole."""
    failed: Callable[[Whose, str], None]
    """Nothing of the recording can be written any more."""
    want_key_frame: Callable[[], None]
    """A picture is needed that needs no other."""


class TrackWriter:
    """Writes one track of one connection: to one file, unless its codec changes.

    Args:
        whose: what it is.
        codec: of its first packets.
        folder: of all recordings.
        outcomes: are told.
    """

    def __init__(self, whose: Whose, codec: str, folder: Path, outcomes: Outcomes) -> None:
        self.whose: Final = whose
        self.dropped = 0
        """Packets that there was no room for before they came here; counted by the media loop."""
        self._folder = folder
        self._outcomes = outcomes
        self._codec = codec
        self._order = Ordering()
        self._frames = self._making()
        self._file: TrackFile | None = None
        self._claim: Claim | None = None
        self._starts_after = 0.0
        self._origin = 0
        """The timestamp at the beginning of the file."""
        self._reports: list[Report] = []
        self._counted = (0, 0)
        """Lost and dropped, up to the file that is being written."""
        self._failure = ""

    def take(self, packets: Sequence[Kept], at: float) -> None:
        """Some packets came."""
        for one in packets:
            self._pass(self._order.put(Arrived(*one, at)))

    def hear(self, report: Report) -> None:
        """The sender says how its clock and its timestamps relate: the first few times count.

        Later on, the clock of what it records with may have gone astray from the other.
        """
        if len(self._reports) < ENOUGH:
            self._reports.append(report)
            self._align()

    def look(self, now: float) -> None:
        """Once in a while: wait no longer for what does not come."""
        self._pass(self._order.give_up(now))

    def rest(self) -> None:
        """Nothing comes for a while, by the rules: that is no loss."""
        self._pass(self._order.flush())
        self._frames.gap()

    def begin_again(self, codec: str) -> None:
        """Another stream comes from the same place, maybe in another codec."""
        self.rest()
        if codec != self._codec:
            self._finish()
            self._codec = codec
            self._frames = self._making()
        if self._file is None:
            self._reports.clear()  # they were about the stream that has ended

    def close(self) -> None:
        """There is no more."""
        self._pass(self._order.flush())
        self._finish()

    def _making(self) -> Frames:
        if self._codec == "opus":
            return Sound()
        return Pictures(self._codec, self._outcomes.want_key_frame)

    def _pass(self, packets: Iterable[Arrived | None]) -> None:
        """Write what these packets make whole; what goes wrong ends this track, or all of it."""
        if self._failure:
            return
        try:
            for packet in packets:
                if packet is None:
                    self._frames.gap()
                    continue
                for frame in self._frames.take(packet):
                    self._write(frame, packet.at)
        except Exception as error:
            # Whatever it is, it must not end the other recordings, and be known.
            self._failure = str(error) or repr(error)
            log.exception("%s of %s is written no further", self.whose.track, self.whose.recording)
            if isinstance(error, OSError):
                self._outcomes.failed(self.whose, self._failure)

    def _write(self, frame: Frame, at: float) -> None:
        if self._file is None:
            if not may_begin(self._codec, frame):
                self._frames.gap()
                self._outcomes.want_key_frame()
                return
            self._begin(frame, at)
        assert self._file is not None, "it has begun"  # noqa: S101 - a bug here
        self._file.write(frame, self._frames.rate)

    def _begin(self, frame: Frame, at: float) -> None:
        whose = self.whose
        self._starts_after = whose.recording.elapsed + max(0.0, at - whose.began)
        self._starts_after -= frame.place / self._frames.rate
        self._origin = self._frames.origin
        note = Note.of(whose.recording, whose.track, self._codec, self._starts_after)
        claim = self._claim = Claim.made(self._folder, note)
        self._file = TrackFile(claim.path, self._codec, frame)
        self._align()

    def _align(self) -> None:
        if self._reports and self._file is not None:
            # A sender that is busy says when it got round to sending: the soonest is nearest.
            sent = min(one.sent_at(self._origin, self._frames.rate) for one in self._reports)
            known = Known(self._codec == "opus", self._starts_after, sent)
            self.whose.alignment.note(self, known)

    def _finish(self) -> None:
        file, claim = self._file, self._claim
        self._file = self._claim = None
        if claim is None:
            return
        if file is None:  # it could not even be begun
            claim.settle()
            return
        try:
            size, digest, failure = file.close()
        except FAILURES as error:
            log.exception("%s cannot be finished", claim.path)
            claim.leave()
            self._outcomes.failed(self.whose, str(error))
            return
        lost, dropped = self._order.lost - self._counted[0], self.dropped - self._counted[1]
        self._counted = self._order.lost, self.dropped
        told = RecordedFile(
            name=claim.name,
            codec=self._codec,
            starts_after=self.whose.alignment.begins(self, self._starts_after),
            seconds=file.seconds,
            bytes=size,
            sha256=digest,
            packets_lost=max(0, lost - dropped),
            packets_dropped=dropped,
            failure=self._failure or failure,
        )
        self._outcomes.finished(self.whose, told, claim)
