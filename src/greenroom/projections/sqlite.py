"""Views in an SQLite file, or in memory."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from greenroom.domain.errors import NotOurStore, QueryTooSlow, StoreError
from greenroom.projections.database import SCHEMA_VERSION, Database
from greenroom.projections.declared import PREFIX, wanted
from greenroom.projections.forks import NO_FORKS, closes_before_forks
from greenroom.projections.leading import FileLead, is_led
from greenroom.projections.lending import Lender
from greenroom.projections.sqlite_beside import SQLiteBeside, attached, sweep, workplace
from greenroom.projections.sqlite_bulk import SQLiteBulk, driver
from greenroom.projections.sqlite_dialect import SQLiteDialect, add_functions
from greenroom.projections.sqlite_errors import refused_row
from greenroom.projections.sqlite_plans import assume_crowds

APPLICATION_ID: Final = 0x67726E76
"""Marks a file as greenroom's views ("grnv")."""

BUSY_SECONDS = 30
_CACHE_KB: Final = 8_000
_CHECKPOINT_PATIENCE_MS: Final = 100
_READERS: Final = 16
_STATEMENTS: Final = 256
"""Kept ready by each connection."""
_STEPS_BETWEEN_LOOKS: Final = 10_000
"""Of SQLite's virtual machine between two looks at the clock: stops within a millisecond."""
_BEGIN: Final = "greenroom_begin"
"""Execution option: how a transaction opens."""


class SQLiteDatabase(Database):
    """A file of views, or one in memory.

    In memory there is one connection, which its users take in turn.
    """

    dialect = SQLiteDialect()
    _errors = (SQLAlchemyError, sqlite3.Error)

    def __init__(self, path: Path | None, limit: timedelta) -> None:
        """Open the file, or a database in memory for None; `limit` is what one query may take.

        Raises:
            StoreError: there is no directory to hold the file.
        """
        super().__init__(limit)
        if path is not None and not path.absolute().parent.is_dir():
            raise StoreError(f"there is no directory {path.absolute().parent}; create it first")
        self._path = path
        self._uri = (
            f"file:greenroom-{uuid4().hex}?mode=memory&cache=shared"
            if path is None
            else f"file:{quote(str(path.absolute()))}"
        )
        self._engine = _engine(self._uri, shared=path is None)
        self._writer = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        self._readers = Lender(self._reader, 1 if path is None else _READERS)
        self._indexing: sqlite3.Connection | None = None
        self._turn: AbstractContextManager[object] = threading.RLock() if path is None else NO_FORKS
        if path is not None:
            for connections in (self._engine, self._readers):
                closes_before_forks(connections)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """See `Database`."""
        with self._turn, self._speaking(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See `Database`."""
        with self._turn, self._speaking(), self._engine.connect() as connection:
            yield connection

    def snapshot(self) -> AbstractContextManager[Connection]:
        """See `Database`; every transaction is one."""
        return self.read()

    def fetch(
        self,
        sql: str,
        arguments: Sequence[Any],
        *,
        steady: bool = False,  # noqa: ARG002 - no value changes any plan
    ) -> list[tuple[Any, ...]]:
        """See `Database`."""
        self._check_open()
        with self._turn:
            return self._fetched(sql, arguments)

    def _fetched(self, sql: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            reader = self._readers.take()
            try:
                return reader.fetch(sql, arguments)
            finally:
                self._readers.give_back(reader)
        except self._errors as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise QueryTooSlow("filters", "a query answered in time") from error
            raise self._named(error) from error

    def bulk(self, connection: Connection) -> SQLiteBulk:
        """See `Database`."""
        return SQLiteBulk(driver(connection))

    @contextmanager
    def founding(self) -> Iterator[Connection]:
        """See `Database`. A file of somebody else is left as it is."""
        with self.write() as connection:
            self._check_that_it_is_ours(connection)
            yield connection
            assume_crowds(driver(connection))
        if self._path is not None:
            with self.read() as connection:
                # Readers read while somebody writes; the file remembers it.
                driver(connection).execute("PRAGMA journal_mode=WAL")

    def version(self, connection: Connection) -> int:
        """See `Database`; the file says it in its header."""
        return _pragma(connection, "user_version")

    def clear(self, connection: Connection) -> None:
        """See `Database`."""
        for name in _tables(connection):
            connection.exec_driver_sql('DROP TABLE "{}"'.format(name.replace('"', '""')))
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def beside(self) -> Iterator[SQLiteBeside]:
        """See `Database`: in a file of its own next to ours, or in memory like ours."""
        with ExitStack() as until_done:
            place = None if self._path is None else until_done.enter_context(workplace(self._path))
            path = None if place is None or self._path is None else place.where / self._path.name
            database = until_done.enter_context(_closing(SQLiteDatabase(path, self.limit)))
            yield SQLiteBeside(database, lambda: self._with(database), place)

    def sweep(self) -> None:
        """See `Database`."""
        if self._path is not None:
            sweep(self._path)

    def forget(self, tables: Collection[str]) -> bool:  # noqa: ARG002 - a file has one log for all
        """See `Database`: no byte of what was deleted is left in the file or its log."""
        with self._turn, self._speaking(), self._writer.connect() as connection:
            return self._path is None or _emptied_log(connection)

    def lasting(self, connection: Connection) -> Callable[[], bool]:  # noqa: ARG002 - none matters
        """See `Database`: what a power cut may take away, it takes with this process."""
        return lambda: True

    def lead(self) -> FileLead | None:
        """See `Database`."""
        if self._path is None:
            return None
        return FileLead(_leader(self._path))

    def led(self) -> bool:
        """See `Database`."""
        return self._path is not None and is_led(_leader(self._path))

    def look_over(self, tables: Collection[str]) -> None:
        """See `Database`; how large they may become was noted when they were made."""

    def index_changes(self, connection: Connection) -> Sequence[str]:
        """See `Database`."""
        found = connection.exec_driver_sql(
            f"SELECT name FROM sqlite_master WHERE type = 'index' AND name GLOB '{PREFIX}*'"
        )
        there, should = set(found.scalars()), wanted(connection, self.dialect)
        return [
            *(f"DROP INDEX {name}" for name in sorted(there - set(should))),
            # Of the rows that have the field: to others it costs no more than a look.
            *(
                f"CREATE INDEX {name} ON {index.table} ({index.keys})"
                f" WHERE {index.value} IS NOT NULL"
                for name, index in should.items()
                if name not in there
            ),
        ]

    def reindex(self) -> bool:
        """See `Database`. While an index is made, nobody else writes."""
        while True:
            with self.read() as connection:
                if not self.index_changes(connection):
                    return True
            with self.write() as connection:
                # Looked at again: others may have been quicker. One at a time, so that they can be.
                for statement in self.index_changes(connection)[:1]:
                    self._indexing = driver(connection)
                    try:
                        self._indexing.execute(statement)
                        assume_crowds(self._indexing)
                    finally:
                        self._indexing = None

    def interrupt_reindexing(self) -> None:
        """See `Database`."""
        connection = self._indexing
        if connection is not None:
            connection.interrupt()

    def close(self) -> None:
        """See `Database`."""
        with self._turn:
            self._closed = True
            self._readers.close()
            self._engine.dispose()

    def _reader(self) -> _Reader:
        """Another connection to read with; in memory, the only one."""
        if self._path is not None:
            return _Reader(_connected(self._uri), self.limit)
        with self._engine.connect() as connection:
            return _Reader(driver(connection), self.limit)

    @contextmanager
    def _with(self, fresh: SQLiteDatabase) -> Iterator[Connection]:
        """The same as `write`, with the tables of `fresh` at hand as schema `fresh`."""
        with (
            self._turn,
            self._speaking(),
            self._writer.connect() as connection,
            attached(connection, fresh._uri),
            connection.begin(),
        ):
            yield connection

    def _check_that_it_is_ours(self, connection: Connection) -> None:
        found = _pragma(connection, "application_id")
        blank = found == 0 and self.version(connection) == 0 and not _tables(connection)
        if found != APPLICATION_ID and not blank:
            raise NotOurStore(f"{self._path} is not a file of views; name another file for them")

    def _refused(self, error: Exception) -> str | None:
        return refused_row(error)

    def _named(self, error: Exception) -> StoreError:
        cause = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(cause, "sqlite_errorcode", None)
        where = self._path or "in memory"
        if code == sqlite3.SQLITE_NOTADB:
            return NotOurStore(f"{where} is not a database; name another file for the views")
        if code == sqlite3.SQLITE_CORRUPT:
            return StoreError(f"the views {where} are damaged; delete the file, nothing is lost")
        return StoreError(f"the views {where} cannot be used: {cause}")


class _Reader:
    """A connection whose statements are stopped when their time is up."""

    def __init__(self, connection: sqlite3.Connection, limit: timedelta) -> None:
        self._connection = connection
        self._limit = limit.total_seconds()
        self._ends = math.inf
        connection.set_progress_handler(self._is_over, _STEPS_BETWEEN_LOOKS)

    def fetch(self, sql: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows; `sqlite3.OperationalError` SQLITE_INTERRUPT past the limit."""
        self._ends = time.monotonic() + self._limit
        try:
            return self._connection.execute(sql, arguments).fetchall()
        finally:
            self._ends = math.inf

    def close(self) -> None:
        """Release it."""
        self._connection.close()

    def _is_over(self) -> bool:
        return time.monotonic() >= self._ends


def _connected(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
        isolation_level=None,
        cached_statements=_STATEMENTS,
    )
    # Lost view transactions are projected again, so an fsync for each would buy nothing.
    connection.execute("PRAGMA synchronous=NORMAL")
    # What was erased must not be found in the free pages of the file.
    connection.execute("PRAGMA secure_delete=ON")
    # User ids come in no order: with the default of 2 MB their pages are read again and again.
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
    add_functions(connection)
    return connection


def _leader(path: Path) -> Path:
    """The file beside the views at `path` whose lock is the role of who follows the log."""
    return path.with_name(f"{path.name}-leader")


def _engine(uri: str, *, shared: bool) -> Engine:
    """Connections to the database at `uri`; `shared` for one connection that all use in turn."""
    several: dict[str, Any] = {"poolclass": QueuePool, "pool_size": _READERS, "max_overflow": 0}
    pool = {"poolclass": StaticPool} if shared else several
    # Named parameters: the driver takes the values of a write as they are.
    made = create_engine("sqlite://", creator=lambda: _connected(uri), paramstyle="named", **pool)
    event.listen(made, "begin", _on_begin)
    return made


def _on_begin(connection: Connection) -> None:
    # The driver would open transactions late and deferred: two writers then fail instead of wait.
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


@contextmanager
def _closing(database: SQLiteDatabase) -> Iterator[SQLiteDatabase]:
    try:
        yield database
    finally:
        database.close()


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def _tables(connection: Connection) -> Sequence[str]:
    return (
        connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
            " ESCAPE '\\' ORDER BY name"
        )
        .scalars()
        .all()
    )


def _emptied_log(connection: Connection) -> bool:
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
