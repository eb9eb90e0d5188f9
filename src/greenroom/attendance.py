"""Who was in a call, from when to when, how long, and how they left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from greenroom.domain.call_events import SessionEnded, SessionEndReason, SessionStarted
from greenroom.domain.instants import micros
from greenroom.domain.message import CallId, EntryId, Event, Recorded, Role, SessionId, UserId
from greenroom.domain.session_events import Joined, Left, LeftReason
from greenroom.domain.streams import session_id

TOLD_BY: Final = frozenset({one.name for one in (SessionStarted, SessionEnded, Joined, Left)})
"""Stored names of the events that say all of it."""
_SECOND: Final = 1_000_000

Span = tuple[int, int]
"""From when to when, in microseconds since 1970."""


class Stay(BaseModel):
    """One entry: somebody's time in a call through one connection."""

    model_config = ConfigDict(frozen=True)

    session_id: SessionId
    entry_id: EntryId
    user_id: UserId
    role: Role
    joined_at: datetime
    left_at: datetime | None
    """None for who is there still."""
    seconds: float
    reason: LeftReason | None
    """How they left; None for who is there still."""
    left_by: str | None
    """Whoever asked for what put them out: themselves, somebody else, `system:timers`."""


class Presence(BaseModel):
    """One user's time in a session, or in all sessions of a call."""

    model_config = ConfigDict(frozen=True)

    user_id: UserId
    session_id: SessionId | None
    """None for all of them."""
    joined_at: datetime
    """The first time."""
    left_at: datetime | None
    """The last time; None for who is there still."""
    seconds: float
    """Through any connection: what two have in common counts once."""
    entries: int
    """Connections through which they came."""
    reason: LeftReason | None
    """How they left the last time."""


class SessionAttendance(BaseModel):
    """One session, and who was in it."""

    model_config = ConfigDict(frozen=True)

    session_id: SessionId
    number: int
    started_at: datetime
    ended_at: datetime | None
    """None while it is on."""
    seconds: float
    end_reason: SessionEndReason | None
    users: tuple[Presence, ...]
    """In the order in which they first came."""


class Attendance(BaseModel):
    """Who was in a call, as of an instant."""

    model_config = ConfigDict(frozen=True)

    cid: CallId
    at: datetime
    """Who was there still is counted up to then."""
    sessions: tuple[SessionAttendance, ...]
    """In their order."""
    users: tuple[Presence, ...]
    """Over all sessions, in the order in which they first came."""
    stays: tuple[Stay, ...]
    """Entry by entry, in the order in which they came."""


@dataclass(slots=True)
class _Open:
    """What is known of an entry so far."""

    joined: Joined
    left: Left | SessionEnded | None = None
    left_by: str | None = None

    def leave(self, left: Left | SessionEnded, by: UserId) -> None:
        """The first that says so counts: nobody leaves twice."""
        if self.left is None:
            self.left, self.left_by = left, by


@dataclass(slots=True)
class _Session:
    started: SessionStarted
    ended: SessionEnded | None = None
    entries: dict[EntryId, _Open] = field(default_factory=dict)

    def take(self, event: Joined | Left | SessionEnded, by: UserId) -> None:
        """Go on with what happened in it."""
        match event:
            case Joined(entry_id=entry_id):
                self.entries[entry_id] = _Open(event)
            case Left(entry_id=entry_id):
                if entry_id in self.entries:
                    self.entries[entry_id].leave(event, by)
            case SessionEnded():
                self.ended = event
                for entry in self.entries.values():
                    entry.leave(event, by)


class Attending:
    """Folds the records of one call into its attendance. For one thread."""

    def __init__(self, cid: CallId) -> None:
        self._cid = cid
        self._sessions: dict[int, _Session] = {}

    def take(self, records: Iterable[Recorded[Event]]) -> None:
        """Go on with these, in the order of the log; what says nothing of it is passed over.

        So is what happened to somebody who never came, as where an instant cuts between machines
        whose clocks differ.
        """
        for record in records:
            event = record.event
            if isinstance(event, SessionStarted):
                self._sessions[event.session] = _Session(event)
            elif isinstance(event, Joined | Left | SessionEnded):
                session = self._sessions.get(event.session)
                if session is not None:
                    session.take(event, record.by.user_id)

    def attendance(self, at: datetime) -> Attendance:
        """What it comes to; who is there still is counted up to `at`."""
        sessions = [_SessionSums(session, micros(at)) for session in self._sessions.values()]
        stays = [stay for session in sessions for stay in session.stays]
        spans = [span for session in sessions for span in session.spans]
        return Attendance(
            cid=self._cid,
            at=at,
            sessions=tuple(session.told() for session in sessions),
            users=tuple(_presences(stays, spans, None)),
            stays=tuple(stays),
        )


class _SessionSums:
    """One session with the time that was spent in it."""

    def __init__(self, session: _Session, at: int) -> None:
        self._session = session
        started, ended = session.started, session.ended
        first = micros(started.at)
        self._span = first, max(first, at if ended is None else micros(ended.at))
        self._id = session_id(started.cid, started.session)
        entries = session.entries.values()
        self.spans = [self._within(entry) for entry in entries]
        self.stays = [self._stay(*pair) for pair in zip(entries, self.spans, strict=True)]

    def told(self) -> SessionAttendance:
        """As it is answered."""
        started, ended = self._session.started, self._session.ended
        return SessionAttendance(
            session_id=self._id,
            number=started.session,
            started_at=started.at,
            ended_at=None if ended is None else ended.at,
            seconds=_seconds([self._span]),
            end_reason=None if ended is None else ended.reason,
            users=tuple(_presences(self.stays, self.spans, self._id)),
        )

    def _within(self, entry: _Open) -> Span:
        """When it was there. Clocks of several machines differ: nobody is there but in a session.

        So neither can a sum be negative, nor longer than the session.
        """
        first, last = self._span
        joined = min(max(micros(entry.joined.at), first), last)
        left = last if entry.left is None else micros(entry.left.at)
        return joined, min(max(left, joined), last)

    def _stay(self, entry: _Open, span: Span) -> Stay:
        joined, left = entry.joined, entry.left
        return Stay(
            session_id=self._id,
            entry_id=joined.entry_id,
            user_id=joined.user_id,
            role=joined.role,
            joined_at=joined.at,
            left_at=None if left is None else left.at,
            seconds=_seconds([span]),
            reason=left.reason if isinstance(left, Left) else None,
            left_by=entry.left_by,
        )


def _presences(
    stays: Sequence[Stay], spans: Sequence[Span], session: SessionId | None
) -> Iterator[Presence]:
    """Each user's time, from their stays and when those were."""
    theirs: dict[UserId, list[tuple[Stay, Span]]] = {}
    for stay, span in zip(stays, spans, strict=True):
        theirs.setdefault(stay.user_id, []).append((stay, span))
    for user_id, found in theirs.items():
        there = any(stay.left_at is None for stay, _ in found)
        last, _ = max(found, key=lambda one: one[1][1])
        yield Presence(
            user_id=user_id,
            session_id=session,
            joined_at=min(stay.joined_at for stay, _ in found),
            left_at=None if there else last.left_at,
            seconds=_seconds(span for _, span in found),
            entries=len(found),
            reason=None if there else last.reason,
        )


def _seconds(spans: Iterable[Span]) -> float:
    """How long at least one of them lasts."""
    total = reached = 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total / _SECOND
