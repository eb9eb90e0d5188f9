"""What arrives of one stream: its order, its gaps, how much was lost and how evenly it comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

KEPT: Final = 512
"""How far back a packet may be late, or asked for again: more than two seconds of video."""
LEAP: Final = 3_000
"""Numbers further ahead than this are taken for a stream that began anew, if the next one agrees
(RFC 3550, appendix A.1)."""
MOST_MISSING: Final = 128
"""Gaps asked for at once; where more is missing, only a new picture helps."""
ASKS: Final = 8
"""Times that a missing packet is asked for."""

_SPAN: Final = 1 << 16


class Reception:
    """Counts one stream of packets, by ordinals: their numbers, counted on beyond 65,535.

    Args:
        clock_rate: of its timestamps, a second.
    """

    def __init__(self, clock_rate: int) -> None:
        self.newest = -1
        """The highest ordinal; -1 before the first packet."""
        self.received = 0
        """Packets, each counted once."""
        self.stretch = 0
        """How often the stream began anew: its ordinals leapt then."""
        self.stretch_before = -1
        """The highest ordinal before it last did."""
        self._first = 0
        self._lost_before = 0
        self._leapt_to: int | None = None
        self._missing: dict[int, int] = {}
        self._clock_rate = clock_rate
        self._jitter = 0.0
        self._transit: float | None = None
        self._expected_at_report = 0
        self._received_at_report = 0

    def place(self, number: int) -> int | None:
        """The ordinal of a packet, by its number of 16 bits; None for one out of all order."""
        if self.newest < 0:
            self.newest = self._first = number + _SPAN
            return self.newest
        ahead = number - self.newest & _SPAN - 1
        if ahead < LEAP:
            if ahead > 1:
                self._miss(ahead)
            self.newest += ahead
            return self.newest
        if ahead > _SPAN - KEPT:
            return self.newest + ahead - _SPAN
        if number != self._leapt_to:
            self._leapt_to = number + 1 & _SPAN - 1
            return None
        self.begin_anew(number)
        self.newest += 1
        return self.newest

    def begin_anew(self, number: int) -> None:
        """Expect another stream, with a packet of this number: ordinals go on, after a leap."""
        self.stretch += 1
        self.stretch_before = self.newest
        self._lost_before = self.lost
        self._missing.clear()
        self._transit = self._leapt_to = None
        self.newest += _SPAN + (number - 1 - self.newest & _SPAN - 1)
        # The packets received so far are no part of the new stretch.
        self._first = self.newest + 1 - self.received

    def arrived(self, ordinal: int, timestamp: int, now: float) -> None:
        """Count the packet of this ordinal; `now` in seconds, of any clock that never goes back."""
        self.received += 1
        self._missing.pop(ordinal, None)
        transit = now * self._clock_rate - timestamp
        if self._transit is not None:
            late = abs(transit - self._transit)
            if late < self._clock_rate:  # else its clock was set anew, which is no delay
                self._jitter += (late - self._jitter) / 16
        self._transit = transit

    @property
    def expected(self) -> int:
        """Packets sent, as far as their numbers tell."""
        return self.newest - self._first + 1 if self.newest >= 0 else 0

    @property
    def lost(self) -> int:
        """Packets that did not come, or have not come yet."""
        return self._lost_before + max(0, self.expected - self.received)

    @property
    def jitter(self) -> float:
        """By how many seconds packets come too early or too late, on average."""
        return self._jitter / self._clock_rate

    @property
    def missing(self) -> bool:
        """Whether something should be asked for again."""
        return bool(self._missing)

    def to_ask(self) -> Sequence[int]:
        """Numbers of 16 bits to ask for now, by size; each is given up after a while."""
        for ordinal, asked in tuple(self._missing.items()):
            if asked >= ASKS or ordinal <= self.newest - KEPT:
                del self._missing[ordinal]
            else:
                self._missing[ordinal] = asked + 1
        return sorted(ordinal & _SPAN - 1 for ordinal in self._missing)

    def report(self) -> tuple[int, int, int]:
        """For a receiver's report: 256ths lost since the last one, highest number, jitter."""
        expected = self.expected - self._expected_at_report
        received = self.received - self._received_at_report
        self._expected_at_report, self._received_at_report = self.expected, self.received
        lost = expected - received
        fraction = min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
        return fraction, self.newest - _SPAN & 0xFFFFFFFF, int(self._jitter)

    def _miss(self, ahead: int) -> None:
        first = max(self.newest + 1, self.newest + ahead - MOST_MISSING)
        self._missing.update(dict.fromkeys(range(first, self.newest + ahead), 0))
        for ordinal in tuple(self._missing)[:-MOST_MISSING]:
            del self._missing[ordinal]
