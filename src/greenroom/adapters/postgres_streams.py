"""Reading many streams in one round trip: whoever reads takes along what others wait for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from operator import itemgetter
from threading import Lock
from typing import Any, Final, LiteralString, NamedTuple

from greenroom.adapters.codec import Content
from greenroom.adapters.postgres_arrays import Integers, Texts
from greenroom.adapters.postgres_connections import FORKS
from greenroom.domain.errors import StoreError

Ask = Callable[[LiteralString, Sequence[Any]], list[Any]]
"""The rows that one statement answers."""

_AT_ONCE: Final = 2
"""Round trips under way: while the server works on one, another gathers."""
_MOST: Final = 64
"""Streams in a round trip: each may come with a page of rows."""

_ONE: Final = (
    "SELECT originator_version, topic, state FROM greenroom.stored_events"
    " WHERE originator_id = %b AND originator_version > %b AND notification_id <= %b"
    " ORDER BY originator_version LIMIT %b"
)
_MANY: Final = (
    "SELECT number, found.* FROM unnest(%b, %b, %b, %b)"
    " WITH ORDINALITY AS asked (stream, after, until, most, number)"
    " CROSS JOIN LATERAL (SELECT originator_version, topic, state FROM greenroom.stored_events"
    " WHERE originator_id = stream AND originator_version > after AND notification_id <= until"
    " ORDER BY originator_version LIMIT most) AS found"
)


class _Wish(NamedTuple):
    stream: str
    after: int
    until: int
    most: int


_Answer = Future[Sequence[Content] | None]
"""The rows; None where whoever waits for them has to read them now."""
_Waiter = tuple[_Wish, _Answer]


class Streams:
    """Reads streams for any number of threads.

    Deciding a command takes a few short streams, and a round trip takes longer than reading them.
    So a thread reads at once where few do, and else for all who have come meanwhile.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._renew()
        FORKS.add(self)

    def contents(self, stream: str, after: int, until: int, limit: int) -> Sequence[Content]:
        """What folding needs of the rows of `stream` past version `after`, oldest first.

        Args:
            stream: its name.
            after: version.
            until: position of the last row that counts.
            limit: rows at most.
        """
        if "\0" in stream:
            return ()  # PostgreSQL has no such text
        wish = _Wish(stream, after, until, limit)
        waiting = self._wait_or_begin(wish)
        if waiting is not None:
            found = self._found(waiting)
            if found is not None:
                return found
        try:
            return self._read_for_all(wish)
        finally:
            self._pass_on()

    def after_fork_in_child(self) -> None:
        """Start anew: whoever waited stayed with the parent."""
        self._renew()

    def _renew(self) -> None:
        self._lock = Lock()
        self._reading = 0
        self._waiting: deque[_Waiter] = deque()

    def _wait_or_begin(self, wish: _Wish) -> _Answer | None:
        """None where it is our turn to read; else where to wait for what somebody reads for us."""
        with self._lock:
            if self._reading < _AT_ONCE:
                self._reading += 1
                return None
            waiting: _Answer = Future()
            self._waiting.append((wish, waiting))
            return waiting

    def _found(self, waiting: _Answer) -> Sequence[Content] | None:
        """What somebody has read for us; None where it is our turn now."""
        try:
            return waiting.result()
        except BaseException:
            # Interrupted: nobody shall give the turn to us, and if somebody has, it goes on.
            if not waiting.cancel() and waiting.exception() is None and waiting.result() is None:
                self._pass_on()
            raise

    def _read_for_all(self, wish: _Wish) -> Sequence[Content]:
        """Read what is wished for, and what the others do who wait by now."""
        with self._lock:
            others = self._taken_out(_MOST - 1)
        try:
            found = self._read([wish, *(other for other, _ in others)])
        except BaseException as error:
            told = error if isinstance(error, Exception) else StoreError("reading was interrupted")
            for _, waiting in others:
                waiting.set_exception(told)
            raise
        for (_, waiting), theirs in zip(others, found[1:], strict=True):
            waiting.set_result(theirs)
        return found[0]

    def _read(self, wishes: Sequence[_Wish]) -> Sequence[Sequence[Content]]:
        if len(wishes) == 1:
            return [self._ask(_ONE, wishes[0])]
        streams, *bounds = zip(*wishes, strict=True)
        found: list[list[Content]] = [[] for _ in wishes]
        for number, *content in self._ask(_MANY, (Texts(streams), *map(Integers, bounds))):
            found[number - 1].append((content[0], content[1], content[2]))
        for contents in found:
            contents.sort(key=_version)  # as they come, which no server has promised
        return found

    def _pass_on(self) -> None:
        """The turn, to whoever waits longest."""
        with self._lock:
            heirs = self._taken_out(1)
            if not heirs:
                self._reading -= 1
        for _, waiting in heirs:
            waiting.set_result(None)

    def _taken_out(self, most: int) -> Sequence[_Waiter]:
        """Of those who wait, the first; from now on they cannot go away."""
        taken: list[_Waiter] = []
        while self._waiting and len(taken) < most:
            waiter = self._waiting.popleft()
            if waiter[1].set_running_or_notify_cancel():
                taken.append(waiter)
        return taken


_version = itemgetter(0)
