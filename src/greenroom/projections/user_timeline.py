"""The projection `user_timeline`: where the events about a user stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, Column, Table

from greenroom.domain.message import Event, Recorded
from greenroom.domain.user import UserErased, UserUpserted
from greenroom.projections.bulk import Key
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.workspace import Rows

user_timeline: Final = Table(
    "user_timeline",
    metadata,
    Column("user_id", TEXT, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)


class UserTimeline:
    """Keeps `user_timeline`: the positions of what was recorded about users, in no call."""

    name = "user_timeline"
    version = 1
    tables = (user_timeline,)
    events = frozenset[type[Event]]({UserUpserted, UserErased})

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:  # noqa: ARG002 - as in `Projection`
        """See `Projection`: none, a position is noted once."""
        return ()

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        match recorded.event:
            case UserUpserted(user_id=user_id) | UserErased(user_id=user_id):
                rows.put(user_timeline, {"user_id": user_id, "position": recorded.position})
            case _:
                pass
