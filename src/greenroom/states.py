"""Folded states kept in memory: a bounded cache that is never believed against the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from greenroom.domain.errors import LogRewritten
from greenroom.domain.message import StreamId
from greenroom.domain.ports import EventStore, Head
from greenroom.domain.streams import ERASING, decider_of
from greenroom.domain.turn import Folded
from greenroom.snapshots import load

CAPACITY: Final = 10_000
"""Streams kept by default; those go first that nobody has looked at since the last round."""
_FURTHEST: Final = 50_000
"""Positions of others that are gone through; past that, reading anew is less work."""

_NOWHERE: Final = Head(0, StreamId(""), 0, "")
_SET_BACK: Final = (
    "the log does not reach as far as it did: an older backup was restored, or a server took over"
    " that lacks the last commits; close the room, and open it again"
)


class States:
    """What is known of each stream as it is recorded.

    Appends of other processes are seen by `follow`: what they touched is read on from where it
    was known. Safe for many threads.
    """

    def __init__(self, store: EventStore, capacity: int = CAPACITY) -> None:
        self._store = store
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[StreamId, Folded[Any]] = OrderedDict()
        self._used: dict[StreamId, bool] = {}
        """Kept, and looked at since they were last in line to go. Looking takes no lock."""
        self._outdated: set[StreamId] = set()
        """Known not to be as they are kept, or were guessed: to be read on from where they are."""
        self._newest: OrderedDict[StreamId, int] = OrderedDict()
        """Versions that `follow` has lately met, so that what was read before it and arrives here
        after it is not taken for the newest."""
        self._luck: dict[str, float] = {}
        """How often streams of a kind were empty when they were first looked at, of late."""
        self.seen = store.position()
        """The last position that is taken into account."""
        self.set_back = False
        """Whether the log was found to be shorter than that: for good, as views have seen more."""
        self.written = 0
        """The last position that we wrote, or that somebody asked us about again."""
        self.erasures = 0
        """How many were seen; what was decided before the last must not be remembered."""

    def check(self) -> None:
        """Let nobody decide or look where the log was set back under us.

        Raises:
            LogRewritten: so it was.
        """
        if self.set_back:
            raise LogRewritten(_SET_BACK)

    def follow(self) -> int:
        """Take note of what others have appended, up to now; the position of the last.

        Where nobody has appended anything, as with one look where the log ends.

        Raises:
            LogRewritten: the log is shorter than it was.
        """
        seen = self.seen
        # Nobody waits for us meanwhile. The last that is known comes along, as long as it is there.
        known_and_others = self._store.heads(max(seen - 1, 0))
        self.set_back |= seen > 0 and next(known_and_others, _NOWHERE).position != seen
        self.check()
        others = list(islice(known_and_others, _FURTHEST + 1))
        if not others:
            return seen
        far = len(others) > _FURTHEST
        head = self._store.position() if far else others[-1].position
        with self._lock:
            if far:
                others = []
                self._forget_everything()
            for one in others:
                kept = self._kept.get(one.stream)
                if kept is not None and kept.version < one.version:
                    self._outdated.add(one.stream)
                self._meet(one.stream, one.version)
                if one.name in ERASING:
                    self._forget_everything()  # what was personal must not be remembered either
            self.seen = max(self.seen, head)
        return head

    def peek(self, stream: StreamId) -> Folded[Any] | None:
        """The state of `stream` where it is in memory, and not known to be outdated."""
        if stream in self._outdated:
            return None
        kept = self._kept.get(stream)
        if kept is not None and self._used.get(stream) is None:
            self._used[stream] = True  # a second chance when room has to be made
        return kept

    def load(self, stream: StreamId) -> Folded[Any]:
        """The state of `stream`, from memory or folded from the store."""
        return self.peek(stream) or self.fetch(stream)

    def guess(self, stream: StreamId) -> Folded[Any] | None:
        """That `stream` is empty, where it probably is: most who join have not been there before.

        A guess, like all that is kept here, is checked when something is recorded on it.
        """
        if stream in self._kept or stream in self._outdated:
            return None
        if self._luck.get(_kind(stream), 0) < _LUCKY:
            return None
        return _EMPTY.get(_kind(stream))

    def fetch(self, stream: StreamId) -> Folded[Any]:
        """The state of `stream` from the store, read on from where it is known."""
        with self._lock:
            kept, erasures = self._kept.get(stream), self.erasures
        folded = load(self._store, stream, kept)
        with self._lock:
            self._keep(stream, folded, erasures)
            if kept is None:
                self._learn(stream, empty=folded.version == 0)
        return folded

    def keep(self, states: Mapping[StreamId, Folded[Any]], erasures: int) -> None:
        """Remember what an append of ours has led to.

        Args:
            states: as decided.
            erasures: how many had been seen before it was decided; after others, the states may
                hold what nobody shall remember.
        """
        with self._lock:
            for stream, folded in states.items():
                self._keep(stream, folded, erasures)

    def wrote(self, position: int) -> None:
        """Something of ours stands there: queries are to show it."""
        with self._lock:
            self.written = max(self.written, position)

    def appended(self, before: int, position: int) -> None:
        """Positions past `before` up to `position` are our own."""
        with self._lock:
            if before <= self.seen:
                self.seen = max(self.seen, position)

    def outdate(self, versions: Mapping[StreamId, int]) -> None:
        """Read these on next time: one of them, at least, has not the version that was supposed."""
        with self._lock:
            self._outdated.update(versions)
            for stream, version in versions.items():
                if version == 0 and stream not in self._kept:
                    self._learn(stream, empty=False)

    def forget_all(self) -> None:
        """Read everything anew: what the store answers has changed under the same versions."""
        with self._lock:
            self._forget_everything()

    def start_anew(self) -> None:
        """Forget everything: a thread of the parent process may have been at it."""
        self._lock = threading.Lock()
        self._forget_everything()

    def _learn(self, stream: StreamId, *, empty: bool) -> None:
        """Whether it was found empty when it was first looked at."""
        kind = _kind(stream)
        luck = self._luck.get(kind, 0.0)
        self._luck[kind] = luck + ((1.0 if empty else 0.0) - luck) / _MEMORY

    def _forget_everything(self) -> None:
        self._kept.clear()
        self._used.clear()
        self._outdated.clear()
        self.erasures += 1

    def _meet(self, stream: StreamId, version: int) -> None:
        self._newest[stream] = version
        self._newest.move_to_end(stream)
        while len(self._newest) > CAPACITY:
            self._newest.popitem(last=False)

    def _keep(self, stream: StreamId, folded: Folded[Any], erasures: int) -> None:
        """Remember a state that was read when so many erasures had been seen."""
        if erasures != self.erasures:
            return
        before = self._kept.get(stream)
        if before is None or before.version < folded.version:
            self._kept[stream] = folded
        if folded.version < self._newest.get(stream, 0):
            self._outdated.add(stream)
        elif self._outdated and (before is None or before.version <= folded.version):
            self._outdated.discard(stream)
        while len(self._kept) > self._capacity:
            oldest = next(iter(self._kept))
            if self._used.pop(oldest, False):
                self._kept.move_to_end(oldest)
                continue
            del self._kept[oldest]
            self._outdated.discard(oldest)


_EMPTY: Final = {
    kind: Folded(decider_of(StreamId(f"{kind}-")).initial, 0) for kind in ("member", "user")
}
"""What may be guessed of whom nobody has heard of."""
_LUCKY: Final = 0.9
_MEMORY: Final = 16
"""About how many looks count."""


def _kind(stream: StreamId) -> str:
    return stream.partition("-")[0]
