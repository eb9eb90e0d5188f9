"""Deciding without rules, for the exam of the pipeline; and a store that does as a script says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Any

from msgspec.structs import replace

from greenroom.adapters.event_store import RecorderStore
from greenroom.domain.errors import OutcomeUnknown, StoreError
from greenroom.domain.message import Decided, Event, EventId, StreamId, UserId
from greenroom.domain.ports import Append, Commit, EventStore, Request
from greenroom.domain.streams import decider_of, session_stream, user_stream
from greenroom.domain.turn import Folded
from greenroom.domain.user import UserErased
from greenroom.pipeline import Pipeline
from greenroom.proposal import Proposal
from greenroom.sight import Sight
from greenroom.states import CAPACITY, States
from greenroom.testing.store_events import AT, CID, added, decided, pinned

FIRST, SECOND, THIRD = (session_stream(CID, number) for number in (1, 2, 3))
ALICE = added("alice").stream


class Fault(Enum):
    """What may happen to a store that is told to record."""

    NONE = "none"
    ERROR = "nothing was written"
    BUG = "something else was raised, nothing was written"
    LOST = "nobody knows, nothing was written"
    LOST_ANSWER = "nobody knows, all was written"
    INTERRUPT = "somebody pressed Control-C, nothing was written"
    LATE_INTERRUPT = "somebody pressed Control-C, all was written"


_BEFORE: Mapping[Fault, type[BaseException]] = {
    Fault.ERROR: StoreError,
    Fault.BUG: RuntimeError,
    Fault.LOST: OutcomeUnknown,
    Fault.INTERRUPT: KeyboardInterrupt,
}
_AFTER: Mapping[Fault, type[BaseException]] = {
    Fault.LOST_ANSWER: OutcomeUnknown,
    Fault.LATE_INTERRUPT: KeyboardInterrupt,
}


def first_time(fault: Fault) -> Callable[[Sequence[Append]], Fault]:
    """`fault` for the first batch, none for those that follow."""
    left = [fault]
    return lambda _: left.pop() if left else Fault.NONE


class Script:
    """Takes the place of a store's `record`: what happens before, and which fault it has."""

    def __init__(self, store: EventStore) -> None:
        self._record = store.record
        self.batches: list[Sequence[Append]] = []
        """What was to be recorded, call after call."""
        self.commits: list[Commit] = []
        """What was recorded, whether anybody was told or not."""
        self.meanwhile: Callable[[Sequence[Append]], object] = lambda _: None
        """Happens while the batch is in the store, before it is written."""
        self.fault: Callable[[Sequence[Append]], Fault] = lambda _: Fault.NONE
        """What then happens to it."""

    def __call__(self, batch: Sequence[Append]) -> Commit:
        self.batches.append(batch)
        self.meanwhile(batch)
        fault = self.fault(batch)
        if fault in _BEFORE:
            raise _BEFORE[fault](fault.value)
        self.commits.append(self._record(batch))
        if fault in _AFTER:
            raise _AFTER[fault](fault.value)
        return self.commits[-1]


@dataclass(frozen=True)
class Made:
    """A decision, and what it was made on."""

    proposal: Proposal
    seen: Mapping[StreamId, Folded[Any]]

    @property
    def event_ids(self) -> list[EventId]:
        return [event.event_id for event in self.proposal.append.events]


@dataclass
class Clerk:
    """Decides that whoever comes is pinned, or a member: always, and on whatever it is told to."""

    store: RecorderStore
    capacity: int = CAPACITY
    made: list[Made] = field(default_factory=list)
    woken: list[Proposal] = field(default_factory=list)
    """Whose `wake` was called, each time."""

    def __post_init__(self) -> None:
        self.states = States(self.store, self.capacity)
        self.pipeline = Pipeline(self.store, self.states)
        self.other = RecorderStore(self.store.recorder)
        """Another process on the same store; no script is followed there."""
        self._serial = count(1)

    def decide(
        self,
        *writes: StreamId,
        reads: Collection[StreamId] = (),
        request: Request | None = None,
        erases: Collection[str] = (),
        spoilt: bool = False,
    ) -> Proposal:
        """Send one event to each of `writes` on its way, decided on these and on `reads`."""
        proposal = None
        while proposal is None:
            sight = self.look()
            seen = {stream: sight(stream) for stream in (*writes, *reads)}
            proposal = self.propose(
                sight, seen, writes, request=request, erases=erases, spoilt=spoilt
            )
        return proposal

    def look(self) -> Sight:
        """What is to be seen now."""
        return Sight(self.pipeline.ahead, self.states, self.states.load, lambda _: ())

    def propose(
        self,
        sight: Sight,
        seen: Mapping[StreamId, Folded[Any]],
        writes: Sequence[StreamId] = (),
        *,
        request: Request | None = None,
        erases: Collection[str] = (),
        spoilt: bool = False,
    ) -> Proposal | None:
        """Decide on what was seen; None where the pipeline finds it outdated already."""
        events = [self.event(stream, seen[stream].version + 1, spoilt=spoilt) for stream in writes]
        states = {
            one.stream: Folded(
                decider_of(one.stream).evolve(seen[one.stream].state, one.event), one.version
            )
            for one in events
        }
        expects = {stream: folded.version for stream, folded in seen.items()}
        only_read = {stream: version for stream, version in expects.items() if stream not in writes}
        proposal = Proposal(Append(events, only_read, request, erases), states, self.woken.append)
        if not self.pipeline.enter(proposal, sight, expects):
            return None
        self.made.append(Made(proposal, seen))
        return proposal

    def erase(self, user: str) -> Proposal:
        """Decide that everything personal about `user` goes."""
        stream = user_stream(UserId(user))
        return self.decide(stream, erases=[stream])

    def elsewhere(self, stream: StreamId) -> None:
        """Let another process append to `stream`."""
        version = sum(1 for _ in self.other.events(stream))
        self.other.append([self.event(stream, version + 1)])

    def event(self, stream: StreamId, version: int, *, spoilt: bool = False) -> Decided[Event]:
        """An event that there is only one of; `spoilt`, one that cannot be stored."""
        serial = next(self._serial)
        made: Decided[Event]
        if stream.startswith("user-"):
            user_id = UserId(stream.removeprefix("user-"))
            made = decided(UserErased(at=AT, user_id=user_id), stream, version)
        elif stream.startswith("member-"):
            spoil = float("nan") if spoilt else 0
            made = added(stream.rpartition("/")[2], version, serial=serial, spoil=spoil)
        else:
            made = pinned(version, stream)
            made = replace(made, event=replace(made.event, user_id=UserId(f"user-{serial}")))
        return replace(made, event_id=EventId(f"event-{serial}"))

    def record(self) -> None:
        """Record until nothing waits."""
        self.pipeline.lead_on()


def events_by_stream(store: EventStore) -> dict[StreamId, list[Event]]:
    """The whole log, stream by stream; fails where a version is missing or stands twice."""
    found: dict[StreamId, list[Event]] = {}
    for _, record in store.feed():
        events = found.setdefault(record.stream, [])
        assert record.version == len(events) + 1, record
        events.append(record.event)
    return found


def versions_at(store: EventStore) -> Iterator[dict[StreamId, int]]:
    """The version of every stream at position 0, 1, 2 ... of the log."""
    versions: dict[StreamId, int] = {}
    yield dict(versions)
    for head in store.heads():
        versions[head.stream] = head.version
        yield dict(versions)
