"""Tables of our own beside the events: a database on a connection of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    StaticPool,
    Table,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from greenroom.domain.errors import StoreClosed, StoreError, WrongSchema
from greenroom.projections import forks
from greenroom.projections.batches import batched
from greenroom.projections.making import make

_WAITS_FOR_OTHERS: Final = 30
"""Seconds that a write waits for those of other processes, and of the event store."""
_ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """What differs between kinds of databases."""

    what: str
    """Is kept there, for messages."""
    engine: Engine
    """Statements are transactions of their own, unless begun by hand."""
    turn: AbstractContextManager[object]
    """Whoever uses a connection does so inside."""
    begin: Sequence[str]
    """Opens a transaction that nobody else writes beside."""
    insert_new: Callable[[Table], Insert]
    """Leaves a row alone whose keys are there already."""
    milliseconds: str
    """The present, since 1970, in the words of the database and by its clock."""
    errors: tuple[type[Exception], ...]
    named: Callable[[Exception], StoreError]


@dataclass(frozen=True, slots=True)
class Founding:
    """Tables that stand together."""

    format: Table
    """The one of them whose only row says their `schema`."""
    schema: int
    """Version of the tables."""


class Beside:
    """One connection, used by one thread at a time, each for no longer than a transaction."""

    def __init__(self, place: Place) -> None:
        self.place: Final = place
        self._lock = forks.lock()
        self._closed = False

    @classmethod
    def open(
        cls,
        where: Path | str | None,
        founding: Founding,
        *,
        what: str,
        durable: bool = True,
        wipes: bool = False,
        **first: int | bytes,
    ) -> Self:
        """The tables in that file, or that PostgreSQL database; in memory for None.

        Args:
            where: a path, or a URL.
            founding: the tables, which are made where they are missing.
            what: is kept there, for messages: "the outbox".
            durable: whether what was written must outlive a power cut. Claims of notifications
                must: what was told to people is never told again.
            wipes: whether what is deleted leaves no byte in a file of SQLite.
            first: what new tables say of themselves at first, besides their schema.

        Raises:
            InvalidInput: it is text, and not the URL of a database.
            StoreError: the database cannot be used.
            WrongSchema: a later greenroom made the tables.
        """
        database = cls.at(where, what=what, durable=durable, wipes=wipes)
        try:
            database.found(founding, **first)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def at(
        cls, where: Path | str | None, *, what: str, durable: bool = True, wipes: bool = False
    ) -> Self:
        """The database as it is; see `open`."""
        if isinstance(where, str):
            return cls(_postgres(where, what, "on" if durable else "off"))
        return cls(_sqlite(where, what, "FULL" if durable else "NORMAL", wipes=wipes))

    def found(self, founding: Founding, **first: int | bytes) -> None:
        """Make the tables where they are missing; see `open`.

        Raises:
            StoreError: the database cannot be used.
            WrongSchema: a later greenroom made the tables.
        """
        told = founding.format
        with self.writing() as connection:
            make(connection, told.metadata.sorted_tables)
            found = connection.scalar(select(told.c.schema))
            if found is None:
                connection.execute(insert(told).values(schema=founding.schema, **first))
            elif found != founding.schema:
                raise WrongSchema(found, founding.schema)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The connection, outside of any transaction."""
        with self.place.turn, self._lock:
            if self._closed:
                raise StoreClosed(f"{self.place.what} was closed")
            try:
                # Given back, whatever is not committed is undone, even what a full disk has undone.
                with self.place.engine.connect() as connection:
                    yield connection
            except self.place.errors as error:
                raise self.place.named(error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The connection, inside a transaction that nobody else writes beside."""
        with self.reading() as connection:
            for statement in self.place.begin:
                connection.exec_driver_sql(statement)
            yield connection
            connection.exec_driver_sql("COMMIT")

    def insert_new(
        self, connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose keys are not there yet."""
        statement = self.place.insert_new(table)
        for batch in batched(rows, _ROWS_AT_ONCE):
            connection.execute(statement, batch)

    def close(self) -> None:
        """Release it. Twice is fine."""
        with self.place.turn, self._lock:
            self._closed = True
            self.place.engine.dispose()


def _sqlite(
    path: Path | None, what: str, synchronous: Literal["FULL", "NORMAL"], *, wipes: bool
) -> Place:
    engine = create_engine(
        URL.create("sqlite", database=None if path is None else str(path)),
        isolation_level="AUTOCOMMIT",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": _WAITS_FOR_OTHERS},
    )

    def begin(connection: Any, _: object) -> None:
        wiping = ["secure_delete = ON"] if wipes else []
        for pragma in ("journal_mode = WAL", f"synchronous = {synchronous}", *wiping):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", begin)
    if path is not None:
        forks.closes_before_forks(engine)
    return Place(
        what,
        engine,
        nullcontext() if path is None else forks.NO_FORKS,
        ("BEGIN IMMEDIATE",),
        lambda table: sqlite.insert(table).on_conflict_do_nothing(),
        "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        (SQLAlchemyError, sqlite3.Error),
        lambda error: StoreError(f"{what} cannot be used: {error}"),
    )


def _postgres(url: str, what: str, commit: Literal["on", "off"]) -> Place:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - takes its time to load

    from greenroom.projections.postgres_engine import ERRORS, Server  # noqa: PLC0415 - an extra
    from greenroom.projections.postgres_silence import LONGEST  # noqa: PLC0415 - as well

    server = Server(url, what=what)
    lock = int.from_bytes(what.removeprefix("the ").encode()[:7])
    return Place(
        what,
        server.engine(
            "greenroom", 1, {"synchronous_commit": commit}, autocommit=True, patience=LONGEST
        ),
        nullcontext(),
        # One of PostgreSQL's advisory locks: whoever holds it writes.
        ("BEGIN", f"SELECT pg_advisory_xact_lock({lock})"),
        lambda table: postgresql.insert(table).on_conflict_do_nothing(),
        "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
        ERRORS,
        server.error,
    )
