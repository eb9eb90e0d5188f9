"""What queries answer: one frozen value per row, in the public vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from greenroom.domain.membership import Answer
from greenroom.domain.message import CallId, EntryId, Role, SessionId, StreamId, Team, UserId
from greenroom.domain.session_events import Track


@dataclass(frozen=True, slots=True, kw_only=True)
class UserItem:
    """What is known of a user; as for anybody where nobody has told us."""

    user_id: UserId
    name: str | None
    role: Role
    custom: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberItem:
    """One member of a call."""

    user_id: UserId
    role: Role
    custom: Mapping[str, JsonValue]
    created_at: datetime
    """When they were added."""
    updated_at: datetime
    user: UserItem


@dataclass(frozen=True, slots=True, kw_only=True)
class CallItem:
    """One call, as it is now."""

    cid: CallId
    type: str
    id: str
    created_by: UserId
    team: Team | None
    custom: Mapping[str, JsonValue]
    settings: Mapping[str, Mapping[str, JsonValue]]
    """The call's own, over those of its type."""
    created_at: datetime
    updated_at: datetime
    starts_at: datetime | None
    ended_at: datetime | None
    backstage: bool
    ongoing: bool
    """Whether a session is on."""
    session_id: SessionId | None
    """Of the session that is on."""
    member_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantItem:
    """One entry of somebody who is in the call now."""

    entry_id: EntryId
    session_id: SessionId
    user_id: UserId
    role: Role
    joined_at: datetime
    connected: bool
    """Whether audio and video flow."""
    published: tuple[Track, ...] = ()
    """What others may receive of it, where media tells: sorted."""
    muted: tuple[Track, ...] = ()
    """What they do not, until its user unmutes it: sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionItem:
    """One occupation of a call."""

    id: SessionId
    number: int
    """1, 2, 3 ... in its call."""
    started_by: UserId
    started_at: datetime
    ended_at: datetime | None
    duration: float | None
    """Seconds; None while it is on."""
    end_reason: str | None
    """`empty ended deleted`."""
    live_started_at: datetime | None
    """From when regular users could come in; its start where the doors were open already."""
    live_ended_at: datetime | None
    timer_ends_at: datetime | None
    """When the maximum duration is (or would have been) reached."""
    participant_count: int
    """Distinct users who took part so far."""
    entry_count: int
    """Times anybody joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerItem:
    """What became of a user's latest ring in a call."""

    user_id: UserId
    ring: int
    answer: Answer
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineItem:
    """Where one event of a call stands."""

    seq: int
    """1, 2, 3 ... in its call, over all its streams."""
    position: int
    """In the whole log."""
    stream: StreamId
    version: int
    """1, 2, 3 ... in its stream."""
    name: str
    """The stored name of the event."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamItem:
    """One stream of a call, and how far the views have seen it."""

    stream: StreamId
    version: int
