"""What happens in a session. Stored for good: add new events, never rename one."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

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


class UsersMuted(Event, frozen=True, kw_only=True):
    """A one-off request to be quiet; whoever was muted may unmute."""

    name: ClassVar[str] = "session.muted"
    cid: CallId
    session: int
    user_ids: tuple[UserId, ...]
    tracks: tuple[Track, ...]


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


class MediaLost(Event, frozen=True, kw_only=True):
    """The entry's peer connection died."""

    name: ClassVar[str] = "session.lost"
    cid: CallId
    session: int
    entry_id: EntryId


SessionEvent = Joined | Left | UsersMuted | Pinned | Unpinned | MediaConnected | MediaLost
