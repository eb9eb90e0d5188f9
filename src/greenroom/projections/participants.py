"""The projection `participants`: who is in which call now, one row per entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Table

from greenroom.domain.call_events import CallDeleted, SessionEnded
from greenroom.domain.instants import micros
from greenroom.domain.message import Event, Recorded
from greenroom.domain.session_events import (
    Joined,
    Left,
    MediaConnected,
    MediaLost,
    MediaMeasured,
    MediaPublished,
    MediaUnpublished,
    Track,
    UsersMuted,
    UserUnmuted,
)
from greenroom.domain.streams import session_id
from greenroom.projections.bulk import Key
from greenroom.projections.columns import TEXT, metadata
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
    Column("published", TEXT, nullable=False),
    Column("muted", TEXT, nullable=False),
    Index("participants_by_arrival", "cid", "joined_at", "entry_id"),
    Index("participants_of_call_by_user", "cid", "user_id", "entry_id"),
    Index("participants_by_user", "user_id", "cid"),
    sqlite_with_rowid=False,
)


class Participants:
    """Keeps the `participants` table in step with comings and goings."""

    name = "participants"
    version = 3
    tables = (participants,)
    events = frozenset[type[Event]](
        {
            Joined,
            Left,
            UsersMuted,
            UserUnmuted,
            MediaConnected,
            MediaPublished,
            MediaUnpublished,
            MediaLost,
            MediaMeasured,
            SessionEnded,
            CallDeleted,
        }
    )

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        match recorded.event:
            case UsersMuted(cid=cid, entry_ids=ids) | UserUnmuted(cid=cid, entry_ids=ids):
                return tuple((participants, (cid, entry_id)) for entry_id in ids)
            case (
                MediaConnected()
                | MediaPublished()
                | MediaUnpublished()
                | MediaLost()
                | MediaMeasured()
            ) as told:
                return ((participants, (told.cid, told.entry_id)),)
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
                        "published": "",
                        "muted": " ".join(joined.muted),
                    },
                )
            case Left(cid=cid, entry_id=entry_id):
                rows.drop(participants, (cid, entry_id))
            case UsersMuted(cid=cid, entry_ids=ids, tracks=tracks):
                for entry_id in ids:
                    _change(rows, (cid, entry_id), "muted", add=tracks)
            case UserUnmuted(cid=cid, entry_ids=ids, tracks=tracks):
                for entry_id in ids:
                    _change(rows, (cid, entry_id), "muted", take=tracks)
            case MediaConnected(cid=cid, entry_id=entry_id):
                rows.change(participants, (cid, entry_id), connected=True)
            case MediaLost() | MediaMeasured() as over:
                key = (over.cid, over.entry_id)
                rows.change(participants, key, connected=over.connected)
            case MediaPublished(cid=cid, entry_id=entry_id, kind=kind):
                _change(rows, (cid, entry_id), "published", add=(kind,))
            case MediaUnpublished(cid=cid, entry_id=entry_id, kind=kind):
                _change(rows, (cid, entry_id), "published", take=(kind,))
            case SessionEnded(cid=cid):
                rows.drop_under(participants, cid)
            case CallDeleted(cid=cid, hard=True):
                rows.erase_under(participants, cid)
            case _:
                pass


def _change(
    rows: Rows, key: Key, column: str, *, add: Iterable[Track] = (), take: Iterable[Track] = ()
) -> None:
    """Name more tracks, or fewer, in a column of an entry that is in the call."""
    row = rows.get(participants, key)
    if row is not None:
        tracks = ({*row[column].split()} | {*add}) - {*take}
        rows.change(participants, key, **{column: " ".join(sorted(tracks))})
