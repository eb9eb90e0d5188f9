"""One command at a time per call; different calls side by side."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Admit = Callable[[], None]
"""Called, from any thread, when it is somebody's turn."""


class Lanes:
    """A queue for every key that is in use, and no memory of those that are not.

    Whoever waits is told by a call, so that threads and tasks may stand in the same queue.
    """

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """As new: whoever was in, or waited, is a thread of the parent process."""
        self._lock = threading.Lock()
        self._lanes: dict[str, deque[Admit]] = {}
        """Who waits behind whoever is in."""

    def take(self, key: str) -> bool:
        """Whether the lane was free, and is one's own now."""
        with self._lock:
            if key in self._lanes:
                return False
            self._lanes[key] = deque()
            return True

    def enter(self, key: str, admit: Admit) -> bool:
        """Whether the lane is one's own at once; else `admit` is called when it is."""
        with self._lock:
            waiting = self._lanes.get(key)
            if waiting is None:
                self._lanes[key] = deque()
                return True
            waiting.append(admit)
            return False

    def leave(self, key: str) -> None:
        """Let the next one in."""
        with self._lock:
            waiting = self._lanes.get(key)
            if not waiting:
                self._lanes.pop(key, None)  # gone already where the process was forked meanwhile
                return
            admit = waiting.popleft()
        admit()

    def withdraw(self, key: str, admit: Admit) -> None:
        """Wait no longer; where it is one's turn already, leave."""
        with self._lock, suppress(KeyError, ValueError):
            self._lanes[key].remove(admit)
            return
        self.leave(key)

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Wait in this thread for one's turn on the lane of `key`."""
        if not self.take(key):
            self._wait(key)
        try:
            yield
        finally:
            self.leave(key)

    def _wait(self, key: str) -> None:
        gate = threading.Lock()
        gate.acquire()  # opened by whoever is before us
        admit = gate.release
        if self.enter(key, admit):
            return
        try:
            gate.acquire()
        except BaseException:
            self.withdraw(key, admit)
            raise
