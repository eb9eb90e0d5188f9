"""Taking all projections past batches of the log; what one cannot take is parked, and only that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import BigInteger, Connection, bindparam, or_, update

from greenroom.domain.message import Event, Recorded
from greenroom.domain.ports import Damaged
from greenroom.domain.streams import EVENTS, erased_by
from greenroom.projections.database import Database
from greenroom.projections.keeping import PAST, go_along, went_along
from greenroom.projections.parking import Parked, free, hush, park
from greenroom.projections.projecting import project
from greenroom.projections.projection import Projection
from greenroom.projections.standing import Standing, key_of, positions, standing
from greenroom.projections.versions import Versions

_log = logging.getLogger(__name__)

Record = Recorded[Event] | Damaged
Records = Sequence[tuple[int, Record]]
"""(position, record) pairs, positions rising."""
Feed = Callable[[int], Iterable[tuple[int, Record]]]
"""(position, record) pairs past the given position, positions rising: `EventStore.salvage`.

With `EventStore.feed` a record that cannot be read stops everything.
"""

_LAST: Final = bindparam("last", type_=BigInteger())


class Runner:
    """Applies batches of the log to projections, each with the positions it brings them to."""

    def __init__(self, database: Database, projections: Sequence[Projection]) -> None:
        self._database = database
        self._projections = projections
        ours = or_(*(positions.c.projection == each.name for each in projections))
        behind = positions.c.position < _LAST
        self._move = update(positions).where(ours, behind).values(position=_LAST)

    def apply(self, batch: Records, after: int) -> int:
        """Apply `batch`, read from `after` on, to the projections that have not seen it.

        Returns the position at which all of them now stand. Where other processes have done it
        meanwhile nothing is applied; nor where one has emptied the tables: the records before the
        batch are needed first.

        Raises:
            StoreError: the views cannot be written; nothing was.
        """
        try:
            return self._apply(batch, after, careful=False)
        except _Refused:
            return self._apply(batch, after, careful=True)

    def _apply(self, batch: Records, after: int, *, careful: bool) -> int:
        last = batch[-1][0]
        care = Care(self._database)
        with self._database.write() as connection:
            found = standing(connection, self._projections)
            if found.least < after or found.least >= last:
                return found.least  # others emptied the tables, or did it
            versions = None if careful else PAST.beside(found)
            if careful:
                self._one_by_one(connection, found, batch, care)
            else:
                self._at_once(connection, found, batch, versions)
            if versions is None:
                go_along(self._database, connection, found, after, batch)
            else:
                went_along(connection, last)
            connection.execute(self._move, {"last": last})
        care.tell()
        return max(last, found.least)

    def _at_once(
        self,
        connection: Connection,
        found: Standing,
        batch: Records,
        versions: Versions | None = None,
    ) -> None:
        """The usual way. Anything unusual is left to `_one_by_one`."""
        whole = [(position, one) for position, one in batch if isinstance(one, Recorded)]
        if len(whole) < len(batch):
            raise _Refused
        if found.parked and any(erased_by(one.event) for _, one in whole):
            raise _Refused
        try:
            for seen, kept_out in self._shares(found):
                records = whole
                if kept_out:
                    records = [pair for pair in whole if key_of(pair[1].stream) not in kept_out]
                # Rows that have a past are those of projections that have nothing parked.
                kept = None if kept_out else versions
                project(self._database, connection, seen, records, versions=kept)
        except Exception as error:
            if self._database.refusal(error) is None:
                raise
            raise _Refused from error

    def _shares(self, found: Standing) -> Iterator[tuple[Mapping[Projection, int], frozenset[str]]]:
        """Projections that take the same records, with where they stand and what they do not."""
        free = {p: found.positions[p.name] for p in self._projections if p.name not in found.parked}
        if free:
            yield free, frozenset()
        for projection in self._projections:
            if projection not in free:
                yield {projection: found.positions[projection.name]}, found.parked[projection.name]

    def _one_by_one(
        self, connection: Connection, found: Standing, batch: Records, care: Care
    ) -> None:
        for projection in self._projections:
            seen = found.positions[projection.name]
            ahead = [pair for pair in batch if pair[0] > seen]
            kept_out = set(found.parked.get(projection.name, ()))
            care.take(connection, projection, ahead, kept_out)
        erased = {
            subject
            for _, one in batch
            if isinstance(one, Recorded) and (subject := erased_by(one.event))
        }
        if erased:
            hush(connection, erased)


class Care:
    """Finds the events that a projection cannot take, and parks what belongs to them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parked: list[Parked] = []
        self._left_out: list[tuple[str, str]] = []

    def take(
        self,
        connection: Connection,
        projection: Projection,
        records: Records,
        kept_out: set[str],
    ) -> None:
        """Apply `records` but those whose key is in `kept_out`, which grows by what fails.

        An erasure reaches the tables all the same, and ends what is parked of its key: nothing
        of what is missing matters any more.
        """
        begin = 0
        for number, (_, one) in enumerate(records):
            if isinstance(one, Recorded) and erased_by(one.event):
                self._halves(connection, projection, records[begin:number], kept_out)
                self._erase(connection, projection, records[number], kept_out)
                begin = number + 1
        self._halves(connection, projection, records[begin:], kept_out)

    def tell(self) -> None:
        """Log what was parked. Without the error, which may quote what people wrote."""
        for one in self._parked:
            _log.warning(
                "%s failed on %s: it takes no events of %s until they are tried again",
                one.projection,
                one.name,
                one.key,
                extra={
                    "projection": one.projection,
                    "key": one.key,
                    "stream": one.stream,
                    "version": one.version,
                    "position": one.position,
                    "event": one.name,
                },
            )
        for projection, key in self._left_out:
            _log.warning(
                "%s was erased in %s while it was parked: what it missed before is left out",
                key,
                projection,
                extra={"projection": projection, "key": key},
            )

    def _erase(
        self,
        connection: Connection,
        projection: Projection,
        erasure: tuple[int, Record],
        kept_out: set[str],
    ) -> None:
        key = key_of(erasure[1].stream)
        was_kept_out = key in kept_out
        kept_out.discard(key)
        self._halves(connection, projection, [erasure], kept_out)
        if was_kept_out and key not in kept_out:
            free(connection, projection.name, key)
            self._left_out.append((projection.name, key))

    def _halves(
        self,
        connection: Connection,
        projection: Projection,
        records: Records,
        kept_out: set[str],
    ) -> None:
        """Apply them together; where that fails, the first half and then the second."""
        taken = [
            pair
            for pair in records
            if _concerns(projection, pair[1]) and key_of(pair[1].stream) not in kept_out
        ]
        if not taken:
            return
        why = self._tried(connection, projection, taken)
        if why is None:
            return
        if len(taken) == 1:
            record = taken[0][1]
            self._parked.append(park(connection, projection.name, record, why))
            kept_out.add(key_of(record.stream))
            return
        middle = len(taken) // 2
        self._halves(connection, projection, taken[:middle], kept_out)
        self._halves(connection, projection, taken[middle:], kept_out)

    def _tried(
        self, connection: Connection, projection: Projection, records: Records
    ) -> str | None:
        """None where `records` are applied; else why nothing of them is."""
        whole = [(position, one) for position, one in records if isinstance(one, Recorded)]
        damaged = next((one for _, one in records if isinstance(one, Damaged)), None)
        if damaged is not None:
            return damaged.reason
        try:
            with connection.begin_nested():
                project(self._database, connection, {projection: records[0][0] - 1}, whole)
        except Exception as error:
            said = self._database.refusal(error)
            if said is None:
                raise
            return f"{type(error).__name__}: {said}"
        return None


def _concerns(projection: Projection, record: Record) -> bool:
    """Whether it may matter to `projection` that `record` can, or cannot, be read."""
    if isinstance(record, Recorded):
        return True
    kind = EVENTS.get(record.name)
    return kind is None or kind in projection.events


class _Refused(Exception):  # noqa: N818 - the fact that it was
    """A batch cannot be applied as a whole."""
