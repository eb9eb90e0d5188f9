"""One command at a time per call; different calls side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Lanes:
    """A lock for every key that is in use, and no memory of those that are not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Wait for one's turn on the lane of `key`."""
        with self._lock:
            lane, users = self._lanes.get(key, (threading.Lock(), 0))
            self._lanes[key] = (lane, users + 1)
        try:
            with lane:
                yield
        finally:
            with self._lock:
                _, users = self._lanes[key]
                if users == 1:
                    del self._lanes[key]
                else:
                    self._lanes[key] = (lane, users - 1)
