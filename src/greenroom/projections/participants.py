"""The projection `participants`: who is in which call now, one row per entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, delete, update

from greenroom.domain.call_events import CallDeleted, SessionEnded
from greenroom.domain.message import Event, Recorded
from greenroom.domain.session_events import Joined, Left, MediaConnected, MediaLost
from greenroom.domain.streams import session_id
from greenroom.projections.columns import TEXT, key, metadata, micros
from greenroom.projections.projection import Upsert, Write

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

_ENTER = Upsert(participants)
_CHANGE = update(participants).where(key(participants.c.cid), key(participants.c.entry_id))
_LEAVE = delete(participants).where(key(participants.c.cid), key(participants.c.entry_id))
_CLOSE = delete(participants).where(key(participants.c.cid))


class Participants:
    """Keeps the `participants` table in step with comings and goings."""

    name = "participants"
    version = 2
    tables = (participants,)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that take `participants` past `recorded`; none for events it ignores."""
        match recorded.event:
            case Joined() as joined:
                yield Write(
                    _ENTER,
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
                yield Write(_LEAVE, {"key_cid": cid, "key_entry_id": entry_id})
            case MediaConnected(cid=cid, entry_id=entry_id):
                yield Write(_CHANGE, {"key_cid": cid, "key_entry_id": entry_id, "connected": True})
            case MediaLost(cid=cid, entry_id=entry_id):
                yield Write(_CHANGE, {"key_cid": cid, "key_entry_id": entry_id, "connected": False})
            case SessionEnded(cid=cid) | CallDeleted(cid=cid, hard=True):
                yield Write(_CLOSE, {"key_cid": cid})
            case _:
                pass
