"""Everything that is said in SQLite's own words: connections, marks of the file, upserts, JSON."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    String,
    Table,
    cast,
    create_engine,
    event,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.dialects.sqlite.dml import Insert
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool, StaticPool

APPLICATION_ID: Final = 0x67726E76
"""Marks a file as greenroom's views ("grnv")."""
SCHEMA_VERSION: Final = 1
"""Of the bookkeeping tables; projections have versions of their own."""

BUSY_SECONDS = 30
_CACHE_KB: Final = 8_000
_CHECKPOINT_PATIENCE_MS: Final = 100
_READERS: Final = 16
_STEPS_BETWEEN_LOOKS: Final = 10_000
"""Of SQLite's virtual machine between two looks at the clock: stops within a millisecond."""
BEGIN: Final = "greenroom_begin"
"""Execution option: how a transaction opens."""


def engine(uri: str, *, shared: bool) -> Engine:
    """Connections to the database at `uri`; `shared` for one connection that all use in turn."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )

    made = (
        create_engine("sqlite://", creator=connect, poolclass=StaticPool)
        if shared
        else create_engine(
            "sqlite://", creator=connect, poolclass=QueuePool, pool_size=_READERS, max_overflow=0
        )
    )
    event.listen(made, "connect", _on_connect)
    event.listen(made, "begin", _on_begin)
    return made


def _on_connect(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # Lost view transactions are projected again, so an fsync for each would buy nothing.
    connection.execute("PRAGMA synchronous=NORMAL")
    # What was erased must not be found in the free pages of the file.
    connection.execute("PRAGMA secure_delete=ON")
    # User ids come in no order: with the default of 2 MB their pages are read again and again.
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
    connection.create_function("greenroom_fold", 1, _fold, deterministic=True)


def _on_begin(connection: Connection) -> None:
    # The driver would open transactions late and deferred: two writers then fail instead of wait.
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))


def _fold(text: object) -> str | None:
    return text.casefold() if isinstance(text, str) else None


def driver(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection underneath."""
    raw = connection.connection.dbapi_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(type(raw).__name__)
    return raw


class Marks:
    """What a database file says of itself."""

    def __init__(self, connection: Connection) -> None:
        def pragma(name: str) -> int:
            return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

        self.application_id = pragma("application_id")
        self.schema_version = pragma("user_version")
        self.tables = frozenset(
            connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
                " ESCAPE '\\'"
            ).scalars()
        )

    @property
    def blank(self) -> bool:
        """Whether nobody has used the file yet."""
        return not self.tables and self.application_id == 0 and self.schema_version == 0


def mark(connection: Connection) -> None:
    """Say that the file is ours, and of which schema."""
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def drop(connection: Connection, tables: frozenset[str]) -> None:
    """Remove tables by name, whoever made them."""
    for name in sorted(tables):
        connection.exec_driver_sql('DROP TABLE "{}"'.format(name.replace('"', '""')))


def keep_a_write_ahead_log(connection: Connection) -> None:
    """Let readers read while somebody writes; the file remembers it. Outside a transaction."""
    driver(connection).execute("PRAGMA journal_mode=WAL")


def emptied_log(connection: Connection) -> bool:
    """Move the write-ahead log into the file and cut it to nothing; False if readers hinder it.

    Outside a transaction. Until it succeeds the log may hold pages from before an erasure.
    """
    raw = driver(connection)
    raw.execute(f"PRAGMA busy_timeout={_CHECKPOINT_PATIENCE_MS}")
    try:
        busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    finally:
        raw.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")


@contextmanager
def attached(connection: Connection, uri: str) -> Iterator[None]:
    """Have the database at `uri` at hand as schema `fresh`. Around, not in, a transaction."""
    raw = driver(connection)
    raw.execute("ATTACH DATABASE ? AS fresh", (uri,))
    try:
        yield
    finally:
        raw.execute("DETACH DATABASE fresh")


def take_over(connection: Connection, tables: Sequence[Table]) -> None:
    """Fill `tables` with what stands in the attached schema `fresh`, in the open transaction."""
    for table in tables:
        names = ", ".join(f'"{column.name}"' for column in table.columns if not column.computed)
        connection.exec_driver_sql(f'DELETE FROM main."{table.name}"')
        connection.exec_driver_sql(
            f'INSERT INTO main."{table.name}" ({names}) SELECT {names} FROM fresh."{table.name}"'
        )


@contextmanager
def stopped_when(connection: Connection, over: Callable[[], int]) -> Iterator[None]:
    """Interrupt whatever runs on `connection` once `over()` is not 0."""
    raw = driver(connection)
    raw.set_progress_handler(over, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def upsert(table: Table) -> Insert:
    """Insert a row, or put all its values over the row with the same primary key."""
    statement = insert(table)
    keys = [column.name for column in table.primary_key.columns]
    return statement.on_conflict_do_update(
        index_elements=keys,
        set_={
            column.name: statement.excluded[column.name]
            for column in table.columns
            if column.name not in keys and not column.computed
        },
    )


def insert_new(table: Table) -> Insert:
    """Insert a row unless there is one with the same primary key."""
    return insert(table).on_conflict_do_nothing()


def folded(text: ColumnElement[Any]) -> ColumnElement[str]:
    """`text` case-folded as Python does it; the database's own lower() knows ASCII only."""
    return func.greenroom_fold(text, type_=String())


class JsonAt:
    """The JSON value of `column` at a path of keys, as SQL."""

    def __init__(self, column: Column[Any], path: tuple[str, ...]) -> None:
        self._column = column
        self._path = "$" + "".join(f'."{name}"' for name in path)

    @property
    def kind(self) -> ColumnElement[str]:
        """`null true false integer real text array object`; NULL where there is nothing."""
        return func.json_type(self._column, self._path, type_=String())

    @property
    def text(self) -> ColumnElement[str]:
        """The value, where its kind is text."""
        return func.json_extract(self._column, self._path, type_=String())

    @property
    def number(self) -> ColumnElement[float]:
        """The value as a double, where its kind is integer or real."""
        return cast(func.json_extract(self._column, self._path), Float)

    def has_element(self, kinds: Sequence[str], value: str | float | None) -> ColumnElement[bool]:
        """Whether it is an array with an element of one of `kinds`, equal to `value` if given."""
        each = func.json_each(self._column, self._path).table_valued("type", "atom")
        found = select(1).select_from(each).where(each.c.type.in_(kinds))
        if isinstance(value, str):
            found = found.where(type_coerce(each.c.atom, String()) == value)
        elif value is not None:
            found = found.where(cast(each.c.atom, Float) == value)
        return (self.kind == "array") & found.exists()
