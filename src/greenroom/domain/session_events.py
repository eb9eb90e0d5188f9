"""What happens in a session. Stored for good: add new events, never rename one."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct

from greenroom.domain.admission import Evidence
from greenroom.domain.message import CallId, EntryId, Event, Instant, Role, UserId


class LeftReason(StrEnum):
    """Why somebody is no longer in the call."""

    LEFT = "left"
    ENDED = "ended"
    KICKED = "kicked"
    BLOCKED = "blocked"
    REMOVED = "removed"
    STOPPED_LIVE = "stopped_live"
    MAX_DURATION = "max_duration"
    LOST = "lost"
    DELETED = "deleted"


class Track(StrEnum):
    """What can be muted."""

    AUDIO = "audio"
    VIDEO = "video"
    SCREENSHARE = "screenshare"
    SCREENSHARE_AUDIO = "screenshare_audio"


class MediaStatistics(Struct, frozen=True, kw_only=True, gc=False):
    """What went through a media connection, from its beginning on."""

    seconds: float = 0.0
    """How long it has stood."""
    packets_received: int = 0
    """From the participant."""
    bytes_received: int = 0
    packets_sent: int = 0
    """To the participant."""
    bytes_sent: int = 0
    packets_lost: int = 0
    """Of both directions, as far as either side knows."""
    key_frame_requests: int = 0
    """Asked of the participant."""
    round_trip: float | None = None
    """Seconds to the participant and back, as measured last."""
    jitter: float | None = None
    """Seconds that what the participant sends comes too early or too late, as measured last."""


class RecordedFile(Struct, frozen=True, kw_only=True, gc=False):
    """A track as it stands in a file: alone, and never encoded again."""

    name: str
    """Of the file, below the folder of recordings, with `/` between its parts."""
    codec: str
    """`opus` (in Ogg), `VP8` (in WebM) or `H264` (in Matroska)."""
    starts_after: float
    """Seconds from the start of the recording to the beginning of the file."""
    seconds: float
    """How long it plays."""
    bytes: int
    sha256: str
    """Of all of it, in hexadecimal digits."""
    packets_lost: int = 0
    """That never came, or came far too late: what they held is missing."""
    packets_dropped: int = 0
    """That came and could not be written: the disk was too slow."""
    failure: str = ""
    """What kept it from being finished as it should; empty where nothing did."""


class RecordingEnd(StrEnum):
    """Why a recording is over."""

    STOPPED = "stopped"
    """Somebody stopped it."""
    ENDED = "ended"
    """The session is over."""
    FAILED = "failed"
    """It could not be written."""


class Joined(Event, frozen=True, kw_only=True):
    """Somebody entered; the media reactor opens a peer connection for `entry_id`."""

    name: ClassVar[str] = "session.joined"
    cid: CallId
    session: int
    """Number of the session in its call."""
    entry_id: EntryId
    user_id: UserId
    role: Role
    """The user's role, as the decision used it."""
    claimed: bool = False
    """Whether whoever asked said the role, and did not leave it to the User record."""
    counts: bool
    """Whether the user counts against `max_participants`."""
    muted: tuple[Track, ...] = ()
    """Of somebody who is in already, and was muted there."""
    evidence: Evidence


class Left(Event, frozen=True, kw_only=True):
    """An entry closed; the media reactor closes its peer connection."""

    name: ClassVar[str] = "session.left"
    cid: CallId
    session: int
    entry_id: EntryId
    user_id: UserId
    reason: LeftReason
    closes_at: Instant | None = None
    """When the session closes if nobody comes; only on the last entry to leave."""
    awaited: bool = False
    """Whether it had lost its media, and had time to connect again."""


class UsersMuted(Event, frozen=True, kw_only=True):
    """These tracks reach nobody any more, until whoever was muted unmutes them."""

    name: ClassVar[str] = "session.muted"
    cid: CallId
    session: int
    user_ids: tuple[UserId, ...]
    tracks: tuple[Track, ...]
    entry_ids: tuple[EntryId, ...] = ()
    """Their entries; none where it was a request and no more, as all were at first."""


class UserUnmuted(Event, frozen=True, kw_only=True):
    """Somebody who was muted may be heard and seen again."""

    name: ClassVar[str] = "session.unmuted"
    cid: CallId
    session: int
    user_id: UserId
    tracks: tuple[Track, ...]
    entry_ids: tuple[EntryId, ...]
    """Their entries."""


class Pinned(Event, frozen=True, kw_only=True):
    """Everyone sees this user large."""

    name: ClassVar[str] = "session.pinned"
    cid: CallId
    session: int
    user_id: UserId


class Unpinned(Event, frozen=True, kw_only=True):
    """The user is one among the others again."""

    name: ClassVar[str] = "session.unpinned"
    cid: CallId
    session: int
    user_id: UserId


class MediaConnected(Event, frozen=True, kw_only=True):
    """Audio and video flow for this entry."""

    name: ClassVar[str] = "session.connected"
    cid: CallId
    session: int
    entry_id: EntryId
    fingerprint: str
    """The DTLS certificate fingerprint of the peer, as its session description gives it."""
    epoch: int = 1
    """Number of the connection in its entry; only the first was told of when none was kept."""


class MediaPublished(Event, frozen=True, kw_only=True):
    """Others may receive this of the entry now."""

    name: ClassVar[str] = "session.published"
    cid: CallId
    session: int
    entry_id: EntryId
    epoch: int
    """Of the connection that it comes through."""
    kind: Track


class MediaUnpublished(Event, frozen=True, kw_only=True):
    """Others do not receive this of the entry any more."""

    name: ClassVar[str] = "session.unpublished"
    cid: CallId
    session: int
    entry_id: EntryId
    epoch: int
    kind: Track


class MediaLost(Event, frozen=True, kw_only=True):
    """A peer connection of the entry died, or was never made."""

    name: ClassVar[str] = "session.lost"
    cid: CallId
    session: int
    entry_id: EntryId
    epoch: int = 1
    connected: bool = False
    """Whether another connection of the entry stands."""
    leaves_at: Instant | None = None
    """When the entry is put out unless it connects again; None where it is connected, or left."""


class MediaMeasured(Event, frozen=True, kw_only=True):
    """A connection is over; this went through it. It may come after the entry has left."""

    name: ClassVar[str] = "session.measured"
    cid: CallId
    session: int
    entry_id: EntryId
    epoch: int
    statistics: MediaStatistics
    connected: bool = False
    """Whether another connection of the entry stands."""
    leaves_at: Instant | None = None
    """When the entry is put out unless it connects again; None where it is connected, or left."""


class RecordingStarted(Event, frozen=True, kw_only=True):
    """What is published in the session is written to files from now on."""

    name: ClassVar[str] = "session.recording_started"
    cid: CallId
    session: int
    recording: int
    """Number of the recording in its session."""


class RecordingResumed(Event, frozen=True, kw_only=True):
    """The process that recorded is gone, and another one goes on; in between nothing was."""

    name: ClassVar[str] = "session.recording_resumed"
    cid: CallId
    session: int
    recording: int


class RecordingStopped(Event, frozen=True, kw_only=True):
    """Nothing is recorded any more; the files are being finished."""

    name: ClassVar[str] = "session.recording_stopped"
    cid: CallId
    session: int
    recording: int
    reason: RecordingEnd
    because: str = ""
    """What failed."""


class TrackRecorded(Event, frozen=True, kw_only=True):
    """A file of a recording is finished. It may come after the session has ended."""

    name: ClassVar[str] = "session.recorded"
    cid: CallId
    session: int
    recording: int
    entry_id: EntryId
    user_id: UserId
    epoch: int
    """Of the connection that it came through."""
    kind: Track
    file: RecordedFile


MediaEvent = MediaConnected | MediaPublished | MediaUnpublished | MediaLost | MediaMeasured
"""What media has to tell of an entry."""
RecordingEvent = RecordingStarted | RecordingResumed | RecordingStopped | TrackRecorded
"""What is told of recordings."""
SessionEvent = (
    Joined | Left | UsersMuted | UserUnmuted | Pinned | Unpinned | MediaEvent | RecordingEvent
)
