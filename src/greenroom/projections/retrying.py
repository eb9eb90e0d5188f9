"""Trying parked events again, from the log and in its order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection

from greenroom.projections.batches import batched
from greenroom.projections.database import Database
from greenroom.projections.parking import Parked, all_parked, free, moved
from greenroom.projections.projection import Projection
from greenroom.projections.runner import Care, Feed, Record, Records
from greenroom.projections.standing import Standing, key_of, standing

_Place = tuple[str, str]
"""Projection and key."""


@dataclass(frozen=True, slots=True)
class Retried:
    """What came of trying again."""

    mended: Sequence[Parked]
    """These are whole again, and take what comes."""
    parked: Sequence[Parked]
    """These failed again, where they stand now."""


class Retrying:
    """One attempt at all that is parked, or at some of it, with one pass over the log.

    In bounded transactions, beside whoever catches the views up; ended half-way, what was applied
    is kept, and the next attempt goes on from there.
    """

    def __init__(
        self, database: Database, projections: Sequence[Projection], log: Feed, batch: int
    ) -> None:
        self._database = database
        self._projections = {each.name: each for each in projections}
        self._log = log
        self._batch = batch

    def run(self, projection: str | None, key: str | None) -> Retried:
        """Try those of `projection` and `key`; None for all."""
        with self._database.read() as connection:
            chosen = [
                one
                for one in all_parked(connection, projection, key)
                if one.projection in self._projections
            ]
        waiting = {_place(one) for one in chosen}
        reached = min((one.position for one in chosen), default=1) - 1
        while waiting:
            with self._database.read() as connection:
                goal = self._goal(connection, waiting)
            for records in self._of(waiting, reached, goal):
                self._apply(records, waiting)
            reached = max(goal, reached)
            if self._ended(reached, waiting):
                break
        with self._database.read() as connection:
            still = {_place(one): one for one in all_parked(connection, projection, key)}
        return Retried(
            mended=[one for one in chosen if _place(one) not in still],
            parked=[still[_place(one)] for one in chosen if _place(one) in still],
        )

    def _goal(self, connection: Connection, waiting: set[_Place]) -> int:
        """Up to where the log is needed: no projection that has to catch up stands further."""
        found = standing(connection, self._projections.values())
        return max(found.positions[name] for name, _ in waiting)

    def _of(self, waiting: set[_Place], after: int, until: int) -> Iterator[Records]:
        """What belongs to those who wait, past `after` up to `until`, in batches."""
        records = self._whose(waiting, self._up_to(after, until))
        yield from batched(records, self._batch)

    def _up_to(self, after: int, until: int) -> Iterator[tuple[int, Record]]:
        if after < until:
            for pair in self._log(after):
                if pair[0] > until:
                    return
                yield pair

    def _whose(
        self, waiting: set[_Place], records: Iterable[tuple[int, Record]]
    ) -> Iterator[tuple[int, Record]]:
        keys = {key for _, key in waiting}
        return (pair for pair in records if key_of(pair[1].stream) in keys)

    def _apply(self, records: Records, waiting: set[_Place]) -> None:
        """Apply `records` to each that waits for them; who fails again waits no more."""
        if not waiting:
            return
        care = Care(self._database)
        with self._database.write() as connection:
            self._again(connection, records, waiting, care)
        care.tell()

    def _again(
        self, connection: Connection, records: Records, waiting: set[_Place], care: Care
    ) -> None:
        found = standing(connection, self._projections.values())
        stands = {_place(one): one for one in all_parked(connection)}
        # Gone: somebody else was quicker, or has emptied the tables.
        waiting.intersection_update(stands)
        for place in sorted(waiting):
            mine = _missed(stands[place], records, found)
            if not mine:
                continue
            failed: set[str] = set()
            care.take(connection, self._projections[place[0]], mine, failed)
            if failed:
                waiting.discard(place)
            else:
                moved(connection, *place, mine[-1][0] + 1)

    def _ended(self, reached: int, waiting: set[_Place]) -> bool:
        """Whether nothing is missing, now that nobody writes: then those who wait are free.

        The little that the projections have moved on meanwhile is applied here.
        """
        if not waiting:
            return True
        care = Care(self._database)
        with self._database.write() as connection:
            rest = list(islice(self._up_to(reached, self._goal(connection, waiting)), self._batch))
            if len(rest) == self._batch:
                return False
            self._again(connection, [*self._whose(waiting, rest)], waiting, care)
            for place in waiting:
                free(connection, *place)
        care.tell()
        return True


def _missed(one: Parked, records: Records, found: Standing) -> Records:
    """What of `records` its projection has passed by."""
    reached = found.positions[one.projection]
    return [
        pair
        for pair in records
        if one.position <= pair[0] <= reached and key_of(pair[1].stream) == one.key
    ]


def _place(one: Parked) -> _Place:
    return one.projection, one.key
