"""The projection `participants`: who is in which call now, one row per entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Table

from greenroom.domain.call_events import CallDeleted, SessionEnded
from greenroom.domain.message import Event, Recorded
from greenroom.domain.session_events import Joined, Left, MediaConnected, MediaLost
from greenroom.domain.streams import session_id
from greenroom.projections.bulk import Key
from greenroom.projections.columns import TEXT, metadata, micros
from greenroom.projections.workspace import Rows

participants: Final = Table(
    "participants",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("entry_id", TEXT, primary_key=True),
    Column("session_id", TEXT, nullable=False),
    Column("user_id", TEXT, nullable=False),
    Column("role", TEXT, nullable=False),
    Column("joined_at", BigInteger, nullable=False),
    Column("connected", Boolean, nullable=False),
    Index("participants_by_arrival", "cid", "joined_at", "entry_id"),
    Index("participants_of_call_by_user", "cid", "user_id", "entry_id"),
    Index("participants_by_user", "user_id", "cid"),
    sqlite_with_rowid=False,
)


class Participants:
    """Keeps the `participants` table in step with comings and goings."""

    name = "participants"
    version = 2
    tables = (participants,)
    events = frozenset[type[Event]](
        {Joined, Left, MediaConnected, MediaLost, SessionEnded, CallDeleted}
    )

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        match recorded.event:
            case MediaConnected(cid=cid, entry_id=entry_id) | MediaLost(cid=cid, entry_id=entry_id):
                return ((participants, (cid, entry_id)),)
            case _:
                return ()

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        match recorded.event:
            case Joined() as joined:
                rows.put(
                    participants,
                    {
                        "cid": joined.cid,
                        "entry_id": joined.entry_id,
                        "session_id": session_id(joined.cid, joined.session),
                        "user_id": joined.user_id,
                        "role": joined.role,
                        "joined_at": micros(joined.at),
                        "connected": False,
                    },
                )
            case Left(cid=cid, entry_id=entry_id):
                rows.drop(participants, (cid, entry_id))
            case MediaConnected(cid=cid, entry_id=entry_id):
                rows.change(participants, (cid, entry_id), connected=True)
            case MediaLost(cid=cid, entry_id=entry_id):
                rows.change(participants, (cid, entry_id), connected=False)
            case SessionEnded(cid=cid):
                rows.drop_under(participants, cid)
            case CallDeleted(cid=cid, hard=True):
                rows.erase_under(participants, cid)
            case _:
                pass
