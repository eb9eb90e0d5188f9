"""Where things stand in the log: what has to be read of it, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import func, select

from greenroom.domain.instants import micros
from greenroom.domain.message import CallId, UserId
from greenroom.projections.batches import batched
from greenroom.projections.database import Database
from greenroom.projections.instants import latest_before, stretch_until
from greenroom.projections.timeline import timeline
from greenroom.projections.user_timeline import user_timeline

_PAGE: Final = 1000


class Happened(NamedTuple):
    """That something happened in a call."""

    cid: CallId
    at: int
    """Microseconds since 1970."""
    name: str
    """The stored name of the event."""
    position: int


class LogIndex:
    """Answers from the views as they stand; `Views.catch_up` first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stretch_until(self, at: datetime) -> range | None:
        """Up to 256 positions, the last record decided at `at` or before among them.

        None where every record is later.
        """
        with self._database.read() as connection:
            return stretch_until(connection, micros(at))

    def latest_until(self, position: int) -> int:
        """Microseconds since 1970 that no event of a call was decided after, up to `position`.

        It is the same whenever it is asked for.
        """
        with self._database.read() as connection:
            latest, seen = latest_before(connection, position)
            here = select(func.max(timeline.c.at)).where(
                timeline.c.position.between(seen, position)
            )
            return max(latest, connection.execute(here).scalar() or 0)

    def positions(self, cid: CallId, *, until: int) -> Iterator[int]:
        """Where the events of a call stand, at or before position `until`, rising."""
        return (position for position, _ in self.places(cid, until=until))

    def places(
        self,
        cid: CallId,
        *,
        until: int,
        after: int = 0,
        names: Collection[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Iterator[tuple[int, int]]:
        """(position, place in the call's timeline) of events of a call, both rising.

        Args:
            cid: of the call.
            until: the last position that counts.
            after: only past this place in the timeline.
            names: stored names; of all events where there are none.
            start: decided then or later.
            end: decided before then.
        """
        at = timeline.c.at
        wanted = select(timeline.c.position, timeline.c.seq).where(timeline.c.cid == cid)
        if names:
            wanted = wanted.where(timeline.c.name.in_(sorted(names)))
        if start is not None:
            wanted = wanted.where(at >= micros(start))
        if end is not None:
            wanted = wanted.where(at < micros(end))
        while True:
            page = wanted.where(timeline.c.seq > after).order_by(timeline.c.seq).limit(_PAGE)
            with self._database.read() as connection:
                rows = connection.execute(page).all()
            for position, seq in rows:
                if position > until:
                    return
                yield position, seq
            if len(rows) < _PAGE:
                return
            after = rows[-1].seq

    def seqs(self, after: int, until: int) -> Iterator[tuple[int, int]]:
        """(position, place in its call's timeline) of all events of calls, positions rising.

        Args:
            after: only past this position.
            until: the last position that counts.
        """
        wanted = (
            select(timeline.c.position, timeline.c.seq)
            .where(timeline.c.position <= until)
            .order_by(timeline.c.position)
            .limit(_PAGE)
        )
        while True:
            with self._database.read() as connection:
                rows = connection.execute(wanted.where(timeline.c.position > after)).all()
            yield from ((position, seq) for position, seq in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].position

    def happened(
        self, names: Collection[str], *, until: int, call_type: str | None = None
    ) -> Iterator[Happened]:
        """What happened in all calls, by when it was decided.

        Args:
            names: of the events that are wanted.
            until: the last position that counts.
            call_type: only of calls of this type.
        """
        wanted = (
            select(timeline.c.cid, timeline.c.at, timeline.c.name, timeline.c.position)
            .where(timeline.c.name.in_(sorted(names)), timeline.c.position <= until)
            .order_by(timeline.c.at, timeline.c.position)
        )
        if call_type is not None:  # as the characters of a type sort, `;` follows on `:`
            first, last = f"{call_type}:", f"{call_type};"
            wanted = wanted.where(timeline.c.cid >= first, timeline.c.cid < last)
        with self._database.read() as connection:
            yield from map(Happened._make, connection.execute(wanted))

    def positions_about(self, user_ids: Iterable[UserId], *, until: int) -> Sequence[int]:
        """Where the events about these users stand, at or before position `until`, rising."""
        found: list[int] = []
        for some in batched(user_ids, _PAGE):
            with self._database.read() as connection:
                found += connection.execute(
                    select(user_timeline.c.position).where(
                        user_timeline.c.user_id.in_(some), user_timeline.c.position <= until
                    )
                ).scalars()
        return sorted(found)
