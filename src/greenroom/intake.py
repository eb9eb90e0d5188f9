"""How many commands are on their way at once: the others wait outside, or are turned away."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from greenroom.domain.errors import Overloaded
from greenroom.lanes import Admit

IN_FLIGHT: Final = 4096
"""Commands on their way by default: eight commits full of them."""
LONGEST_WAIT: Final = 10.0
"""Seconds that a command waits to be let in."""


class Intake:
    """Lets a bounded number in, the others in the order they came. Safe for many threads."""

    def __init__(self, most: int = IN_FLIGHT) -> None:
        self._most = most
        self.start_anew()

    def start_anew(self) -> None:
        """As new: whoever was in, or waited, is a thread of the parent process."""
        self._lock = threading.Lock()
        self._inside = 0
        self._waiting: deque[Admit] = deque()

    def take(self) -> bool:
        """Whether there was room, and one is in now."""
        with self._lock:
            if self._inside >= self._most:
                return False
            self._inside += 1
            return True

    def enter(self, admit: Admit) -> bool:
        """Whether one is in at once; else `admit` is called when one is."""
        with self._lock:
            if self._inside < self._most:
                self._inside += 1
                return True
            self._waiting.append(admit)
            return False

    def leave(self) -> None:
        """Let the next one in."""
        with self._lock:
            if not self._waiting:
                self._inside = max(0, self._inside - 1)
                return
            admit = self._waiting.popleft()
        admit()

    def withdraw(self, admit: Admit) -> None:
        """Wait no longer; where one is in already, leave."""
        with self._lock:
            if admit in self._waiting:
                self._waiting.remove(admit)
                return
        self.leave()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait in this thread to be let in.

        Raises:
            Overloaded: it took too long.
        """
        if not self.take():
            self._wait()
        try:
            yield
        finally:
            self.leave()

    def _wait(self) -> None:
        gate = threading.Lock()
        gate.acquire()  # opened by whoever leaves
        admit = gate.release
        if self.enter(admit):
            return
        try:
            admitted = gate.acquire(timeout=LONGEST_WAIT)
        except BaseException:
            self.withdraw(admit)
            raise
        if not admitted:
            self.withdraw(admit)
            raise self.overloaded()

    def overloaded(self) -> Overloaded:
        """What is told to whoever has waited for too long."""
        return Overloaded(
            f"{self._most} commands are on their way and as many as {len(self._waiting)} wait:"
            " nothing was recorded; ask again later, or raise `in_flight`"
        )
