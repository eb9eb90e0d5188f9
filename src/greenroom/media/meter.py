"""How much goes through, a second."""

from __future__ import annotations


class Meter:
    """Bits a second between the last two looks at a counter of bytes."""

    def __init__(self) -> None:
        self.bitrate = 0.0
        """0 before the second look."""
        self._total = 0
        self._at: float | None = None

    def look(self, total: int, now: float) -> None:
        """Note what the counter says at `now`, in seconds."""
        if self._at is not None and now > self._at:
            self.bitrate = max(0, total - self._total) * 8 / (now - self._at)
        self._total, self._at = total, now
