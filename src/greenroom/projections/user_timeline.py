"""The projection `user_timeline`: where the events about a user stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import BigInteger, Column, Table

from greenroom.domain.message import Event, Recorded
from greenroom.domain.user import UserErased, UserUpserted
from greenroom.projections.columns import TEXT, metadata
from greenroom.projections.projection import InsertNew, Write

user_timeline: Final = Table(
    "user_timeline",
    metadata,
    Column("user_id", TEXT, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)

_ADD = InsertNew(user_timeline)


class UserTimeline:
    """Keeps `user_timeline`: the positions of what was recorded about users, in no call."""

    name = "user_timeline"
    version = 1
    tables = (user_timeline,)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The write that adds `recorded` to its user; none for other events."""
        match recorded.event:
            case UserUpserted(user_id=user_id) | UserErased(user_id=user_id):
                yield Write(_ADD, {"user_id": user_id, "position": recorded.position})
            case _:
                pass
