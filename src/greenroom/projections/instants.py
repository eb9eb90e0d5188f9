"""The projection `instants`: how early the records of each stretch of the log are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, bindparam, select, update

from greenroom.domain.message import Event, Recorded
from greenroom.projections.columns import key, metadata, micros
from greenroom.projections.projection import InsertNew, Write

SPANS: Final = (256, 256**2, 256**3)
"""Positions in one stretch: short ones, within longer ones, within the longest."""

instants: Final = Table(
    "instants",
    metadata,
    Column("span", Integer, primary_key=True),
    Column("stretch", BigInteger, primary_key=True),
    Column("least", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_LEAST = bindparam("earlier", type_=BigInteger())
_BEGIN = InsertNew(instants)
_LOWER = (
    update(instants)
    .where(key(instants.c.span), key(instants.c.stretch), instants.c.least > _LEAST)
    .values(least=_LEAST)
)


class Instants:
    """Keeps the earliest instant of every stretch, over all streams.

    Clocks jump, and those of several machines differ: instants nearly rise with the positions,
    and no more. With the least of each stretch the last record of a time is found all the same.
    """

    name = "instants"
    version = 1
    tables = (instants,)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that note when `recorded` was decided."""
        at = micros(recorded.at)
        for span in SPANS:
            of = {"span": span, "stretch": recorded.position // span}
            yield Write(_BEGIN, {**of, "least": at})
            yield Write(_LOWER, {"key_span": span, "key_stretch": of["stretch"], "earlier": at})


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
