"""Every statement that a thread sends to a database, counted; at one of them something happens.

Statements of sqlite3 and of psycopg alike; a commit is one, too.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import pytest

_CONNECT: Final = sqlite3.connect


def _never() -> None:
    """Nothing happens."""


class Statements:
    """Counts those of one thread, while they are watched."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Begin to look at what every connection does that is opened from now on."""
        self.seen = 0
        """How many there were while they were watched the last time."""
        self._at = 0
        self._then: Callable[[], None] = _never
        self._thread: int | None = None
        patch.setattr(sqlite3, "connect", self._connect)
        for owner, name in (
            (psycopg.Cursor, "execute"),
            (psycopg.Cursor, "executemany"),
            (psycopg.Connection, "commit"),
        ):
            patch.setattr(owner, name, self._told_of(getattr(owner, name)))

    @contextmanager
    def watched(self, at: int = 0, then: Callable[[], None] = _never) -> Iterator[None]:
        """Count what this thread sends; before the statement `at`, from 1 on, do that."""
        self.seen, self._at, self._then = 0, at, then
        self._thread = threading.get_ident()
        try:
            yield
        finally:
            self._thread = None

    def tell(self) -> None:
        """One is about to be sent."""
        if threading.get_ident() == self._thread:
            self.seen += 1
            if self.seen == self._at:
                self._then()

    def _told_of(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def telling(this: Any, *arguments: Any, **options: Any) -> Any:
            self.tell()
            return method(this, *arguments, **options)

        return telling

    def _connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        tell = self.tell

        class Cursor(sqlite3.Cursor):
            def execute(self, *arguments: Any) -> Any:
                tell()
                return super().execute(*arguments)

            def executemany(self, *arguments: Any) -> Any:
                tell()
                return super().executemany(*arguments)

        class Connection(sqlite3.Connection):
            def cursor(self, factory: Any = None) -> Any:
                del factory
                return super().cursor(Cursor)

            def execute(self, *arguments: Any) -> Any:
                return self.cursor().execute(*arguments)

            def executemany(self, *arguments: Any) -> Any:
                return self.cursor().executemany(*arguments)

            def commit(self) -> None:
                tell()
                super().commit()

        connection: sqlite3.Connection = _CONNECT(*arguments, **options, factory=Connection)
        return connection
