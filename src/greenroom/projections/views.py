"""The views: every projection in one database, kept in step with the log."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Final, Self

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    Table,
    bindparam,
    delete,
    or_,
    select,
    update,
)
from sqlalchemy import insert as plain_insert

from greenroom.domain.call_type import CallTypeDefined, FieldsDeclared
from greenroom.domain.errors import StoreError, WrongSchema
from greenroom.domain.message import Event, Recorded
from greenroom.domain.streams import erased_by
from greenroom.projections.call_types import CallTypes
from greenroom.projections.calls import Calls
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.database import SCHEMA_VERSION, Beside, Database
from greenroom.projections.deadlines import Deadlines
from greenroom.projections.declared import DeclaredIndexes
from greenroom.projections.forks import survives_forks
from greenroom.projections.instants import Instants
from greenroom.projections.log_index import LogIndex
from greenroom.projections.lookups import Lookups
from greenroom.projections.members import Members
from greenroom.projections.participants import Participants
from greenroom.projections.projecting import Batch, project, touched
from greenroom.projections.projection import Projection
from greenroom.projections.queries import Queries
from greenroom.projections.sessions import Sessions
from greenroom.projections.sqlite import SQLiteDatabase
from greenroom.projections.timeline import Timeline
from greenroom.projections.user_timeline import UserTimeline
from greenroom.projections.users import Users

Feed = Callable[[int], Iterable[tuple[int, Recorded[Event]]]]
"""(position, record) pairs past the given position, positions rising: `EventStore.feed`."""

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
"""Records in one transaction."""
TIME_LIMIT: Final = timedelta(milliseconds=250)
"""Of one query."""

positions: Final = Table(
    "positions",
    metadata,
    Column("projection", TEXT, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
)
identity: Final = Table("identity", metadata, Column("store", LargeBinary, primary_key=True))

_LAST = bindparam("last", type_=BigInteger())


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
        self.indexes = DeclaredIndexes(database.reindex, database.interrupt_reindexing)
        self._database = database
        self._secret = secret
        self._projections = projections
        ours = or_(*(positions.c.projection == each.name for each in projections))
        behind = positions.c.position < _LAST
        self._move = update(positions).where(ours, behind).values(position=_LAST)
        self._writing = threading.Lock()
        self._known = 0
        self._lasts: Callable[[], bool] = _never
        self._to_forget: set[str] = set()
        survives_forks(self)

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
        views = cls(_database(where, time_limit), secret, projections)
        try:
            views._found(head)
        except BaseException:
            views.close()
            raise
        return views

    def position(self) -> int:
        """Up to where all projections have seen the log; 0 for nothing yet."""
        with self._database.read() as connection:
            return min(self._positions(connection).values())

    def catch_up(
        self, feed: Feed, *, until: int, progress: Callable[[int], None] = lambda _: None
    ) -> int:
        """Apply what the log holds up to position `until`; nothing if it was applied before.

        Projections at different positions share one pass over the feed. Where it fails, whole
        batches stand, each with its position.

        Args:
            feed: reads the log past a position.
            until: where to stop.
            progress: told the position reached, after every batch.

        Returns:
            The position now reached; past `until` if others have been there.

        Raises:
            StoreError: the views cannot be written.
        """
        if self._known >= until and self._lasts():
            return self._known
        with self._writing:
            return self._catch_up(feed, until, progress)

    def rebuild(
        self, feed: Feed, *, until: int, progress: Callable[[int], None] = lambda _: None
    ) -> int:
        """Fill fresh tables from the log, up to `until` or further, and put them in place at once.

        Readers see the old rows until the new ones are complete. Safe beside a running
        application, in this process or another.

        Args:
            feed: as for `catch_up`.
            until: where the log ends.
            progress: told the position reached, after every batch.

        Returns:
            The position of the new tables.
        """
        with self._database.beside() as beside:
            fresh = Views(beside.database, self._secret, self._projections)
            fresh._found(None)
            fresh.indexes.close()  # made when the rows are there: that is quicker
            while True:
                behind = max(until, self.position())
                reached = fresh.catch_up(feed, until=behind, progress=progress)
                # Short of it, the log holds no more: ours saw one that is gone.
                if self._taken_over(beside, reached, even_back=reached < behind):
                    return reached

    def digest(self) -> str:
        """A hash over every row of every projection: equal views have equal digests."""
        hashed = hashlib.sha256()
        with self._database.snapshot() as connection:
            for table in self._tables():
                hashed.update(table.name.encode())
                rows = select(table).order_by(*table.primary_key.columns)
                for row in connection.execution_options(yield_per=BATCH).execute(rows):
                    hashed.update(json.dumps(tuple(row)).encode() + b"\n")
        return hashed.hexdigest()

    def close(self) -> None:
        """Release everything. Twice is fine; other calls then raise StoreClosed."""
        self._lasts = _never
        self.indexes.close()
        self._database.close()

    def after_fork_in_child(self) -> None:
        """Wait for no thread of the parent's."""
        self._writing = threading.Lock()

    def _catch_up(self, feed: Feed, until: int, progress: Callable[[int], None]) -> int:
        reached = self._start(until)
        while reached < until:
            for batch in _batches(feed(reached), until):
                reached = self._apply(batch, reached)
                self._forget(batch)
                if any(isinstance(one.event, FieldsDeclared | CallTypeDefined) for _, one in batch):
                    self.indexes.follow()
                progress(reached)
                if reached != batch[-1][0]:
                    break  # Others were here: read on from where the views stand now.
            else:
                break
        self._known = reached
        return reached

    def _start(self, until: int) -> int:
        """From where to read on. Others may be further: to read a little again costs less."""
        if until - self._known > BATCH or not self._lasts():
            with self._database.read() as connection:
                self._known = min(self._positions(connection).values())
                self._lasts = self._database.lasting(connection)
        return self._known

    def _apply(self, batch: Batch, after: int) -> int:
        """Apply `batch`, read from `after` on, to the projections that have not seen it.

        Returns the position at which all of them now stand. Where another process has emptied
        the tables meanwhile nothing is applied: the records before the batch are needed first.
        """
        last = batch[-1][0]
        with self._database.write() as connection:
            stand = self._positions(connection)
            if min(stand.values()) < after:
                return min(stand.values())
            seen = {each: stand[each.name] for each in self._projections}
            project(self._database, connection, seen, batch)
            connection.execute(self._move, {"last": last})
            return max(last, min(stand.values()))

    def _forget(self, batch: Batch) -> None:
        """Leave no trace of what `batch`, or an earlier one, has erased."""
        for _, recorded in batch:
            if erased_by(recorded.event):
                tables = touched(self._projections, recorded)
                self._to_forget.update(table.name for table in tables)
        if self._to_forget and self._database.forget(self._to_forget):
            self._to_forget.clear()

    def _taken_over(self, beside: Beside, reached: int, *, even_back: bool) -> bool:
        """Put the fresh tables in place of ours; not, unless `even_back`, if ours are ahead."""

        def agreed(connection: Connection) -> bool:
            return even_back or min(self._positions(connection).values()) <= reached

        with self._writing:
            done = beside.put_in_place((*self._tables(), positions), agreed)
            if done:
                self._known = reached
                self.indexes.follow()
            return done

    def _positions(self, connection: Connection) -> dict[str, int]:
        """Where each projection stands. Refuses tables that another version has taken over."""
        stand = {row.projection: row for row in connection.execute(select(positions))}
        for projection in self._projections:
            found = stand[projection.name].version
            if found != projection.version:
                raise WrongSchema(found, projection.version)
        return {each.name: stand[each.name].position for each in self._projections}

    def _tables(self) -> Sequence[Table]:
        return [table for projection in self._projections for table in projection.tables]

    def _found(self, head: Callable[[], int] | int | None) -> None:
        """Make the tables, or see that those which stand there can be carried on with."""
        store = hmac.digest(self._secret, b"greenroom views", "sha256")
        with self._database.founding() as connection:
            version = self._database.version(connection)
            if version > SCHEMA_VERSION:
                raise WrongSchema(version, SCHEMA_VERSION)
            if version < SCHEMA_VERSION or not _ours(connection, store, head):
                self._database.clear(connection)
                metadata.create_all(connection, tables=[identity, positions])
                connection.execute(plain_insert(identity), {"store": store})
            self._renew(connection)
            behind = self._database.index_changes(connection)
        if behind:
            self.indexes.follow()

    def _renew(self, connection: Connection) -> None:
        """Tables for every projection; fresh ones where theirs are of another version."""
        rows = connection.execute(select(positions.c.projection, positions.c.version))
        stand = dict(rows.all())
        for projection in self._projections:
            found = stand.get(projection.name, 0)
            if found > projection.version:
                raise WrongSchema(found, projection.version)
            if found == projection.version:
                continue
            metadata.drop_all(connection, tables=projection.tables)
            metadata.create_all(connection, tables=projection.tables)
            start = {"projection": projection.name, "version": projection.version, "position": 0}
            connection.execute(delete(positions).where(positions.c.projection == projection.name))
            connection.execute(plain_insert(positions), start)


def _batches(feed: Iterable[tuple[int, Recorded[Event]]], until: int) -> Iterator[Batch]:
    """The feed in lists of `BATCH`, up to and including position `until`."""
    records = iter(feed)
    while batch := list(islice(records, BATCH)):
        wanted = [pair for pair in batch if pair[0] <= until]
        if wanted:
            yield wanted
        if len(wanted) < len(batch):
            return


def _never() -> bool:
    return False


def _ours(connection: Connection, store: bytes, head: Callable[[], int] | int | None) -> bool:
    """Whether the tables are of this store, and of a log that reaches as far as they do."""
    if connection.execute(select(identity.c.store)).scalar() != store:
        return False
    if head is None:
        return True
    reached = connection.execute(select(positions.c.position)).scalars().all()
    return max(reached, default=0) <= (head() if callable(head) else head)


def _database(where: Path | str | None, limit: timedelta) -> Database:
    if not isinstance(where, str):
        return SQLiteDatabase(where, limit)
    try:
        from greenroom.projections.postgres import PostgresDatabase  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StoreError("views on PostgreSQL: pip install 'greenroom[postgres]'") from error
    return PostgresDatabase(where, limit)
