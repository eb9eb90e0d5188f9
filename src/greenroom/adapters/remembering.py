"""Secrets of a key store, remembered for a short while, and not beyond it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Final

from greenroom.projections.forks import survives_forks

SECONDS: Final = 60.0
"""After which a secret is out of this memory, also where another process destroyed it."""
MOST: Final = 10_000
"""Secrets at once."""


class RememberedSecrets:
    """What was found lately, by number. Safe for many threads.

    Whether a number is in force is asked of the log each time: what is remembered here of an
    erased person is not used any more, and gone within `seconds`. Python may leave copies of the
    bytes in memory that it has given back; nothing reads them.

    Args:
        look_up: finds what is not remembered.
        seconds: after which everything is forgotten, whether somebody asks or not.
        most: that are remembered.
    """

    def __init__(
        self,
        look_up: Callable[[Collection[int]], Mapping[int, bytes]],
        *,
        seconds: float | None = None,
        most: int = MOST,
    ) -> None:
        self._look_up = look_up
        self._seconds = SECONDS if seconds is None else seconds
        self._most = most
        self._begin()
        survives_forks(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, bytes] = {}
        self._ending: threading.Timer | None = None

    def after_fork_in_child(self) -> None:
        """Remember nothing: the thread that would forget it is the parent's."""
        self._begin()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._kept)

    def find(self, numbers: Collection[int]) -> Mapping[int, bytes]:
        """Remembered ones, and the others as they are looked up."""
        kept = self._kept
        found = {number: secret for number in numbers if (secret := kept.get(number))}
        missing = [number for number in numbers if number not in found]
        if not missing:
            return found
        looked_up = self._look_up(missing)
        self.add(looked_up)
        return {**found, **looked_up}

    def add(self, secrets: Mapping[int, bytes]) -> None:
        """Remember these, in place of the oldest where there are too many."""
        if not secrets:
            return
        with self._lock:
            self._kept.update(secrets)
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
            if self._ending is None:
                self._ending = threading.Timer(self._seconds, self.clear)
                self._ending.daemon = True
                self._ending.start()

    def drop(self, numbers: Collection[int]) -> None:
        """Forget these."""
        with self._lock:
            for number in numbers:
                self._kept.pop(number, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            if self._ending is not None:
                self._ending.cancel()
                self._ending = None
