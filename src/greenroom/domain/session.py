"""The Session aggregate: one occupation of a call; who came, left, is there.

Streams: `session-<cid>/<number>`. Opening and closing a session are facts of the call's stream,
so that the call always knows which session is the current one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, assert_never

from immutables import Map

from greenroom.domain.access import Capability
from greenroom.domain.admission import Evidence, JoinFacts, Occupancy, admit
from greenroom.domain.decider import Command, Decider
from greenroom.domain.errors import EntryNotFound
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


class Joined(Event):
    """Somebody entered; the media reactor opens a peer connection for `entry_id`."""

    name: ClassVar[str] = "session.joined"
    cid: CallId
    session: int
    """Number of the session in its call."""
    entry_id: EntryId
    user_id: UserId
    role: Role
    """The user's role, as the decision used it."""
    counts: bool
    """Whether the user counts against `max_participants`."""
    evidence: Evidence


class Left(Event):
    """An entry closed; the media reactor closes its peer connection."""

    name: ClassVar[str] = "session.left"
    cid: CallId
    session: int
    entry_id: EntryId
    user_id: UserId
    reason: LeftReason
    closes_at: Instant | None = None
    """When the session closes if nobody comes; only on the last entry to leave."""


class UsersMuted(Event):
    """A one-off request to be quiet; whoever was muted may unmute."""

    name: ClassVar[str] = "session.muted"
    cid: CallId
    session: int
    user_ids: tuple[UserId, ...]
    tracks: tuple[Track, ...]


class Pinned(Event):
    """Everyone sees this user large."""

    name: ClassVar[str] = "session.pinned"
    cid: CallId
    session: int
    user_id: UserId


class Unpinned(Event):
    """The user is one among the others again."""

    name: ClassVar[str] = "session.unpinned"
    cid: CallId
    session: int
    user_id: UserId


class MediaConnected(Event):
    """Audio and video flow for this entry."""

    name: ClassVar[str] = "session.connected"
    cid: CallId
    session: int
    entry_id: EntryId
    fingerprint: str
    """The DTLS certificate fingerprint of the peer, as its session description gives it."""


class MediaLost(Event):
    """The entry's peer connection died."""

    name: ClassVar[str] = "session.lost"
    cid: CallId
    session: int
    entry_id: EntryId


SessionEvent = Joined | Left | UsersMuted | Pinned | Unpinned | MediaConnected | MediaLost


@dataclass(frozen=True, slots=True, kw_only=True)
class _InSession(Command):
    cid: CallId
    session: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enter(_InSession):
    entry_id: EntryId
    facts: JoinFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(_InSession):
    """Close one's own entry."""

    entry_id: EntryId
    inactivity_timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOut(_InSession):
    """Close every entry of these users; of everybody where none are named."""

    reason: LeftReason
    user_ids: frozenset[UserId] | None = None
    inactivity_timeout: timedelta | None = None
    """None where the session closes with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteUsers(_InSession):
    """Named users, or everybody else where none are named."""

    tracks: tuple[Track, ...]
    user_ids: frozenset[UserId] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin(_InSession):
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpin(_InSession):
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectMedia(_InSession):
    entry_id: EntryId
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseMedia(_InSession):
    entry_id: EntryId
    inactivity_timeout: timedelta


SessionCommand = Enter | Leave | PutOut | MuteUsers | Pin | Unpin | ConnectMedia | LoseMedia
