"""The event store: one implementation of the port, over any recorder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache, partial
from itertools import chain
from operator import itemgetter
from time import monotonic
from typing import Any, Final, TypeVar

from greenroom.adapters.batch import Batch
from greenroom.adapters.codec import (
    FindKeys,
    Row,
    decode,
    decode_all,
    decode_events,
    plain_events,
    salvaged,
)
from greenroom.adapters.keyring import Keyring, KeysWithin
from greenroom.adapters.recorder import EVERYTHING, PAGE, LogRecorder, Written
from greenroom.adapters.shelf import RecorderShelf
from greenroom.domain.errors import GreenroomError, StoreClosed
from greenroom.domain.message import Decided, Event, Recorded, RequestId, StreamId
from greenroom.domain.ports import Append, Commit, Damaged, Head, Request
from greenroom.domain.streams import subjects
from greenroom.projections.batches import batched

_FEED_PAGE: Final = 4000
"""Records of the feed read at once; a fifth faster than 1000 on PostgreSQL."""
_OPENED: Final = 250
"""Of them decoded at once: what is erased only then is handed out all the same."""
POLL_SECONDS = 0.05
"""How late the appends of other processes may be noticed by `wait`."""


T = TypeVar("T")
_position: Final[Callable[[Row], int]] = itemgetter(0)
_version: Final[Callable[[Row], int]] = itemgetter(2)


class RecorderStore:
    """An `EventStore` over a recorder: encoding, versions, expectations, sealing."""

    def __init__(self, recorder: LogRecorder, keys: Keyring | None = None) -> None:
        self.recorder = recorder
        """For tools of the eventsourcing library."""
        self._keys: Final = keys or KeysWithin(recorder)

    def record(self, batch: Sequence[Append]) -> Commit:
        """Record the appends in their order, in one commit; each of them whole or not at all.

        Raises:
            OutcomeUnknown: the store was lost on the way; whether they were recorded is not known.
            KeysUnavailable: something personal is in it, and its keys cannot be asked for.
            StoreError: the store cannot be written; nothing was recorded.
        """
        self._check_open()
        plan = Batch(batch, self._keys.find)
        while True:  # whoever was quicker has got something done
            answer = self._keys.write(plan.draft())
            if isinstance(answer, Written):
                break
            plan.learn(answer)
        position = answer.positions[-1] if answer.positions else answer.before
        return Commit(plan.outcomes(answer), answer.before, position)

    def append(
        self,
        events: Sequence[Decided[Event]],
        expects: Mapping[StreamId, int] | None = None,
        request: Request | None = None,
        erases: Collection[str] = (),
    ) -> Sequence[int]:
        """Record `events`, and `request` with them: all or nothing, durable on return.

        Raises:
            Conflict: a stream has moved on.
            Repeated: the request id was recorded before.
            InvalidInput: an event holds something that JSON cannot.
            OutcomeUnknown: the store was lost on the way; whether it was recorded is not known.
            StoreError: the store cannot be written; nothing was recorded.
        """
        append = Append(events, expects or {}, request, erases)
        (outcome,) = self.record([append]).outcomes
        if isinstance(outcome, GreenroomError):
            raise outcome
        return outcome

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
        find_keys = self._keys.find
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
        self,
        after: int = 0,
        *,
        until: int | None = None,
        of: Callable[[StreamId], bool] | None = None,
    ) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs past `after`, in commit order; of all streams, or of some."""
        pages = self._log(after, until)
        if of is not None:
            wanted: Callable[[Any], bool] = of  # a stream's name is one: no call to say so
            pages = ([row for row in page if wanted(row[1])] for page in pages)
        return self._placed(pages, decode)

    def pick(self, positions: Iterable[int]) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs at `positions`, which rise; nothing where no record stands."""
        self._check_open()
        pages = map(self.recorder.rows_at, batched(positions, PAGE))
        return self._placed(pages, decode)

    def salvage(
        self, after: int = 0, *, until: int | None = None
    ) -> Iterator[tuple[int, Recorded[Event] | Damaged]]:
        """The same as `feed`, for who goes on: what cannot be read comes as `Damaged`."""
        return self._placed(self._log(after, until), salvaged)

    def heads(self, after: int = 0) -> Iterator[Head]:
        """The same as `feed` without what the records say."""
        self._check_open()
        while rows := self.recorder.head_rows(after, PAGE):
            for position, stream, version, name in rows:
                yield Head(position, StreamId(stream), version, name)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

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
        self._check_open()
        self._keys.forget(subjects)

    def prune_requests(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` requests recorded before that instant; how many it were."""
        return self.recorder.prune_requests(before, limit)

    def shelf(self, stream: StreamId) -> RecorderShelf:
        """Where a snapshot of `stream` is kept."""
        self._check_open()
        return RecorderShelf(self.recorder, stream, self._keys.find)

    def drop_snapshots(self) -> None:
        """Forget every snapshot of every stream."""
        self.recorder.drop_snapshots()

    def alone(self) -> AbstractContextManager[None]:
        """Let nobody else append until this thread has, or leaves."""
        return self.recorder.alone()

    @property
    def secret(self) -> bytes:
        """32 random bytes that belong to this store, the same in every process."""
        self._check_open()
        return self.recorder.secret

    def close(self) -> None:
        """Release everything. Twice is fine; other calls then raise StoreClosed."""
        self.recorder.close()
        self._keys.close()

    def _events(self, stream: StreamId, after: int, until: int) -> Iterable[Event]:
        """One page, with what is sealed opened and what is unreadable named."""
        rows = self.recorder.stream_rows(stream, after, until, PAGE)
        # All are of the same subjects, whose keys are looked for once, where any is needed.
        found = cache(partial(self._keys.find, subjects(stream)))
        return decode_events(rows, lambda _: found())

    def _log(self, after: int, until: int | None) -> Iterator[Sequence[Row]]:
        """The rows of all streams past `after`, page by page."""
        self._check_open()
        return self._pages(self.recorder.log_rows, after, until, last_of=_position, size=_FEED_PAGE)

    def _pages(
        self,
        fetch: Callable[[int, int, int], Sequence[Row]],
        after: int,
        until: int | None,
        *,
        last_of: Callable[[Row], int],
        size: int = PAGE,
    ) -> Iterator[Sequence[Row]]:
        """What `fetch` gives past `after`, which is about what `last_of` says of a row."""
        last = EVERYTHING if until is None else until
        rows = fetch(after, last, size)
        while rows:
            yield rows
            rows = fetch(last_of(rows[-1]), last, size) if len(rows) == size else ()

    def _placed(
        self, pages: Iterable[Sequence[Row]], one: Callable[[Row, FindKeys], T]
    ) -> Iterator[tuple[int, Recorded[Event] | T]]:
        """(position, record) pairs; `one` reads those among which there are unreadable ones."""
        find_keys = self._keys.find
        for page in pages:
            for start in range(0, len(page), _OPENED):
                rows = page[start : start + _OPENED]
                records = decode_all(rows, find_keys, one)
                yield from zip(map(_position, rows), records, strict=True)

    def _check_open(self) -> None:
        if self.recorder.closed:
            raise StoreClosed("the store was closed; open it again")
