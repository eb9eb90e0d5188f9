"""The tables of a store in an SQLite file, as they stand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from greenroom.adapters.sqlite_file import (
    COPYING_ID,
    SCHEMA,
    check_path,
    connect,
    schema_of,
    store_error,
)
from greenroom.adapters.tables import TableRow, Tables

BUSY_SECONDS: Final = 30.0
"""How long to wait for a lock that another process holds."""
_MOST_DAMAGE: Final = 20


class SQLiteTables(Tables):
    """The tables in an SQLite file.

    Args:
        path: of the file.

    Raises:
        StoreError: there is none, or it cannot be used.
    """

    kind = "sqlite"
    supported = SCHEMA
    words = MappingProxyType({"event_position": "rowid", "BYTEWISE": "BINARY", "ALONE": ""})

    def __init__(self, path: Path) -> None:
        self.path: Final = path.absolute()
        self.name = str(self.path)
        self.connection = self._connect()

    @property
    def views_at(self) -> Path:
        """Beside it."""
        return self.path.with_name(f"{self.path.stem}.views{self.path.suffix}")

    @property
    def attempts_at(self) -> Path:
        """In a file beside it."""
        return self.path.with_name(f"{self.path.stem}.attempts{self.path.suffix}")

    def has_attempts(self) -> bool:
        """Whether there is such a file."""
        return self.attempts_at.exists()

    def schema(self) -> int:
        """Which schema the store has; 0 for an empty file."""
        with speaking(self.path):
            return schema_of(self.connection, self.path)

    def copied_into(self) -> bool:
        """Whether its header says so."""
        return self.number("PRAGMA application_id") == COPYING_ID

    def has(self, table: str) -> bool:
        """Whether there is such a table."""
        return _has(self.connection, self.path, table)

    def ask(self, question: str, *parameters: object) -> list[TableRow]:
        """All rows that one statement answers."""
        with speaking(self.path):
            return self.connection.execute(self.spelled(question), parameters).fetchall()

    def damage(self) -> Sequence[str]:
        """What `PRAGMA quick_check` finds: pages, and rows that do not fit their table."""
        found = self.ask(f"PRAGMA quick_check({_MOST_DAMAGE})")
        return [str(said) for (said,) in found if said != "ok"]

    def size(self) -> int:
        """Bytes of the file and its write-ahead log."""
        return _size(self.path)

    def views_size(self) -> int:
        """Bytes of the views' file and its write-ahead log."""
        return _size(self.views_at)

    def views_positions(self) -> Sequence[tuple[str, int, int]]:
        """Projection, version and position of each; none where there are no views."""
        return self._of_views("positions", "SELECT projection, version, position FROM positions")

    def views_parked(self) -> Mapping[str, int]:
        """How much is parked, by projection; nothing where there are no views."""
        counts = "SELECT projection, count(*) FROM parked GROUP BY projection"
        return dict(self._of_views("parked", counts))

    def close(self) -> None:
        """Release the connection. Twice is fine."""
        self.connection.close()

    def _of_views(self, table: str, question: str) -> Sequence[TableRow]:
        """What the views answer; nothing where there is no such table among them."""
        path = self.views_at
        if not path.exists():
            return ()
        with speaking(path), closing(_looking(path)) as connection:
            if not _has(connection, path, table):
                return ()
            return connection.execute(question).fetchall()

    def _connect(self) -> sqlite3.Connection:
        check_path(self.path, create=False)
        with speaking(self.path):
            return _looking(self.path)


def _looking(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing.

    It could, as far as the file is concerned: one that may not leaves the log of the file behind.
    """
    connection = connect(path, create=False, synchronous="FULL", busy=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _has(connection: sqlite3.Connection, path: Path, table: str) -> bool:
    with speaking(path):
        found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,))
        return found.fetchone() is not None


def _size(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


@contextmanager
def speaking(path: Path) -> Iterator[None]:
    """Whatever SQLite raises about the file is a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(path, error) from error
