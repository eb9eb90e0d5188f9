"""The projection `deadlines`: what is due when. Nothing waits in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, assert_never

from sqlalchemy import BigInteger, Column, Index, Integer, Table

from greenroom.domain.call_events import CallUpdated
from greenroom.domain.instants import micros
from greenroom.domain.membership import RingAccepted, RingMissed, RingRejected
from greenroom.domain.message import CallId, Event, Recorded, UserId
from greenroom.projections.bulk import Key, Row
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.due import (
    DEADLINE_EVENTS,
    Answered,
    Await,
    Change,
    Clear,
    Close,
    Deadline,
    DeadlineKind,
    Drop,
    Open,
    Plan,
    Retime,
    deadline_changes,
    deadline_key,
)
from greenroom.projections.workspace import Rows

deadlines: Final = Table(
    "deadlines",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("key", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("number", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("cause", TEXT, nullable=False),
    Column("correlation_id", TEXT, nullable=False),
    Index("deadlines_by_instant", "due_at", "key"),
    sqlite_with_rowid=False,
)

running: Final = Table(
    "running",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("number", Integer, nullable=False),
    sqlite_with_rowid=False,
)

unanswered: Final = Table(
    "unanswered",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("ring", Integer, primary_key=True),
    Column("user_id", TEXT, primary_key=True),
    sqlite_with_rowid=False,
)

awaited: Final = Table(
    "awaited",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("ring", Integer, primary_key=True),
    Column("users", Integer, nullable=False),
    sqlite_with_rowid=False,
)


class Deadlines:
    """Keeps `deadlines` in step with `due.deadline_changes`.

    `running` (which session is on), `unanswered` (who still owes an answer to a ring) and
    `awaited` (how many those are) are what those changes lean on.
    """

    name = "deadlines"
    version = 4
    tables = (deadlines, running, unanswered, awaited)
    events = DEADLINE_EVENTS

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        match recorded.event:
            case CallUpdated(cid=cid):
                return ((running, (cid,)),)
            case RingAccepted() | RingRejected() | RingMissed() as answer:
                ring = (answer.cid, answer.ring)
                return ((unanswered, (*ring, answer.user_id)), (awaited, ring))
            case _:
                return ()

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        for change in deadline_changes(recorded.event):
            _apply(change, recorded, rows)


def _apply(change: Change, recorded: Recorded[Event], rows: Rows) -> None:
    match change:
        case Plan(deadline):
            rows.put(deadlines, _row(deadline, recorded))
        case Drop(cid=cid):
            rows.drop(deadlines, (cid, change.key))
        case Open(cid, number):
            rows.put(running, {"cid": cid, "number": number})
        case Close(cid):
            rows.drop(running, (cid,))
        case Retime(cid, due_at):
            _retime(cid, due_at, recorded, rows)
        case Await(cid, ring, user_ids):
            _await(cid, ring, set(user_ids), rows)
        case Answered(cid, ring, user_id):
            _answered(cid, ring, user_id, rows)
        case Clear(cid):
            for table in (deadlines, running, unanswered, awaited):
                rows.erase_under(table, cid)
        case _:
            assert_never(change)


def _row(deadline: Deadline, recorded: Recorded[Event]) -> Row:
    return {
        "cid": deadline.cid,
        "key": deadline.key,
        "kind": deadline.kind.value,
        "number": deadline.number,
        "due_at": micros(deadline.due_at),
        "cause": recorded.event_id,
        "correlation_id": recorded.correlation_id,
    }


def _retime(cid: CallId, due_at: datetime | None, recorded: Recorded[Event], rows: Rows) -> None:
    session = rows.get(running, (cid,))
    if session is None:
        return
    kind, number = DeadlineKind.MAX_DURATION, session["number"]
    if due_at is None:
        rows.drop(deadlines, (cid, deadline_key(kind, cid, number)))
    else:
        rows.put(deadlines, _row(Deadline(kind, cid, number, due_at), recorded))


def _await(cid: CallId, ring: int, user_ids: Collection[UserId], rows: Rows) -> None:
    rows.drop_under(unanswered, cid, ring)
    rows.put(awaited, {"cid": cid, "ring": ring, "users": len(user_ids)})
    for user_id in user_ids:
        rows.put(unanswered, {"cid": cid, "ring": ring, "user_id": user_id})


def _answered(cid: CallId, ring: int, user_id: UserId, rows: Rows) -> None:
    """One fewer; after the last of them nobody can miss it."""
    count = rows.get(awaited, (cid, ring))
    if count is None or rows.get(unanswered, (cid, ring, user_id)) is None:
        return
    rows.drop(unanswered, (cid, ring, user_id))
    rows.put(awaited, {**count, "users": count["users"] - 1})
    if count["users"] == 1:
        rows.drop(deadlines, (cid, deadline_key(DeadlineKind.MISSED, cid, ring)))
