"""The views as they were at a position: made from the log, as far as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from sqlalchemy import Connection, delete

from greenroom.domain.membership import MemberAdded
from greenroom.domain.message import CallId, Event, Recorded, UserId
from greenroom.domain.ports import EventStore
from greenroom.projections import forks
from greenroom.projections.batches import batched
from greenroom.projections.call_lookups import CallLookups
from greenroom.projections.call_types import CallTypes
from greenroom.projections.calls import Calls
from greenroom.projections.log_index import LogIndex
from greenroom.projections.making import make
from greenroom.projections.members import Members
from greenroom.projections.participants import Participants
from greenroom.projections.past_tables import THEN
from greenroom.projections.projecting import project
from greenroom.projections.projection import Projection
from greenroom.projections.queries import Queries
from greenroom.projections.sessions import Sessions
from greenroom.projections.sqlite import SQLiteDatabase
from greenroom.projections.tables import NOW
from greenroom.projections.users import Users
from greenroom.projections.views import BATCH, TIME_LIMIT, Views

Records = Iterable[tuple[int, Recorded[Event]]]
"""(position, record) pairs, positions rising."""

_OF_CALLS: Final[Sequence[Projection]] = (Calls(), Members(), Participants(), Sessions())
_OF_USERS: Final[Sequence[Projection]] = (Users(),)
_ALL: Final = (*_OF_CALLS, *_OF_USERS, CallTypes())
_TABLES: Final = tuple(table for each in _ALL for table in each.tables)


class Seen(Protocol):
    """What can be asked of views, of now or of the past."""

    @property
    def queries(self) -> Queries:
        """The four queries."""
        ...

    @property
    def lookups(self) -> CallLookups:
        """Point reads."""
        ...


class Kept:
    """The views at a position, from the tables of the past, which have to be filled."""

    def __init__(self, views: Views, position: int) -> None:
        """See in `views` what there was at `position`."""
        latest = views.index.latest_until(position)
        self.queries: Final = views.queries.over(THEN, hints={"latest": latest}, position=position)
        self.lookups: Final = views.lookups.over(THEN, position=position, latest=latest)


class Replayed:
    """The views at a position, in memory: of the calls that were asked for, or of the whole house.

    Nothing is read before it is asked for, and of one call only what concerns it: its own events,
    and those about its members. Safe for many threads.
    """

    def __init__(self, store: EventStore, index: Callable[[], LogIndex], position: int) -> None:
        """Read nothing yet.

        Args:
            store: whose past it is.
            index: gives that of the views of now, which have seen the log up to `position`.
            position: all that stands past it is left out.
        """
        self._store = store
        self._index = index
        self._position = position
        self._database = SQLiteDatabase(None, TIME_LIMIT)
        with self._database.write() as connection:
            make(connection, _TABLES)
        # Cursors are good for this position alone, and for tables of the past at it as well.
        self.queries: Final = Queries(self._database, store.secret).over(NOW, position=position)
        self.lookups: Final = CallLookups(self._database)
        self._taking = forks.lock()
        self._calls: set[CallId] = set()
        self._whole = False

    def of_call(self, cid: CallId) -> Seen:
        """The views with everything of that call in them."""
        with self._taking:
            if not self._whole and cid not in self._calls:
                with self._database.write() as connection:
                    self._take(connection, cid)
                self._calls.add(cid)
        return self

    def of_house(self) -> Seen:
        """The views with everything in them: all of the log is read for that, once."""
        with self._taking:
            if not self._whole:
                self._refill(whole=True)
                self._whole = True
        return self

    def anew(self) -> None:
        """Read again whatever was read: some of it was erased meanwhile."""
        with self._taking:
            self._refill(whole=self._whole)

    def close(self) -> None:
        """Release it. Twice is fine; other calls then raise StoreClosed."""
        self._database.close()

    def _refill(self, *, whole: bool) -> None:
        """Empty the tables and fill them; readers see nothing of it before it is done."""
        with self._database.write() as connection:
            for table in _TABLES:
                connection.execute(delete(table))
            if whole:
                self._project(connection, _ALL, self._store.feed(until=self._position))
            for cid in () if whole else self._calls:
                self._take(connection, cid)

    def _take(self, connection: Connection, cid: CallId) -> None:
        """Project what was recorded of one call, then what was recorded of its members.

        The erasure of a user says nothing new about memberships here: what was personal in them
        can no longer be read in the log.
        """
        members: set[UserId] = set()

        def of_call() -> Iterator[tuple[int, Recorded[Event]]]:
            positions = self._index().positions(cid, until=self._position)
            for position, recorded in self._store.pick(positions):
                if isinstance(recorded.event, MemberAdded):
                    members.add(recorded.event.user_id)
                yield position, recorded

        self._project(connection, _OF_CALLS, of_call())
        about = self._index().positions_about(sorted(members), until=self._position)
        self._project(connection, _OF_USERS, self._store.pick(about))

    def _project(
        self, connection: Connection, projections: Sequence[Projection], records: Records
    ) -> None:
        from_the_start = dict.fromkeys(projections, 0)
        for batch in batched(records, BATCH):
            project(self._database, connection, from_the_start, batch)
