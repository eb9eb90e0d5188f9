"""A thread that takes the views along with the log, so that who reads finds the work done."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from greenroom.domain.ports import Drive
from greenroom.projections.forks import pauses_for_forks, survives_forks
from greenroom.projections.leading import Lead

_log = logging.getLogger(__name__)

_PAUSE: Final = 0.03
"""Seconds between two transactions: what is recorded meanwhile goes into one, and commands have
the machine for themselves."""
_LISTEN: Final = 0.1
"""Seconds after which to look for what other processes have recorded, who wake nobody here."""
_ASK_AGAIN: Final = 1.0
"""Seconds after which to try again to become the leader."""
_RETRIES: Final = (0.1, 0.5, 2.0, 10.0, 30.0)
"""Seconds between attempts that fail; the last one again and again."""


class Following:
    """Follows the log where nobody else does, and tells those who wait for what it brings.

    Nothing depends on it: who reads catches up with what is missing. Of several processes on the
    same views one follows, and another takes over when it is gone. A forked child does not follow.
    """

    def __init__(
        self,
        lead: Lead,
        head: Callable[[], int],
        catch_up: Callable[[int], object],
        then: Sequence[Drive] = (),
    ) -> None:
        """Begin.

        Args:
            lead: given up at the end.
            head: where the log ends.
            catch_up: brings the views to that position.
            then: woken whenever it has; stopped by others.
        """
        self._lead = lead
        self._head = head
        self._catch_up = catch_up
        self._then = then
        self._changed = threading.Condition()
        self._woken = False
        self._stopped = False
        self._reached = -1
        self._failures = 0
        self._working = threading.Lock()
        survives_forks(self)
        pauses_for_forks(self)
        self._thread = threading.Thread(target=self._run, name="greenroom-following", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something was recorded. Returns at once; the thread does the work."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def stop(self) -> None:
        """Follow no more, and let others; nothing of it is running when this returns."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()
        self._lead.give_up()

    def before_fork(self) -> None:
        """Finish what is being done: a copy of it would go on for ever."""
        self._working.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._working.release()

    def after_fork_in_child(self) -> None:
        """The thread is the parent's, and whatever it held."""
        self._changed = threading.Condition()
        self._working = threading.Lock()
        self._stopped = True

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001 - whatever it is, the log goes on
                self._rest_after(error)

    def _follow(self) -> None:
        """Do what there is to do, and rest."""
        with self._changed:
            self._woken = False
        with self._working:
            leads = self._lead.taken()
            moved = leads and self._moved()
        if moved:
            for drive in self._then:
                drive.wake()
            self._rest(_PAUSE)
        else:
            self._rest(_LISTEN if leads else _ASK_AGAIN, wakeable=leads)

    def _moved(self) -> bool:
        """Bring the views to the end of the log; whether it has grown."""
        head = self._head()
        if head == self._reached:
            return False
        self._catch_up(head)
        self._reached = head
        if self._failures:
            self._failures = 0
            _log.info("the views follow the log again")
        return True

    def _rest_after(self, error: Exception) -> None:
        """Wait longer each time. What is wrong is said once; readers are told as well."""
        if not self._failures and not self._stopped:
            _log.error("the views cannot follow the log; trying again", exc_info=error)
        self._rest(_RETRIES[min(self._failures, len(_RETRIES) - 1)])
        self._failures += 1

    def _rest(self, seconds: float, *, wakeable: bool = False) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or (wakeable and self._woken), seconds)
