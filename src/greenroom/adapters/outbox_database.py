"""The database of the outbox: that of the events, on a connection of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Self

from sqlalchemy import delete, select

from greenroom.adapters.beside import Beside, Founding
from greenroom.adapters.outbox_tables import SCHEMA, entries, follower, rings
from greenroom.domain.instants import micros


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
        return cls.open(where, Founding(follower, SCHEMA), what="the outbox", position=head)

    def prune(self, before: datetime, limit: int) -> None:
        """Forget up to `limit` entries settled before that, and rings as old."""
        old = select(entries.c.id).where(entries.c.settled_at < micros(before)).limit(limit)
        with self.writing() as connection:
            connection.execute(delete(entries).where(entries.c.id.in_(old)))
            connection.execute(delete(rings).where(rings.c.rung_at < micros(before)))
