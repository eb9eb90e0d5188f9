"""The computer's clock, and the thread that acts by it."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from greenroom.domain.ports import Drive, Ticker
from greenroom.projections.forks import survives_forks

_log = logging.getLogger(__name__)

_LONGEST_SLEEP: Final = timedelta(seconds=1)
"""Plans of other processes wake nobody here, and the computer's clock may be set: look again."""
_STILL_DUE_PAUSE: Final = timedelta(milliseconds=20)
"""Before firing again what firing has not settled, so that a stuck ticker takes no whole core."""
_FIRST_RETRY: Final = timedelta(milliseconds=100)
_LAST_RETRY: Final = timedelta(seconds=30)


class SystemClock:
    """Real time. Each ticker is driven by one daemon thread of its own."""

    waits = False
    """Waking it returns at once: a thread does the work."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        return datetime.now(UTC)

    def drive(self, ticker: Ticker) -> Drive:
        """From now on, fire `ticker` whenever it is due.

        A ticker that raises is logged and tried again, after 0.1 s at first and after twice as
        long each time, up to 30 s; it is never given up.
        """
        return _ThreadDrive(self, ticker)


class _ThreadDrive:
    def __init__(self, clock: SystemClock, ticker: Ticker) -> None:
        self._clock = clock
        self._ticker = ticker
        self._changed = threading.Condition()
        self._woken = False
        self._stopped = False
        self._retry = _FIRST_RETRY
        self._thread = threading.Thread(
            target=self._run, name=f"greenroom-{type(ticker).__name__}", daemon=True
        )
        survives_forks(self)
        self._thread.start()

    def wake(self) -> None:
        """Plans changed: look at the ticker again. Returns at once; the thread does the work."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def stop(self) -> None:
        """Drive it no more; nothing of it is running when this returns. Twice is fine.

        Called by the ticker itself, it returns at once and that firing is the last one.
        """
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def after_fork_in_child(self) -> None:
        """Wait for no thread of the parent's: the one that drives stayed there."""
        self._changed = threading.Condition()

    def _run(self) -> None:
        while not self._stopped:
            try:
                pause = self._step()
            except Exception:  # noqa: BLE001 - whatever it is, time goes on
                _log.exception("%s failed; again in %s", self._thread.name, self._retry)
                self._sleep(self._retry, wakeable=False)  # else every command would storm the log
                self._retry = min(2 * self._retry, _LAST_RETRY)
            else:
                self._retry = _FIRST_RETRY
                self._sleep(pause)

    def _step(self) -> timedelta:
        """Fire what is due; how long to sleep then."""
        with self._changed:
            self._woken = False
        if (due := self._until_due()) > timedelta(0):
            return due
        self._ticker.fire_due()
        due = self._until_due()
        return due if due > timedelta(0) else _STILL_DUE_PAUSE

    def _until_due(self) -> timedelta:
        due_at = self._ticker.next_due()
        return _LONGEST_SLEEP if due_at is None else min(due_at - self._clock.now(), _LONGEST_SLEEP)

    def _sleep(self, pause: timedelta, *, wakeable: bool = True) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or (wakeable and self._woken), pause.total_seconds()
            )
