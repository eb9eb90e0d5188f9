"""What takes packets for recordings, on the media loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from aiortc.rtp import RtcpSenderInfo

from greenroom.domain.message import EntryId
from greenroom.media.incoming import Forward, Incoming
from greenroom.media.packets import Kept
from greenroom.media.participant import Participant
from greenroom.media.port import MediaRecording, RecordedTrack
from greenroom.media.recording.alignment import Alignment, Report
from greenroom.media.recording.recorder import MOST_WAITING, Recorder
from greenroom.media.recording.track import TrackWriter, Whose
from greenroom.media.roster import Room


class Tap:
    """The viewer of a line that brings its packets to where they are written."""

    def __init__(self, incoming: Incoming, recorder: Recorder, whose: Whose) -> None:
        loop = asyncio.get_running_loop()
        self._incoming = incoming
        self._recorder = recorder
        self._listens = False
        self.estimate: int | None = None
        """The way to the disk says nothing of how much it carries."""
        self._writer: TrackWriter = recorder.open(
            whose,
            incoming.codec,
            want_key_frame=lambda: _on(loop, incoming.want_key_frame),
        )
        self.forward: Forward = self._pour()

    def listen(self) -> None:
        """Take what comes from now on."""
        if not self._listens:
            self._listens = True
            self._incoming.add(self)
            if (report := self._incoming.last_report) is not None:
                self.pass_on(report)
            self._incoming.want_key_frame()

    def rest(self) -> None:
        """Take nothing for now."""
        if self._listens:
            self._listens = False
            self._incoming.remove(self)
            self._recorder.belt.bring(self._writer.rest)

    def close(self) -> None:
        """Take nothing any more."""
        self.rest()
        self._recorder.close(self._writer)

    def carry(self, incoming: Incoming | None) -> None:
        """The line has ended."""
        if incoming is None:
            self.rest()

    def begin_again(self, last: int) -> None:
        """Another stream begins on the line, maybe in another codec."""
        del last
        self._recorder.belt.bring(self._writer.begin_again, self._incoming.codec)

    def pass_on(self, info: RtcpSenderInfo) -> None:
        """What is written is placed by the clock here, and lined up by its sender's."""
        report = Report(info.ntp_timestamp / (1 << 32), info.rtp_timestamp)
        self._recorder.belt.bring(self._writer.hear, report)

    def _pour(self) -> Forward:
        """What brings packets to the belt, with nothing left to look up or to decide."""
        belt, take, drop = self._recorder.belt, self._writer.take, self._drop
        work = belt.work

        def pour(packets: Sequence[Kept]) -> None:
            if belt.full or len(work) > MOST_WAITING:
                drop(len(packets))
            else:
                work.append((take, (packets, monotonic())))

        return pour

    def _drop(self, packets: int) -> None:
        belt = self._recorder.belt
        belt.full = len(belt.work) > MOST_WAITING // 2
        self._writer.dropped += packets


@dataclass(eq=False)
class _Going:
    """A recording that goes on."""

    recording: MediaRecording
    began: float
    taps: dict[Incoming, Tap] = field(default_factory=dict)
    alignments: dict[tuple[EntryId, int], Alignment] = field(default_factory=dict)
    """By entry and epoch."""


class Taps:
    """The taps of all recordings of a stage.

    Args:
        recorder: writes; None where nothing is recorded.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._going: dict[Room, _Going] = {}

    def recordings(self) -> frozenset[MediaRecording]:
        """Those that go on; from any thread."""
        return frozenset(one.recording for one in tuple(self._going.values()))

    def begin(self, recording: MediaRecording, participants: Sequence[Participant]) -> None:
        """Record these, and whoever comes; in place of another recording of the session."""
        room = recording.cid, recording.session
        known = self._going.get(room)
        if known is not None and known.recording == recording:
            return
        if known is not None:
            self.end(known.recording)
        self._going[room] = _Going(recording, monotonic())
        self.arrange(room, participants)

    def end(self, recording: MediaRecording) -> None:
        """Record no more of it."""
        room = recording.cid, recording.session
        going = self._going.get(room)
        if going is not None and going.recording == recording:
            del self._going[room]
            for tap in going.taps.values():
                tap.close()

    def end_all(self) -> None:
        """Record nothing any more."""
        for recording in self.recordings():
            self.end(recording)

    def arrange(self, room: Room, participants: Sequence[Participant]) -> None:
        """Tap what may be received of whoever is there, and nothing else."""
        going = self._going.get(room)
        if going is None or self._recorder is None:
            return
        there: set[Incoming] = set()
        for participant in participants:
            receivable = {*participant.tracks()}
            for connection in participant.connections:
                for incoming in connection.tracks():
                    there.add(incoming)
                    if incoming in receivable:
                        self._tap(going, incoming, participant, connection.epoch).listen()
                    elif incoming in going.taps:
                        going.taps[incoming].rest()
        self._close(going, going.taps.keys() - there)

    def _tap(self, going: _Going, incoming: Incoming, participant: Participant, epoch: int) -> Tap:
        tap = going.taps.get(incoming)
        if tap is None:
            entry = participant.entry
            assert self._recorder is not None, "something is recorded"  # noqa: S101 - a bug here
            track = RecordedTrack(entry.entry_id, entry.user_id, epoch, incoming.source.kind)
            aligned = going.alignments.setdefault((entry.entry_id, epoch), Alignment())
            whose = Whose(going.recording, track, going.began, aligned)
            tap = going.taps[incoming] = Tap(incoming, self._recorder, whose)
        return tap

    def _close(self, going: _Going, gone: Collection[Incoming]) -> None:
        for incoming in gone:
            going.taps.pop(incoming).close()


def _on(loop: asyncio.AbstractEventLoop, ask: Callable[[], None]) -> None:
    """Have that asked on the media loop, if it goes on."""
    with suppress(RuntimeError):  # it was closed a moment ago
        loop.call_soon_threadsafe(ask)
