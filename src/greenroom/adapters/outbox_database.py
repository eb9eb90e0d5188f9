"""The database of the outbox: that of the events, on a connection of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from sqlalchemy import Case, Connection, case, delete, or_, select, update

from greenroom.adapters.beside import Beside, Founding
from greenroom.adapters.outbox_tables import SCHEMA, Status, entries, follower, rings
from greenroom.domain.call_events import CallDeleted
from greenroom.domain.instants import micros
from greenroom.domain.message import Event
from greenroom.domain.user import UserErased


class Database(Beside):
    """The tables of the outbox; `Database.begun` is the way in."""

    @classmethod
    def begun(cls, where: Path | str | None, *, head: int) -> Self:
        """The tables in that file, or that PostgreSQL database; in memory for None.

        They are made where they are missing; a new outbox begins at `head`.

        Raises:
            InvalidInput: it is text, and not the URL of a database.
            StoreError: the database cannot be used.
            WrongSchema: a later greenroom made the tables.
        """
        founding = Founding(follower, SCHEMA)
        return cls.open(where, founding, what="the outbox", wipes=True, position=head)

    def hush(self, erasing: Sequence[Event]) -> None:
        """Keep no word of a failure that may speak of whom or what these events erase."""
        with self.writing() as connection:
            hushed = hush(connection, erasing)
        if hushed and self.place.engine.dialect.name == "postgresql":
            with self.reading() as connection:
                # Its statistics quote values as well.
                connection.exec_driver_sql(
                    f"VACUUM (ANALYZE, SKIP_LOCKED) {entries.name} (last_error)"
                )

    def prune(self, before: datetime, limit: int) -> None:
        """Forget up to `limit` entries settled before that, and rings as old."""
        old = select(entries.c.id).where(entries.c.settled_at < micros(before)).limit(limit)
        with self.writing() as connection:
            connection.execute(delete(entries).where(entries.c.id.in_(old)))
            connection.execute(delete(rings).where(rings.c.rung_at < micros(before)))


def hush(connection: Connection, erasing: Sequence[Event]) -> int:
    """Empty the errors of notifications to, from or about whom `erasing` erases; how many.

    What is under way just now will not say why it failed either: an empty error stays empty.
    """
    users = [one.user_id for one in erasing if isinstance(one, UserErased)]
    calls = [one.cid for one in erasing if isinstance(one, CallDeleted) and one.hard]
    concerned = or_(
        entries.c.user_id.in_(users), entries.c.caused_by.in_(users), entries.c.cid.in_(calls)
    )
    under_way = entries.c.status.in_((Status.PENDING, Status.UNKNOWN))
    may_speak = or_(entries.c.last_error != "", under_way)
    quiet = update(entries).where(concerned, may_speak).values(last_error="")
    return connection.execute(quiet).rowcount


def last_error(error: str | None) -> Case[str | None]:
    """What stands as the last error after an attempt; nothing where it was hushed meanwhile."""
    return case((entries.c.last_error == "", ""), else_=error)
