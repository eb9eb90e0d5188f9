"""A log in memory: everything a durable one does, until the process ends."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

from eventsourcing.persistence import IntegrityError, StoredEvent

from greenroom.adapters.codec import Content, Row
from greenroom.adapters.recorder import LogRecorder, Transaction
from greenroom.adapters.sealing import SubjectKey, new_secret
from greenroom.domain.errors import StoreClosed
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Request

T = TypeVar("T")


@dataclass(slots=True)
class _Tables:
    """What a durable recorder keeps in its file."""

    log: list[Row] = field(default_factory=list)
    """The row at position n stands at n - 1."""
    streams: dict[str, list[Row]] = field(default_factory=dict)
    requests: dict[RequestId, Request] = field(default_factory=dict)
    keys: dict[str, SubjectKey] = field(default_factory=dict)
    last_key_id: int = 0


class MemoryRecorder(LogRecorder):
    """A log in memory; its rows are encoded like any other's, so that nobody can change them."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._tables = _Tables()
        self._secret = new_secret()
        self._closed = False

    @property
    def secret(self) -> bytes:
        """32 random bytes, made with the log."""
        return self._secret

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` while nobody else reads or writes; undo it where it raises."""
        with self._open_tables() as tables:
            transaction = _MemoryTransaction(tables)
            try:
                answer = work(transaction)
            except BaseException:
                transaction.undo()
                raise
        self._notify()
        return answer

    def stream_rows(self, stream: str, after: int, until: int, limit: int) -> Sequence[Row]:
        """Rows of `stream` past version `after`, at or before position `until`, oldest first."""
        with self._open_tables() as tables:
            rows = tables.streams.get(stream, [])
            first = bisect_right(rows, after, key=lambda row: row[2])
            last = bisect_right(rows, until, lo=first, key=lambda row: row[0])
            return rows[first : min(last, first + limit)]

    def stream_contents(self, stream: str, after: int, until: int, limit: int) -> Sequence[Content]:
        """The same rows as `stream_rows`, without what folding does not need."""
        return [row[2:] for row in self.stream_rows(stream, after, until, limit)]

    def log_rows(self, after: int, until: int, limit: int) -> Sequence[Row]:
        """Rows of all streams past position `after` up to `until`, in commit order."""
        with self._open_tables() as tables:
            first = max(after, 0)
            return tables.log[first : max(first, min(until, first + limit))]

    def position(self) -> int:
        """Of the last row; 0 while there is none."""
        with self._open_tables() as tables:
            return len(tables.log)

    def keys(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """The keys of `subjects` as they are now, in their order."""
        with self._open_tables() as tables:
            return [tables.keys.get(subject) for subject in subjects]

    def forget(self, subjects: Collection[str]) -> None:
        """Drop the keys of `subjects`."""
        self.write(lambda transaction: transaction.forget(subjects))

    def request(self, request_id: RequestId) -> Request | None:
        """The request remembered under this id."""
        with self._open_tables() as tables:
            return tables.requests.get(request_id)

    def close(self) -> None:
        """Refuse everything from now on, and wake whoever listens."""
        with self._lock:
            self._closed = True
        self._notify()

    @contextmanager
    def _open_tables(self) -> Iterator[_Tables]:
        with self._lock:
            if self._closed:
                raise StoreClosed("the store was closed; open it again")
            yield self._tables


class _MemoryTransaction:
    """Writes at once, and knows how to take it back; nobody looks meanwhile."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables
        self._start = len(tables.log)
        self._new_keys: list[str] = []
        self._new_requests: list[RequestId] = []
        self._forgotten: dict[str, SubjectKey] = {}

    def version(self, stream: str) -> int:
        rows = self._tables.streams.get(stream)
        return rows[-1][2] if rows else 0

    def insert(self, stored_events: Sequence[StoredEvent]) -> Sequence[int]:
        log, streams = self._tables.log, self._tables.streams
        for stored in stored_events:
            stream = str(stored.originator_id)
            rows = streams.setdefault(stream, [])
            if rows and rows[-1][2] >= stored.originator_version:
                raise IntegrityError(f"{stream} has version {stored.originator_version} already")
            row = (len(log) + 1, stream, stored.originator_version, stored.topic, stored.state)
            rows.append(row)
            log.append(row)
        return list(range(len(log) - len(stored_events) + 1, len(log) + 1))

    def keys(self, subjects: Sequence[str]) -> Sequence[SubjectKey]:
        return [self._key(subject) for subject in subjects]

    def _key(self, subject: str) -> SubjectKey:
        tables = self._tables
        if subject not in tables.keys:
            tables.last_key_id += 1
            tables.keys[subject] = SubjectKey(tables.last_key_id, new_secret())
            self._new_keys.append(subject)
        return tables.keys[subject]

    def remembers(self, request_id: RequestId) -> bool:
        return request_id in self._tables.requests

    def remember(self, request: Request) -> None:
        self._tables.requests[request.request_id] = request
        self._new_requests.append(request.request_id)

    def forget(self, subjects: Collection[str]) -> None:
        for subject in subjects:
            key = self._tables.keys.pop(subject, None)
            if key is not None:
                self._forgotten[subject] = key

    def undo(self) -> None:
        """Take back everything written since the beginning."""
        tables = self._tables
        for row in tables.log[self._start :]:
            tables.streams[row[1]].pop()
        del tables.log[self._start :]
        tables.keys.update(self._forgotten)
        for subject in self._new_keys:
            del tables.keys[subject]
        for request_id in self._new_requests:
            del tables.requests[request_id]
