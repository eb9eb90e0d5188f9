"""A log in memory: everything a durable one does, until the process ends."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from eventsourcing.persistence import IntegrityError, StoredEvent

from greenroom.adapters.codec import Content, Row
from greenroom.adapters.recorder import (
    Draft,
    HeadRow,
    LogRecorder,
    Objection,
    Remembered,
    Snapshot,
    Written,
)
from greenroom.adapters.sealing import SubjectKey, new_secret
from greenroom.domain.errors import StoreClosed
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Request
from greenroom.projections import forks


@dataclass(slots=True)
class _Tables:
    """What a durable recorder keeps in its file."""

    log: list[Row] = field(default_factory=list)
    """The row at position n stands at n - 1."""
    streams: dict[str, list[Row]] = field(default_factory=dict)
    requests: dict[RequestId, tuple[Request, datetime]] = field(default_factory=dict)
    """The oldest first, each with when it was remembered."""
    keys: dict[str, SubjectKey] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)

    def version(self, stream: str) -> int:
        rows = self.streams.get(stream)
        return rows[-1][2] if rows else 0

    def key_id(self, subject: str) -> int | None:
        key = self.keys.get(subject)
        return None if key is None else key.key_id


class MemoryRecorder(LogRecorder):
    """A log in memory; its rows are encoded like any other's, so that nobody can change them."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = forks.lock()
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

    def write(self, draft: Draft) -> Written | Objection:
        """Write all of `draft`, or say what speaks against it."""
        with self._open_tables() as tables:
            objection = _objection(tables, draft)
            if objection:
                return objection
            before = len(tables.log)
            _insert(tables, draft.rows)
            for remembered in draft.requests:
                _remember(tables, remembered, before)
            tables.keys.update(draft.new_keys)
            for subject in draft.forgets:
                tables.keys.pop(subject, None)
        if draft.writes:
            self._notify()
        return Written(range(before + 1, before + 1 + len(draft.rows)), before)

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

    def rows_at(self, positions: Sequence[int]) -> Sequence[Row]:
        """The rows at these positions, in their order; none where none stands."""
        with self._open_tables() as tables:
            return [tables.log[at - 1] for at in positions if 0 < at <= len(tables.log)]

    def head_rows(self, after: int, limit: int) -> Sequence[HeadRow]:
        """The same as `log_rows` without the documents."""
        return [row[:4] for row in self.log_rows(after, after + limit, limit)]

    def position(self) -> int:
        """Of the last row; 0 while there is none."""
        with self._open_tables() as tables:
            return len(tables.log)

    def keys(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """The keys of `subjects` as they are now, in their order."""
        with self._open_tables() as tables:
            return [tables.keys.get(subject) for subject in subjects]

    def subjects(self, first: str, last: str, limit: int) -> Sequence[str]:
        """Up to `limit` subjects with keys, from `first` up to `last`, in order."""
        with self._open_tables() as tables:
            return sorted(one for one in tables.keys if first <= one <= last)[:limit]

    def forget(self, subjects: Collection[str]) -> None:
        """Drop the keys of `subjects`."""
        self.write(Draft(forgets=subjects))

    def request(self, request_id: RequestId) -> Request | None:
        """The request remembered under this id."""
        with self._open_tables() as tables:
            found = tables.requests.get(request_id)
            return found[0] if found else None

    def prune_requests(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` requests remembered before that instant; how many it were."""
        with self._open_tables() as tables:
            oldest = islice(tables.requests.items(), max(limit, 0))
            old = [request_id for request_id, (_, at) in oldest if at < before]
            for request_id in old:
                del tables.requests[request_id]
            return len(old)

    def snapshot(self, stream: str) -> Snapshot | None:
        """The one that was kept of `stream`."""
        with self._open_tables() as tables:
            return tables.snapshots.get(stream)

    def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """Keep it, in place of an older one of the same stream."""
        with self._open_tables() as tables:
            kept = tables.snapshots.get(stream)
            if kept is None or kept.version <= snapshot.version:
                tables.snapshots[stream] = snapshot

    def drop_snapshots(self) -> None:
        """Forget all of them."""
        with self._open_tables() as tables:
            tables.snapshots.clear()

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


def _objection(tables: _Tables, draft: Draft) -> Objection:
    versions = {
        stream: found
        for stream, expected in draft.versions.items()
        if (found := tables.version(stream)) != expected
    }
    asked = {one.request.request_id for one in draft.requests}
    keys = {
        subject: held
        for subject, expected in draft.keys.items()
        if (held := tables.key_id(subject)) != expected
    }
    return Objection(versions, frozenset(asked & tables.requests.keys()), keys)


def _insert(tables: _Tables, stored_events: Sequence[StoredEvent]) -> None:
    log, streams = tables.log, tables.streams
    before = len(log)
    for stored in stored_events:
        stream = str(stored.originator_id)
        rows = streams.setdefault(stream, [])
        if rows and rows[-1][2] >= stored.originator_version:
            for row in log[before:]:
                streams[row[1]].pop()
            del log[before:]
            raise IntegrityError(f"{stream} has version {stored.originator_version} already")
        row = (len(log) + 1, stream, stored.originator_version, stored.topic, stored.state)
        rows.append(row)
        log.append(row)


def _remember(tables: _Tables, remembered: Remembered, before: int) -> None:
    position = 0 if remembered.row is None else before + 1 + remembered.row
    placed = replace(remembered.request, position=position)
    tables.requests[placed.request_id] = (placed, datetime.now(UTC))
