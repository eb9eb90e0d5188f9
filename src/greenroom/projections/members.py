"""The projection `members`: who belongs to which call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, Column, Index, Table

from greenroom.domain.call_events import CallDeleted
from greenroom.domain.instants import micros
from greenroom.domain.membership import MemberAdded, MemberRemoved, MemberUpdated
from greenroom.domain.message import Event, Recorded
from greenroom.domain.user import UserErased
from greenroom.projections.bulk import Key
from greenroom.projections.columns import TEXT, json_text, metadata
from greenroom.projections.workspace import Rows

members: Final = Table(
    "members",
    metadata,
    Column("cid", TEXT, primary_key=True),
    Column("user_id", TEXT, primary_key=True),
    Column("user_id_folded", TEXT, nullable=False),
    Column("role", TEXT, nullable=False),
    Column("custom", TEXT, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("members_by_age", "cid", "created_at", "user_id"),
    Index("members_by_role", "cid", "role", "created_at", "user_id"),
    Index("members_by_user", "user_id", "cid", "role"),
    Index("members_by_folded_user", "cid", "user_id_folded"),
    sqlite_with_rowid=False,
)


class Members:
    """Keeps the `members` table in step with the membership events."""

    name = "members"
    version = 2
    tables = (members,)
    events = frozenset[type[Event]](
        {MemberAdded, MemberUpdated, MemberRemoved, CallDeleted, UserErased}
    )

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:
        """See `Projection`."""
        match recorded.event:
            case MemberUpdated(cid=cid, user_id=user_id):
                return ((members, (cid, user_id)),)
            case _:
                return ()

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        match recorded.event:
            case MemberAdded() as added:
                at = micros(added.at)
                rows.put(
                    members,
                    {
                        "cid": added.cid,
                        "user_id": added.user_id,
                        "user_id_folded": added.user_id.casefold(),
                        "role": added.role,
                        "custom": json_text(added.custom),
                        "created_at": at,
                        "updated_at": at,
                    },
                )
            case MemberUpdated(cid=cid, user_id=user_id) as updated:
                rows.change(
                    members,
                    (cid, user_id),
                    role=updated.role,
                    custom=json_text(updated.custom),
                    updated_at=micros(updated.at),
                )
            case MemberRemoved(cid=cid, user_id=user_id):
                rows.drop(members, (cid, user_id))
            case CallDeleted(cid=cid, hard=True):
                rows.erase_under(members, cid)
            case UserErased(user_id=user_id):
                rows.erase_where(members, "user_id", user_id, custom="{}")
            case _:
                pass
