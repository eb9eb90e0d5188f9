"""Deciding again in several processes, each of which takes a part of the calls."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Final, NamedTuple

from greenroom.adapters.stores import LogStore, PostgresStore, SQLiteStore
from greenroom.domain.errors import StoreError
from greenroom.domain.ports import EventStore
from greenroom.whatif.changes import Change, Supposed
from greenroom.whatif.differences import Mode, Tally
from greenroom.whatif.running import Progress, Source, Span, run

_TOLD_EVERY: Final = 0.1
"""Seconds."""
_line: _Line
"""In the other processes: how they tell how far they are, and hear that they may stop."""


Address = tuple[str, str | None]
"""The URL of a store, and that of its keys where they are not in it."""


def address_of(store: EventStore, changes: Sequence[Change]) -> Address | None:
    """Where other processes find the log; None where they cannot, or not what is supposed."""
    try:
        pickle.dumps(changes)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    match store:
        case LogStore(keys_named=True, keys_at=None):
            return None
        case SQLiteStore(path=path, keys_at=keys):
            return f"sqlite:///{path}", keys
        case PostgresStore(url=url, keys_at=keys):
            return url, keys
        case _:
            return None


def run_shared(
    source: Source,
    address: Address,
    changes: Sequence[Change],
    span: Span,
    mode: Mode,
    *,
    shown: int,
    processes: int,
    progress: Progress,
) -> Tally:
    """The same as `run`, in so many processes; this is the first of them.

    Args:
        source: the log, for this process; each of the others reads its own share by itself.
        address: of the log, for the others.
        changes: what is supposed.
        span: what is decided again.
        mode: what each decision is made on.
        shown: differences told one by one.
        processes: at least two.
        progress: told how far the slowest is.

    Raises:
        StoreError: the log cannot be read, or one of the processes died.
    """
    context = multiprocessing.get_context("spawn")
    line = _Line(context.SimpleQueue(), context.Event())
    mine, *others = (replace(span, share=number, shares=processes) for number in range(processes))
    reached = _Reached(line, processes, span, progress)
    source.attempts(span.after, span.until)  # so that those this process holds are there to read
    with ProcessPoolExecutor(len(others), context, _begin, (line,)) as pool:
        try:
            running = [pool.submit(_share, address, changes, one, mode, shown) for one in others]
            own = run(source, Supposed(changes), mine, mode, shown=shown, progress=reached.by_me)
            reached.await_all(running)
            return Tally(shown).merge([own, *(one.result() for one in running)])
        except BrokenProcessPool as error:
            raise StoreError("a process that decided a share of the calls died") from error
        finally:
            line.stop.set()  # where this process was interrupted, nobody waits for the others


class _Line(NamedTuple):
    """What connects the processes."""

    told: Any
    """A queue of (share, position reached)."""
    stop: Any
    """An event: nobody wants to know any more."""


class _Reached:
    """How far the shares are."""

    def __init__(self, line: _Line, processes: int, span: Span, progress: Progress) -> None:
        self._line = line
        self._positions = [span.after] * processes
        self._until = span.until
        self._progress = progress

    def by_me(self, position: int, _: int) -> None:
        """This process, which has the first share, is there."""
        self._positions[0] = position
        self._tell()

    def await_all(self, running: Iterable[Future[Tally]]) -> None:
        """Tell of the others until all are done."""
        left = set(running)
        while left:
            _, left = wait(left, _TOLD_EVERY)
            self._tell()
        self._progress(self._until, self._until)

    def _tell(self) -> None:
        while not self._line.told.empty():
            share, position = self._line.told.get()
            self._positions[share] = position
        self._progress(min(self._positions), self._until)


class _Stopped(Exception):  # noqa: N818 - the fact that it is
    """The process that asked has been interrupted."""


def _begin(line: _Line) -> None:
    global _line  # noqa: PLW0603 - what connects them cannot be handed over with the work itself
    _line = line
    signal(SIGINT, SIG_IGN)  # whoever interrupts a program means the process that asked


def _tell(share: int, position: int) -> None:
    if _line.stop.is_set():
        raise _Stopped
    _line.told.put((share, position))


def _share(
    address: Address, changes: Sequence[Change], span: Span, mode: Mode, shown: int
) -> Tally:
    from greenroom.engine import Greenroom  # noqa: PLC0415 - which imports this

    url, keys = address
    with Greenroom.open(url, timers=False, create=False, refusals=None, keys=keys) as room:
        core = room._core  # noqa: SLF001 - the same house
        return run(
            Source(core.desk.store, core.index, core.doorkeeper.all),
            Supposed(changes),
            span,
            mode,
            shown=shown,
            progress=lambda position, _: _tell(span.share, position),
        )
