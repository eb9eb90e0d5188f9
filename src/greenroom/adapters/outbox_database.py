"""The database of the outbox: that of the events, on a connection of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, insert, select

from greenroom.adapters.beside import Beside
from greenroom.adapters.outbox_tables import SCHEMA, entries, follower, metadata, rings
from greenroom.domain.errors import WrongSchema
from greenroom.domain.instants import micros
from greenroom.projections.making import make


class Database(Beside):
    """The tables of the outbox; `Database.open` is the way in."""

    @classmethod
    def open(cls, where: Path | str | None, *, head: int) -> Database:
        """The tables in that file, or that PostgreSQL database; in memory for None.

        They are made where they are missing; a new outbox begins at `head`.

        Raises:
            InvalidInput: it is text, and not the URL of a database.
            StoreError: the database cannot be used.
            WrongSchema: a later greenroom made the tables.
        """
        database = cls.at(where, what="the outbox")
        try:
            _found(database, head)
        except BaseException:
            database.close()
            raise
        return database

    def prune(self, before: datetime, limit: int) -> None:
        """Forget up to `limit` entries settled before that, and rings as old."""
        old = select(entries.c.id).where(entries.c.settled_at < micros(before)).limit(limit)
        with self.writing() as connection:
            connection.execute(delete(entries).where(entries.c.id.in_(old)))
            connection.execute(delete(rings).where(rings.c.rung_at < micros(before)))


def _found(database: Database, head: int) -> None:
    with database.writing() as connection:
        make(connection, metadata.sorted_tables)
        found = connection.scalar(select(follower.c.schema))
        if found is None:
            connection.execute(insert(follower).values(schema=SCHEMA, position=head))
        elif found != SCHEMA:
            raise WrongSchema(found, SCHEMA)
