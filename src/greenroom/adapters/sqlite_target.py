"""An SQLite file that a store is being copied into."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from greenroom.adapters.outbox_database import Database
from greenroom.adapters.sqlite_file import (
    APPLICATION_ID,
    COPYING_ID,
    check_path,
    connect,
    prepare,
    rollback,
)
from greenroom.adapters.sqlite_tables import BUSY_SECONDS, SQLiteTables, speaking
from greenroom.adapters.tables import TableRow
from greenroom.adapters.targets import Target


class SQLiteTarget(SQLiteTables, Target):
    """The tables in an SQLite file, to be filled.

    Args:
        path: of the file; made where it is missing.

    Raises:
        StoreError: it cannot be used.
    """

    def found(self) -> None:
        """Make an empty store, unless there is one, or one that is being copied into."""
        if not self.copied_into():
            with speaking(self.path):
                prepare(self.connection, self.path, BUSY_SECONDS)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction, durable on leaving; what is raised undoes it."""
        with speaking(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                rollback(self.connection)
                raise

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[TableRow]) -> None:
        """Add rows, within `writing`."""
        places = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
        with speaking(self.path):
            self.connection.executemany(self.spelled(statement), rows)

    def disown(self) -> None:
        """Let no room be opened on it, within `writing`: nobody else writes meanwhile."""
        self.ask(f"PRAGMA application_id={COPYING_ID}")

    def own(self) -> None:
        """Let rooms be opened on it again, within `writing`."""
        self.ask(f"PRAGMA application_id={APPLICATION_ID}")

    def found_outbox(self) -> None:
        """Make the tables of the outbox, unless there are some."""
        Database.begun(self.path, head=0).close()

    def settle(self) -> None:
        """Move the write-ahead log into the file: keys that came and went are in neither then."""
        self.ask("PRAGMA wal_checkpoint(TRUNCATE)")

    def _connect(self) -> sqlite3.Connection:
        check_path(self.path, create=True)
        with speaking(self.path):
            return connect(self.path, create=True, synchronous="FULL", busy=BUSY_SECONDS)
