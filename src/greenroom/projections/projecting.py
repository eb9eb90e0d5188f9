"""Taking the tables of projections past a batch of records, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection

from greenroom.domain.message import Event, Recorded
from greenroom.projections.database import Database
from greenroom.projections.projection import Projection, Write

Batch = Sequence[tuple[int, Recorded[Event]]]
"""(position, record) pairs, positions rising."""


def project(
    database: Database, connection: Connection, seen: Mapping[Projection, int], batch: Batch
) -> None:
    """Write, in the open transaction, what takes each projection past `batch`.

    Args:
        database: that `connection` is of.
        connection: with a transaction that nobody else writes beside.
        seen: the projections, each with the position it stands at: records up to there are
            skipped.
        batch: the records that follow.
    """
    database.run(
        connection,
        (write for projection, at in seen.items() for write in _writes(projection, batch, at)),
    )


def _writes(projection: Projection, batch: Batch, seen: int) -> Iterator[Write]:
    """What takes the tables of `projection` from position `seen` past `batch`."""
    for position, recorded in batch:
        if position > seen:
            yield from projection.statements(recorded)
