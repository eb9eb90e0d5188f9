"""Taking the tables of projections past a batch of records, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from sqlalchemy import Connection, Table

from greenroom.domain.message import Event, Recorded
from greenroom.projections.bulk import Changes, Key, Shape, Values
from greenroom.projections.database import Database
from greenroom.projections.projection import Projection
from greenroom.projections.workspace import Workspace

Batch = Sequence[tuple[int, Recorded[Event]]]
"""(position, record) pairs, positions rising."""
_Heeding: TypeAlias = Mapping[type[Event], Sequence[tuple[Projection, int]]]
"""Who is to be shown events of a kind, and the position each stands at."""


def project(
    database: Database, connection: Connection, seen: Mapping[Projection, int], batch: Batch
) -> None:
    """Write, in the open transaction, what takes each projection past `batch`.

    What a projection raises is raised as it is, before anything was written.

    Args:
        database: that `connection` is of.
        connection: with a transaction that nobody else writes beside.
        seen: the projections, each with the position it stands at: records up to there are
            skipped.
        batch: the records that follow.
    """
    heeding = _heeding(seen)
    rows = Workspace(database.bulk(connection))
    rows.expect(_needs(heeding, batch))
    for position, recorded in batch:
        for projection, at in heeding[type(recorded.event)]:
            if position > at:
                projection.apply(recorded, rows)
    rows.flush()


def touched(projections: Iterable[Projection], recorded: Recorded[Event]) -> Collection[Table]:
    """The tables in which `recorded` may change something."""
    rows = Workspace(_Nothing())
    others: set[Table] = set()
    for projection in projections:
        if type(recorded.event) in projection.events:
            try:
                projection.apply(recorded, rows)
            except Exception:  # noqa: BLE001 - where it matters it was parked
                others.update(projection.tables)
    return others.union(rows.touched())


def _heeding(seen: Mapping[Projection, int]) -> _Heeding:
    heeding: defaultdict[type[Event], list[tuple[Projection, int]]] = defaultdict(list)
    for projection, at in seen.items():
        for kind in projection.events:
            heeding[kind].append((projection, at))
    return heeding


def _needs(heeding: _Heeding, batch: Batch) -> Iterator[tuple[Table, Key]]:
    for position, recorded in batch:
        for projection, at in heeding[type(recorded.event)]:
            if position > at:
                yield from projection.needs(recorded)


class _Nothing:
    """A database without rows, which takes none."""

    def load(self, wanted: Mapping[Shape, Sequence[Key]]) -> Mapping[Shape, Iterable[Values]]:
        return dict.fromkeys(wanted, ())

    def under(self, shape: Shape, prefix: Key) -> Iterable[Values]:  # noqa: ARG002 - as in `Bulk`
        return ()

    def write(self, changes: Mapping[Shape, Changes]) -> None:
        raise NotImplementedError
