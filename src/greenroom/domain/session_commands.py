"""What can be asked of a session, with the facts from elsewhere that the answer needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from greenroom.domain.admission import JoinFacts
from greenroom.domain.decider import Command
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.session_events import LeftReason, Track


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
