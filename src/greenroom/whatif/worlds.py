"""What is known at a point of the log: the streams of calls, and what all calls rest on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Self

from greenroom.domain.call_events import CallCreated
from greenroom.domain.decider import Decider
from greenroom.domain.message import CallId, Event, StreamId, UserId
from greenroom.domain.ports import EventStore
from greenroom.domain.session_state import Session
from greenroom.domain.streams import decider_of, member_stream
from greenroom.domain.turn import Folded, Step
from greenroom.whatif.deeds import Deed, Record
from greenroom.whatif.quick import Quick

KEPT: Final = 50_000
"""Streams, and entries of sessions, in memory: about two kilobytes each with all that is known of
their calls. Of others, what is asked for again is read again."""
_ALWAYS_KEPT: Final = 16
"""Calls, however large: else each that is would be read again for everything that happens in it."""
UNFOLDED: Final = 25_000
"""Records, of all calls, before all that wait are folded: half a kilobyte each, at most."""
_UNFOLDED: Final = 512
"""Events of a stream that wait to be folded: together it takes half the time."""
Stands = Callable[[Record], bool]
"""Whether a record counts."""
Recall = Callable[[CallId, int], Iterable[Record]]
"""The records of a call up to a position."""


class Stream:
    """One stream, folded as far as it is asked for."""

    __slots__ = ("_decider", "_pending", "_state", "version")

    def __init__(self, decider: Decider[Any, Any, Any]) -> None:
        self._decider = decider
        self._state = decider.initial
        self._pending: list[Event] = []
        self.version = 0

    def take(self, event: Event, version: int) -> None:
        """What happened next."""
        self.version = version
        self._pending.append(event)
        if len(self._pending) == _UNFOLDED:
            self.fold()

    @property
    def state(self) -> Any:
        """As it is now."""
        return self.fold() if self._pending else self._state

    def fold(self) -> Any:
        """Fold what waits; as it is now."""
        self._state = self._decider.fold(self._pending, self._state)
        self._pending = []
        return self._state

    def copy(self) -> Stream:
        """The same, to go on by itself."""
        other = Stream(self._decider)
        other._state, other.version = self._state, self.version
        other._pending = self._pending.copy()
        return other


class CallWorld:
    """The streams of one call."""

    __slots__ = ("cid", "quick", "size", "streams")

    def __init__(self, cid: CallId) -> None:
        self.cid = cid
        self.streams: dict[StreamId, Stream] = {}
        self.quick: Quick | None = None
        """Told of everything, where joins and leaves are decided on without a turn."""
        self.size = 0
        """Streams and entries that it held when it was last folded."""

    def take(self, records: Iterable[Record | Step]) -> Self:
        """What was recorded, or decided, next."""
        streams, quick = self.streams, self.quick
        for record in records:
            stream = streams.get(record.stream)
            if stream is None:
                stream = streams[record.stream] = Stream(decider_of(record.stream))
            stream.take(record.event, record.version)
            if quick is not None:
                quick.take(record.event)
        return self

    def stream(self, name: StreamId) -> Stream:
        """One of its streams, which from now on is told what happens next."""
        found = self.streams.get(name)
        if found is None:
            found = self.streams[name] = Stream(decider_of(name))
        return found

    def load(self, stream: StreamId) -> Folded[Any]:
        """One of its streams; as it begins where nothing has happened."""
        found = self.streams.get(stream)
        if found is None:
            return Folded(decider_of(stream).initial, 0)
        return Folded(found.state, found.version)

    def member_ids(self, cid: CallId) -> Iterator[UserId]:
        """Everybody who has a standing in it."""
        prefix = member_stream(cid, UserId(""))
        return (UserId(one.removeprefix(prefix)) for one in self.streams if one.startswith(prefix))

    def fold(self) -> int:
        """Let nothing wait to be folded; by how much it has grown since the last time."""
        before, self.size = self.size, len(self.streams)
        for stream in self.streams.values():
            state = stream.state
            if isinstance(state, Session):
                self.size += len(state.entries)
        return self.size - before

    def copy(self) -> CallWorld:
        """The same, to go another way."""
        other = CallWorld(self.cid)
        other.streams = {name: stream.copy() for name, stream in self.streams.items()}
        return other


class Calls:
    """The calls as they are recorded; those go first that nobody was at for long.

    In memory are at most so many streams and entries as are kept, or the latest few calls where
    these have more; and what has come since they were counted, which is at most so many records as
    may wait to be folded.
    """

    def __init__(self, recall: Recall, kept: int = KEPT, unfolded: int = UNFOLDED) -> None:
        """Know of none yet.

        Args:
            recall: reads what is not kept.
            kept: streams and entries in memory.
            unfolded: records that may wait to be folded.
        """
        self._recall = recall
        self._kept = kept
        self._unfolded = unfolded
        self._latest: dict[CallId, CallWorld] = {}
        """Those that something happened in since all was folded."""
        self._folded: OrderedDict[CallId, CallWorld] = OrderedDict()
        """The others, the longest untouched first."""
        self.size = 0
        """Streams and entries that were in memory when they were last counted."""
        self._waiting = 0
        """Records that came since, and what was read again."""

    def before(self, deed: Deed) -> CallWorld:
        """The call as it was before `deed`."""
        self._waiting += len(deed.records)
        if self._waiting > self._unfolded:
            self._fold()
        world = self._latest.get(deed.cid)
        if world is not None:
            return world
        first = deed.records[0]
        if isinstance(first.event, CallCreated) and first.version == 1:
            return self._keep(CallWorld(deed.cid))
        return self.at(deed.cid, deed.position - 1)

    def at(self, cid: CallId, position: int) -> CallWorld:
        """The call as it was at a position that has just been reached."""
        world = self._latest.get(cid)
        if world is not None:
            return world
        world = self._folded.pop(cid, None)
        if world is None:
            world = CallWorld(cid).take(self._recall(cid, position))
            grown = world.fold()
            self.size += grown
            self._waiting += grown
        return self._keep(world)

    def _keep(self, world: CallWorld) -> CallWorld:
        self._latest[world.cid] = world
        return world

    def _fold(self) -> None:
        """Fold what waits, and let go what is too much."""
        self.size += sum(world.fold() for world in self._latest.values())
        self._folded.update(self._latest)
        self._latest.clear()
        self._waiting = 0
        while self.size > self._kept and len(self._folded) > _ALWAYS_KEPT:
            self.size -= self._folded.popitem(last=False)[1].size


class Commons:
    """Call types and users."""

    def __init__(
        self,
        store: EventStore,
        since: int,
        stands: Stands | None,
        changed: Callable[[StreamId, Folded[Any]], Folded[Any]],
    ) -> None:
        """As they were at a position.

        Args:
            store: tells what was before.
            since: a position; what comes later is told by `take`.
            stands: which records count; None for all.
            changed: a stream's state under what is supposed.
        """
        self._store = store
        self._since = since
        self._stands = stands
        self._changed = changed
        self._streams: dict[StreamId, Stream] = {}
        self._found: dict[StreamId, Folded[Any]] = {}
        self.changes = 0
        """How often something was taken: until then everything is as it was."""

    def take(self, records: Sequence[Record]) -> None:
        """What was recorded next."""
        self.changes += 1
        if len(self._streams) > KEPT:  # what is asked for again is read again, as of now
            self._streams.clear()
            self._found.clear()
            self._since = records[0].position - 1
        for record in records:
            if self._stands is None or self._stands(record):
                self._of(record.stream).take(record.event, record.version)
                self._found.pop(record.stream, None)

    def load(self, stream: StreamId) -> Folded[Any]:
        """As it is, under what is supposed."""
        found = self._found.get(stream)
        if found is None:
            there = self._of(stream)
            found = self._changed(stream, Folded(there.state, there.version))
            self._found[stream] = found
        return found

    def _of(self, stream: StreamId) -> Stream:
        found = self._streams.get(stream)
        if found is None:
            found = self._streams[stream] = Stream(decider_of(stream))
            if self._since:
                for record in self._store.read(stream, until=self._since):
                    if self._stands is None or self._stands(record):
                        found.take(record.event, record.version)
        return found
