"""Deciding again in several processes, each of which takes a part of the calls."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import replace
from typing import Any, Final

from greenroom.adapters.stores import LogStore, PostgresStore, SQLiteStore
from greenroom.domain.ports import EventStore
from greenroom.whatif.changes import Change, Supposed
from greenroom.whatif.differences import Mode, Tally
from greenroom.whatif.running import Progress, Source, Span, run

_TOLD_EVERY: Final = 0.1
"""Seconds."""
_told: Any = None
"""In a process of its own: where it tells how far it is."""


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
    address: Address,
    changes: Sequence[Change],
    span: Span,
    mode: Mode,
    *,
    shown: int,
    processes: int,
    progress: Progress,
) -> Tally:
    """The same as `run`, in so many processes."""
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    shares = [replace(span, share=number, shares=processes) for number in range(processes)]
    with ProcessPoolExecutor(processes, context, _begin, (told,)) as pool:
        running = [pool.submit(_share, address, changes, one, mode, shown) for one in shares]
        _follow(running, told, [span.after] * processes, span.until, progress)
        tallies = [one.result() for one in running]
    progress(span.until, span.until)
    return Tally(shown).merge(tallies)


def _follow(
    running: Sequence[Future[Tally]], told: Any, reached: list[int], until: int, progress: Progress
) -> None:
    """Tell how far the slowest is, until all are done."""
    left: set[Future[Tally]] = set(running)
    while left:
        _, left = wait(left, _TOLD_EVERY)
        while not told.empty():
            share, position = told.get()
            reached[share] = position
        progress(min(reached), until)


def _begin(told: Any) -> None:
    global _told  # noqa: PLW0603 - a queue cannot be handed over with the work itself
    _told = told


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
            progress=lambda position, _: _told.put((span.share, position)),
        )
