"""A log in an SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from time import time_ns
from typing import Final, TypeVar

from eventsourcing.persistence import IntegrityError, StoredEvent

from greenroom.adapters.codec import Content, Row
from greenroom.adapters.recorder import LogRecorder, Transaction
from greenroom.adapters.sealing import SubjectKey, new_secret
from greenroom.adapters.sqlite_connections import Connections
from greenroom.adapters.sqlite_file import (
    Synchronous,
    check_path,
    connect,
    prepare,
    store_error,
)
from greenroom.domain.errors import StoreError
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Request

T = TypeVar("T")

_STREAM: Final = (
    "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events"
    " WHERE originator_id = ? AND originator_version > ? AND rowid <= ?"
    " ORDER BY originator_version LIMIT ?"
)
_CONTENTS: Final = (
    "SELECT originator_version, topic, state FROM stored_events"
    " WHERE originator_id = ? AND originator_version > ? AND rowid <= ?"
    " ORDER BY originator_version LIMIT ?"
)
_LOG: Final = (
    "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events"
    " WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?"
)
_INSERT: Final = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state)"
    " VALUES (?, ?, ?, ?)"
)
_KEY: Final = "SELECT key_id, secret FROM subject_keys WHERE subject = ?"


class SQLiteRecorder(LogRecorder):
    """A log in an SQLite file, shared with any number of processes on this machine.

    Args:
        path: of the file.
        create: whether a missing or empty file becomes a new log.
        synchronous: FULL keeps what was acknowledged through a power cut; NORMAL, which is
            faster, may lose the last of it.
        busy_seconds: how long to wait for another process that is writing.

    Raises:
        StoreError: the file cannot be used, or is missing and not to be made.
        NotOurStore, WrongSchema: it holds something else.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        synchronous: Synchronous = "FULL",
        busy_seconds: float = 30,
    ) -> None:
        super().__init__()
        self.path = path.absolute()
        check_path(self.path, create=create)
        try:
            with closing(
                connect(self.path, create=create, synchronous=synchronous, busy=busy_seconds)
            ) as connection:
                self._secret = prepare(connection, self.path, busy_seconds)
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        self._connections = Connections(self.path, synchronous=synchronous, busy=busy_seconds)

    @property
    def secret(self) -> bytes:
        """32 random bytes, made with the log."""
        return self._secret

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._connections.closed

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` in one transaction, durable on return; nothing of it stays where it raises."""
        answer = self._connections.write(lambda connection: work(_SQLiteTransaction(connection)))
        self._notify()
        return answer

    def stream_rows(self, stream: str, after: int, until: int, limit: int) -> Sequence[Row]:
        """Rows of `stream` past version `after`, at or before position `until`, oldest first."""
        with self._connections.reading() as connection:
            return connection.execute(_STREAM, (stream, after, until, limit)).fetchall()

    def stream_contents(self, stream: str, after: int, until: int, limit: int) -> Sequence[Content]:
        """The same rows as `stream_rows`, without what folding does not need."""
        with self._connections.reading() as connection:
            return connection.execute(_CONTENTS, (stream, after, until, limit)).fetchall()

    def log_rows(self, after: int, until: int, limit: int) -> Sequence[Row]:
        """Rows of all streams past position `after` up to `until`, in commit order."""
        with self._connections.reading() as connection:
            return connection.execute(_LOG, (after, until, limit)).fetchall()

    def position(self) -> int:
        """Of the last row, whichever process wrote it; 0 while there is none."""
        with self._connections.reading() as connection:
            last: int | None
            (last,) = connection.execute("SELECT max(rowid) FROM stored_events").fetchone()
            return last or 0

    def keys(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """The keys of `subjects` as they are now, in their order."""
        with self._connections.reading() as connection:
            return [_key(connection, subject) for subject in subjects]

    def forget(self, subjects: Collection[str]) -> None:
        """Destroy the keys of `subjects`; no byte of them is left in the file or its log.

        Raises:
            StoreError: a reader held on to the past for too long; the keys are gone, but their
                bytes may still be in the file's write-ahead log. Erase again.
        """
        self.write(lambda transaction: transaction.forget(subjects))
        with self._connections.alone() as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(
                f"{self.path}: somebody is reading an older state, in which the keys still are;"
                " the keys are gone from the store, but erase again to be rid of every byte"
            )

    def request(self, request_id: RequestId) -> Request | None:
        """The request remembered under this id."""
        with self._connections.reading() as connection:
            found = connection.execute(
                "SELECT request_id, fingerprint, answer, position FROM requests"
                " WHERE request_id = ?",
                (request_id,),
            ).fetchone()
        return Request(*found) if found else None

    def close(self) -> None:
        """Finish what is being done, release every connection, wake whoever listens."""
        self._connections.close()
        self._notify()


class _SQLiteTransaction:
    """One writer's turn at the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def version(self, stream: str) -> int:
        last: int | None
        (last,) = self._connection.execute(
            "SELECT max(originator_version) FROM stored_events WHERE originator_id = ?", (stream,)
        ).fetchone()
        return last or 0

    def insert(self, stored_events: Sequence[StoredEvent]) -> Sequence[int]:
        positions: list[int] = []
        cursor = self._connection.cursor()
        try:
            for one in stored_events:
                cursor.execute(
                    _INSERT,
                    (str(one.originator_id), one.originator_version, one.topic, one.state),
                )
                positions.append(cursor.lastrowid or 0)
        except sqlite3.IntegrityError as error:
            raise IntegrityError(str(error)) from error
        return positions

    def keys(self, subjects: Sequence[str]) -> Sequence[SubjectKey]:
        return [_key(self._connection, subject) or self._new_key(subject) for subject in subjects]

    def _new_key(self, subject: str) -> SubjectKey:
        secret = new_secret()
        made = self._connection.execute(
            "INSERT INTO subject_keys (subject, secret) VALUES (?, ?)", (subject, secret)
        )
        return SubjectKey(made.lastrowid or 0, secret)

    def remembers(self, request_id: RequestId) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM requests WHERE request_id = ?", (request_id,)
        )
        return found.fetchone() is not None

    def remember(self, request: Request) -> None:
        self._connection.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?)",
            (
                request.request_id,
                request.fingerprint,
                request.answer,
                request.position,
                time_ns() // 1000,
            ),
        )

    def forget(self, subjects: Collection[str]) -> None:
        self._connection.executemany(
            "DELETE FROM subject_keys WHERE subject = ?", [(subject,) for subject in subjects]
        )


def _key(connection: sqlite3.Connection, subject: str) -> SubjectKey | None:
    found = connection.execute(_KEY, (subject,)).fetchone()
    return SubjectKey(*found) if found else None
