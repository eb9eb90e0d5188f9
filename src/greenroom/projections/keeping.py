"""Keeping the past in tables: whether it is wanted, how far it is, and the filling of them.

That it is wanted stands in the database of the views, as a position of its own: so every process
that moves the views moves the past along, in the same transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from greenroom.domain.errors import StoreError
from greenroom.domain.message import Event, Recorded
from greenroom.domain.streams import erased_by
from greenroom.projections.database import Database
from greenroom.projections.making import drop, make
from greenroom.projections.past import Past, blank
from greenroom.projections.past_tables import metadata
from greenroom.projections.projecting import Batch
from greenroom.projections.standing import Standing, positions
from greenroom.projections.statements import compiled

_log = logging.getLogger(__name__)

PAST: Final = Past()

_OURS: Final = positions.c.projection == PAST.name
_STANDS: Final = select(positions.c.position).where(_OURS, positions.c.version == PAST.version)
_HOW_FAR: Final = select(
    func.max(positions.c.position).filter(_OURS, positions.c.version == PAST.version),
    func.min(positions.c.position).filter(~_OURS),
)
"""Past and views."""
_MOVE: Final = update(positions).where(_OURS)
_Pair = tuple[int, Recorded[Event] | object]
Feed = Callable[[int], Iterable[tuple[int, Recorded[Event]]]]
"""(position, record) pairs past the given position, positions rising: `EventStore.feed`."""
_AT_ONCE = 1000
"""Records in one transaction."""
_MANY: Final = 10_000
"""Records after which tables are not what they were."""
_START: Final = {"projection": PAST.name, "version": PAST.version, "position": 0}


@dataclass(frozen=True, slots=True)
class KeptPast:
    """How far the past is kept."""

    position: int
    """Up to where the tables have been filled."""
    whole: bool
    """Whether that is as far as the views are; until then the past is read from the log."""


class Keeping:
    """The past of one set of views. Safe for many threads, and beside other processes."""

    def __init__(self, database: Database) -> None:
        """Look after the tables in `database`; there may be none."""
        self._database = database
        self._how_far = compiled(_HOW_FAR, (), database.dialect.driver, steady=True)

    def kept(self) -> KeptPast | None:
        """How far the past is kept; None where it is not."""
        with self._database.read() as connection:
            stands, views = connection.execute(_HOW_FAR).one()
        return None if stands is None else KeptPast(stands, whole=stands >= (views or 0))

    def is_whole(self) -> bool:
        """Whether it is kept as far as the views are: asked before every query of the past.

        Raises:
            QueryTooSlow: like any query.
        """
        said = self._how_far
        ((stands, views),) = self._database.fetch(said.sql, said.arguments(()), steady=True)
        return stands is not None and stands >= (views or 0)

    def keep(self, feed: Feed, progress: Callable[[int, int], None] = lambda *_: None) -> int:
        """Fill the tables as far as the views are; whoever moves those then moves them along.

        Each record counts once, whoever else fills them. Interrupted, it goes on where it was.

        Args:
            feed: reads the log past a position.
            progress: told the position reached, and the one to be reached.

        Returns:
            The position reached.

        Raises:
            StoreError: somebody dropped the tables meanwhile, or the views cannot be written.
        """
        self.want()
        taken = 0
        while True:
            with self._database.read() as connection:
                stands, views = connection.execute(_HOW_FAR).one()
            until = views or 0
            if stands is None:
                raise StoreError("the past was dropped while it was being filled; keep it again")
            progress(stands, until)
            batch = [pair for pair in islice(feed(stands), _AT_ONCE) if pair[0] <= until]
            if not batch:
                if taken >= _MANY:
                    self._database.look_over([table.name for table in PAST.tables])
                return int(stands)
            taken += len(batch)
            with self._database.write() as connection:
                if connection.execute(_STANDS).scalar() == stands:  # or somebody was quicker
                    _take(self._database, connection, stands, batch)

    def drop(self) -> bool:
        """Do away with the tables; whether there were any."""
        with self._database.founding() as connection:
            there = is_kept(connection)
            _drop(connection)
            return there

    def want(self) -> None:
        """Have tables for it, empty ones unless there are some: from now on it is kept."""
        with self._database.founding() as connection:
            if not is_kept(connection):
                _drop(connection)
                make(connection, metadata.sorted_tables)
                connection.execute(insert(positions), _START)


def is_kept(connection: Connection) -> bool:
    """Whether it is kept, or being filled."""
    return connection.execute(_STANDS).scalar() is not None


def go_along(
    database: Database, connection: Connection, found: Standing, after: int, batch: Sequence[_Pair]
) -> None:
    """Take the past along by itself, in the transaction that moves the views.

    For what is unusual: what follows from the changes of the views is written with them. Where the
    past is behind, somebody is filling it; but what `batch` erases is gone from it at once. What
    it cannot take leaves it behind: the past is then read from the log, and nobody else is held
    up. `keep` says what is wrong.

    Args:
        database: that `connection` is of.
        connection: with the transaction that moves the views.
        found: where everything stood when it began.
        after: where the views stood.
        batch: (position, record) pairs past it, applied to them.
    """
    stands = PAST.stands(found)
    if stands is None:
        return
    whole = [(position, one) for position, one in batch if isinstance(one, Recorded)]
    if stands >= after and len(whole) == len(batch):
        try:
            with connection.begin_nested():
                _take(database, connection, stands, whole)
        except Exception as error:
            if database.refusal(error) is None:
                raise
            _log.warning("the past is not kept from %s on", after, exc_info=True)
        else:
            return
    for _, one in whole:
        if erased_by(one.event):
            blank(connection, one.event)


def went_along(connection: Connection, position: int) -> None:
    """Take note that the past has been taken along to `position` with the views."""
    connection.execute(_MOVE.where(positions.c.position < position).values(position=position))


def _take(database: Database, connection: Connection, stands: int, batch: Batch) -> None:
    PAST.fill(database, connection, stands, batch)
    went_along(connection, batch[-1][0])


def _drop(connection: Connection) -> None:
    drop(connection, metadata.sorted_tables)
    connection.execute(delete(positions).where(_OURS))
