"""The projection `sessions`: every occupation of every call, and who took part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    Table,
)

from greenroom.domain.call_events import (
    CallDeleted,
    CallUpdated,
    SessionEnded,
    SessionStarted,
    StoppedLive,
    WentLive,
)
from greenroom.domain.instants import micros, micros_or_none
from greenroom.domain.message import CallId, Event, Recorded, UserId
from greenroom.domain.session_events import Joined
from greenroom.domain.streams import session_id
from greenroom.projections.bulk import Key, Row
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.workspace import Rows

sessions: Final = Table(
    "sessions",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("id", TEXT, nullable=False),
    Column("started_by", TEXT, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("duration", Float),
    Column("end_reason", TEXT),
    Column("live_started_at", BigInteger),
    Column("live_ended_at", BigInteger),
    Column("timer_ends_at", BigInteger),
    Column("participant_count", Integer, nullable=False),
    Column("entry_count", Integer, nullable=False),
    Index("sessions_by_start", "cid", "started_at", "number"),
    sqlite_with_rowid=False,
)

attendees: Final = Table(
    "attendees",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("user_id", TEXT, primary_key=True),
    sqlite_with_rowid=False,
)

running: Final = Table(
    "running_sessions",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("number", Integer, nullable=False),
    sqlite_with_rowid=False,
)


class Sessions:
    """Keeps `sessions` and `attendees` in step with the events of calls and their sessions.

    `running_sessions` says which of them is on, for the events that do not.
    """

    name = "sessions"
    version = 2
    tables = (sessions, attendees, running)
    events = frozenset[type[Event]](
        {SessionStarted, SessionEnded, WentLive, StoppedLive, CallUpdated, Joined, CallDeleted}
    )

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        match recorded.event:
            case Joined(cid=cid, session=number, user_id=user_id):
                return ((sessions, (cid, number)), (attendees, (cid, number, user_id)))
            case SessionEnded(cid=cid, session=number):
                return ((sessions, (cid, number)),)
            case WentLive(cid=cid) | StoppedLive(cid=cid) | CallUpdated(cid=cid):
                return ((running, (cid,)),)
            case _:
                return ()

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        match recorded.event:
            case Joined(cid=cid, session=number, user_id=user_id):
                _enter(rows, (cid, number), user_id)
            case SessionStarted() as started:
                rows.put(sessions, _row(started))
                rows.put(running, {"cid": started.cid, "number": started.session})
            case SessionEnded(cid=cid):
                _end(rows, recorded.event)
                rows.drop(running, (cid,))
            case WentLive(cid=cid, at=at):
                session = _running(rows, cid)
                if session is not None and not _is_live(session):
                    now = micros(at)
                    rows.put(sessions, {**session, "live_started_at": now, "live_ended_at": None})
            case StoppedLive(cid=cid, at=at):
                session = _running(rows, cid)
                if session is not None and _is_live(session):
                    rows.put(sessions, {**session, "live_ended_at": micros(at)})
            case CallUpdated(cid=cid, timer_ends_at=timer):
                session = _running(rows, cid)
                if session is not None:
                    rows.put(sessions, {**session, "timer_ends_at": micros_or_none(timer)})
            case CallDeleted(cid=cid, hard=True):
                for table in self.tables:
                    rows.erase_under(table, cid)
            case _:
                pass


def _row(started: SessionStarted) -> Row:
    at = micros(started.at)
    return {
        "cid": started.cid,
        "number": started.session,
        "id": session_id(started.cid, started.session),
        "started_by": started.started_by,
        "started_at": at,
        "ended_at": None,
        "duration": None,
        "end_reason": None,
        "live_started_at": None if started.backstage else at,
        "live_ended_at": None,
        "timer_ends_at": micros_or_none(started.timer_ends_at),
        "participant_count": 0,
        "entry_count": 0,
    }


def _enter(rows: Rows, key: Key, user_id: UserId) -> None:
    session = rows.get(sessions, key)
    if session is None:
        return
    cid, number = key
    new = rows.get(attendees, (cid, number, user_id)) is None
    if new:
        rows.put(attendees, {"cid": cid, "number": number, "user_id": user_id})
    rows.put(
        sessions,
        {
            **session,
            "entry_count": session["entry_count"] + 1,
            "participant_count": session["participant_count"] + new,
        },
    )


def _end(rows: Rows, ended: SessionEnded) -> None:
    session = rows.get(sessions, (ended.cid, ended.session))
    if session is None:
        return
    now = micros(ended.at)
    rows.put(
        sessions,
        {
            **session,
            "ended_at": now,
            "end_reason": ended.reason.value,
            "duration": (now - session["started_at"]) / 1_000_000,
            "live_ended_at": now if _is_live(session) else session["live_ended_at"],
        },
    )


def _running(rows: Rows, cid: CallId) -> Row | None:
    """The session that is on in that call."""
    found = rows.get(running, (cid,))
    return found and rows.get(sessions, (cid, found["number"]))


def _is_live(session: Row) -> bool:
    return session["live_started_at"] is not None and session["live_ended_at"] is None
