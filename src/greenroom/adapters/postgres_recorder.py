"""A log in a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from threading import Event as Flag
from typing import Any, Final, LiteralString

from greenroom.adapters.codec import Content, Row
from greenroom.adapters.postgres_append import CHECK, LOCK, answer, checked
from greenroom.adapters.postgres_arrays import Integers, Texts
from greenroom.adapters.postgres_connections import Connections
from greenroom.adapters.postgres_listener import Listener
from greenroom.adapters.postgres_schema import prepare
from greenroom.adapters.postgres_server import Server
from greenroom.adapters.postgres_streams import Streams
from greenroom.adapters.postgres_writing import write
from greenroom.adapters.recorder import (
    Draft,
    HeadRow,
    LogRecorder,
    Objection,
    Snapshot,
    Written,
)
from greenroom.adapters.sealing import SubjectKey
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Request

_STREAM: Final = (
    "SELECT notification_id, originator_id, originator_version, topic, state"
    " FROM greenroom.stored_events"
    " WHERE originator_id = %b AND originator_version > %b AND notification_id <= %b"
    " ORDER BY originator_version LIMIT %b"
)
_LOG: Final = (
    "SELECT notification_id, originator_id, originator_version, topic, state"
    " FROM greenroom.stored_events"
    " WHERE notification_id > %b AND notification_id <= %b ORDER BY notification_id LIMIT %b"
)
_PICKED: Final = (
    "SELECT notification_id, originator_id, originator_version, topic, state"
    " FROM greenroom.stored_events WHERE notification_id = ANY (%b) ORDER BY notification_id"
)
_HEADS: Final = (
    "SELECT notification_id, originator_id, originator_version, topic"
    " FROM greenroom.stored_events WHERE notification_id > %b ORDER BY notification_id LIMIT %b"
)
_POSITION: Final = "SELECT coalesce(max(notification_id), 0) FROM greenroom.stored_events"
_KEYS: Final = "SELECT subject, key_id, secret FROM greenroom.subject_keys WHERE subject = ANY (%b)"
_SUBJECTS: Final = (
    "SELECT subject FROM greenroom.subject_keys WHERE subject BETWEEN %b AND %b"
    " ORDER BY subject LIMIT %b"
)
_REQUEST: Final = (
    "SELECT request_id, fingerprint, answer, position FROM greenroom.requests WHERE request_id = %b"
)
_PRUNE: Final = (
    "WITH gone AS (DELETE FROM greenroom.requests WHERE request_id IN (SELECT request_id"
    " FROM greenroom.requests WHERE recorded_at < %b ORDER BY recorded_at LIMIT %b) RETURNING 1)"
    " SELECT count(*) FROM gone"
)
_SNAPSHOT: Final = "SELECT version, format, state FROM greenroom.snapshots WHERE stream = %b"
_KEEP: Final = (
    "INSERT INTO greenroom.snapshots AS kept (stream, version, format, state)"
    " VALUES (%b, %b, %b, %b) ON CONFLICT (stream) DO UPDATE SET version = excluded.version,"
    " format = excluded.format, state = excluded.state WHERE kept.version <= excluded.version"
)
_FORGET: Final = "DELETE FROM greenroom.subject_keys WHERE subject = ANY (%b)"
_CLEAR: Final = "VACUUM (ANALYZE, SKIP_LOCKED) greenroom.subject_keys (secret)"
_DROP: Final = "DELETE FROM greenroom.snapshots"


class PostgresRecorder(LogRecorder):
    """A log in a PostgreSQL database, shared with any number of processes and machines.

    Args:
        url: of the database: `postgresql://user:password@host:port/database`.
        create: whether a database without a log gets one.

    Raises:
        InvalidInput: no such URL.
        StoreError: the server cannot be used, or there is no log and none is to be made.
        NotOurStore, WrongSchema: its schema `greenroom` is something else.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        super().__init__()
        self.server = Server(url)
        """Where the database is."""
        self._secret = prepare(self.server, create=create)
        self._connections = Connections(self.server)
        self._streams = Streams(self._connections.ask)
        self._listener = Listener(self.server, self._heard)

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
            return answer(self._connections.ask(CHECK, checked(draft)), 0)
        written = write(self._connections, draft)
        if isinstance(written, Written):
            self._connections.commit()
        if draft.rows and isinstance(written, Written):
            self._notify()
        return written

    def stream_rows(self, stream: str, after: int, until: int, limit: int) -> Sequence[Row]:
        """Rows of `stream` past version `after`, at or before position `until`, oldest first."""
        return self._ask(_STREAM, stream, after, until, limit)

    def stream_contents(self, stream: str, after: int, until: int, limit: int) -> Sequence[Content]:
        """The same rows as `stream_rows`, without what folding does not need."""
        return self._streams.contents(stream, after, until, limit)

    def log_rows(self, after: int, until: int, limit: int) -> Sequence[Row]:
        """Rows of all streams past position `after` up to `until`, in commit order."""
        return self._ask(_LOG, after, until, limit)

    def rows_at(self, positions: Sequence[int]) -> Sequence[Row]:
        """The rows at these positions, in their order; none where none stands."""
        return self._ask(_PICKED, Integers(positions))

    def head_rows(self, after: int, limit: int) -> Sequence[HeadRow]:
        """The same as `log_rows` without the documents."""
        return self._ask(_HEADS, after, limit)

    def position(self) -> int:
        """Of the last row, whichever process wrote it; 0 while there is none."""
        last: int = self._ask(_POSITION)[0][0]
        return last

    def keys(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """The keys of `subjects` as they are now, in their order."""
        rows = self._ask(_KEYS, Texts(subjects))
        found = {subject: SubjectKey(key_id, secret) for subject, key_id, secret in rows}
        return [found.get(subject) for subject in subjects]

    def subjects(self, first: str, last: str, limit: int) -> Sequence[str]:
        """Up to `limit` subjects with keys, from `first` up to `last`, in order."""
        return [subject for (subject,) in self._ask(_SUBJECTS, first, last, limit)]

    def forget(self, subjects: Collection[str]) -> None:
        """Destroy the keys of `subjects`: no query finds them again, and their rows are vacuumed.

        Bytes of them may stay in the files of the server until it overwrites them; and in its
        write-ahead log, archive and backups for as long as whoever runs it keeps those.
        """
        self._ask(_FORGET, Texts(subjects))
        self._ask(_CLEAR)

    def request(self, request_id: RequestId) -> Request | None:
        """The request remembered under this id."""
        found = self._ask(_REQUEST, request_id)
        return Request(*found[0]) if found else None

    def prune_requests(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` requests remembered before that instant; how many it were."""
        pruned: int = self._ask(_PRUNE, int(before.timestamp() * 1_000_000), limit)[0][0]
        return pruned

    def snapshot(self, stream: str) -> Snapshot | None:
        """The one that was kept of `stream`."""
        found = self._ask(_SNAPSHOT, stream)
        return Snapshot(*found[0]) if found else None

    def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """Keep it, in place of an older one of the same stream."""
        self._ask(_KEEP, stream, *snapshot)

    def drop_snapshots(self) -> None:
        """Forget all of them; nothing is lost."""
        self._ask(_DROP)

    def alone(self) -> AbstractContextManager[None]:
        """Let nobody else write until this thread has, or leaves: the lock is given in order."""
        return self._connections.alone(LOCK)

    def listen(self, flag: Flag) -> None:
        """Set `flag` after every append of any process, and on close."""
        super().listen(flag)
        self._listener.start()

    def close(self) -> None:
        """Finish what is being done, release every connection, wake whoever listens."""
        self._listener.stop()
        self._connections.close()
        self._notify()

    def _ask(self, query: LiteralString, *parameters: Any) -> list[Any]:
        return self._connections.ask(query, parameters)

    def _heard(self, process: int | None) -> None:
        """Tell whoever listens; of our own appends they have heard."""
        if process is None or process != self._connections.writer_pid:
            self._notify()
