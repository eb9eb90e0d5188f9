"""Turns among all processes that work on the same thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore
from typing import Final

import psycopg
from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow

from greenroom.adapters.postgres_connections import FORKS
from greenroom.adapters.postgres_server import Server
from greenroom.domain.errors import StoreError

LONGEST: Final = 2.0
"""Seconds that anybody waits for a turn."""
_AT_ONCE: Final = 2
"""Connections for turns: each is held as long as the turn."""

_TAKE: Final = "SELECT pg_advisory_lock(hashtextextended('greenroom turn ' || %b, 0))"
_GIVE: Final = "SELECT pg_advisory_unlock(hashtextextended('greenroom turn ' || %b, 0))"
_SETTINGS: Final = f"SET lock_timeout = '{LONGEST:.0f}s'"


class Turns:
    """First come, first served, for each key; by the server's advisory locks.

    They are for fairness, nothing depends on them: who gets no turn in time goes on without one,
    and so does everybody while the server cannot be reached.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._closed = False
        self._of_the_parent: list[object] = []
        self._renew()
        FORKS.add(self)

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Wait for one's turn, for `LONGEST` seconds at most; it ends with the `with`."""
        connection = self._take(key)
        try:
            yield
        finally:
            if connection is not None:
                self._give_back(connection, key)

    def close(self) -> None:
        """Release the connections; those of turns that are taken, at their end."""
        self._closed = True
        while (connection := self._idle_one()) is not None:
            connection.close()

    def after_fork_in_child(self) -> None:
        """Start anew: the connections are the parent's."""
        self._of_the_parent += self._idle
        self._renew()

    def _take(self, key: str) -> Connection[TupleRow] | None:
        """A connection that holds the lock; None where it is not to be had in time."""
        if self._closed or not self._permits.acquire(timeout=LONGEST):
            return None
        connection: Connection[TupleRow] | None = None
        try:
            connection = self._idle_one() or self._server.connect(_SETTINGS)
            connection.execute(_TAKE, [key], prepare=True)
        except BaseException as error:
            self._put_away(connection, reusable=isinstance(error, LockNotAvailable))
            if isinstance(error, StoreError | psycopg.Error):
                return None
            raise
        return connection

    def _give_back(self, connection: Connection[TupleRow], key: str) -> None:
        given = False
        try:
            connection.execute(_GIVE, [key], prepare=True)
            given = True
        except psycopg.Error:
            pass  # the lock ends with the connection
        finally:
            self._put_away(connection, reusable=given)

    def _put_away(self, connection: Connection[TupleRow] | None, *, reusable: bool) -> None:
        if connection is not None:
            if reusable and not self._closed:
                self._idle.append(connection)
            else:
                connection.close()
        self._permits.release()

    def _idle_one(self) -> Connection[TupleRow] | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _renew(self) -> None:
        self._idle: list[Connection[TupleRow]] = []
        self._permits = Semaphore(_AT_ONCE)
