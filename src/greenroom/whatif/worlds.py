"""What is known at a point of the log: the streams of calls, and what all calls rest on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Self

from greenroom.domain.call_events import CallCreated
from greenroom.domain.decider import Decider
from greenroom.domain.message import CallId, Event, StreamId, UserId
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import decider_of, member_stream
from greenroom.domain.turn import Folded, Step
from greenroom.whatif.deeds import Deed, Record
from greenroom.whatif.quick import Quick

KEPT: Final = 20_000
"""Calls kept in memory; of others, what is asked for again is read again."""
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

    __slots__ = ("cid", "quick", "streams")

    def __init__(self, cid: CallId) -> None:
        self.cid = cid
        self.streams: dict[StreamId, Stream] = {}
        self.quick: Quick | None = None
        """Told of everything, where joins and leaves are decided on without a turn."""

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

    def copy(self) -> CallWorld:
        """The same, to go another way."""
        other = CallWorld(self.cid)
        other.streams = {name: stream.copy() for name, stream in self.streams.items()}
        return other


class Calls:
    """The calls as they are recorded; those go first that nobody was at for long."""

    def __init__(self, recall: Recall, kept: int = KEPT) -> None:
        """Know of none yet.

        Args:
            recall: reads what is not kept.
            kept: calls in memory.
        """
        self._recall = recall
        self._kept = kept
        self._worlds: OrderedDict[CallId, CallWorld] = OrderedDict()

    def before(self, deed: Deed) -> CallWorld:
        """The call as it was before `deed`."""
        world = self._worlds.get(deed.cid)
        if world is not None:
            self._worlds.move_to_end(deed.cid)
            return world
        first = deed.records[0]
        if isinstance(first.event, CallCreated) and first.version == 1:
            return self._keep(CallWorld(deed.cid))
        return self.at(deed.cid, deed.position - 1)

    def at(self, cid: CallId, position: int) -> CallWorld:
        """The call as it was at a position that has just been reached."""
        world = self._worlds.get(cid)
        if world is not None:
            return world
        return self._keep(CallWorld(cid).take(self._recall(cid, position)))

    def _keep(self, world: CallWorld) -> CallWorld:
        self._worlds[world.cid] = world
        if len(self._worlds) > self._kept:
            self._worlds.popitem(last=False)
        return world


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

    def take(self, records: Iterable[Record]) -> None:
        """What was recorded next."""
        self.changes += 1
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
