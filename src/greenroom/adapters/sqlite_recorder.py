"""A log in an SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from datetime import datetime
from pathlib import Path
from time import time_ns
from typing import Final

from eventsourcing.persistence import IntegrityError, StoredEvent

from greenroom.adapters.codec import Content, Row
from greenroom.adapters.heads import Heads
from greenroom.adapters.recorder import (
    Draft,
    HeadRow,
    LogRecorder,
    Objection,
    Snapshot,
    Written,
)
from greenroom.adapters.sealing import SubjectKey
from greenroom.adapters.sqlite_connections import Connections
from greenroom.adapters.sqlite_file import (
    Synchronous,
    check_path,
    commit,
    connect,
    empty_log,
    prepare,
    store_error,
)
from greenroom.domain.errors import StoreError
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Request
from greenroom.projections.forks import NO_FORKS

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
_PICKED: Final = (
    "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events"
    " WHERE rowid IN (SELECT value FROM json_each(?)) ORDER BY rowid"
)
_HEADS: Final = (
    "SELECT rowid, originator_id, originator_version, topic FROM stored_events"
    " WHERE rowid > ? ORDER BY rowid LIMIT ?"
)
_POSITION: Final = "SELECT coalesce(max(rowid), 0) FROM stored_events"
_VERSIONS: Final = (
    "SELECT value, (SELECT coalesce(max(originator_version), 0) FROM stored_events"
    " WHERE originator_id = value) FROM json_each(?)"
)
"""Of all streams at once: each statement lets other threads of the process go first."""
_KEYS: Final = (
    "SELECT subject, key_id, secret FROM json_each(?) CROSS JOIN subject_keys ON subject = value"
)
_KEY: Final = "SELECT key_id, secret FROM subject_keys WHERE subject = ?"
_SUBJECTS: Final = (
    "SELECT subject FROM subject_keys WHERE subject BETWEEN ? AND ? ORDER BY subject LIMIT ?"
)
_ROWS_AT_ONCE: Final = (128, 16, 1)
"""Rows in one statement: while it runs, other threads of the process do."""
_INSERT: Final = {
    rows: "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES "
    + ", ".join(["(?, ?, ?, ?)"] * rows)
    for rows in _ROWS_AT_ONCE
}


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
            with (
                NO_FORKS,
                closing(
                    connect(self.path, create=create, synchronous=synchronous, busy=busy_seconds)
                ) as connection,
            ):
                self._secret = prepare(connection, self.path, busy_seconds)
                (position,) = connection.execute(_POSITION).fetchone()
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        self._connections = Connections(self.path, synchronous=synchronous, busy=busy_seconds)
        self._heads = Heads(position)

    @property
    def secret(self) -> bytes:
        """32 random bytes, made with the log."""
        return self._secret

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._connections.closed

    def write(self, draft: Draft) -> Written | Objection:
        """Write all of `draft` in one transaction, durable on return; or say what is against it."""
        if not draft.writes:
            return self._check(draft)
        with self._connections.writing() as connection:
            before = self._catch_up(connection)
            objection = self._objection(connection, draft)
            if objection:
                return objection
            positions = _write(connection, draft)
            commit(connection, self.path)
        self._heads.append(before, draft.rows)
        self._notify()
        return Written(positions, before)

    def alone(self) -> AbstractContextManager[None]:
        """Let nobody else write until this thread has, or leaves."""
        return self._connections.alone_in_transaction()

    def _check(self, draft: Draft) -> Written | Objection:
        with self._connections.reading() as connection:
            connection.execute("BEGIN")
            before = self._catch_up(connection)
            objection = self._objection(connection, draft)
            connection.execute("COMMIT")
        return objection or Written((), before)

    def _catch_up(self, connection: sqlite3.Connection) -> int:
        """Learn what other processes have appended; the log's last position."""
        position: int
        (position,) = connection.execute(_POSITION).fetchone()
        self._heads.follow(
            position, lambda after: connection.execute(_HEADS, (after, position - after))
        )
        return position

    def _objection(self, connection: sqlite3.Connection, draft: Draft) -> Objection:
        versions = {
            stream: found
            for stream, found in self._versions(connection, draft.versions).items()
            if found != draft.versions[stream]
        }
        ids = [one.request.request_id for one in draft.requests]
        keys: dict[str, int | None] = {}
        for subject, key_id in draft.keys.items():
            key = _key(connection, subject)
            held = None if key is None else key.key_id
            if held != key_id:
                keys[subject] = held
        return Objection(versions, frozenset(_known(connection, ids)), keys)

    def _versions(
        self, connection: sqlite3.Connection, streams: Iterable[str]
    ) -> Mapping[str, int]:
        found: dict[str, int] = {}
        unknown: list[str] = []
        for stream in streams:
            version = self._heads.version(stream)
            if version is None:
                unknown.append(stream)
            else:
                found[stream] = version
        if unknown:
            looked_up = dict(connection.execute(_VERSIONS, (json.dumps(unknown),)).fetchall())
            self._heads.learn(looked_up)
            found |= looked_up
        return found

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

    def rows_at(self, positions: Sequence[int]) -> Sequence[Row]:
        """The rows at these positions, in their order; none where none stands."""
        with self._connections.reading() as connection:
            return connection.execute(_PICKED, (json.dumps(positions),)).fetchall()

    def head_rows(self, after: int, limit: int) -> Sequence[HeadRow]:
        """The same as `log_rows` without the documents."""
        with self._connections.reading() as connection:
            return connection.execute(_HEADS, (after, limit)).fetchall()

    def position(self) -> int:
        """Of the last row, whichever process wrote it; 0 while there is none."""
        with self._connections.reading() as connection:
            last: int
            (last,) = connection.execute(_POSITION).fetchone()
            return last

    def keys(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """The keys of `subjects` as they are now, in their order."""
        with self._connections.reading() as connection:
            found = connection.execute(_KEYS, (json.dumps(subjects),)).fetchall()
        keys = {subject: SubjectKey(*key) for subject, *key in found}
        return [keys.get(subject) for subject in subjects]

    def subjects(self, first: str, last: str, limit: int) -> Sequence[str]:
        """Up to `limit` subjects with keys, from `first` up to `last`, in order."""
        with self._connections.reading() as connection:
            found = connection.execute(_SUBJECTS, (first, last, limit)).fetchall()
        return [subject for (subject,) in found]

    def forget(self, subjects: Collection[str]) -> None:
        """Destroy the keys of `subjects`; no byte of them is left in the file or its log.

        Raises:
            StoreError: a reader held on to the past for too long; the keys are gone, but their
                bytes may still be in the file's write-ahead log. Erase again.
        """
        if subjects:
            self.write(Draft(forgets=subjects))
        with self._connections.alone() as connection:
            emptied = empty_log(connection.execute, self._connections.busy)
        if not emptied:
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

    def prune_requests(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` requests remembered before that instant; how many it were."""
        with self._connections.writing() as connection:
            return connection.execute(
                "DELETE FROM requests WHERE request_id IN (SELECT request_id FROM requests"
                " WHERE recorded_at < ? ORDER BY recorded_at LIMIT ?)",
                (int(before.timestamp() * 1_000_000), limit),
            ).rowcount

    def snapshot(self, stream: str) -> Snapshot | None:
        """The one that was kept of `stream`."""
        with self._connections.reading() as connection:
            found = connection.execute(
                "SELECT version, format, state FROM snapshots WHERE stream = ?", (stream,)
            ).fetchone()
        return Snapshot(*found) if found else None

    def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """Keep it, in place of an older one of the same stream."""
        with self._connections.writing() as connection:
            connection.execute(
                "INSERT INTO snapshots (stream, version, format, state) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (stream) DO UPDATE SET version = excluded.version,"
                " format = excluded.format, state = excluded.state"
                " WHERE version <= excluded.version",
                (stream, *snapshot),
            )

    def drop_snapshots(self) -> None:
        """Forget all of them; nothing is lost."""
        with self._connections.writing() as connection:
            connection.execute("DELETE FROM snapshots")

    def close(self) -> None:
        """Finish what is being done, release every connection, wake whoever listens."""
        self._connections.close()
        self._notify()


def _write(connection: sqlite3.Connection, draft: Draft) -> Sequence[int]:
    """Everything in `draft`, to which nothing speaks against; the positions of its rows."""
    positions = _insert(connection, draft.rows)
    now = time_ns() // 1000
    connection.executemany(
        "INSERT INTO requests VALUES (?, ?, ?, ?, ?)",
        [
            (
                one.request.request_id,
                one.request.fingerprint,
                one.request.answer,
                0 if one.row is None else positions[one.row],
                now,
            )
            for one in draft.requests
        ],
    )
    connection.executemany(
        "INSERT INTO subject_keys (key_id, subject, secret) VALUES (?, ?, ?)",
        [(key.key_id, subject, key.secret) for subject, key in draft.new_keys.items()],
    )
    connection.executemany(
        "DELETE FROM subject_keys WHERE subject = ?", [(subject,) for subject in draft.forgets]
    )
    return positions


def _insert(connection: sqlite3.Connection, stored_events: Sequence[StoredEvent]) -> range:
    """Append the rows; nobody else writes, so their positions follow one another."""
    last = 0
    try:
        for rows in _portions(stored_events):
            values = [
                value
                for one in rows
                for value in (str(one.originator_id), one.originator_version, one.topic, one.state)
            ]
            last = connection.execute(_INSERT[len(rows)], values).lastrowid or 0
    except sqlite3.IntegrityError as error:
        raise IntegrityError(str(error)) from error
    return range(last - len(stored_events) + 1, last + 1)


def _portions(stored_events: Sequence[StoredEvent]) -> Iterator[Sequence[StoredEvent]]:
    """The rows in as few portions of the prepared sizes as possible."""
    start = 0
    for size in _ROWS_AT_ONCE:
        while len(stored_events) - start >= size:
            yield stored_events[start : start + size]
            start += size


def _known(connection: sqlite3.Connection, request_ids: Sequence[RequestId]) -> Iterator[RequestId]:
    """Those that are remembered already."""
    for request_id in request_ids:
        found = connection.execute("SELECT 1 FROM requests WHERE request_id = ?", (request_id,))
        if found.fetchone():
            yield request_id


def _key(connection: sqlite3.Connection, subject: str) -> SubjectKey | None:
    found = connection.execute(_KEY, (subject,)).fetchone()
    return SubjectKey(*found) if found else None
