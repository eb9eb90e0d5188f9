"""What a store stands on: a log of rows with everything that must be written together with them.

A recorder knows nothing of events or of what is sealed. It is an `ApplicationRecorder` of the
eventsourcing library as well, so that the library's own test kit and tools work with it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event as Flag
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    ListenNotifySubscription,
    Notification,
    StoredEvent,
)

from greenroom.adapters.codec import Content, Row
from greenroom.adapters.sealing import SubjectKey
from greenroom.domain.message import RequestId
from greenroom.domain.ports import Request

PAGE: Final = 1000
"""Rows fetched at once: no read transaction stays open while somebody works through them."""
EVERYTHING: Final = 2**63 - 1
"""An upper bound that no version, position or number of rows reaches."""

HeadRow = tuple[int, str, int, str]
"""Position, stream, version, stored name."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A request to remember."""

    request: Request
    """Its position is what `row` says, whatever stands in it."""
    row: int | None
    """The row of the draft whose position it gets; None for position 0."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What to write in one transaction, and what must hold for that."""

    rows: Sequence[StoredEvent] = ()
    """In order."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """The version every stream named here must have, before the rows; 0 where it is empty."""
    requests: Sequence[Remembered] = ()
    """None of their ids may be known."""
    keys: Mapping[str, int | None] = field(default_factory=dict)
    """Subjects, and the id of the key each must have; None: it must have none."""
    new_keys: Mapping[str, SubjectKey] = field(default_factory=dict)
    """Subjects, and the keys they get."""
    forgets: Collection[str] = ()
    """Subjects whose keys are destroyed, after all else."""

    @property
    def writes(self) -> bool:
        """Whether there is anything to write, or only something to check."""
        return bool(self.rows or self.requests or self.new_keys or self.forgets)


@dataclass(frozen=True, slots=True)
class Written:
    """A draft was written, or holds where there was nothing to write."""

    positions: Sequence[int]
    """One a row, rising."""
    before: int
    """The log's last position before the rows."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why nothing of a draft was written: what is so instead."""

    versions: Mapping[str, int] = field(default_factory=dict)
    """Streams that have another version, and which."""
    requests: frozenset[RequestId] = frozenset()
    """Ids that are known already."""
    keys: Mapping[str, int | None] = field(default_factory=dict)
    """Subjects that have another key, or none, and its id."""

    def __bool__(self) -> bool:
        """Whether there is anything to object to."""
        return bool(self.versions or self.requests or self.keys)


class Snapshot(NamedTuple):
    """A stream's folded state, as somebody found worth keeping. Never the truth."""

    version: int
    format: str
    """Says what can read it; others fold the stream instead."""
    state: bytes


class LogRecorder(ApplicationRecorder):
    """A log that one writer at a time appends to, and any number read. Safe for many threads."""

    def __init__(self) -> None:
        self._listeners: set[Flag] = set()

    @property
    @abstractmethod
    def secret(self) -> bytes:
        """32 random bytes, made with the log."""

    @abstractmethod
    def write(self, draft: Draft) -> Written | Objection:
        """Write all of `draft` in one transaction, durable on return; or say what is against it.

        One with nothing to write is checked at one moment, and waits for no writer.

        Raises:
            IntegrityError: a row's version stands already, and the draft expected nothing of it.
            OutcomeUnknown: the connection was lost on the way, and stays lost.
            StoreError: it cannot be written; nothing was.
        """

    @abstractmethod
    def stream_rows(self, stream: str, after: int, until: int, limit: int) -> Sequence[Row]:
        """Rows of `stream` past version `after`, at or before position `until`, oldest first."""

    @abstractmethod
    def stream_contents(self, stream: str, after: int, until: int, limit: int) -> Sequence[Content]:
        """The same rows as `stream_rows`, without what folding does not need."""

    @abstractmethod
    def log_rows(self, after: int, until: int, limit: int) -> Sequence[Row]:
        """Rows of all streams past position `after` up to `until`, in commit order."""

    @abstractmethod
    def rows_at(self, positions: Sequence[int]) -> Sequence[Row]:
        """The rows at these positions, in their order; none where none stands."""

    @abstractmethod
    def head_rows(self, after: int, limit: int) -> Sequence[HeadRow]:
        """The same as `log_rows` without the documents."""

    @abstractmethod
    def position(self) -> int:
        """Of the last row; 0 while there is none."""

    @abstractmethod
    def keys(self, subjects: Sequence[str]) -> Sequence[SubjectKey | None]:
        """The keys of `subjects` as they are now, in their order."""

    @abstractmethod
    def subjects(self, first: str, last: str, limit: int) -> Sequence[str]:
        """Up to `limit` subjects with keys, from `first` up to `last`, in order."""

    @abstractmethod
    def forget(self, subjects: Collection[str]) -> None:
        """Destroy the keys of `subjects`; no copy is left anywhere when this returns."""

    @abstractmethod
    def request(self, request_id: RequestId) -> Request | None:
        """The request remembered under this id."""

    @abstractmethod
    def prune_requests(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` requests remembered before that instant; how many it were."""

    @abstractmethod
    def snapshot(self, stream: str) -> Snapshot | None:
        """The one that was kept of `stream`."""

    @abstractmethod
    def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """Keep it, in place of an older one of the same stream."""

    @abstractmethod
    def drop_snapshots(self) -> None:
        """Forget all of them; nothing is lost."""

    def alone(self) -> AbstractContextManager[None]:
        """Let nobody else write until this thread has, or leaves; by default nobody else can."""
        return nullcontext()

    @abstractmethod
    def close(self) -> None:
        """Release everything and wake whoever listens; what is being done is finished first."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether `close` was called."""

    @contextmanager
    def listening(self) -> Iterator[Flag]:
        """A flag that is set after every append of this process, and on close."""
        flag = Flag()
        self.listen(flag)
        try:
            yield flag
        finally:
            self.unlisten(flag)

    def listen(self, flag: Flag) -> None:
        """Set `flag` after every append of this process, and on close."""
        self._listeners.add(flag)

    def unlisten(self, flag: Flag) -> None:
        """Leave `flag` alone from now on."""
        self._listeners.discard(flag)

    def _notify(self) -> None:
        for flag in tuple(self._listeners):
            flag.set()

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **_kwargs: Any
    ) -> Sequence[int] | None:
        """Append as the library does it: no version may stand twice, holes are allowed."""
        written = self.write(Draft(rows=stored_events))
        return [*written.positions] if isinstance(written, Written) else None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The stored events of one stream, as the library reads them."""
        after = -1 if gt is None else gt
        rows = self.stream_rows(str(originator_id), after, EVERYTHING, EVERYTHING)
        if lte is not None:
            rows = [row for row in rows if row[2] <= lte]
        if desc:
            rows = rows[::-1]
        return [StoredEvent(*row[1:]) for row in rows[:limit]]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """At most `limit` records of all streams, as the library reads them."""
        after = 0 if start is None else start - inclusive_of_start
        until = EVERYTHING if stop is None else stop
        found: list[Notification] = []
        while rows := self.log_rows(after, until, limit):
            after = rows[-1][0]
            found += [
                Notification(*row[1:], id=row[0]) for row in rows if not topics or row[3] in topics
            ]
            if len(found) >= limit:
                break
        return found[:limit]

    def max_notification_id(self) -> int | None:
        """The last position; None while there is none."""
        return self.position() or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> ListenNotifySubscription[LogRecorder]:
        """Records past `gt` as they come; woken by appends of this process."""
        return _Subscription(self, gt, topics)


class _Subscription(ListenNotifySubscription[LogRecorder]):
    def __init__(self, recorder: LogRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        recorder.listen(self._has_been_notified)

    def stop(self) -> None:
        super().stop()
        self._recorder.unlisten(self._has_been_notified)
