"""The projection `instants`: between which instants each stretch of the log was decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    Table,
    and_,
    func,
    or_,
    select,
)

from greenroom.domain.instants import micros
from greenroom.domain.message import Event, Recorded
from greenroom.domain.streams import EVENTS
from greenroom.projections.bulk import Key
from greenroom.projections.columns import metadata
from greenroom.projections.workspace import Rows

SPANS: Final = (256, 256**2, 256**3)
"""Positions in one stretch: short ones, within longer ones, within the longest."""

instants: Final = Table(
    "instants",
    metadata,
    Column("span", Integer, primary_key=True),
    Column("stretch", BigInteger, primary_key=True),
    Column("least", BigInteger, nullable=False),
    Column("greatest", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


class Instants:
    """Keeps the earliest and the latest instant of every stretch, over all streams.

    Clocks jump, and those of several machines differ: instants nearly rise with the positions,
    and no more. With the least of each stretch the last record of a time is found all the same.
    """

    name = "instants"
    version = 1
    tables = (instants,)
    events = frozenset[type[Event]](EVENTS.values())

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        return _stretches(SPANS, _shortest(recorded))

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        self.apply_all((recorded,), rows)

    def apply_all(self, records: Sequence[Recorded[Event]], rows: Rows) -> None:
        """The same: a stretch is written once, however many of the records lie in it."""
        for shortest, together in groupby(records, _shortest):
            ats = [recorded.event.at for recorded in together]
            least, greatest = micros(min(ats)), micros(max(ats))
            for _, key in _stretches(SPANS, shortest):
                _widen(rows, key, least, greatest)


def _widen(rows: Rows, key: Key, least: int, greatest: int) -> None:
    """Let a stretch reach from `least`, or before, to `greatest`, or past it."""
    row = rows.get(instants, key)
    if row is not None:
        least, greatest = min(least, row["least"]), max(greatest, row["greatest"])
    span, stretch = key
    widened = {"span": span, "stretch": stretch, "least": least, "greatest": greatest}
    if widened != row:
        rows.put(instants, widened)


def _shortest(recorded: Recorded[Event]) -> int:
    """The number of the short stretch that a record lies in."""
    return recorded.position // SPANS[0]


@lru_cache(maxsize=64)
def _stretches(spans: Sequence[int], shortest: int) -> Sequence[tuple[Table, Key]]:
    """The rows of a short stretch and of the longer ones that it lies in."""
    begin = shortest * spans[0]
    return [(instants, (span, begin // span)) for span in spans]


def stretch_until(connection: Connection, at: int) -> range | None:
    """The positions among which the last record is that was decided at `at` or before.

    At most 256 rows of each span are looked at, and one for 16 million positions.

    Args:
        connection: to the views.
        at: microseconds since 1970.

    Returns:
        256 positions; None where every record is later.
    """
    found: range | None = None
    for span in reversed(SPANS):
        early = select(instants.c.stretch).where(instants.c.span == span, instants.c.least <= at)
        if found is not None:
            early = early.where(
                instants.c.stretch.between(found.start // span, (found.stop - 1) // span)
            )
        stretch = connection.execute(early.order_by(instants.c.stretch.desc()).limit(1)).scalar()
        if stretch is None:
            return None
        found = range(stretch * span, (stretch + 1) * span)
    return found


def latest_before(connection: Connection, position: int) -> tuple[int, int]:
    """The latest instant of all stretches that end before `position`, and where they end.

    The instant is in microseconds since 1970, 0 for none; what is told never changes again.
    """
    whole, begin = [], 0
    for span in reversed(SPANS):
        last = position // span
        within = instants.c.stretch.between(begin // span, last - 1)
        whole.append(and_(instants.c.span == span, within))
        begin = last * span
    latest = connection.execute(select(func.max(instants.c.greatest)).where(or_(*whole))).scalar()
    return latest or 0, begin
