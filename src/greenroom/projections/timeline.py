"""The projection `timeline`: where the events of a call stand, numbered without gaps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, get_args

from sqlalchemy import BigInteger, Column, Integer, Table

from greenroom.domain.call_events import CallEvent
from greenroom.domain.membership import MembershipEvent
from greenroom.domain.message import Event, Recorded
from greenroom.domain.session_events import SessionEvent
from greenroom.domain.streams import call_of
from greenroom.projections.bulk import Key
from greenroom.projections.columns import TEXT, metadata, micros
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
        cid = call_of(recorded.stream)
        return () if cid is None else ((ends, (cid,)),)

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        stream, event = recorded.stream, recorded.event
        cid = call_of(stream)
        if cid is None:
            return
        end = rows.get(ends, (cid,))
        seq = 1 if end is None else end["seq"] + 1
        rows.put(ends, {"cid": cid, "seq": seq})
        rows.put(
            timeline,
            {
                "cid": cid,
                "seq": seq,
                "position": recorded.position,
                "stream": stream,
                "version": recorded.version,
                "name": event.name,
                "at": micros(event.at),
            },
        )
