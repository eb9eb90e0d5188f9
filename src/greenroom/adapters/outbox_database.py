"""The database of the outbox: that of the events, on a connection of its own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    StaticPool,
    Table,
    create_engine,
    delete,
    event,
    insert,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from greenroom.adapters.outbox_tables import SCHEMA, entries, follower, metadata, rings
from greenroom.domain.errors import StoreClosed, StoreError, WrongSchema
from greenroom.domain.instants import micros
from greenroom.projections.forks import connects_anew, survives_forks

_WAITS_FOR_OTHERS: Final = 30
"""Seconds that a write waits for those of other processes, and of the event store."""
_ROWS_AT_ONCE: Final = 1_000
_LOCK: Final = int.from_bytes(b"outbox")
"""Of PostgreSQL's advisory locks: whoever holds it writes."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What differs between kinds of databases."""

    engine: Engine
    """Statements are transactions of their own, unless begun by hand."""
    begin: Sequence[str]
    """Opens a transaction that nobody else writes beside."""
    insert_new: Callable[[Table], Insert]
    """Leaves a row alone whose keys are there already."""
    errors: tuple[type[Exception], ...]
    named: Callable[[Exception], StoreError]


class Database:
    """One connection, used by one thread at a time, each for no longer than a transaction."""

    def __init__(self, place: _Place) -> None:
        """Use that place; `Database.open` is the way in."""
        self._place = place
        self._lock = threading.Lock()
        self._closed = False
        survives_forks(self)

    @classmethod
    def open(cls, where: Path | str | None, *, head: int) -> Database:
        """The tables in that file, or that PostgreSQL database; in memory for None.

        They are made where they are missing; a new outbox begins at `head`.

        Raises:
            InvalidInput: it is text, and not the URL of a database.
            StoreError: the database cannot be used.
            WrongSchema: a later greenroom made the tables.
        """
        database = cls(_postgres(where) if isinstance(where, str) else _sqlite(where))
        try:
            database._found(head)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The connection, outside of any transaction."""
        with self._lock:
            if self._closed:
                raise StoreClosed("the outbox was closed")
            try:
                # Given back, whatever is not committed is undone, even what a full disk has undone.
                with self._place.engine.connect() as connection:
                    yield connection
            except self._place.errors as error:
                raise self._place.named(error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The connection, inside a transaction that nobody else writes beside."""
        with self.reading() as connection:
            for statement in self._place.begin:
                connection.exec_driver_sql(statement)
            yield connection
            connection.exec_driver_sql("COMMIT")

    def insert_new(
        self, connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose keys are not there yet."""
        statement = self._place.insert_new(table)
        remaining = iter(rows)
        while batch := list(islice(remaining, _ROWS_AT_ONCE)):
            connection.execute(statement, batch)

    def prune(self, before: datetime, limit: int) -> None:
        """Forget up to `limit` entries settled before that, and rings as old."""
        old = select(entries.c.id).where(entries.c.settled_at < micros(before)).limit(limit)
        with self.writing() as connection:
            connection.execute(delete(entries).where(entries.c.id.in_(old)))
            connection.execute(delete(rings).where(rings.c.rung_at < micros(before)))

    def close(self) -> None:
        """Release it. Twice is fine."""
        with self._lock:
            self._closed = True
            self._place.engine.dispose()

    def after_fork_in_child(self) -> None:
        """Wait for no thread of the parent's."""
        self._lock = threading.Lock()

    def _found(self, head: int) -> None:
        with self.writing() as connection:
            metadata.create_all(connection)
            found = connection.scalar(select(follower.c.schema))
            if found is None:
                connection.execute(insert(follower).values(schema=SCHEMA, position=head))
            elif found != SCHEMA:
                raise WrongSchema(found, SCHEMA)


def _sqlite(path: Path | None) -> _Place:
    engine = create_engine(
        URL.create("sqlite", database=None if path is None else str(path)),
        isolation_level="AUTOCOMMIT",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": _WAITS_FOR_OTHERS},
    )
    event.listen(engine, "connect", _durable)
    if path is not None:
        connects_anew(engine)
    return _Place(
        engine,
        ("BEGIN IMMEDIATE",),
        lambda table: sqlite.insert(table).on_conflict_do_nothing(),
        (SQLAlchemyError, sqlite3.Error),
        lambda error: StoreError(f"the outbox cannot be used: {error}"),
    )


def _durable(connection: Any, _: object) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _postgres(url: str) -> _Place:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - takes its time to load

    from greenroom.projections.postgres_engine import ERRORS, Server  # noqa: PLC0415 - an extra

    server = Server(url, what="the outbox")
    return _Place(
        # Claims must outlive a crash: what was told to people is never told again.
        server.engine("greenroom", 1, autocommit=True, synchronous_commit="on"),
        ("BEGIN", f"SELECT pg_advisory_xact_lock({_LOCK})"),
        lambda table: postgresql.insert(table).on_conflict_do_nothing(),
        ERRORS,
        server.error,
    )
