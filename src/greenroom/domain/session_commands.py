"""What can be asked of a session, with the facts from elsewhere that the answer needs."""

from __future__ import annotations

from datetime import timedelta

from greenroom.domain.admission import JoinFacts
from greenroom.domain.decider import Command
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.session_events import (
    LeftReason,
    MediaStatistics,
    RecordedFile,
    RecordingEnd,
    Track,
)
from greenroom.domain.settings import Mode


class _InSession(Command, frozen=True, kw_only=True):
    cid: CallId
    session: int


class Enter(_InSession, frozen=True, kw_only=True):
    entry_id: EntryId
    facts: JoinFacts


class Leave(_InSession, frozen=True, kw_only=True):
    """Close one's own entry."""

    entry_id: EntryId
    inactivity_timeout: timedelta


class PutOut(_InSession, frozen=True, kw_only=True):
    """Close every entry of these users; of everybody where none are named."""

    reason: LeftReason
    user_ids: frozenset[UserId] | None = None
    inactivity_timeout: timedelta | None = None
    """None where the session closes with them."""


class MuteUsers(_InSession, frozen=True, kw_only=True):
    """Named users, or everybody else where none are named."""

    tracks: tuple[Track, ...]
    user_ids: frozenset[UserId] | None = None


class Pin(_InSession, frozen=True, kw_only=True):
    user_id: UserId


class Unpin(_InSession, frozen=True, kw_only=True):
    user_id: UserId


class Unmute(_InSession, frozen=True, kw_only=True):
    """Let oneself be heard and seen again, through all of one's entries."""

    entry_id: EntryId
    tracks: tuple[Track, ...]


class PutOutLost(_InSession, frozen=True, kw_only=True):
    """Close every entry that has not connected again in time."""

    inactivity_timeout: timedelta


class _OfMedia(_InSession, frozen=True, kw_only=True):
    entry_id: EntryId
    epoch: int


class ConnectMedia(_OfMedia, frozen=True, kw_only=True):
    fingerprint: str


class Publish(_OfMedia, frozen=True, kw_only=True):
    kind: Track


class Unpublish(_OfMedia, frozen=True, kw_only=True):
    kind: Track


class LoseMedia(_OfMedia, frozen=True, kw_only=True):
    inactivity_timeout: timedelta
    grace: timedelta
    """How long an entry without a connection stays; with none, it leaves at once."""


class MeasureMedia(_OfMedia, frozen=True, kw_only=True):
    """A connection is over; this is what went through it."""

    statistics: MediaStatistics
    grace: timedelta


class StartRecording(_InSession, frozen=True, kw_only=True):
    mode: Mode
    obstacle: str = ""
    """Why nothing here could record; empty where something can."""


class StopRecording(_InSession, frozen=True, kw_only=True): ...


class EndRecording(_InSession, frozen=True, kw_only=True):
    """It is over, though nobody stopped it."""

    reason: RecordingEnd
    recording: int | None = None
    """None for the one that is on."""
    because: str = ""


class ResumeRecording(_InSession, frozen=True, kw_only=True):
    """Another process goes on with it."""

    recording: int


class ReportFile(_InSession, frozen=True, kw_only=True):
    """A file is finished."""

    recording: int
    entry_id: EntryId
    user_id: UserId
    epoch: int
    kind: Track
    file: RecordedFile


MediaReport = ConnectMedia | Publish | Unpublish | LoseMedia | MeasureMedia
"""What media learns of an entry."""
RecordingCommand = StartRecording | StopRecording | EndRecording | ResumeRecording | ReportFile
"""About recordings of the session."""
SessionCommand = (
    Enter
    | Leave
    | PutOut
    | PutOutLost
    | MuteUsers
    | Unmute
    | Pin
    | Unpin
    | MediaReport
    | RecordingCommand
)
