"""Where packets stand in time: by their timestamps, and by the clock where those make no sense."""

from __future__ import annotations

from typing import Final

LEEWAY: Final = 2.0
"""Seconds that timestamps may be ahead of the clock or behind it; else they began anew."""
_HALF: Final = 1 << 31
_WHOLE: Final = 1 << 32


class Timeline:
    """Places packets, from the first one on.

    Args:
        rate: of timestamps, a second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._began: float | None = None
        self._timestamp = self._place = 0

    def place(self, timestamp: int, at: float) -> int:
        """Where a packet stands, in units of its timestamps after the first one; maybe before it.

        Args:
            timestamp: of 32 bits.
            at: when it came, in seconds.
        """
        if self._began is None:
            self._began, self._timestamp = at, timestamp
        ahead = (timestamp - self._timestamp + _HALF) % _WHOLE - _HALF
        place, by_clock = self._place + ahead, int((at - self._began) * self._rate)
        if abs(place - by_clock) > LEEWAY * self._rate:
            place = by_clock
        self._timestamp, self._place = timestamp, place
        return place

    @property
    def origin(self) -> int:
        """The timestamp, of 32 bits, of what would stand at place 0, as counted last."""
        return (self._timestamp - self._place) % _WHOLE
