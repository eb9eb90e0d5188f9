"""Taking the tables of projections past a batch of records, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from sqlalchemy import Connection, Table

from greenroom.domain.message import Event, Recorded
from greenroom.projections.bulk import Changes, Key, Shape, Values
from greenroom.projections.database import Database
from greenroom.projections.projection import Projection
from greenroom.projections.versions import Versions
from greenroom.projections.workspace import Rows, Workspace

Batch = Sequence[tuple[int, Recorded[Event]]]
"""(position, record) pairs, positions rising."""
_Shares: TypeAlias = Mapping[Projection, Sequence[Recorded[Event]]]
"""What each projection heeds of a batch."""
_ApplyAll: TypeAlias = Callable[[Sequence[Recorded[Event]], Rows], None]


def project(
    database: Database,
    connection: Connection,
    seen: Mapping[Projection, int],
    batch: Batch,
    *,
    versions: Versions | None = None,
) -> None:
    """Write, in the open transaction, what takes each projection past `batch`.

    What a projection raises is raised as it is, before anything was written.

    Args:
        database: that `connection` is of.
        connection: with a transaction that nobody else writes beside.
        seen: the projections, each with the position it stands at: records up to there are
            skipped.
        batch: the records that follow.
        versions: keeps those of the rows that are changed; None where nobody wants them.
    """
    shares = _shares(seen, batch)
    bulk = database.bulk(connection)
    rows = Workspace(bulk) if versions is None else versions.workspace(bulk)
    rows.expect(_needs(shares))
    for projection, records in shares.items():  # none looks at the rows of another
        if records:
            _apply(projection, records, rows, versions)
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


def _apply(
    projection: Projection,
    records: Sequence[Recorded[Event]],
    rows: Workspace,
    versions: Versions | None,
) -> None:
    # Taken together, all would have changed at the last position.
    has_past = versions is not None and versions.concern(projection.tables)
    apply_all: _ApplyAll | None = getattr(projection, "apply_all", None)
    if apply_all is not None and not has_past:
        apply_all(records, rows)
        return
    apply = projection.apply
    for recorded in records if versions is None else versions.through(records):
        apply(recorded, rows)


def _shares(seen: Mapping[Projection, int], batch: Batch) -> _Shares:
    shares: dict[Projection, list[Recorded[Event]]] = {projection: [] for projection in seen}
    heeding: defaultdict[type[Event], list[tuple[int, list[Recorded[Event]]]]] = defaultdict(list)
    for projection, at in seen.items():
        for kind in projection.events:
            heeding[kind].append((at, shares[projection]))
    for position, recorded in batch:
        for at, share in heeding[type(recorded.event)]:
            if position > at:
                share.append(recorded)
    return shares


def _needs(shares: _Shares) -> Iterator[tuple[Table, Key]]:
    for projection, records in shares.items():
        heard: Iterable[tuple[Table, Key]] = ()
        for recorded in records:
            wanted = projection.needs(recorded)
            if wanted is not heard:  # many records in a row may need the same
                heard = wanted
                yield from wanted


class _Nothing:
    """A database without rows, which takes none."""

    def load(self, wanted: Mapping[Shape, Sequence[Key]]) -> Mapping[Shape, Iterable[Values]]:
        return dict.fromkeys(wanted, ())

    def write(self, changes: Mapping[Shape, Changes]) -> None:
        raise NotImplementedError
