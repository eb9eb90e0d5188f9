"""How far the views are behind the log, where somebody brings them along."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Final, Protocol

from greenroom.domain.errors import StoreError
from greenroom.projections import forks

LONGEST: Final = 0.5
"""Seconds for which queries may not know what another process has recorded. The leader looks
every 0.1 s for it; the rest is for machines that have much to do."""
LOOKS: Final = 0.1
"""Seconds between two looks at the log, at the views, and at whether anybody leads."""


class Trailed(Protocol):
    """Views, as far as it matters here."""

    def position(self) -> int:
        """Up to where they have seen the log; asks them."""
        ...

    def hold(self, position: int) -> bool:
        """Whether they have seen it up to there, as far as is known without asking."""
        ...

    def led(self) -> bool:
        """Whether somebody follows the log for them."""
        ...


class Trailing:
    """Says whether a query may be answered from the views as they stand. Safe for many threads.

    It may where somebody follows the log, and the views lack nothing but what was recorded in the
    last `LONGEST` seconds. That is told from looks at the log in the past: what it held then, the
    views hold now. So it rests on no clock but this process's own, and a leader that does not come
    along is noticed, whatever keeps it.
    """

    def __init__(self, head: Callable[[], int], views: Trailed) -> None:
        """Look at nothing yet.

        Args:
            head: where the log ends.
            views: that somebody may bring along.
        """
        self._head = head
        self._views = views
        self._looking = forks.lock()
        self._looks: deque[tuple[float, int]] = deque(maxlen=round(2 * LONGEST / LOOKS))
        """When somebody looked, and where the log ended, of those that the views are behind."""
        self._looked_at = -inf
        self._whole_at = -inf
        """What was recorded by then, the views hold."""
        self._led = False

    def suffice(self, needed: int) -> bool:
        """Whether the views hold the log up to `needed`, and all of it but the last moment."""
        if monotonic() - self._looked_at > LOOKS and self._looking.acquire(blocking=False):
            try:
                self._look()
            except StoreError:
                self._led = False  # who catches up is told what is wrong
            finally:
                self._looking.release()
        recent = monotonic() - self._whole_at <= LONGEST
        return recent and self._led and self._views.hold(needed)

    def _look(self) -> None:
        self._looked_at = now = monotonic()
        self._led = self._views.led()
        if not self._led:
            return
        self._looks.append((now, self._head()))
        position = self._views.position()
        while self._looks and self._looks[0][1] <= position:
            self._whole_at, _ = self._looks.popleft()
