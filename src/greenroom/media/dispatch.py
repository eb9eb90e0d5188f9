"""News for whoever may block: one after another, on a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

log: Final = logging.getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds that `stop` waits for a listener that is blocking."""


class Dispatcher:
    """Runs what it is handed in order, never on the thread that handed it over.

    A listener may so wait for a store whose reactor waits for the loop that has the news.
    """

    def __init__(self, name: str) -> None:
        self._news: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stopped = False

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def tell(self, news: Callable[[], None]) -> None:
        """Run `news` when everything told before has run; not at all after `stop`."""
        if not self._stopped:
            self._news.put(news)

    def stop(self) -> None:
        """Wait until everything told before has run. Twice is fine, from a listener too."""
        self._stopped = True
        self._news.put(None)
        if not self._thread.is_alive() or self._thread is threading.current_thread():
            return
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            log.error("%s still blocks %s s after the stop", self._thread.name, PATIENCE)

    def _run(self) -> None:
        while (news := self._news.get()) is not None:
            try:
                news()
            except Exception:
                log.exception("a listener failed")
