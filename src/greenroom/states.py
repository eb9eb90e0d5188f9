"""Folded states kept in memory: a bounded cache that is never believed against the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from greenroom.domain.message import Event, StreamId
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import decider_of, erased_by
from greenroom.domain.turn import Folded

CAPACITY: Final = 10_000
"""Streams kept by default; the least recently used go first."""


class States:
    """What is known of each stream as of one position of the log.

    Writes of other processes are seen by `follow`: whatever they touched is forgotten here.
    """

    def __init__(self, store: EventStore, capacity: int = CAPACITY) -> None:
        self._store = store
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[StreamId, Folded[Any]] = OrderedDict()
        self._newest: OrderedDict[StreamId, int] = OrderedDict()
        """Versions that `follow` has lately met, so that what was read before it and arrives here
        after it is not taken for the newest."""
        self._seen = store.position()
        self._erasures = 0

    def follow(self) -> int:
        """Forget what others have changed since the last look.

        Returns:
            How many erasures were seen so far, for `keep`.
        """
        erasures = self._erasures
        if self._store.position() <= self._seen:
            return erasures
        with self._lock:
            for position, record in self._store.feed(self._seen):
                kept = self._kept.get(record.stream)
                if kept is not None and kept.version < record.version:
                    del self._kept[record.stream]
                self._meet(record.stream, record.version)
                if erased_by(record.event) is not None:
                    self._forget_everything()  # what was personal must not be remembered either
                self._seen = position
            return self._erasures

    def load(self, stream: StreamId) -> Folded[Any]:
        """The state of `stream`, from memory or folded from the store."""
        with self._lock:
            kept = self._kept.get(stream)
            if kept is not None:
                self._kept.move_to_end(stream)
                return kept
            erasures = self._erasures
        folded = fold(self._store, stream)
        self._keep(stream, folded, erasures)
        return folded

    def stand(self, versions: Mapping[StreamId, int]) -> bool:
        """Whether these streams have these versions still, all of them at once."""
        self.follow()
        return all(self.load(stream).version == version for stream, version in versions.items())

    def keep(
        self, states: Mapping[StreamId, Folded[Any]], positions: Iterable[int], erasures: int
    ) -> None:
        """Remember what an append of ours has led to.

        Args:
            states: as decided.
            positions: of the append.
            erasures: how many had been seen before it was decided; after others, the states may
                hold what nobody shall remember.
        """
        for stream, folded in states.items():
            self._keep(stream, folded, erasures)
        with self._lock:
            for position in positions:
                if position == self._seen + 1:
                    self._seen = position

    def forget(self, streams: Iterable[StreamId]) -> None:
        """Read these anew next time."""
        with self._lock:
            for stream in streams:
                self._kept.pop(stream, None)

    def forget_all(self) -> None:
        """Read everything anew: what the store answers has changed under the same versions."""
        with self._lock:
            self._forget_everything()

    def _forget_everything(self) -> None:
        self._kept.clear()
        self._erasures += 1

    def _meet(self, stream: StreamId, version: int) -> None:
        self._newest[stream] = version
        self._newest.move_to_end(stream)
        while len(self._newest) > CAPACITY:
            self._newest.popitem(last=False)

    def _keep(self, stream: StreamId, folded: Folded[Any], erasures: int) -> None:
        """Remember a state that was read when so many erasures had been seen."""
        with self._lock:
            if erasures != self._erasures or folded.version < self._newest.get(stream, 0):
                return
            before = self._kept.get(stream)
            if before is None or before.version < folded.version:
                self._kept[stream] = folded
            self._kept.move_to_end(stream)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)


def fold(store: EventStore, stream: StreamId, until: int | None = None) -> Folded[Any]:
    """The state of `stream`, as of position `until` of the log where that is given."""
    count = 0

    def counted() -> Iterator[Event]:
        nonlocal count
        for count, event in enumerate(store.events(stream, until=until), 1):  # noqa: B007 - how many
            yield event

    state = decider_of(stream).fold(counted())
    return Folded(state, count)
