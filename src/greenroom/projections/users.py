"""The projection `users`: what the embedder told us about its people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Column, Index, Table

from greenroom.domain.message import Event, Recorded
from greenroom.domain.user import UserErased, UserUpserted
from greenroom.projections.bulk import Key
from greenroom.projections.columns import TEXT, json_text, metadata
from greenroom.projections.workspace import Rows

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


class Users:
    """Keeps the `users` table in step with the user events."""

    name = "users"
    version = 1
    tables = (users,)
    events = frozenset[type[Event]]({UserUpserted, UserErased})

    def needs(self, recorded: Recorded[Event]) -> Iterable[tuple[Table, Key]]:  # noqa: ARG002 - as in `Projection`
        """See `Projection`: none, what comes is written over what is there."""
        return ()

    def apply(self, recorded: Recorded[Event], rows: Rows) -> None:
        """See `Projection`."""
        match recorded.event:
            case UserUpserted() as user:
                name = user.display_name or None
                rows.put(
                    users,
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
                rows.erase_under(users, user_id)
            case _:
                pass
