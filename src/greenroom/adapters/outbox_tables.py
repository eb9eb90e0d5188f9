"""Where the outbox keeps what it knows: tables beside the events, and a connection to them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    RowMapping,
    StaticPool,
    Table,
    Text,
    create_engine,
    delete,
    insert,
    select,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from greenroom.adapters.intents import Intent
from greenroom.domain.call_events import CallRung
from greenroom.domain.errors import StoreClosed, StoreError, WrongSchema
from greenroom.domain.message import CallId, UserId

_SCHEMA: Final = 1
_WAITS_FOR_OTHERS: Final = 30
"""Seconds that a write waits for those of other processes, and of the event store."""
_ROWS_AT_ONCE: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Status(StrEnum):
    """What became of a notification."""

    PENDING = "pending"
    """Not attempted yet, or failed and to be attempted again."""
    UNKNOWN = "unknown"
    """On its way; or its process died, and nobody knows whether it arrived. Not sent again."""
    DELIVERED = "delivered"
    GAVE_UP = "gave_up"
    """It failed too often."""
    SWITCHED_OFF = "switched_off"
    """By the time of an attempt its kind was no longer sent in that call, or the call was gone."""


_metadata = MetaData()

follower: Final = Table(
    "greenroom_effects_follower",
    _metadata,
    Column("schema", Integer, nullable=False),
    Column("position", Integer, nullable=False),
)
"""One row: how far the log was read."""

entries: Final = Table(
    "greenroom_effects",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("cid", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("caused_by", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("due_at", Integer),
    Column("settled_at", Integer),
    Index("greenroom_effects_due", "due_at", "id"),
    Index("greenroom_effects_settled", "settled_at"),
    Index("greenroom_effects_status", "status", "id"),
)
"""One row a notification; `due_at` (microseconds) only while it is pending."""

rings: Final = Table(
    "greenroom_effects_rings",
    _metadata,
    Column("cid", Text, primary_key=True),
    Column("ring", Integer, primary_key=True),
    Column("caller", Text, nullable=False),
    Column("rung_at", Integer, nullable=False, index=True),
)
"""Who rang: whoever misses the ring is told, and the event of that does not say it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One notification, and what became of it."""

    key: str
    kind: str
    cid: CallId
    user_id: UserId
    status: Status
    attempts: int
    """Begun so far."""
    last_error: str | None
    next_attempt_at: datetime | None
    """None unless pending."""


class Database:
    """One connection, used by one thread at a time, each for no longer than a transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection = engine.connect()
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path | None, *, head: int) -> Database:
        """The tables in that file, made where they are missing; in memory where it is None.

        Raises:
            StoreError: the file cannot be used.
            WrongSchema: a later greenroom made the tables.
        """
        try:
            database = cls(_engine(path))
        except SQLAlchemyError as error:
            raise StoreError(f"the outbox cannot be opened: {error}") from error
        try:
            database._prepare(head)
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
                yield self._connection
            except SQLAlchemyError as error:
                raise StoreError(f"the outbox cannot be used: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The connection, inside a transaction that nobody else writes beside."""
        with self.reading() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                # After a full disk the transaction is gone already, and ROLLBACK would raise.
                raw: Any = connection.connection.dbapi_connection
                if raw.in_transaction:
                    connection.exec_driver_sql("ROLLBACK")
                raise

    def prune(self, before: datetime, limit: int) -> None:
        """Forget up to `limit` entries settled before that, and rings as old."""
        old = select(entries.c.id).where(entries.c.settled_at < micros(before)).limit(limit)
        with self.writing() as connection:
            connection.execute(delete(entries).where(entries.c.id.in_(old)))
            connection.execute(delete(rings).where(rings.c.rung_at < micros(before)))

    def close(self) -> None:
        """Release the file. Twice is fine."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()
                self._engine.dispose()

    def _prepare(self, head: int) -> None:
        with self.reading() as connection:
            for pragma in ("journal_mode = WAL", "synchronous = FULL"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
        with self.writing() as connection:
            _metadata.create_all(connection)
            found = connection.scalar(select(follower.c.schema))
            if found is None:
                connection.execute(insert(follower).values(schema=_SCHEMA, position=head))
            elif found != _SCHEMA:
                raise WrongSchema(found, _SCHEMA)


def insert_new(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert the rows whose keys are not there yet."""
    statement = insert(table).prefix_with("OR IGNORE")
    remaining = iter(rows)
    while batch := list(islice(remaining, _ROWS_AT_ONCE)):
        connection.execute(statement, batch)


def entry_row(intent: Intent) -> Mapping[str, Any]:
    """A new row of `entries`."""
    return {
        "key": intent.key,
        "kind": intent.kind,
        "cid": intent.cid,
        "user_id": intent.user_id,
        "caused_by": intent.caused_by,
        "cause": intent.cause,
        "data": json.dumps(intent.data),
        "status": Status.PENDING,
        "attempts": 0,
        "due_at": micros(intent.at),
    }


def ring_row(event: CallRung) -> Mapping[str, Any]:
    """A new row of `rings`."""
    return {
        "cid": event.cid,
        "ring": event.ring,
        "caller": event.caller,
        "rung_at": micros(event.at),
    }


def entry(row: RowMapping) -> Entry:
    """What a row of `entries` says."""
    return Entry(
        key=row["key"],
        kind=row["kind"],
        cid=CallId(row["cid"]),
        user_id=UserId(row["user_id"]),
        status=Status(row["status"]),
        attempts=row["attempts"],
        last_error=row["last_error"],
        next_attempt_at=None if row["due_at"] is None else from_micros(row["due_at"]),
    )


def micros(instant: datetime) -> int:
    """Microseconds since 1970: exact, and in the order of time."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(stored: int) -> datetime:
    """The instant, aware, UTC."""
    return _EPOCH + stored * _MICROSECOND


def _engine(path: Path | None) -> Engine:
    return create_engine(
        URL.create("sqlite", database=None if path is None else str(path)),
        isolation_level="AUTOCOMMIT",  # transactions are begun by hand: IMMEDIATE, or not at all
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": _WAITS_FOR_OTHERS},
    )
