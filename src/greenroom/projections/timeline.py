"""The projection `timeline`: where the events of a call stand, numbered without gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, get_args

from sqlalchemy import BigInteger, Column, Integer, Table

from greenroom.domain.call_events import CallEvent
from greenroom.domain.instants import micros
from greenroom.domain.membership import MembershipEvent
from greenroom.domain.message import CallId, Event, Recorded
from greenroom.domain.session_events import SessionEvent
from greenroom.domain.streams import call_in
from greenroom.projections.bulk import Key
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.workspace import Rows

timeline: Final = Table(
    "timeline",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("stream", TEXT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

ends: Final = Table(
    "timeline_ends",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("seq", Integer, nullable=False),
    sqlite_with_rowid=False,
)


class Timeline:
    """Keeps `timeline`: of each call all events, of whichever stream, as 1, 2, 3 ..."""

    name = "timeline"
    version = 2
    tables = (timeline, ends)
    events = frozenset[type[Event]](get_args(CallEvent | SessionEvent | MembershipEvent))

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        cid = call_in(recorded.event)
        return () if cid is None else _end_of(cid)

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        self.apply_all((recorded,), rows)

    def apply_all(self, records: Sequence[Recorded[Event]], rows: Rows) -> None:
        """The same: where a call's timeline ends is looked up and written once."""
        reached: dict[CallId, int] = {}
        for recorded in records:
            event, cid = recorded.event, call_in(recorded.event)
            if cid is None:
                continue
            seq = reached[cid] = 1 + (reached[cid] if cid in reached else _end(rows, cid))
            rows.put(
                timeline,
                {
                    "cid": cid,
                    "seq": seq,
                    "position": recorded.position,
                    "stream": recorded.stream,
                    "version": recorded.version,
                    "name": event.name,
                    "at": micros(event.at),
                },
            )
        for cid, seq in reached.items():
            rows.put(ends, {"cid": cid, "seq": seq})


def _end(rows: Rows, cid: CallId) -> int:
    end = rows.get(ends, (cid,))
    return 0 if end is None else end["seq"]


@lru_cache(maxsize=64)
def _end_of(cid: CallId) -> Sequence[tuple[Table, Key]]:
    """The row that says where the timeline of a call ends; the same object for many records."""
    return ((ends, (cid,)),)
