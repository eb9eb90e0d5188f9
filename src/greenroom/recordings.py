"""Recordings of a call, as they are listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NewType, get_args

from greenroom.domain.message import CallId, Event, Recorded, SessionId, UserId
from greenroom.domain.session_events import (
    RecordingEnd,
    RecordingEvent,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    TrackRecorded,
)
from greenroom.domain.streams import session_id

RecordingId = NewType("RecordingId", str)
"""The public name of a recording: that of its session, and its number there."""
RECORDING: Final = tuple(sorted(event.name for event in get_args(RecordingEvent)))
"""The stored names of all that is told of recordings."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of one session of a call: which files there are of whom, and from when to when.

    Each track of each connection is a file of its own. What is missing between two files of a
    user, or after `resumed_at`, was not recorded.
    """

    id: RecordingId
    session_id: SessionId
    number: int
    """Among those of its session, from 1 on."""
    started_at: datetime
    started_by: UserId
    """`system:settings` where the settings say that every session is recorded."""
    resumed_at: tuple[datetime, ...] = ()
    """When another process went on, in place of one that had died."""
    stopped_at: datetime | None = None
    """None while it is on."""
    reason: RecordingEnd | None = None
    """Why it is over."""
    because: str = ""
    """What failed, where the reason is that it failed."""
    tracks: tuple[TrackRecorded, ...] = ()
    """Those whose files are finished, in the order in which they were."""


def recordings(records: Iterable[Recorded[Event]]) -> list[Recording]:
    """What the records of a call tell of its recordings, in the order in which they began."""
    found: dict[RecordingId, Recording] = {}
    for record in records:
        match event := record.event:
            case RecordingStarted(cid=cid, session=session, recording=number):
                name = recording_id(cid, session, number)
                found[name] = Recording(
                    name, session_id(cid, session), number, event.at, record.by.user_id
                )
            case RecordingResumed() | RecordingStopped() | TrackRecorded():
                name = recording_id(event.cid, event.session, event.recording)
                found[name] = _after(found[name], event)
    return list(found.values())


def recording_id(cid: CallId, session: int, number: int) -> RecordingId:
    """The public name of a recording."""
    return RecordingId(f"{session_id(cid, session)}/{number}")


def _after(
    recording: Recording, event: RecordingResumed | RecordingStopped | TrackRecorded
) -> Recording:
    match event:
        case RecordingResumed(at=at):
            return replace(recording, resumed_at=(*recording.resumed_at, at))
        case RecordingStopped(at=at, reason=reason, because=because):
            return replace(recording, stopped_at=at, reason=reason, because=because)
        case TrackRecorded():
            return replace(recording, tracks=(*recording.tracks, event))
