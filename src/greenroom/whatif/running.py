"""Going through the log, and deciding again on what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Final
from zlib import crc32

from greenroom.domain.attempts import Attempt
from greenroom.domain.message import CallId, StreamId
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import call_of, call_stream
from greenroom.projections.log_index import LogIndex
from greenroom.whatif.changes import Supposed
from greenroom.whatif.deciding import Again
from greenroom.whatif.deeds import Record, deeds
from greenroom.whatif.differences import Mode, Tally
from greenroom.whatif.worlds import Calls, Commons

Progress = Callable[[int, int], None]
"""Takes the position reached, and the one to be reached."""
_TOLD_EVERY: Final = 2_000
"""Deeds."""
_STREAMS: Final = 50_000
"""Of which it is known whether they matter, without working it out again."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is decided again."""

    after: int
    """A position; what came up to it stands as it is recorded."""
    until: int
    """The last position that counts."""
    calls: frozenset[CallId] | None = None
    """None for all of them."""
    share: int = 0
    """Which of so many parts of the calls."""
    shares: int = 1

    def concerns(self, stream: StreamId) -> bool:
        """Whether the records of `stream` matter."""
        cid = call_of(stream)
        if cid is None:
            return True
        if self.calls is not None and cid not in self.calls:
            return False
        return self.shares == 1 or crc32(cid.encode()) % self.shares == self.share


@dataclass(frozen=True, slots=True)
class Source:
    """Where the log is read."""

    store: EventStore
    index: Callable[[], LogIndex]
    attempts: Callable[[int, int], Iterator[Attempt]]
    """Those that were refused past one position up to another."""

    def of_call(self, cid: CallId, until: int) -> Iterable[Record]:
        """The records of a call up to a position."""
        positions = self.index().positions(cid, until=until)
        return (record for _, record in self.store.pick(positions))


def run(
    source: Source,
    supposed: Supposed,
    span: Span,
    mode: Mode,
    *,
    shown: int,
    progress: Progress = lambda *_: None,
) -> Tally:
    """Decide again on everything in `span`."""
    since = 0 if supposed.removes else span.after  # to know what is left of each call
    stands = supposed.stands if supposed.removes else None
    commons = Commons(source.store, since, stands, supposed.changed)
    tally = Tally(shown)
    again = Again(supposed, commons, Calls(source.of_call), mode, tally)
    whole = span.calls is None and span.shares == 1
    of = None if whole else lru_cache(_STREAMS)(span.concerns)
    feed = source.store.feed(since, until=span.until, of=of)
    attempts = _Attempts(source.attempts(span.after, span.until), span)
    after = span.after
    for number, deed in enumerate(deeds(feed)):
        position = deed.position
        if attempts.next_at < position:
            attempts.up_to(position, again)
        if not deed.cid:
            commons.take(deed.records)
        elif position > after:
            again.decide(deed)
        else:
            again.pass_over(deed)
        if number % _TOLD_EVERY == 0:
            progress(position, span.until)
    attempts.up_to(span.until + 1, again)
    progress(span.until, span.until)
    return tally


class _Attempts:
    """What was refused, in between of what was not."""

    def __init__(self, attempts: Iterator[Attempt], span: Span) -> None:
        self._rest = (one for one in attempts if span.concerns(call_stream(one.cid)))
        self.next_at: float = 0
        """Where the next was refused."""
        self._move_on()

    def _move_on(self) -> None:
        self._next = next(self._rest, None)
        self.next_at = inf if self._next is None else self._next.position

    def up_to(self, position: int, again: Again) -> None:
        """Decide again on those that were refused before `position`."""
        while self._next is not None and self._next.position < position:
            again.try_again(self._next)
            self._move_on()
