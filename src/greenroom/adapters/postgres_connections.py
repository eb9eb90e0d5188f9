"""The connections to one database: one that writes, a bounded number that ask."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock, get_ident
from typing import Any, Final, LiteralString, Protocol

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from greenroom.adapters.postgres_server import Server
from greenroom.domain.errors import OutcomeUnknown, StoreClosed, StoreError
from greenroom.projections import postgres_silence as silence

ASKING: Final = 4
"""Connections that may ask at the same time; further threads wait their turn. A server has a
hundred by default, for all processes together."""

_IDLE: Final = TransactionStatus.IDLE
_ASK: Final = """\
-- Each of our statements has one good plan, whatever the statistics say, and however old they are:
-- along an index. Planning it once is enough then.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off;
-- Whatever the server does by default: what is checked after waiting for the lock is what stands by
-- then, and what is acknowledged is durable.
SET default_transaction_isolation = 'read committed';
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off';
"""
_WRITE: Final = f"{_ASK} SET lock_timeout = '30s'"  # other processes append as well


class Connections:
    """Lends connections to threads; opens them when first needed, and again when they break.

    A connection is lent for one statement, never to a suspended generator: no transaction stays
    open while somebody works through what was read.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        """They are all to this one."""
        self._closed = False
        self._writer: Connection[TupleRow] | None = None
        self._idle: list[Connection[TupleRow]] = []
        self._of_the_parent: list[object] = []
        self._alone: int | None = None
        """The thread that is alone with the writing connection."""
        self._renew()
        FORKS.add(self)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def writer_pid(self) -> int | None:
        """The server's process behind the connection that writes; None while there is none."""
        writer = self._writer
        return None if writer is None or writer.closed else writer.info.backend_pid

    def ask(self, query: LiteralString, parameters: Sequence[Any] = ()) -> list[TupleRow]:
        """The rows that one statement answers; done twice, it must do no harm.

        Raises:
            StoreClosed, StoreError: as the statement fails.
        """
        permit = self._permits.get()
        try:
            self._check_open()
            return self._asked(query, parameters)
        except psycopg.Error as error:
            raise self.server.error(error) from error
        finally:
            self._permits.put(permit)

    @contextmanager
    def writing(self) -> Iterator[Connection[TupleRow]]:
        """The writing connection, for one thread at a time.

        Raises:
            OutcomeUnknown: the connection broke; whether the server has done it is not known.
            StoreError: the server cannot be reached, or refuses it; it has done nothing.
            StoreClosed: so it is.
        """
        if self._alone == get_ident():
            with self._speaking(self._writer or self._new_writer()) as writer:
                yield writer
            return
        with self._turn:
            self._check_open()
            with self._speaking(self._writer or self._new_writer()) as writer:
                try:
                    yield writer
                finally:
                    if writer.info.transaction_status is not _IDLE:
                        self._drop_writer()  # broken, or interrupted: nobody meets it again

    @contextmanager
    def alone(self, lock: LiteralString) -> Iterator[None]:
        """Let no other thread or process write until this thread has committed, or leaves.

        Args:
            lock: the statement that takes the writers' lock.

        Raises:
            StoreClosed, StoreError: others kept it for too long.
        """
        with self.writing() as found:
            writer = self._begun(found, lock)
            self._alone = get_ident()
            try:
                yield
            finally:
                self._alone = None
                if not writer.closed and writer.info.transaction_status is not _IDLE:
                    writer.execute("ROLLBACK")

    def _begun(self, writer: Connection[TupleRow], lock: LiteralString) -> Connection[TupleRow]:
        """A transaction with the lock; on another connection where the first turns out broken."""
        try:
            writer.execute("BEGIN")
            writer.execute(lock)
        except psycopg.Error:
            if not writer.closed:
                raise
            writer = self._new_writer()
            writer.execute("BEGIN")
            writer.execute(lock)
        return writer

    def commit(self) -> None:
        """Make what this thread has written durable, where it is alone.

        Raises:
            OutcomeUnknown: the connection broke; whether the server has done it is not known.
        """
        writer = self._writer
        if self._alone != get_ident() or writer is None:
            return
        if writer.info.transaction_status is not _IDLE:
            with self._speaking(writer):
                writer.execute("COMMIT")

    @contextmanager
    def _speaking(self, writer: Connection[TupleRow]) -> Iterator[Connection[TupleRow]]:
        """Say what went wrong with it in our words."""
        try:
            yield writer
        except psycopg.Error as error:
            said = str(self.server.error(error))
            if writer.closed:
                self._writer = None
                raise OutcomeUnknown(said) from error
            raise StoreError(f"{said}; nothing was recorded") from error

    def close(self) -> None:
        """Finish what is being done, then release every connection. Twice is fine."""
        self._closed = True
        with self._turn:
            self._drop_writer()
        for _ in range(ASKING):
            self._permits.get()
        for connection in self._idle_ones():
            connection.close()
        for _ in range(ASKING):
            self._permits.put(None)

    def after_fork_in_child(self) -> None:
        """Start anew: connections, and the threads that used them, are the parent's.

        They must not even be collected here, or they would say goodbye in the parent's name.
        """
        self._of_the_parent += [self._writer, *self._idle]
        self._writer = None
        self._idle = []
        self._renew()

    def _asked(self, query: LiteralString, parameters: Sequence[Any]) -> list[TupleRow]:
        """The rows; asked again where a connection breaks: the server was restarted meanwhile."""
        for connection in self._connections():
            try:
                return self._rows(connection, query, parameters)
            except psycopg.Error:
                if not connection.closed:
                    raise
        return self._rows(self._connected(_ASK), query, parameters)

    def _connections(self) -> Iterator[Connection[TupleRow]]:
        """Those that are idle, as long as they break; then a fresh one."""
        yield from self._idle_ones()
        yield self._connected(_ASK)

    def _rows(
        self, connection: Connection[TupleRow], query: LiteralString, parameters: Sequence[Any]
    ) -> list[TupleRow]:
        try:
            cursor = connection.execute(query, parameters, prepare=True, binary=True)
            rows = cursor.fetchall() if cursor.description else []
        finally:
            if connection.info.transaction_status is _IDLE:
                self._idle.append(connection)
            else:
                connection.close()  # broken, or interrupted: nobody meets it again
        return rows

    def _idle_ones(self) -> Iterator[Connection[TupleRow]]:
        """One after the other is taken out; other threads do so at the same time."""
        while True:
            try:
                yield self._idle.pop()
            except IndexError:
                return

    def _connected(self, settings: str) -> Connection[TupleRow]:
        """Its statements are short: one that is never answered keeps nobody waiting for ever."""
        return self.server.connect(settings, patience=silence.LONGEST)

    def _new_writer(self) -> Connection[TupleRow]:
        try:
            self._writer = self._connected(_WRITE)
        except StoreError as error:
            raise StoreError(f"{error}; nothing was recorded") from error.__cause__
        return self._writer

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the store was closed; open it again")

    def _renew(self) -> None:
        self._permits: SimpleQueue[None] = SimpleQueue()
        for _ in range(ASKING):
            self._permits.put(None)
        self._turn = Lock()
        self._alone = None


class Forking(Protocol):
    """Holds connections or threads that a child process must not share with its parent."""

    def after_fork_in_child(self) -> None:
        """Start anew."""
        ...


FORKS: Final[weakref.WeakSet[Forking]] = weakref.WeakSet()
"""Whatever has to be brought through `os.fork`."""


def _start_anew() -> None:
    for one in list(FORKS):
        one.after_fork_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_start_anew)
