"""The projection `sessions`: every occupation of every call, and who took part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    Table,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    select,
    update,
)

from greenroom.domain.call_events import (
    CallDeleted,
    CallUpdated,
    SessionEnded,
    SessionStarted,
    StoppedLive,
    WentLive,
)
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.domain.session_events import Joined
from greenroom.domain.streams import session_id
from greenroom.projections.columns import (
    TEXT,
    key,
    key_value,
    metadata,
    micros,
    micros_or_none,
)
from greenroom.projections.projection import InsertNew, Upsert, Write

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

_START = Upsert(sessions)
_NOW = bindparam("now", type_=BigInteger())
_THIS = (key(sessions.c.cid), key(sessions.c.number))
_RUNNING = (key(sessions.c.cid), sessions.c.ended_at.is_(None))
_IS_LIVE = and_(sessions.c.live_started_at.is_not(None), sessions.c.live_ended_at.is_(None))
_END = (
    update(sessions)
    .where(*_THIS)
    .values(
        ended_at=_NOW,
        duration=(_NOW - sessions.c.started_at) / 1_000_000.0,
        live_ended_at=case((_IS_LIVE, _NOW), else_=sessions.c.live_ended_at),
    )
)
_GO_LIVE = (
    update(sessions).where(*_RUNNING, ~_IS_LIVE).values(live_started_at=_NOW, live_ended_at=None)
)
_STOP_LIVE = update(sessions).where(*_RUNNING, _IS_LIVE).values(live_ended_at=_NOW)
_SET_TIMER = update(sessions).where(*_RUNNING)
_SEEN = exists(
    select(1).where(
        attendees.c.cid == key_value(sessions.c.cid),
        attendees.c.number == key_value(sessions.c.number),
        key(attendees.c.user_id),
    )
)
_ENTER = (
    update(sessions)
    .where(*_THIS)
    .values(
        entry_count=sessions.c.entry_count + 1,
        participant_count=sessions.c.participant_count + case((_SEEN, 0), else_=1),
    )
)
_ATTEND = InsertNew(attendees)
_FORGET = delete(sessions).where(key(sessions.c.cid))
_FORGET_ATTENDEES = delete(attendees).where(key(attendees.c.cid))


class Sessions:
    """Keeps `sessions` and `attendees` in step with the events of calls and their sessions."""

    name = "sessions"
    version = 1
    tables = (sessions, attendees)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that take the tables past `recorded`; none for events it ignores."""
        match recorded.event:
            case SessionStarted() as started:
                yield _started(started)
            case SessionEnded(cid=cid, session=number, at=at, reason=reason):
                of = {"key_cid": cid, "key_number": number}
                yield Write(_END, {**of, "now": micros(at), "end_reason": reason.value})
            case WentLive(cid=cid, at=at):
                yield _live(_GO_LIVE, cid, at)
            case StoppedLive(cid=cid, at=at):
                yield _live(_STOP_LIVE, cid, at)
            case CallUpdated(cid=cid, timer_ends_at=timer):
                yield Write(_SET_TIMER, {"key_cid": cid, "timer_ends_at": micros_or_none(timer)})
            case Joined(cid=cid, session=number, user_id=user_id):
                of = {"key_cid": cid, "key_number": number}
                yield Write(_ENTER, {**of, "key_user_id": user_id})
                yield Write(_ATTEND, {"cid": cid, "number": number, "user_id": user_id})
            case CallDeleted(cid=cid, hard=True):
                yield Write(_FORGET, {"key_cid": cid})
                yield Write(_FORGET_ATTENDEES, {"key_cid": cid})
            case _:
                pass


def _started(started: SessionStarted) -> Write:
    at = micros(started.at)
    return Write(
        _START,
        {
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
        },
    )


def _live(statement: Update, cid: CallId, at: datetime) -> Write:
    return Write(statement, {"key_cid": cid, "now": micros(at)})
