"""What can be asked of a call, with the facts from elsewhere that the answer needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from greenroom.domain.call_events import EndReason, RingEndReason
from greenroom.domain.decider import Command
from greenroom.domain.message import CallId, Json, Team, UserId
from greenroom.domain.settings import Settings, SettingsPatch


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfCall(Command):
    cid: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCall(_OfCall):
    call_type: str
    type_settings: Settings
    team: Team | None = None
    custom: Json = field(default_factory=dict)
    starts_at: datetime | None = None
    settings: SettingsPatch = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCall(_OfCall):
    type_settings: Settings
    occupied: bool
    """Whether anybody is in."""
    custom: Json | None = None
    """A JSON Merge Patch; None leaves it alone."""
    starts_at: datetime | None = None
    moves_start: bool = False
    """Whether `starts_at` is meant; None then takes the schedule away."""
    settings: SettingsPatch = field(default_factory=dict)
    """A JSON Merge Patch: null gives a field back to the type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingMembers(_OfCall):
    user_ids: tuple[UserId, ...]
    video: bool
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRing(_OfCall):
    ring: int
    reason: RingEndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyMembers(_OfCall):
    user_ids: tuple[UserId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoLive(_OfCall): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLive(_OfCall): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall(_OfCall):
    reason: EndReason = EndReason.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCall(_OfCall):
    hard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreCall(_OfCall): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockUser(_OfCall):
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class UnblockUser(_OfCall):
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSession(_OfCall):
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession(_OfCall):
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
