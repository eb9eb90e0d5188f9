"""What happens to a call. Stored for good: add new events, never rename one."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from greenroom.domain.message import CallId, Event, Instant, Team, UserId
from greenroom.domain.settings import SettingsPatch


class EndReason(StrEnum):
    """Why a call ended."""

    ENDED = "ended"
    MAX_DURATION = "max_duration"


class SessionEndReason(StrEnum):
    """Why a session closed."""

    EMPTY = "empty"
    ENDED = "ended"
    DELETED = "deleted"


class RingEndReason(StrEnum):
    """Why a ring was withdrawn."""

    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    ALL_REJECTED = "all_rejected"
    ENDED = "ended"
    DELETED = "deleted"


class CallCreated(Event, frozen=True, kw_only=True):
    """The call exists; first in every call's stream."""

    name: ClassVar[str] = "call.created"
    personal: ClassVar[tuple[str, ...]] = ("custom",)
    cid: CallId
    call_type: str
    created_by: UserId
    team: Team | None = None
    custom: dict[str, Any] = {}
    starts_at: Instant | None = None
    settings: SettingsPatch = {}
    """The call's own, over those of its type."""
    backstage: bool = False
    """Whether it starts closed to regular users, all settings considered."""


class CallUpdated(Event, frozen=True, kw_only=True):
    """Custom data, schedule or settings changed."""

    name: ClassVar[str] = "call.updated"
    personal: ClassVar[tuple[str, ...]] = ("custom",)
    cid: CallId
    custom: dict[str, Any] = {}
    """As it is from now on, whole."""
    starts_at: Instant | None = None
    """As it is from now on."""
    settings: SettingsPatch = {}
    """The call's own, as they are from now on, whole."""
    backstage: bool
    """As it is from now on; settings change it only while nobody is in."""
    timer_ends_at: Instant | None = None
    """When the running session reaches the maximum duration, as it is from now on."""


class CallRung(Event, frozen=True, kw_only=True):
    """Members are being called."""

    name: ClassVar[str] = "call.rung"
    cid: CallId
    ring: int
    """1, 2, 3 ... in its call."""
    caller: UserId
    user_ids: tuple[UserId, ...]
    video: bool
    auto_cancel_at: Instant
    """Without an acceptance by then the ring is cancelled."""
    missed_at: Instant
    """Who has not answered by then has missed it."""


class RingCancelled(Event, frozen=True, kw_only=True):
    """The ring is over; whoever had not answered has missed it."""

    name: ClassVar[str] = "call.ring_cancelled"
    cid: CallId
    ring: int
    reason: RingEndReason


class MembersNotified(Event, frozen=True, kw_only=True):
    """Members are told of the call, without ringing."""

    name: ClassVar[str] = "call.members_notified"
    cid: CallId
    user_ids: tuple[UserId, ...]


class WentLive(Event, frozen=True, kw_only=True):
    """The doors are open to regular users; an ended call is open again."""

    name: ClassVar[str] = "call.went_live"
    cid: CallId
    backstage: bool
    """Whether it was in backstage before (a call that had ended need not have been)."""


class StoppedLive(Event, frozen=True, kw_only=True):
    """Back to backstage; whoever may not be there was put out."""

    name: ClassVar[str] = "call.stopped_live"
    cid: CallId


class UserBlocked(Event, frozen=True, kw_only=True):
    """The user cannot join until unblocked."""

    name: ClassVar[str] = "call.user_blocked"
    cid: CallId
    user_id: UserId


class UserUnblocked(Event, frozen=True, kw_only=True):
    """The user may join again, if the other rules allow."""

    name: ClassVar[str] = "call.user_unblocked"
    cid: CallId
    user_id: UserId


class CallEnded(Event, frozen=True, kw_only=True):
    """Over for everyone; every entry was closed with it."""

    name: ClassVar[str] = "call.ended"
    cid: CallId
    reason: EndReason


class CallDeleted(Event, frozen=True, kw_only=True):
    """Unreachable from now on; hard: for good, and personal data can no longer be read."""

    name: ClassVar[str] = "call.deleted"
    cid: CallId
    hard: bool


class CallRestored(Event, frozen=True, kw_only=True):
    """A soft deletion was taken back."""

    name: ClassVar[str] = "call.restored"
    cid: CallId


class SessionStarted(Event, frozen=True, kw_only=True):
    """Somebody is about to enter the empty call."""

    name: ClassVar[str] = "session.started"
    cid: CallId
    session: int
    """1, 2, 3 ... in its call."""
    started_by: UserId
    backstage: bool
    """Whether the call was in backstage, where regular users cannot follow yet."""
    timer_ends_at: Instant | None = None
    """When the maximum duration is reached."""


class SessionEnded(Event, frozen=True, kw_only=True):
    """Nobody is in the call any more."""

    name: ClassVar[str] = "session.ended"
    cid: CallId
    session: int
    reason: SessionEndReason


CallEvent = (
    CallCreated
    | CallUpdated
    | CallRung
    | RingCancelled
    | MembersNotified
    | WentLive
    | StoppedLive
    | UserBlocked
    | UserUnblocked
    | CallEnded
    | CallDeleted
    | CallRestored
    | SessionStarted
    | SessionEnded
)
