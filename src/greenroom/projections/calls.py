"""The projection `calls`: every call as it is now, whom it blocks, and the answers to its rings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Index,
    Integer,
    Table,
    bindparam,
    delete,
    exists,
    select,
    update,
)

from greenroom.domain.call_events import (
    CallCreated,
    CallDeleted,
    CallEnded,
    CallRestored,
    CallUpdated,
    SessionEnded,
    SessionStarted,
    StoppedLive,
    UserBlocked,
    UserUnblocked,
    WentLive,
)
from greenroom.domain.membership import (
    Answer,
    MemberAdded,
    MemberRemoved,
    RingAccepted,
    RingMissed,
    RingRejected,
)
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.projections.columns import (
    TEXT,
    json_text,
    key,
    key_value,
    metadata,
    micros,
    micros_or_none,
)
from greenroom.projections.projection import InsertNew, Upsert, Write


def _last(name: str, sentinel: str) -> Column[int]:
    return Column(
        f"{name}_{sentinel}",
        BigInteger,
        Computed(f"coalesce({name}, {_SENTINELS[sentinel]})", persisted=True),
        nullable=False,
    )


_SENTINELS = {"rising": str(2**63 - 1), "falling": str(-(2**63) + 1)}
"""What stands for null in a sort column, so that it comes last in either direction."""

calls: Final = Table(
    "calls",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("type", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("created_by", TEXT, nullable=False),
    Column("team", TEXT),
    Column("custom", TEXT, nullable=False),
    Column("settings", TEXT, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("starts_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("backstage", Boolean, nullable=False),
    Column("ongoing", Boolean, nullable=False),
    Column("session", Integer, nullable=False),
    Column("member_count", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("erased", Boolean, nullable=False),
    _last("starts_at", "rising"),
    _last("starts_at", "falling"),
    _last("ended_at", "rising"),
    _last("ended_at", "falling"),
    Index("calls_by_age", "created_at", "cid"),
    Index("calls_by_change", "updated_at", "cid"),
    Index("calls_by_start", "starts_at_rising", "cid"),
    Index("calls_by_start_last_first", "starts_at_falling", "cid"),
    Index("calls_by_end", "ended_at_rising", "cid"),
    Index("calls_by_end_last_first", "ended_at_falling", "cid"),
    Index("calls_by_type", "type", "cid"),
    Index("calls_by_id", "id", "cid"),
    Index("calls_by_creator", "created_by", "cid"),
)

blocks: Final = Table(
    "blocks",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("user_id", TEXT, primary_key=True),
    sqlite_with_rowid=False,
)

answers: Final = Table(
    "answers",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("user_id", TEXT, primary_key=True),
    Column("ring", Integer, nullable=False),
    Column("answer", TEXT, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_CREATE = Upsert(calls)
_CHANGE = update(calls).where(key(calls.c.cid))
_COUNT = (
    update(calls)
    .where(key(calls.c.cid), calls.c.erased.is_(False))
    .values(member_count=calls.c.member_count + bindparam("more", type_=Integer()))
)
_BLOCK = InsertNew(blocks)
_UNBLOCK = delete(blocks).where(key(blocks.c.cid), key(blocks.c.user_id))
_FORGET_BLOCKS = delete(blocks).where(key(blocks.c.cid))
_ANSWER = Upsert(answers)
_DROP_ANSWERS_OF_ERASED = delete(answers).where(
    key(answers.c.cid),
    exists(select(1).where(calls.c.cid == key_value(answers.c.cid), calls.c.erased.is_(True))),
)


class Calls:
    """Keeps `calls`, `blocks` and `answers` in step with the events of calls and their members."""

    name = "calls"
    version = 2
    tables = (calls, blocks, answers)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that take the tables past `recorded`; none for events it ignores."""
        match recorded.event:
            case CallCreated() as created:
                yield Write(_CREATE, _row(created))
            case CallUpdated(cid=cid, at=at) as updated:
                yield _touched(
                    cid,
                    at,
                    custom=json_text(updated.custom),
                    settings=json_text(updated.settings),
                    starts_at=micros_or_none(updated.starts_at),
                    backstage=updated.backstage,
                )
            case WentLive(cid=cid, at=at):
                yield _touched(cid, at, backstage=False, ended_at=None)
            case StoppedLive(cid=cid, at=at):
                yield _touched(cid, at, backstage=True)
            case CallEnded(cid=cid, at=at):
                yield _touched(cid, at, ended_at=micros(at))
            case CallRestored(cid=cid, at=at):
                yield _touched(cid, at, deleted=False)
            case UserBlocked(cid=cid, at=at, user_id=user_id):
                yield _touched(cid, at)
                yield Write(_BLOCK, {"cid": cid, "user_id": user_id})
            case UserUnblocked(cid=cid, at=at, user_id=user_id):
                yield _touched(cid, at)
                yield Write(_UNBLOCK, {"key_cid": cid, "key_user_id": user_id})
            case CallDeleted(cid=cid, hard=False):
                yield Write(_CHANGE, {"key_cid": cid, "deleted": True})
            case CallDeleted(cid=cid, hard=True):
                yield from _erased(cid)
            case SessionStarted(cid=cid, session=session):
                yield Write(_CHANGE, {"key_cid": cid, "session": session, "ongoing": True})
            case SessionEnded(cid=cid):
                yield Write(_CHANGE, {"key_cid": cid, "ongoing": False})
            case MemberAdded(cid=cid):
                yield Write(_COUNT, {"key_cid": cid, "more": 1})
            case MemberRemoved(cid=cid):
                yield Write(_COUNT, {"key_cid": cid, "more": -1})
            case RingAccepted() | RingRejected() | RingMissed() as answer:
                yield from _answered(answer)
            case _:
                pass


def _row(created: CallCreated) -> dict[str, Any]:
    _, _, call_id = created.cid.partition(":")
    at = micros(created.at)
    return {
        "cid": created.cid,
        "type": created.call_type,
        "id": call_id,
        "created_by": created.created_by,
        "team": created.team,
        "custom": json_text(created.custom),
        "settings": json_text(created.settings),
        "created_at": at,
        "updated_at": at,
        "starts_at": micros_or_none(created.starts_at),
        "ended_at": None,
        "backstage": created.backstage,
        "ongoing": False,
        "session": 0,
        "member_count": 0,
        "deleted": False,
        "erased": False,
    }


def _touched(cid: CallId, at: datetime, **changes: Any) -> Write:
    return Write(_CHANGE, {"key_cid": cid, "updated_at": micros(at), **changes})


def _erased(cid: CallId) -> Iterator[Write]:
    """Nothing of anybody stays; that there was a call does."""
    yield Write(
        _CHANGE,
        {
            "key_cid": cid,
            "created_by": "",
            "team": None,
            "custom": "{}",
            "settings": "{}",
            "member_count": 0,
            "deleted": True,
            "erased": True,
        },
    )
    yield Write(_FORGET_BLOCKS, {"key_cid": cid})
    yield Write(_DROP_ANSWERS_OF_ERASED, {"key_cid": cid})


def _answered(event: RingAccepted | RingRejected | RingMissed) -> Iterator[Write]:
    match event:
        case RingAccepted():
            answer = Answer.ACCEPTED
        case RingRejected():
            answer = Answer.REJECTED
        case RingMissed():
            answer = Answer.MISSED
    values = {"cid": event.cid, "user_id": event.user_id, "ring": event.ring}
    yield Write(_ANSWER, {**values, "answer": answer.value, "at": micros(event.at)})
    # A hard deletion withdraws open rings: those misses are recorded past the deletion.
    yield Write(_DROP_ANSWERS_OF_ERASED, {"key_cid": event.cid})
