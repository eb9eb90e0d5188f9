"""The projection `calls`: every call as it is now, whom it blocks, and the answers to its rings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Index,
    Integer,
    Table,
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
from greenroom.domain.instants import micros, micros_or_none
from greenroom.domain.membership import (
    Answer,
    MemberAdded,
    MemberRemoved,
    RingAccepted,
    RingMissed,
    RingRejected,
)
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.domain.streams import call_in
from greenroom.projections.bulk import Key, Row
from greenroom.projections.columns import TEXT, json_text, metadata
from greenroom.projections.workspace import Rows


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

_BY_THE_CALL = (
    CallUpdated,
    WentLive,
    StoppedLive,
    CallEnded,
    CallRestored,
    CallDeleted,
    UserBlocked,
    UserUnblocked,
    SessionStarted,
    SessionEnded,
)
"""Change a call that is there."""
_ANSWERS: Final[Mapping[type[Event], Answer]] = {
    RingAccepted: Answer.ACCEPTED,
    RingRejected: Answer.REJECTED,
    RingMissed: Answer.MISSED,
}


class Calls:
    """Keeps `calls`, `blocks` and `answers` in step with the events of calls and their members."""

    name = "calls"
    version = 2
    tables = (calls, blocks, answers)
    events = frozenset[type[Event]](
        {CallCreated, *_BY_THE_CALL, MemberAdded, MemberRemoved, *_ANSWERS}
    )

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        cid = call_in(recorded.event)
        return () if cid is None else _row_of(cid)

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        match recorded.event:
            case MemberAdded(cid=cid):
                _count(rows, cid, 1)
            case MemberRemoved(cid=cid):
                _count(rows, cid, -1)
            case SessionStarted(cid=cid, session=session):
                rows.change(calls, (cid,), session=session, ongoing=True)
            case SessionEnded(cid=cid):
                rows.change(calls, (cid,), ongoing=False)
            case RingAccepted() | RingRejected() | RingMissed() as answer:
                _answer(rows, answer)
            case CallCreated() as created:
                rows.put(calls, _row(created))
            case CallDeleted(cid=cid, hard=False):
                rows.change(calls, (cid,), deleted=True)
            case CallDeleted(cid=cid, hard=True):
                _erase(rows, cid)
            case _:
                _change(rows, recorded.event)


@lru_cache(maxsize=64)
def _row_of(cid: CallId) -> Sequence[tuple[Table, Key]]:
    """The row of a call; the same object for many records."""
    return ((calls, (cid,)),)


def _change(rows: Rows, event: Event) -> None:
    """What changes `updated_at`."""
    match event:
        case CallUpdated(cid=cid, at=at) as updated:
            _touch(
                rows,
                cid,
                at,
                custom=json_text(updated.custom),
                settings=json_text(updated.settings),
                starts_at=micros_or_none(updated.starts_at),
                backstage=updated.backstage,
            )
        case WentLive(cid=cid, at=at):
            _touch(rows, cid, at, backstage=False, ended_at=None)
        case StoppedLive(cid=cid, at=at):
            _touch(rows, cid, at, backstage=True)
        case CallEnded(cid=cid, at=at):
            _touch(rows, cid, at, ended_at=micros(at))
        case CallRestored(cid=cid, at=at):
            _touch(rows, cid, at, deleted=False)
        case UserBlocked(cid=cid, at=at, user_id=user_id):
            _touch(rows, cid, at)
            rows.put(blocks, {"cid": cid, "user_id": user_id})
        case UserUnblocked(cid=cid, at=at, user_id=user_id):
            _touch(rows, cid, at)
            rows.drop(blocks, (cid, user_id))
        case _:
            pass


def _row(created: CallCreated) -> Row:
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


def _touch(rows: Rows, cid: CallId, at: datetime, **changes: Any) -> None:
    rows.change(calls, (cid,), updated_at=micros(at), **changes)


def _count(rows: Rows, cid: CallId, more: int) -> None:
    call = rows.get(calls, (cid,))
    if call is not None and not call["erased"]:
        rows.put(calls, {**call, "member_count": call["member_count"] + more})


def _erase(rows: Rows, cid: CallId) -> None:
    """Nothing of anybody stays; that there was a call does."""
    call = rows.get(calls, (cid,))
    for table in (calls, blocks, answers):
        rows.erase_under(table, cid)
    if call is not None:
        nobodys = {"created_by": "", "team": None, "custom": "{}", "settings": "{}"}
        gone = {"member_count": 0, "deleted": True, "erased": True}
        rows.put(calls, {**call, **nobodys, **gone})


def _answer(rows: Rows, answer: RingAccepted | RingRejected | RingMissed) -> None:
    call = rows.get(calls, (answer.cid,))
    if call is not None and call["erased"]:
        # A hard deletion withdraws open rings: those misses are recorded past the deletion.
        return
    rows.put(
        answers,
        {
            "cid": answer.cid,
            "user_id": answer.user_id,
            "ring": answer.ring,
            "answer": _ANSWERS[type(answer)].value,
            "at": micros(answer.at),
        },
    )
