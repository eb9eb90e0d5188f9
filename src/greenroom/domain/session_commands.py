"""What can be asked of a session, with the facts from elsewhere that the answer needs."""

from __future__ import annotations

from datetime import timedelta

from greenroom.domain.admission import JoinFacts
from greenroom.domain.decider import Command
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.session_events import LeftReason, Track


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


class ConnectMedia(_InSession, frozen=True, kw_only=True):
    entry_id: EntryId
    fingerprint: str


class LoseMedia(_InSession, frozen=True, kw_only=True):
    entry_id: EntryId
    inactivity_timeout: timedelta


SessionCommand = Enter | Leave | PutOut | MuteUsers | Pin | Unpin | ConnectMedia | LoseMedia
