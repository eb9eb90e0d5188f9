"""What can be asked of a call, with the facts from elsewhere that the answer needs."""

from __future__ import annotations

from datetime import datetime

from greenroom.domain.call_events import EndReason, RingEndReason
from greenroom.domain.decider import Command
from greenroom.domain.message import CallId, Json, Team, UserId
from greenroom.domain.settings import Settings, SettingsPatch


class _OfCall(Command, frozen=True, kw_only=True):
    cid: CallId


class CreateCall(_OfCall, frozen=True, kw_only=True):
    call_type: str
    type_settings: Settings
    team: Team | None = None
    custom: Json = {}
    starts_at: datetime | None = None
    settings: SettingsPatch = {}


class UpdateCall(_OfCall, frozen=True, kw_only=True):
    type_settings: Settings
    occupied: bool
    """Whether anybody is in."""
    custom: Json | None = None
    """A JSON Merge Patch; None leaves it alone."""
    starts_at: datetime | None = None
    moves_start: bool = False
    """Whether `starts_at` is meant; None then takes the schedule away."""
    settings: SettingsPatch = {}
    """A JSON Merge Patch: null gives a field back to the type."""


class RingMembers(_OfCall, frozen=True, kw_only=True):
    user_ids: tuple[UserId, ...]
    video: bool
    settings: Settings


class CancelRing(_OfCall, frozen=True, kw_only=True):
    ring: int
    reason: RingEndReason


class NotifyMembers(_OfCall, frozen=True, kw_only=True):
    user_ids: tuple[UserId, ...]


class GoLive(_OfCall, frozen=True, kw_only=True): ...


class StopLive(_OfCall, frozen=True, kw_only=True): ...


class EndCall(_OfCall, frozen=True, kw_only=True):
    reason: EndReason = EndReason.ENDED


class DeleteCall(_OfCall, frozen=True, kw_only=True):
    hard: bool = False


class RestoreCall(_OfCall, frozen=True, kw_only=True): ...


class BlockUser(_OfCall, frozen=True, kw_only=True):
    user_id: UserId


class UnblockUser(_OfCall, frozen=True, kw_only=True):
    user_id: UserId


class StartSession(_OfCall, frozen=True, kw_only=True):
    settings: Settings


class EndSession(_OfCall, frozen=True, kw_only=True):
    session: int


CallCommand = (
    CreateCall
    | UpdateCall
    | RingMembers
    | CancelRing
    | NotifyMembers
    | GoLive
    | StopLive
    | EndCall
    | DeleteCall
    | RestoreCall
    | BlockUser
    | UnblockUser
    | StartSession
    | EndSession
)
