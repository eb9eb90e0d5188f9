"""The event store: one implementation of the port, over any recorder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from time import monotonic

from eventsourcing.persistence import StoredEvent

from greenroom.adapters.codec import (
    Row,
    decode,
    decode_events,
    encode,
    plain_events,
)
from greenroom.adapters.recorder import EVERYTHING, PAGE, LogRecorder, Transaction
from greenroom.domain.errors import Conflict, StoreClosed
from greenroom.domain.message import Decided, Event, Recorded, RequestId, StreamId
from greenroom.domain.ports import Request

POLL_SECONDS = 0.05
"""How late the appends of other processes may be noticed by `wait`."""


class RecorderStore:
    """An `EventStore` over a recorder: encoding, versions, expectations, sealing."""

    def __init__(self, recorder: LogRecorder) -> None:
        self.recorder = recorder
        """For tools of the eventsourcing library."""

    def append(
        self,
        events: Sequence[Decided[Event]],
        expects: Mapping[StreamId, int] | None = None,
        request: Request | None = None,
        erases: Collection[str] = (),
    ) -> Sequence[int]:
        """Record `events`, and `request` with them: all or nothing, durable on return.

        Raises:
            Conflict: a stream has moved on, or the request id was recorded meanwhile.
            InvalidInput: an event holds something that JSON cannot.
            StoreError: the store cannot be written; nothing was recorded.
        """

        def record(log: Transaction) -> Sequence[int]:
            _check_versions(log, events, expects or {})
            if request is not None and log.remembers(request.request_id):
                raise Conflict(f"request {request.request_id!r} was recorded meanwhile")
            stored = [
                StoredEvent(one.stream, one.version, one.event.name, encode(one, log.keys))
                for one in events
            ]
            positions = log.insert(stored)
            if request is not None:
                placed = replace(request, position=positions[-1] if positions else 0)
                log.remember(placed)
            log.forget(erases)
            return positions

        return self.recorder.write(record)

    def request(self, request_id: RequestId) -> Request | None:
        """The request recorded under this id, with its answer and position."""
        return self.recorder.request(request_id)

    def read(
        self, stream: StreamId, *, after: int = 0, until: int | None = None
    ) -> Iterator[Recorded[Event]]:
        """The records of `stream` past version `after`, oldest first."""
        self._check_open()
        pages = self._pages(
            partial(self.recorder.stream_rows, stream), after, until, last_of=_version
        )
        find_keys = self.recorder.keys
        return (decode(row, find_keys) for page in pages for row in page)

    def events(
        self, stream: StreamId, *, after: int = 0, until: int | None = None
    ) -> Iterator[Event]:
        """The same as `read`, without the records around the events: the fast way to fold.

        `benchmarks/replay.py` measures it.
        """
        self._check_open()
        last = EVERYTHING if until is None else until

        def pages(after: int) -> Iterator[Iterable[Event]]:
            while contents := self.recorder.stream_contents(stream, after, last, PAGE):
                events = plain_events(contents)
                yield self._events(stream, after, last) if events is None else events
                if len(contents) < PAGE:
                    return
                after = contents[-1][0]

        return chain.from_iterable(pages(after))

    def feed(
        self, after: int = 0, *, until: int | None = None
    ) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs over all streams past `after`, in commit order."""
        self._check_open()
        pages = self._pages(self.recorder.log_rows, after, until, last_of=_position)
        find_keys = self.recorder.keys
        return ((row[0], decode(row, find_keys)) for page in pages for row in page)

    def position(self) -> int:
        """Of the last record; 0 while there is none."""
        return self.recorder.position()

    def wait(self, after: int, timeout: float) -> bool:
        """Sleep until something stands past `after`; False after `timeout` seconds, or once closed.

        Appends of this process wake it at once, those of others within `POLL_SECONDS`.
        """
        deadline = monotonic() + timeout
        try:
            with self.recorder.listening() as appended:
                while self.recorder.position() <= after:
                    remaining = deadline - monotonic()
                    if remaining <= 0:
                        return False
                    appended.wait(min(remaining, POLL_SECONDS))
                    appended.clear()
        except StoreClosed:
            return False
        return True

    def erase(self, subjects: Collection[str]) -> None:
        """Make the personal fields about these subjects unreadable for good."""
        self.recorder.forget(subjects)

    @property
    def secret(self) -> bytes:
        """32 random bytes that belong to this store, the same in every process."""
        self._check_open()
        return self.recorder.secret

    def close(self) -> None:
        """Release everything. Twice is fine; other calls then raise StoreClosed."""
        self.recorder.close()

    def _events(self, stream: StreamId, after: int, until: int) -> Iterable[Event]:
        """One page, with what is sealed opened and what is unreadable named."""
        rows = self.recorder.stream_rows(stream, after, until, PAGE)
        return decode_events(rows, self.recorder.keys)

    def _pages(
        self,
        fetch: Callable[[int, int, int], Sequence[Row]],
        after: int,
        until: int | None,
        *,
        last_of: Callable[[Row], int],
    ) -> Iterator[Sequence[Row]]:
        """What `fetch` gives past `after`, which is about what `last_of` says of a row."""
        last = EVERYTHING if until is None else until
        rows = fetch(after, last, PAGE)
        while rows:
            yield rows
            rows = fetch(last_of(rows[-1]), last, PAGE) if len(rows) == PAGE else ()

    def _check_open(self) -> None:
        if self.recorder.closed:
            raise StoreClosed("the store was closed; open it again")


def _position(row: Row) -> int:
    return row[0]


def _version(row: Row) -> int:
    return row[2]


def _check_versions(
    log: Transaction, events: Sequence[Decided[Event]], expects: Mapping[StreamId, int]
) -> None:
    """Each stream stands where the decision saw it, and `events` go on from there.

    Raises:
        Conflict: another writer was there first, or a version would leave a hole.
    """
    for stream, expected in expects.items():
        found = log.version(stream)
        if found != expected:
            raise Conflict(f"{stream} is at version {found}, the decision read {expected}")
    last: dict[StreamId, int] = {}
    for one in events:
        found = last.get(one.stream) or log.version(one.stream)
        if one.version != found + 1:
            raise Conflict(f"{one.stream} is at version {found}, {one.version} cannot follow")
        last[one.stream] = one.version
