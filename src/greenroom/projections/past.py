"""The past, for whoever asks often about long ago: what is kept of it, and up to where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, Table, update

from greenroom.domain.call_events import CallDeleted
from greenroom.domain.message import Event
from greenroom.domain.user import UserErased
from greenroom.projections.calls import Calls
from greenroom.projections.database import Database
from greenroom.projections.members import Members
from greenroom.projections.participants import Participants
from greenroom.projections.past_tables import CALLS, MEMBERS, TABLES, USERS, Versioned
from greenroom.projections.projecting import Batch, project
from greenroom.projections.projection import Projection
from greenroom.projections.sessions import Sessions
from greenroom.projections.standing import Standing
from greenroom.projections.users import Users
from greenroom.projections.versions import Refilling, Versions


class Past:
    """The versions that the projections of now would have overwritten.

    It has no rule of its own: what becomes of the rows of now says what they were. What is erased
    is blank in all versions; that there was somebody, or something, stays, as it does in the log.
    Whoever is a member of a call that was erased is left as they are: nobody is shown the members
    of such a call.
    """

    name: Final = "past"
    """Under which its position is kept."""
    version: Final = 3
    """Raised whenever its tables change: older ones are not read, and dropped when it is kept."""
    tables: Final = TABLES
    of: Final[Sequence[Projection]] = (Calls(), Members(), Participants(), Sessions(), Users())
    """Those whose rows have one."""

    def stands(self, found: Standing) -> int | None:
        """Up to where it has been filled; None where it is not kept."""
        return found.optional(self.name, self.version)

    def beside(self, found: Standing) -> Versions | None:
        """Keeps the versions of what becomes of the rows of now.

        None where these are not the ones that held last in its tables.
        """
        stands = self.stands(found)
        level = all(
            found.positions.get(each.name) == stands and each.name not in found.parked
            for each in self.of
        )
        return Versions() if level and stands is not None else None

    def fill(self, database: Database, connection: Connection, stands: int, batch: Batch) -> None:
        """Take it from where it stands past `batch`, in the open transaction, by itself."""
        seen = dict.fromkeys(self.of, stands)
        project(database, connection, seen, batch, versions=Refilling())


def blank(connection: Connection, event: Event) -> Iterable[Table]:
    """Do away with what `event` erases, in tables that are not filled as far as that yet.

    Returns:
        The tables that may have held some of it.
    """
    match event:
        case CallDeleted(hard=True, cid=cid):
            return _blank(connection, (CALLS, MEMBERS), "cid", cid)
        case UserErased(user_id=user_id):
            return _blank(connection, (MEMBERS, USERS), "user_id", user_id)
        case _:
            return ()


def _blank(
    connection: Connection, those: Sequence[Versioned], column: str, value: str
) -> Sequence[Table]:
    for kept in those:
        table, nothing = kept.versions, dict(kept.personal)
        connection.execute(update(table).where(table.c[column] == value).values(nothing))
    return [kept.versions for kept in those]
