"""`room.what_if(...)`: what is supposed, and what it would have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput
from greenroom.domain.message import CallId
from greenroom.whatif.changes import Change, Supposed
from greenroom.whatif.differences import SHOWN, Comparison, Mode, Tally
from greenroom.whatif.running import Progress, Source, Span
from greenroom.whatif.sharing import Work, address_of, can_be_sent, fitting, forks, run_shared

if TYPE_CHECKING:
    from greenroom.live import LiveCore

MOST_CALLS: Final = 100_000
MOST_PROCESSES: Final = 64
MOST_SHOWN: Final = 1_000_000
Moment = datetime | int
"""An instant, or a position of the log."""


class WhatIf:
    """The recorded decisions, ready to be made again under a change."""

    def __init__(
        self, core: LiveCore, position: Callable[[Moment], int], changes: Iterable[Change]
    ) -> None:
        self._core = core
        self._position = position
        self._supposed = Supposed([_change(one, n) for n, one in enumerate(changes)])

    def over(
        self,
        calls: Iterable[str] | None = None,
        *,
        period: tuple[Moment | None, Moment | None] = (None, None),
        mode: str = Mode.PINNED,
        shown: int = SHOWN,
        processes: int | None = None,
        progress: Progress | None = None,
    ) -> Comparison:
        """Decide again on all that was asked for; what comes out otherwise, and because of what.

        Args:
            calls: cids; None for all.
            period: after the first and up to the second of two moments, each an instant or a
                position; None for the beginning, or the end, of the log.
            mode: `pinned`: each decision on its recorded facts; `cascading`: the calls go on from
                what comes out otherwise.
            shown: differences told one by one; all are counted.
            processes: that share the calls, where the store outlives a process. None for as many
                as it pays to fork: a program with other threads, or off Linux, is not forked.
                More than one there are started anew, if what is supposed can be sent to them, and
                the program needs its `if __name__ == "__main__"`.
            progress: told the position reached, and the one to be reached.

        Raises:
            InvalidInput: with the path of the fault.
            StoreError: the log cannot be read.
        """
        span = self._span(calls, period)
        found = _mode(mode)
        if progress is not None and not callable(progress):
            raise InvalidInput("progress", "a function of a position, and of the last one")
        shown = checks.integer(shown, "shown", 0, MOST_SHOWN)
        if processes is None:
            processes = fitting(span.until - span.after)
        tally = self._run(
            span,
            found,
            shown=shown,
            processes=checks.integer(processes, "processes", 1, MOST_PROCESSES),
            progress=progress or (lambda *_: None),
        )
        return tally.compared(found, span.until)

    def _run(
        self, span: Span, mode: Mode, *, shown: int, processes: int, progress: Progress
    ) -> Tally:
        store = self._core.desk.store
        source = Source(store, self._core.index, self._core.doorkeeper.all)
        work = Work(source, self._supposed, mode, shown)
        address = address_of(store)
        if (
            processes == 1
            or address is None
            or not (forks() or can_be_sent(self._supposed.changes))
        ):
            return work.done(span, progress)
        return run_shared(work, address, span, processes=processes, progress=progress)

    def _span(
        self, calls: Iterable[str] | None, period: tuple[Moment | None, Moment | None]
    ) -> Span:
        if type(period) is not tuple or len(period) != 2:  # noqa: PLR2004 - a beginning and an end
            raise InvalidInput("period", "a pair of moments, each of which may be None")
        after, until = period
        return Span(
            after=0 if after is None else self._position(after),
            until=self._core.desk.store.position() if until is None else self._position(until),
            calls=None if calls is None else frozenset(_cids(calls)),
        )


def _cids(calls: Iterable[str]) -> Iterator[CallId]:
    for path, said in checks.listed(calls, "calls", MOST_CALLS):
        cid = checks.plain(checks.text(said, path, 200))
        call_type, colon, call_id = cid.partition(":")
        if not colon:
            raise InvalidInput(path, "type:id of a call")
        yield checks.call_id(call_type, call_id)


def _change(one: Change, number: int) -> Change:
    if not isinstance(one, Change):
        raise InvalidInput(f"changes[{number}]", "one of greenroom.whatif's grant, revoke, ...")
    return one


def _mode(said: str) -> Mode:
    try:
        return Mode(checks.plain(checks.text(said, "mode", 64)))
    except ValueError:
        raise InvalidInput("mode", "pinned or cascading", checks.nearest(said, [*Mode])) from None
