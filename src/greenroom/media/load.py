"""How busy the media thread is: more than it can do is a cliff, so new ones are refused before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import thread_time
from typing import Final

LOOK: Final = 0.5
"""Seconds between two looks."""
MEMORY: Final = 4
"""Looks that the load is the average of."""
LATE: Final = 0.2
"""Seconds that a look may come late before the thread counts as full."""


class Load:
    """The share of its time that the thread of a loop computes, from 0 to 1.

    Args:
        cpu: seconds of processor time that the calling thread has used.
    """

    def __init__(self, cpu: Callable[[], float] = thread_time) -> None:
        self.share = 0.0
        """On average over the last two seconds; 1 where the loop comes late."""
        self._cpu = cpu
        self._shares: list[float] = [0.0] * MEMORY
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, on the running loop; once."""
        self._look_later(asyncio.get_running_loop())

    def stop(self) -> None:
        """End. Twice is fine."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(LOOK, self._look, loop, loop.time(), self._cpu())

    def _look(self, loop: asyncio.AbstractEventLoop, at: float, used: float) -> None:
        elapsed = loop.time() - at
        share = 1.0 if elapsed > LOOK + LATE else (self._cpu() - used) / elapsed
        self._shares = [*self._shares[1:], share]
        self.share = sum(self._shares) / MEMORY
        self._look_later(loop)
