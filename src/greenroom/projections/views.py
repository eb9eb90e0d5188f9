"""The views: every projection in one database, kept in step with the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection, Table

from greenroom.domain import checks
from greenroom.domain.call_type import CallTypeDefined, FieldsDeclared
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.domain.message import Recorded
from greenroom.domain.streams import ERASING, erased_by
from greenroom.projections import forks
from greenroom.projections.call_types import CallTypes
from greenroom.projections.calls import Calls
from greenroom.projections.database import Beside, Database
from greenroom.projections.deadlines import Deadlines
from greenroom.projections.declared import DeclaredIndexes
from greenroom.projections.founding import database_at, found
from greenroom.projections.instants import Instants
from greenroom.projections.keeping import PAST, Keeping, is_kept
from greenroom.projections.leading import Lead
from greenroom.projections.log_index import LogIndex
from greenroom.projections.lookups import Lookups
from greenroom.projections.members import Members
from greenroom.projections.parking import Parked, all_parked
from greenroom.projections.participants import Participants
from greenroom.projections.projecting import touched
from greenroom.projections.projection import Projection
from greenroom.projections.queries import Queries
from greenroom.projections.rebuilding import Rebuilt, digest
from greenroom.projections.retrying import Retried, Retrying
from greenroom.projections.runner import Feed, Record, Records, Runner
from greenroom.projections.sessions import Sessions
from greenroom.projections.standing import ProjectionStatus, parked, positions, standing
from greenroom.projections.timeline import Timeline
from greenroom.projections.user_timeline import UserTimeline
from greenroom.projections.users import Users

PROJECTIONS: Final[Sequence[Projection]] = (
    Calls(),
    Members(),
    Participants(),
    Sessions(),
    Users(),
    CallTypes(),
    Deadlines(),
    Timeline(),
    UserTimeline(),
    Instants(),
)
BATCH = 1000
"""Records in one transaction, for who is a little behind."""
_GROWTH: Final = (1, 2, 4)
"""How many times as many the first, second and further transactions hold of who is far behind.

A call, and a page of the file, is written once in each. Four times as many take about a tenth
less time (`benchmarks/catch_up.py`), eight times no less than that; and whoever else has to write
is not to wait for longer than a slow query may take.
"""
_DECLARING: Final = frozenset({CallTypeDefined.name, FieldsDeclared.name})
"""Stored names of the events that may declare fields."""
_MANY: Final = 10_000
"""Records after which tables are not what they were."""
TIME_LIMIT: Final = timedelta(milliseconds=250)
"""Of one query."""


class Views:
    """All projections of one event store: in a file, in a schema on PostgreSQL, or in memory.

    Deleting them loses nothing: opened again, `catch_up` fills them from the log. Safe for many
    threads, and for many processes on the same: each record counts exactly once.
    """

    def __init__(
        self, database: Database, secret: bytes, projections: Sequence[Projection]
    ) -> None:
        """Take over an open database; `Views.open` is the way in."""
        self.queries = Queries(database, secret)
        self.lookups = Lookups(database)
        self.index = LogIndex(database)
        self.past = Keeping(database)
        self.indexes = DeclaredIndexes(database.reindex, database.interrupt_reindexing)
        self._database = database
        self._secret = secret
        self._projections = projections
        self._runner = Runner(database, projections)
        self._writing = forks.lock()
        self._known = 0
        self._lasts: Callable[[], bool] = _never
        self._to_forget: set[str] = set()

    @classmethod
    def open(
        cls,
        where: Path | str | None,
        *,
        secret: bytes,
        head: Callable[[], int] | int | None = None,
        time_limit: timedelta = TIME_LIMIT,
        projections: Sequence[Projection] = PROJECTIONS,
    ) -> Self:
        """The views at `where`, made if there are none.

        Views of another store, of an older schema, or of older projections start from nothing.

        Args:
            where: a file, e.g. `calls.views.db` beside `calls.db`; the URL of a PostgreSQL
                database, where they get the schema `greenroom_views`; None for views in memory.
            secret: of the event store: says whose views these are, and signs cursors.
            head: where the log ends. Views past it saw a log that is gone (a restored backup) and
                start from nothing. Beside other processes pass a function (`store.position`): it
                is asked while none of them can move the views.
            time_limit: what one query may take.
            projections: which to keep.

        Raises:
            InvalidInput: it is text, and not the URL of a database.
            NotOurStore: the file, or the schema, holds something else.
            WrongSchema: a newer greenroom wrote it, or one of its tables.
            StoreError: the file, or the database, cannot be used.
        """
        views = cls(database_at(where, time_limit), secret, projections)
        try:
            if found(views._database, secret, projections, head):
                views.indexes.follow()
        except BaseException:
            views.close()
            raise
        return views

    def position(self) -> int:
        """Up to where all projections have seen the log; 0 for nothing yet."""
        with self._database.read() as connection:
            found = self._known = standing(connection, self._projections).least
            self._lasts = self._database.lasting(connection)
        return found

    def hold(self, position: int) -> bool:
        """Whether they have seen the log up to there, as far as is known without asking."""
        return self._known >= position and self._lasts()

    def statuses(self, feed: Feed, *, head: int) -> Sequence[ProjectionStatus]:
        """How far each projection has come, as it stands: nothing is caught up for it.

        Args:
            feed: as for `catch_up`.
            head: where the log ends.
        """
        with self._database.read() as connection:
            found = standing(connection, self._projections)
        behind = {position for position in found.positions.values() if position < head}
        since = {position: _next_at(feed(position)) for position in behind}
        return [
            ProjectionStatus(
                name=name,
                version=found.versions[name],
                current=True,
                position=position,
                lag=max(head - position, 0),
                since=since.get(position),
                parked=len(found.parked.get(name, ())),
            )
            for name, position in found.positions.items()
        ]

    def parked(self) -> Sequence[Parked]:
        """What projections could not take, in the order of the log."""
        with self._database.read() as connection:
            return all_parked(connection)

    def retry(
        self, feed: Feed, *, projection: str | None = None, key: str | None = None
    ) -> Retried:
        """Apply what is parked again, from the log and in its order; what succeeds is free.

        Beside running applications. Whatever fails again stays parked, from there on.

        Args:
            feed: as for `catch_up`.
            projection: only of this one.
            key: only of this call (its cid), or of this stream of a user or a call type.

        Raises:
            InvalidInput: there is no such projection.
            StoreError: the views cannot be written.
        """
        names = [each.name for each in self._projections]
        if projection is not None and projection not in names:
            nearest = checks.nearest(projection, names)
            raise InvalidInput("projection", f"one of {', '.join(names)}", nearest)
        return Retrying(self._database, self._projections, feed, BATCH).run(projection, key)

    def catch_up(
        self, feed: Feed, *, until: int, progress: Callable[[int], None] = lambda _: None
    ) -> int:
        """Apply what the log holds up to position `until`; nothing if it was applied before.

        Projections at different positions share one pass over the feed. What one of them cannot
        take is parked, with all later events of the same call, for that projection only. Where the
        views cannot be written, whole batches stand, each with its position.

        Args:
            feed: reads the log past a position.
            until: where to stop.
            progress: told the position reached, after every batch.

        Returns:
            The position now reached; past `until` if others have been there.

        Raises:
            StoreError: the views cannot be written.
        """
        if self.hold(until):
            return self._known
        with self._writing:
            # Whoever was at it may have done it.
            return self._known if self.hold(until) else self._catch_up(feed, until, progress)

    def rebuild(
        self,
        feed: Feed,
        *,
        until: int,
        compare: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Rebuilt:
        """Fill fresh tables from the log, up to `until` or further, and put them in place at once.

        Readers see the old rows until the new ones are complete. Safe beside a running
        application, in this process or another. Interrupted, the next goes on where it was.

        Args:
            feed: as for `catch_up`.
            until: where the log ends.
            compare: whether to look, before, if the old tables say the same: reads all rows twice.
            progress: told the position reached, after every batch.

        Raises:
            StoreError: the views cannot be written; the old ones stay.
        """
        with self._database.beside() as beside:
            fresh = Views(beside.database, self._secret, self._projections)
            try:
                found(fresh._database, self._secret, self._projections, until)
            except StoreError:
                beside.spoil()
                raise
            fresh.indexes.close()  # made when the rows are there: that is quicker
            resumed_from = fresh.position()
            same: bool | None = None
            while True:
                if self.past.kept():
                    fresh.past.want()
                elif fresh.past.kept():
                    fresh.past.drop()
                if compare and same is None:
                    same = fresh._equals(self, feed, until, progress)
                behind = max(until, self.position())
                reached = fresh.catch_up(feed, until=behind, progress=progress)
                # Short of it, the log holds no more: ours saw one that is gone.
                bring = partial(fresh.catch_up, feed)
                stands = self._taken_over(beside, bring, reached, even_back=reached < behind)
                if stands is not None:
                    return Rebuilt(stands, resumed_from, same)

    def lead(self) -> Lead | None:
        """The role of who follows the log for all on these views; None in memory."""
        return self._database.lead()

    def led(self) -> bool:
        """Whether somebody has that role, here or elsewhere.

        Raises:
            StoreError: it cannot be told.
        """
        return self._database.led()

    def digest(self) -> str:
        """A hash over every row of every projection: equal views have equal digests."""
        with self._database.snapshot() as connection:
            return digest(connection, self._tables())

    def close(self) -> None:
        """Release everything. Twice is fine; other calls then raise StoreClosed."""
        self._lasts = _never
        self.indexes.close()
        self._database.close()

    def _catch_up(self, feed: Feed, until: int, progress: Callable[[int], None]) -> int:
        reached = before = self.position()  # others may have done it all
        while reached < until:
            for batch in _batches(feed(reached), until):
                reached = self._runner.apply(batch, reached)
                names = {one.event.name for _, one in batch if isinstance(one, Recorded)}
                self._forget(batch if names & ERASING else ())
                if names & _DECLARING:
                    self.indexes.follow()
                progress(reached)
                if reached != batch[-1][0]:
                    break  # Others were here: read on from where the views stand now.
            else:
                break
        self._known = reached
        if reached - before >= (_MANY if before else BATCH):
            self._database.look_over([table.name for table in self._tables()])
        return reached

    def _forget(self, batch: Records) -> None:
        """Leave no trace of what `batch`, or an earlier one, has erased."""
        erasing = [one for _, one in batch if isinstance(one, Recorded) and erased_by(one.event)]
        for record in erasing:
            tables = (*touched(self._projections, record), parked)
            self._to_forget.update(table.name for table in tables)
        if erasing:
            if self.past.kept():
                self._to_forget.update(table.name for table in PAST.tables)
            self._database.sweep()  # nobody would ever tell what is half built
        if self._to_forget and self._database.forget(self._to_forget):
            self._to_forget.clear()

    def _taken_over(
        self, beside: Beside, bring: Callable[..., int], reached: int, *, even_back: bool
    ) -> int | None:
        """Put the fresh tables in place of ours; the position at which they stand.

        None where ours are ahead, unless `even_back`. Where nobody moves ours meanwhile, `bring`
        lets the fresh ones make up for that: else whoever follows the log might always be ahead.
        """

        def agreed(connection: Connection) -> bool:
            nonlocal reached
            if is_kept(connection) != bool(past):
                return False  # somebody changed their mind
            ours = standing(connection, self._projections).least
            if ours > reached and beside.apart:
                reached = bring(until=ours)
            return even_back or ours <= reached

        past = PAST.tables if Keeping(beside.database).kept() else ()
        with self._writing:
            done = beside.put_in_place((*self._tables(), *past, positions, parked), agreed)
            if done:
                self._known = reached
                self.indexes.follow()
            return reached if done else None

    def _equals(self, old: Views, feed: Feed, until: int, progress: Callable[[int], None]) -> bool:
        """Whether `old` says the same as we do, once both have seen the same of the log."""
        self.catch_up(feed, until=until, progress=progress)
        old.catch_up(feed, until=self.position())
        with old._database.snapshot() as connection:
            stands = standing(connection, self._projections).positions.values()
            said = digest(connection, self._tables())
        reached = self.catch_up(feed, until=max(stands), progress=progress)
        return {reached} == set(stands) and self.digest() == said

    def _tables(self) -> Sequence[Table]:
        return [table for projection in self._projections for table in projection.tables]


def _batches(feed: Iterable[tuple[int, Record]], until: int) -> Iterator[Records]:
    """The feed in lists of `BATCH` and more, up to and including position `until`."""
    records = iter(feed)
    for times in chain(_GROWTH, repeat(_GROWTH[-1])):
        batch = list(islice(records, times * BATCH))
        wanted = len(batch)
        while wanted and batch[wanted - 1][0] > until:
            wanted -= 1
        if wanted:
            yield batch[:wanted]
        if wanted < times * BATCH:
            return


def _next_at(records: Iterable[tuple[int, Record]]) -> datetime | None:
    """When the first of `records` that can be read was decided."""
    return next((one.event.at for _, one in records if isinstance(one, Recorded)), None)


def _never() -> bool:
    return False
