"""Recordings of a session: on or off, and the files that came of them.

A session has one recording at a time. What is on record of files is told by whoever wrote them,
maybe twice, and maybe after the session is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from immutables import Map
from msgspec import Struct, structs

from greenroom.domain.access import Capability
from greenroom.domain.errors import MediaError, RecordingDisabled
from greenroom.domain.message import Instant
from greenroom.domain.session_commands import (
    EndRecording,
    RecordingCommand,
    ReportFile,
    ResumeRecording,
    StartRecording,
    StopRecording,
)
from greenroom.domain.session_events import (
    RecordingEnd,
    RecordingEvent,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    TrackRecorded,
)


class Recordings(Struct, frozen=True, gc=False):
    """The recordings of one session."""

    running: int = 0
    """Number of the one that is on; 0 for none."""
    count: int = 0
    """How many were started."""
    started_at: Instant | None = None
    """When the last one was."""
    files: Map[str, int] = Map()
    """The recording of each file on record, by its name."""


NO_RECORDINGS: Final = Recordings()
"""Of most sessions."""


def decide(recordings: Recordings, command: RecordingCommand) -> Sequence[RecordingEvent]:
    """What `command` brings about; nothing where it is already so.

    Raises:
        NotAllowed: `start-record-call` or `stop-record-call` is missing.
        RecordingDisabled: the settings allow no recording.
        MediaError: nothing here could record.
    """
    match command:
        case StartRecording():
            return _start(recordings, command)
        case StopRecording(by=by):
            by.must(Capability.STOP_RECORD_CALL)
            return _stop(recordings, command, recordings.running, RecordingEnd.STOPPED)
        case EndRecording(recording=number, reason=reason, because=because):
            ends = recordings.running if number is None else number
            return _stop(recordings, command, ends, reason, because)
        case ResumeRecording(recording=number):
            if not number or number != recordings.running:
                return []
            return [
                RecordingResumed(
                    at=command.at, cid=command.cid, session=command.session, recording=number
                )
            ]
        case ReportFile(recording=number, file=file):
            if file.name in recordings.files or not 0 < number <= recordings.count:
                return []
            return [
                TrackRecorded(
                    at=command.at,
                    cid=command.cid,
                    session=command.session,
                    recording=number,
                    entry_id=command.entry_id,
                    user_id=command.user_id,
                    epoch=command.epoch,
                    kind=command.kind,
                    file=file,
                )
            ]
        case _:
            assert_never(command)


def evolve(recordings: Recordings, event: RecordingEvent) -> Recordings:
    """The recordings after `event`. Never refuses: what is recorded has happened."""
    match event:
        case RecordingStarted(at=at, recording=number):
            return structs.replace(recordings, running=number, count=number, started_at=at)
        case RecordingStopped():
            return structs.replace(recordings, running=0)
        case RecordingResumed():
            return recordings
        case TrackRecorded(recording=number, file=file):
            return structs.replace(recordings, files=recordings.files.set(file.name, number))
        case _:
            assert_never(event)


def _start(recordings: Recordings, command: StartRecording) -> Sequence[RecordingEvent]:
    command.by.must(Capability.START_RECORD_CALL)
    if recordings.running:
        return []
    if command.mode == "disabled":
        raise RecordingDisabled("recording.mode is 'disabled' here; set it to 'available' first")
    if command.obstacle:
        raise MediaError(command.obstacle)
    number = recordings.count + 1
    return [
        RecordingStarted(at=command.at, cid=command.cid, session=command.session, recording=number)
    ]


def _stop(
    recordings: Recordings,
    command: RecordingCommand,
    number: int,
    reason: RecordingEnd,
    because: str = "",
) -> Sequence[RecordingEvent]:
    if not number or number != recordings.running:
        return []
    return [
        RecordingStopped(
            at=command.at,
            cid=command.cid,
            session=command.session,
            recording=number,
            reason=reason,
            because=because,
        )
    ]
