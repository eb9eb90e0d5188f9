"""One set of views for all examples of a property: its statements stay compiled."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from sqlalchemy import delete, update
from tests.projections.history import SECRET, History

from greenroom.projections.columns import metadata
from greenroom.projections.views import Views, identity, positions


@cache
def _views() -> Views:
    return Views.open(None, secret=SECRET, time_limit=timedelta(seconds=20))


def refilled(history: History) -> Views:
    """The shared views, emptied and filled with `history`. Not to be closed."""
    views = _views()
    with views._database.write() as connection:
        for table in metadata.sorted_tables:
            if table not in {identity, positions}:
                connection.execute(delete(table))
        connection.execute(update(positions).values(position=0))
    views._position = 0
    views.catch_up(history.feed, until=history.head)
    return views
