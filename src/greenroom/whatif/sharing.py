"""Deciding again in several processes, each of which takes a part of the calls.

Where this process has no other thread it is forked: the others then have everything at once, what
is imported and what is supposed. Elsewhere a lock could be copied that nobody ever lets go, so they
are started anew, which takes more than a second each.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, NamedTuple

from greenroom.adapters.stores import LogStore, PostgresStore, SQLiteStore
from greenroom.domain.errors import StoreError
from greenroom.domain.ports import EventStore
from greenroom.whatif.changes import Change, Supposed
from greenroom.whatif.differences import Mode, Tally
from greenroom.whatif.running import Progress, Source, Span, run

_WORTH_IT: Final = 20_000
"""Records for each process that is forked; benchmarks/what_if.py."""
_MOST_UNASKED: Final = 8
_THREADS: Final = Path("/proc/self/task")
"""Where Linux names the threads of a process, whoever started them."""

Address = tuple[str, str | None]
"""The URL of a store, and that of its keys where they are not in it."""


class Work(NamedTuple):
    """What is to be done, whoever does it."""

    source: Source
    supposed: Supposed
    mode: Mode
    shown: int
    """Differences told one by one."""

    def done(self, span: Span, progress: Progress) -> Tally:
        """What comes of it."""
        source, supposed, mode, shown = self
        return run(source, supposed, span, mode, shown=shown, progress=progress)


def address_of(store: EventStore) -> Address | None:
    """Where other processes find the log; None where they cannot."""
    match store:
        case LogStore(keys_named=True, keys_at=None):
            return None
        case SQLiteStore(path=path, keys_at=keys):
            return f"sqlite:///{path}", keys
        case PostgresStore(url=url, keys_at=keys):
            return url, keys
        case _:
            return None


def forks() -> bool:
    """Whether this process can be forked at no risk: on Linux, without other threads."""
    return sys.platform == "linux" and len([*_THREADS.iterdir()]) == 1


def can_be_sent(changes: Sequence[Change]) -> bool:
    """Whether a process that is started anew can be told what is supposed."""
    try:
        pickle.dumps(changes)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def fitting(records: int) -> int:
    """How many processes are quickest for so many records; one where none can be forked."""
    if not forks():
        return 1
    return max(1, min(len(os.sched_getaffinity(0)), records // _WORTH_IT, _MOST_UNASKED))


def run_shared(
    work: Work, address: Address, span: Span, *, processes: int, progress: Progress
) -> Tally:
    """The same as `run`, in so many processes; this is the first of them.

    Args:
        work: what is to be done, as it is done here.
        address: of the log, for those that are started anew.
        span: what is decided again.
        processes: at least two.
        progress: told how far the slowest is.

    Raises:
        StoreError: the log cannot be read, or one of the processes died.
    """
    mine, *shares = (replace(span, share=number, shares=processes) for number in range(processes))
    work.source.attempts(span.after, span.until)  # those this process holds are there to read then
    others: list[_Other] = []

    def told(position: int, _: int) -> None:
        progress(min(position, *(one.heard() for one in others)), span.until)

    try:
        with _undisturbed():
            forked = forks()
            others += (_Other(work, None if forked else address, share) for share in shares)
        own = work.done(mine, told)
        for one in others:
            while one.tally is None:
                wait([one.line])
                told(span.until, span.until)
        return Tally(work.shown).merge([own, *(one.tally for one in others if one.tally)])
    finally:
        for one in others:
            one.end()


class _Other:
    """Another process, at work on a share of the calls from now on."""

    def __init__(self, work: Work, address: Address | None, share: Span) -> None:
        """Fork it; or start it anew, where it is told the address of the log."""
        self._position = share.after
        self.tally: Tally | None = None
        """What came of its share; None until it has said so."""
        self.line, its = multiprocessing.Pipe(duplex=False)
        self._process: BaseProcess
        if address is None:
            forking = multiprocessing.get_context("fork")
            self._process = forking.Process(target=_forked, args=(its, work, share, self.line))
        else:
            said = (its, address, work.supposed.changes, share, work.mode, work.shown)
            self._process = multiprocessing.get_context("spawn").Process(target=_started, args=said)
        try:
            self._process.start()
        finally:
            its.close()  # so that the line ends with the process

    def heard(self) -> int:
        """How far it is by what it has told.

        Raises:
            StoreError: it cannot read the log, or it died.
        """
        while self.tally is None and self.line.poll():
            try:
                said = self.line.recv()
            except EOFError as error:
                raise StoreError("a process that decided a share of the calls died") from error
            if isinstance(said, Exception):
                raise said
            if isinstance(said, Tally):
                self.tally = said
            else:
                self._position = said
        return self._position

    def end(self) -> None:
        """Let nothing of it stay, whatever it is doing: it only reads."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self.line.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Whoever interrupts meanwhile is heard afterwards; by what is started in here, never.

    An interruption at the terminal is told to all processes, and means the one that asked.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _forked(line: Connection, work: Work, share: Span, other_end: Connection) -> None:
    other_end.close()
    _answer(line, work, share)


def _started(  # noqa: PLR0917 - all that it is told
    line: Connection,
    address: Address,
    changes: Sequence[Change],
    share: Span,
    mode: Mode,
    shown: int,
) -> None:
    from greenroom.engine import Greenroom  # noqa: PLC0415 - which imports this

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked
    url, keys = address
    with Greenroom.open(url, timers=False, create=False, refusals=None, keys=keys) as room:
        core = room._core  # noqa: SLF001 - the same house
        source = Source(core.desk.store, core.index, core.doorkeeper.all)
        _answer(line, Work(source, Supposed(changes), mode, shown), share)


def _answer(line: Connection, work: Work, share: Span) -> None:
    """Tell how far it is, and in the end what came of it; nothing where nobody listens any more."""
    gc.freeze()  # what is there already is not looked at for garbage, nor copied for it
    with suppress(BrokenPipeError):
        try:
            line.send(work.done(share, lambda position, _: line.send(position)))
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - the process that asked raises it
            line.send(error)
