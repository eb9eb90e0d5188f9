"""The projection `deadlines`: what is due when. Nothing waits in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, assert_never

from sqlalchemy import BigInteger, Column, Index, Integer, Table, bindparam, delete, exists, select
from sqlalchemy import insert as plain_insert

from greenroom.domain.message import CallId, Event, Recorded
from greenroom.projections.columns import TEXT, key, key_value, metadata, micros
from greenroom.projections.due import (
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
from greenroom.projections.projection import InsertNew, Upsert, Write

deadlines: Final = Table(
    "deadlines",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("cid", TEXT, nullable=False),
    Column("number", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("cause", TEXT, nullable=False),
    Column("correlation_id", TEXT, nullable=False),
    Index("deadlines_by_instant", "due_at", "key"),
    Index("deadlines_by_call", "cid"),
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

_PLAN = Upsert(deadlines)
_DROP = delete(deadlines).where(key(deadlines.c.key))
_DROP_KIND = delete(deadlines).where(key(deadlines.c.cid), key(deadlines.c.kind))
_OPEN = Upsert(running)
_CLOSE = delete(running).where(key(running.c.cid))
_RETIME = plain_insert(deadlines).from_select(
    ["key", "kind", "cid", "number", "due_at", "cause", "correlation_id"],
    select(
        bindparam("prefix", type_=TEXT) + running.c.number.cast(TEXT),
        key_value(deadlines.c.kind),
        running.c.cid,
        running.c.number,
        key_value(deadlines.c.due_at),
        key_value(deadlines.c.cause),
        key_value(deadlines.c.correlation_id),
    ).where(key(running.c.cid)),
)
_AWAIT_NOBODY = delete(unanswered).where(key(unanswered.c.cid), key(unanswered.c.ring))
_AWAIT = InsertNew(unanswered)
_ANSWERED = _AWAIT_NOBODY.where(key(unanswered.c.user_id))
_DROP_UNLESS_AWAITED = _DROP.where(
    ~exists(select(1).where(key(unanswered.c.cid), key(unanswered.c.ring)))
)
_CLEAR = tuple(delete(table).where(key(table.c.cid)) for table in (deadlines, running, unanswered))


class Deadlines:
    """Keeps `deadlines` in step with `due.deadline_changes`.

    `running` (which session is on) and `unanswered` (who still owes an answer to a ring) are
    what those changes lean on.
    """

    name = "deadlines"
    version = 2
    tables = (deadlines, running, unanswered)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that take the tables past `recorded`; none for events it ignores."""
        for change in deadline_changes(recorded.event):
            yield from _writes(change, recorded)


def _writes(change: Change, recorded: Recorded[Event]) -> Iterator[Write]:
    match change:
        case Plan(deadline):
            yield _planned(deadline, recorded)
        case Drop():
            yield Write(_DROP, {"key_key": change.key})
        case Open(cid, number):
            yield Write(_OPEN, {"cid": cid, "number": number})
        case Close(cid):
            yield Write(_CLOSE, {"key_cid": cid})
        case Retime(cid, due_at):
            yield from _retimed(cid, due_at, recorded)
        case Await(cid, ring, user_ids):
            yield Write(_AWAIT_NOBODY, {"key_cid": cid, "key_ring": ring})
            for user_id in user_ids:
                yield Write(_AWAIT, {"cid": cid, "ring": ring, "user_id": user_id})
        case Answered(cid, ring, user_id):
            of = {"key_cid": cid, "key_ring": ring}
            yield Write(_ANSWERED, {**of, "key_user_id": user_id})
            missed = deadline_key(DeadlineKind.MISSED, cid, ring)
            yield Write(_DROP_UNLESS_AWAITED, {**of, "key_key": missed})
        case Clear(cid):
            for statement in _CLEAR:
                yield Write(statement, {"key_cid": cid})
        case _:
            assert_never(change)


def _planned(deadline: Deadline, recorded: Recorded[Event]) -> Write:
    return Write(
        _PLAN,
        {
            "key": deadline.key,
            "kind": deadline.kind.value,
            "cid": deadline.cid,
            "number": deadline.number,
            "due_at": micros(deadline.due_at),
            "cause": recorded.event_id,
            "correlation_id": recorded.correlation_id,
        },
    )


def _retimed(cid: CallId, due_at: datetime | None, recorded: Recorded[Event]) -> Iterator[Write]:
    kind = DeadlineKind.MAX_DURATION
    of = {"key_cid": cid, "key_kind": kind.value}
    yield Write(_DROP_KIND, of)
    if due_at is not None:
        prefix = deadline_key(kind, cid, 0).removesuffix("0")
        yield Write(
            _RETIME,
            {
                **of,
                "key_due_at": micros(due_at),
                "prefix": prefix,
                "key_cause": recorded.event_id,
                "key_correlation_id": recorded.correlation_id,
            },
        )
