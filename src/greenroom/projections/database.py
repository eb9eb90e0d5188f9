"""The views database: transactions, and one kind of error for all that can go wrong with it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from greenroom.domain.errors import NotOurStore, QueryTooSlow, StoreClosed, StoreError
from greenroom.projections import sqlite


class Database:
    """A file of views, or one in memory. Safe for many threads; several processes share a file.

    In memory there is one connection, which its users take in turn.
    """

    def __init__(self, path: Path | None, limit: timedelta) -> None:
        """Open the file, or a database in memory for None; `limit` is what one query may take."""
        self.path = path
        self._limit = limit
        self.uri = (
            f"file:greenroom-{uuid4().hex}?mode=memory&cache=shared"
            if path is None
            else f"file:{quote(str(path.absolute()))}"
        )
        self._engine = sqlite.engine(self.uri, shared=path is None)
        self._writer = self._engine.execution_options(**{sqlite.BEGIN: "BEGIN IMMEDIATE"})
        self._turn: AbstractContextManager[object] = (
            threading.RLock() if path is None else nullcontext()
        )
        self._closed = False

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer interferes with; committed on a normal exit.

        Raises:
            StoreError: the database cannot be written; nothing was.
        """
        with self._turn, self._speaking(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot to read from.

        Raises:
            StoreError: the database cannot be read.
        """
        with self._turn, self._speaking(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def read_limited(self) -> Iterator[Connection]:
        """The same for a query that others thought up.

        Raises:
            QueryTooSlow: reading took longer than the limit.
            StoreError: the database cannot be read.
        """
        over = _Stopwatch(self._limit)
        with self.read() as connection, sqlite.stopped_when(connection, over):
            try:
                yield connection
            except DBAPIError as error:
                if not over.rang:
                    raise
                raise QueryTooSlow(
                    "filters",
                    f"a query answered within {self._limit / timedelta(milliseconds=1):g} ms;"
                    " ask for one of its own fields as well (user_id, role, created_at ...), which"
                    " narrows what is searched, or raise the time limit of queries",
                ) from error

    @contextmanager
    def write_beside(self, uri: str) -> Iterator[Connection]:
        """The same as `write`, with the database at `uri` at hand as schema `fresh`."""
        with (
            self._turn,
            self._speaking(),
            self._writer.connect() as connection,
            sqlite.attached(connection, uri),
            connection.begin(),
        ):
            yield connection

    def forget(self) -> bool:
        """Let no file keep what was deleted; False if readers were in the way: ask again later."""
        with self._turn, self._speaking(), self._writer.connect() as connection:
            return self.path is None or sqlite.emptied_log(connection)

    def close(self) -> None:
        """Release every connection. Twice is fine."""
        with self._turn:
            self._closed = True
            self._engine.dispose()

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        if self._closed:
            raise StoreClosed("the views are closed; open the room again")
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._named(error) from error

    def _named(self, error: Exception) -> StoreError:
        cause = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(cause, "sqlite_errorcode", None)
        where = self.path or "in memory"
        if code == sqlite3.SQLITE_NOTADB:
            return NotOurStore(f"{where} is not a database; name another file for the views")
        if code == sqlite3.SQLITE_CORRUPT:
            return StoreError(f"the views {where} are damaged; delete the file, nothing is lost")
        return StoreError(f"the views {where} cannot be used: {cause}")


class _Stopwatch:
    """Whether the time is up, in the way SQLite's progress handler asks."""

    def __init__(self, limit: timedelta) -> None:
        self._ends = time.monotonic() + limit.total_seconds()
        self.rang = False

    def __call__(self) -> int:
        self.rang = self.rang or time.monotonic() >= self._ends
        return int(self.rang)
