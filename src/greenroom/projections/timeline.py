"""The projection `timeline`: where the events of a call stand, numbered without gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, func, insert, select

from greenroom.domain.message import Event, Recorded
from greenroom.domain.streams import call_of
from greenroom.projections.columns import TEXT, key, metadata, micros
from greenroom.projections.projection import Write

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

_APPEND = insert(timeline).values(
    seq=select(func.coalesce(func.max(timeline.c.seq), 0) + 1)
    .where(key(timeline.c.cid))
    .scalar_subquery()
)


class Timeline:
    """Keeps `timeline`: of each call all events, of whichever stream, as 1, 2, 3 ..."""

    name = "timeline"
    version = 1
    tables = (timeline,)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The write that adds `recorded` to its call; none for call types and users."""
        cid = call_of(recorded.stream)
        if cid is not None:
            yield Write(
                _APPEND,
                {
                    "key_cid": cid,
                    "cid": cid,
                    "position": recorded.position,
                    "stream": recorded.stream,
                    "version": recorded.version,
                    "name": recorded.event.name,
                    "at": micros(recorded.at),
                },
            )
