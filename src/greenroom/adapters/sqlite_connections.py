"""The connections to one SQLite file: one that writes, a bounded number that read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, get_ident
from typing import Final

from greenroom.adapters.sqlite_file import Synchronous, commit, connect, store_error
from greenroom.domain.errors import StoreClosed
from greenroom.projections import forks

READERS: Final = 8
"""Connections that may read at the same time; further threads wait their turn."""


class Connections:
    """Lends connections to threads.

    A connection is lent for the length of one query, never to a suspended generator, so that no
    read transaction stays open and threads may come and go.
    """

    def __init__(self, path: Path, *, synchronous: Synchronous, busy: float) -> None:
        self._path = path
        self._synchronous: Synchronous = synchronous
        self.busy = busy
        """Seconds that others are waited for."""
        self._closed = False
        self._writer: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._held: tuple[int, sqlite3.Connection] | None = None
        """The thread that is alone with the writing connection."""
        self._permits: SimpleQueue[None] = SimpleQueue()
        for _ in range(READERS):
            self._permits.put(None)
        self._turn = Lock()
        forks.closes_before_forks(self)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one query.

        Raises:
            StoreClosed, StoreError: as the query fails.
        """
        with forks.NO_FORKS:
            permit = self._permits.get()
            try:
                self._check_open()
                connection = self._idle_one() or self._connect()
                try:
                    yield connection
                except BaseException:
                    connection.close()  # whatever state it is in, nobody meets it again
                    raise
                self._idle.append(connection)
            except sqlite3.Error as error:
                raise store_error(self._path, error) from error
            finally:
                self._permits.put(permit)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The writing connection in a transaction; committed on leaving, if it is not by then.

        What is raised undoes it, and so does leaving early by `return` where nothing was written.

        Raises:
            OutcomeUnknown: the disk failed in the middle of the commit.
            StoreClosed, StoreError: as the writing fails; nothing was recorded.
        """
        held = self._held
        if held is not None and held[0] == get_ident():
            try:
                if not held[1].in_transaction:
                    held[1].execute("BEGIN IMMEDIATE")
                yield held[1]
            except sqlite3.Error as error:
                raise store_error(self._path, error) from error
            return
        with self.alone() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            if connection.in_transaction:
                commit(connection, self._path)

    @contextmanager
    def alone_in_transaction(self) -> Iterator[None]:
        """Let no other thread or process write until this thread has committed, or leaves.

        Raises:
            StoreClosed, StoreError: others kept it for too long.
        """
        with self.alone() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._held = get_ident(), connection
            try:
                yield
            finally:
                self._held = None
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The writing connection, outside any transaction.

        Raises:
            StoreClosed, StoreError: as what is done with it fails.
        """
        with forks.NO_FORKS, self._turn:
            self._check_open()
            try:
                if self._writer is None:
                    self._writer = self._connect()
                yield self._writer
            except BaseException as error:
                self._drop_writer()  # rolls back; the next one starts with a fresh connection
                if isinstance(error, sqlite3.Error):
                    raise store_error(self._path, error) from error
                raise

    def close(self) -> None:
        """Finish what is being done, then release every connection. Twice is fine."""
        self._closed = True
        with forks.NO_FORKS, self._turn:
            for _ in range(READERS):
                self._permits.get()
            try:
                self.dispose()
            finally:
                for _ in range(READERS):
                    self._permits.put(None)

    def dispose(self) -> None:
        """Release the connections, which nobody uses; others are opened when they are needed."""
        while self._idle:
            self._idle.pop().close()
        self._drop_writer()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _idle_one(self) -> sqlite3.Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self) -> sqlite3.Connection:
        return connect(self._path, create=False, synchronous=self._synchronous, busy=self.busy)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the store was closed; open it again")
