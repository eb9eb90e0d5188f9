"""What the core needs of the outside, said in the core's own words.

Each port has its exam in `greenroom.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from greenroom.domain.errors import GreenroomError
from greenroom.domain.message import (
    CallId,
    Decided,
    Event,
    EventId,
    Recorded,
    RequestId,
    StreamId,
    UserId,
)


@dataclass(frozen=True, slots=True)
class Request:
    """A command's own key, so that asking again is answered and not done again."""

    request_id: RequestId
    fingerprint: str
    """Of the command with all its arguments: the same key with another body is refused."""
    answer: bytes = b""
    """What was answered, as the asker wants it kept. Nothing personal: it is not sealed."""
    position: int = 0
    """Of the last event it recorded; 0 where nothing had to be recorded. The store sets it."""


@dataclass(slots=True, eq=False)
class Append:
    """What one decision wants to have recorded: all of it or nothing."""

    events: Sequence[Decided[Event]] = ()
    """In order; the versions of each stream follow on what it holds."""
    expects: Mapping[StreamId, int] = field(default_factory=dict)
    """The version each stream read for the decision must still have; 0 = must not exist. Streams
    written to need not be named: their versions say it."""
    request: Request | None = None
    """Remembered under its id until pruned."""
    erases: Collection[str] = ()
    """Subjects whose personal fields become unreadable with it, as by `EventStore.erase`."""
    rests_on: Collection[Append] = ()
    """Others, before it in the same batch, whose events it was decided on: it is recorded only if
    they are. Versions alone would not tell, where somebody else was there."""


Outcome = Sequence[int] | GreenroomError
"""The position of each event, rising; or why nothing of the append was recorded."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What became of a batch."""

    outcomes: Sequence[Outcome]
    """One for each append."""
    before: int
    """The last position before the batch; others have appended where it is not one's own last."""
    position: int
    """The last position now."""


@dataclass(frozen=True, slots=True)
class Head:
    """A record's place, without what it says."""

    position: int
    stream: StreamId
    version: int
    name: str
    """The event's stored name."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A record that cannot be read: damaged, or written by a newer greenroom."""

    position: int
    stream: StreamId
    version: int
    name: str
    """The event's stored name."""
    reason: str
    """Where and why; no values, which may be personal."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a stream, written down by somebody who folded it. Never the truth."""

    version: int
    """Of the last event that it takes in."""
    format: str
    """Says what can read it."""
    state: bytes


class Shelf(Protocol):
    """Where the snapshot of one stream is kept, readable only until one of its subjects is erased.

    What is about a person is sealed under the keys that were in force when the shelf was asked
    for. So ask for it before reading what is to be kept there: what was erased meanwhile must not
    come back under the key of somebody who came back.
    """

    def snapshot(self) -> Snapshot | None:
        """What is kept there.

        None also for what nobody can open any more, and for what this store did not keep of this
        very log: a record other than the one that the snapshot ends with, a single other bit.
        """
        ...

    def keep(self, snapshot: Snapshot, *, personal: bool) -> None:
        """Keep it, in place of an older one of the stream.

        Args:
            snapshot: of a version that the stream has.
            personal: whether it says anything about a person; where that cannot be sealed, it is
                not kept.

        Raises:
            ValueError: the stream has no such version.
            StoreError: the store cannot be written.
        """
        ...


class EventStore(Protocol):
    """Append-only streams of events, and one feed over all of them. Safe for many threads."""

    def record(self, batch: Sequence[Append]) -> Commit:
        """Record the appends in their order, in one commit; each of them whole or not at all.

        One that is refused harms no other but those that rest on it. Durable on return. Those
        without events and requests are checked only: did what they expect stand, all at once?

        Args:
            batch: at least one; only the last of it may erase.

        Returns:
            The outcome of each: its positions; `Conflict` where a stream has moved on,
            `Repeated` where the request id is known, `InvalidInput` where an event holds what
            JSON cannot.

        Raises:
            OutcomeUnknown: the store was lost on the way; whether they were recorded is not known.
            StoreError: the store cannot be written; nothing was recorded.
        """
        ...

    def append(
        self,
        events: Sequence[Decided[Event]],
        expects: Mapping[StreamId, int] | None = None,
        request: Request | None = None,
        erases: Collection[str] = (),
    ) -> Sequence[int]:
        """Record one `Append`, alone: all or nothing, durable on return.

        Returns:
            The position of each event, rising.

        Raises:
            Conflict: a stream has moved on.
            Repeated: the request id was recorded before.
            OutcomeUnknown: the store was lost on the way; whether it was recorded is not known.
            StoreError: the store cannot be written; nothing was recorded.
        """
        ...

    def request(self, request_id: RequestId) -> Request | None:
        """The request recorded under this id, with its answer and position."""
        ...

    def read(
        self, stream: StreamId, *, after: int = 0, until: int | None = None
    ) -> Iterator[Recorded[Event]]:
        """The records of `stream` past version `after`, oldest first.

        Args:
            until: only those at or before this position of the log.
        """
        ...

    def events(
        self, stream: StreamId, *, after: int = 0, until: int | None = None
    ) -> Iterator[Event]:
        """The same as `read`, without the records around the events: the fast way to fold."""
        ...

    def feed(
        self,
        after: int = 0,
        *,
        until: int | None = None,
        of: Callable[[StreamId], bool] | None = None,
    ) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs past `after`, in commit order.

        Ends at what was recorded when it got there; call again with the last position.

        Args:
            after: a position.
            until: the last position that is told.
            of: says which streams matter; records of others are not even decoded. None for all.
        """
        ...

    def pick(self, positions: Iterable[int]) -> Iterator[tuple[int, Recorded[Event]]]:
        """(position, record) pairs at `positions`, which rise; nothing where no record stands."""
        ...

    def salvage(
        self, after: int = 0, *, until: int | None = None
    ) -> Iterator[tuple[int, Recorded[Event] | Damaged]]:
        """The same as `feed`, for who goes on: what cannot be read comes as `Damaged`."""
        ...

    def heads(self, after: int = 0) -> Iterator[Head]:
        """The same as `feed` without what the records say: what a cache needs to know."""
        ...

    def position(self) -> int:
        """Of the last record; 0 while there is none. Cheap: it is asked before every read."""
        ...

    def wait(self, after: int, timeout: float) -> bool:
        """Sleep until something stands past `after`, whoever wrote it; False after the timeout.

        Returns at once, with False, when the store is closed.
        """
        ...

    def erase(self, subjects: Collection[str]) -> None:
        """Make the personal fields about these subjects unreadable for good.

        Args:
            subjects: streams `call-<cid>` (everything personal in that call) or `user-<id>`
                (everything personal about that user). Unknown ones are fine; twice is fine.
                None at all lets no byte stay of the keys that `append` has destroyed.
        """
        ...

    def prune_requests(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` requests recorded before that instant, by the machine's clock.

        Returns:
            How many were forgotten.
        """
        ...

    def shelf(self, stream: StreamId) -> Shelf:
        """Where a snapshot of `stream` is kept."""
        ...

    def drop_snapshots(self) -> None:
        """Forget every snapshot of every stream. Nothing is lost."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Let nobody else append until this thread has, or leaves.

        For who is always too late: what is read here still stands when this thread records. Others
        wait meanwhile, all of them: be quick. Where a store cannot do it, it does nothing.

        Raises:
            StoreError: others kept it for too long.
        """
        ...

    @property
    def secret(self) -> bytes:
        """32 random bytes that belong to this store, the same in every process: signs cursors."""
        ...

    def close(self) -> None:
        """Release everything. Twice is fine; other calls then raise StoreClosed."""
        ...


class Ticker(Protocol):
    """Something that has work to do at certain instants."""

    def next_due(self) -> datetime | None:
        """When there is work next; None while nothing is planned."""
        ...

    def fire_due(self) -> None:
        """Do all that is due by the clock."""
        ...


class Drive(Protocol):
    """A ticker being driven by a clock."""

    def wake(self) -> None:
        """Plans changed: look at the ticker again."""
        ...

    def stop(self) -> None:
        """Drive it no more; nothing of it is running when this returns."""
        ...


class Clock(Protocol):
    """Time, and whatever has to happen in it."""

    @property
    def waits(self) -> bool:
        """Whether waking what it drives returns only once all that is due is done."""
        ...

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        ...

    def drive(self, ticker: Ticker) -> Drive:
        """From now on, fire `ticker` whenever it is due."""
        ...


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one user."""

    key: str
    """The same on every attempt: deliver once per key."""
    kind: str
    """`call_ring call_notification call_missed session_started call_live_started`."""
    cid: CallId
    user_id: UserId
    """To whom."""
    caused_by: UserId
    cause: EventId
    title: str
    body: str
    data: Mapping[str, Any]
    """What a device may want to know, e.g. `video` of a ring."""


class Notifier(Protocol):
    """Delivers notifications: push, mail, whatever the embedder has."""

    def notify(self, notification: Notification) -> None:
        """Deliver. Raising means it failed and is tried again later; blocking blocks no command."""
        ...
