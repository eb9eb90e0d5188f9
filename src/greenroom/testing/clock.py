"""Time that passes when the test says so."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from greenroom.domain.ports import Drive, Ticker

_MOST_FIRINGS: Final = 10_000
"""Of one ticker at one instant; one that is due still will never be done."""


class VirtualClock:
    """A clock that stands still until it is moved; it never goes back.

    Whatever fell due has happened when `advance` or `set` returns, each at its own instant and in
    the order of time: nothing sleeps, and a year takes as long as what happens in it. What a
    ticker raises surfaces where the clock was moved or woken, and stays due.

    Safe for many threads; tickers are asked and fired from whichever moves or wakes, each by one
    thread at a time.

    Example:
        >>> clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
        >>> clock.advance(seconds=200)
        >>> clock.now().isoformat()
        '2026-01-01T00:03:20+00:00'
    """

    waits = True
    """Waking it does what is due, and returns then."""

    def __init__(self, start: datetime) -> None:
        self._now = _utc(start)
        self._drives: list[_VirtualDrive] = []
        self._moving = threading.RLock()
        self._moves = False

    def now(self) -> datetime:
        """Where the clock stands, aware, UTC."""
        return self._now

    def advance(self, delta: timedelta | None = None, *, seconds: float | None = None) -> None:
        """Let this much time pass: a timedelta, or a number of seconds.

        Raises:
            ValueError: neither or both were given, or time would run backwards.
        """
        if (delta is None) == (seconds is None):
            raise ValueError("expected either a timedelta or seconds=")
        self.set(self._now + (timedelta(seconds=seconds or 0) if delta is None else delta))

    def set(self, instant: datetime) -> None:
        """Let time pass until `instant`; where it is that already, do what is due.

        Raises:
            ValueError: `instant` is naive, or in the clock's past.
            RuntimeError: called by a ticker, or a ticker remains due however often it is fired.
        """
        until = _utc(instant)
        with self._moving:
            if self._moves or any(drive.is_mine() for drive in [*self._drives]):
                raise RuntimeError("a ticker cannot move the clock that fires it")
            if until < self._now:
                raise ValueError(f"the clock stands at {self._now}, it cannot go back to {until}")
            self._moves = True
            try:
                self._walk(until)
            finally:
                self._moves = False

    def drive(self, ticker: Ticker) -> Drive:
        """From now on, fire `ticker` whenever it is due; first of all if it is due now."""
        drive = _VirtualDrive(self, ticker)
        self._drives.append(drive)
        drive.wake()
        return drive

    def _walk(self, until: datetime) -> None:
        while True:
            due = self._first_due(until)
            if due is not None:
                due_at, drive = due
                self._now = max(self._now, due_at)
                drive.fire()
            elif self._now < until:
                self._now = until  # and look once more, for what others planned meanwhile
            else:
                return

    def _first_due(self, until: datetime) -> tuple[datetime, _VirtualDrive] | None:
        dues = [(due_at, drive) for drive in [*self._drives] if (due_at := drive.next_due())]
        first = min(dues, key=lambda due: due[0], default=None)
        return first if first is not None and first[0] <= until else None

    def _forget(self, drive: _VirtualDrive) -> None:
        if drive in self._drives:
            self._drives.remove(drive)


class _VirtualDrive:
    def __init__(self, clock: VirtualClock, ticker: Ticker) -> None:
        self._clock = clock
        self._ticker = ticker
        self._turn = threading.Lock()
        self._firing_thread: int | None = None
        self._look_again = False
        self._stopped = False

    def wake(self) -> None:
        """Do now what is due now.

        Where it is being fired already, by this thread or another, that firing looks again before
        it ends and this returns at once: waiting for it could deadlock with locks of the caller.
        """
        self._look_again = True  # before trying for the turn: its holder sees it after giving up
        while self._look_again and self._turn.acquire(blocking=False):
            try:
                self._look_again = False
                self._fire_all()
            finally:
                self._turn.release()

    def fire(self) -> None:
        """Do now what is due now, after whoever is at it."""
        with self._turn:
            self._fire_all()

    def stop(self) -> None:
        """Drive it no more; nothing of it is running when this returns. Twice is fine."""
        self._stopped = True
        self._clock._forget(self)  # noqa: SLF001 - the two are one thing in two classes
        if not self.is_mine():
            with self._turn:
                pass

    def next_due(self) -> datetime | None:
        """When there is work next."""
        return None if self._stopped else self._ticker.next_due()

    def is_mine(self) -> bool:
        """Whether this thread is firing it."""
        return self._firing_thread == threading.get_ident()

    def _fire_all(self) -> None:
        self._firing_thread = threading.get_ident()
        try:
            for _ in range(_MOST_FIRINGS):
                due_at = self.next_due()
                if due_at is None or due_at > self._clock.now():
                    return
                self._ticker.fire_due()
        finally:
            self._firing_thread = None
        raise RuntimeError(f"{self._ticker!r} is due still after {_MOST_FIRINGS} firings")


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant} is naive; say its zone, e.g. tzinfo=UTC")
    return instant.astimezone(UTC)
