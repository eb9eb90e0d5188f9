"""The projection `users`: what the embedder told us about its people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Column, Index, Table, delete

from greenroom.domain.message import Event, Recorded
from greenroom.domain.user import UserErased, UserUpserted
from greenroom.projections.columns import TEXT, json_text, key, metadata
from greenroom.projections.projection import Upsert, Write

users: Final = Table(
    "users",
    metadata,
    Column("user_id", TEXT, primary_key=True),
    Column("name", TEXT),
    Column("name_folded", TEXT),
    Column("role", TEXT, nullable=False),
    Column("teams", TEXT, nullable=False),
    Column("custom", TEXT, nullable=False),
    Index("users_by_name", "name_folded"),
    sqlite_with_rowid=False,
)

_PUT = Upsert(users)
_FORGET = delete(users).where(key(users.c.user_id))


class Users:
    """Keeps the `users` table in step with the user events."""

    name = "users"
    version = 1
    tables = (users,)

    def statements(self, recorded: Recorded[Event]) -> Iterator[Write]:
        """The writes that take `users` past `recorded`; none for events it ignores."""
        match recorded.event:
            case UserUpserted() as user:
                name = user.display_name or None
                yield Write(
                    _PUT,
                    {
                        "user_id": user.user_id,
                        "name": name,
                        "name_folded": name and name.casefold(),
                        "role": user.role,
                        "teams": json_text(user.teams),
                        "custom": json_text(user.custom),
                    },
                )
            case UserErased(user_id=user_id):
                yield Write(_FORGET, {"key_user_id": user_id})
            case _:
                pass
