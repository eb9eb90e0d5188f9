"""The projection `members`: who belongs to which call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import BigInteger, Column, Index, Table, bindparam, delete, update

from greenroom.domain.call_events import CallDeleted
from greenroom.domain.membership import MemberAdded, MemberRemoved, MemberUpdated
from greenroom.domain.message import Event, Recorded
from greenroom.domain.user import UserErased
from greenroom.projections.columns import TEXT, json_text, key, metadata, micros
from greenroom.projections.projection import Upsert, Write

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

_PUT = Upsert(members)
_CHANGE = update(members).where(key(members.c.cid), key(members.c.user_id))
_REMOVE = delete(members).where(key(members.c.cid), key(members.c.user_id))
_EMPTY = delete(members).where(key(members.c.cid))
_FORGET = (
    update(members).where(key(members.c.user_id)).values(custom=bindparam("nothing", type_=TEXT))
)


class Members:
    """Keeps the `members` table in step with the membership events."""

    name = "members"
    version = 2
    tables = (members,)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that take `members` past `recorded`; none for events it ignores."""
        match recorded.event:
            case MemberAdded(at=at) as added:
                yield Write(
                    _PUT,
                    {
                        "cid": added.cid,
                        "user_id": added.user_id,
                        "user_id_folded": added.user_id.casefold(),
                        "role": added.role,
                        "custom": json_text(added.custom),
                        "created_at": micros(at),
                        "updated_at": micros(at),
                    },
                )
            case MemberUpdated(at=at) as updated:
                yield Write(
                    _CHANGE,
                    {
                        "key_cid": updated.cid,
                        "key_user_id": updated.user_id,
                        "role": updated.role,
                        "custom": json_text(updated.custom),
                        "updated_at": micros(at),
                    },
                )
            case MemberRemoved(cid=cid, user_id=user_id):
                yield Write(_REMOVE, {"key_cid": cid, "key_user_id": user_id})
            case CallDeleted(cid=cid, hard=True):
                yield Write(_EMPTY, {"key_cid": cid})
            case UserErased(user_id=user_id):
                yield Write(_FORGET, {"key_user_id": user_id, "nothing": "{}"})
            case _:
                pass
