"""From instants to places on a line, on which the hours when nobody was there are short."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain, pairwise
from typing import Final, NamedTuple

from greenroom.domain.instants import micros

WIDTH: Final = 100.0
"""The whole line: places are hundredths of it."""
_PAUSE: Final = 3.0
"""The most that a time without anybody takes of it."""
_MOST_PAUSES: Final = 0.3
"""The share of the line that all such times may take together."""


class Tick(NamedTuple):
    """Something to be written at the line."""

    x: float
    at: datetime


class Scale:
    """Places of instants: rising, as they do.

    Args:
        instants: that anything happened at; at least one.
        sessions: from when to when people were there.
        goes_on: whether there is something to be drawn past the last instant.
    """

    def __init__(
        self,
        instants: Iterable[datetime],
        sessions: Iterable[tuple[datetime, datetime]],
        *,
        goes_on: bool = False,
    ) -> None:
        pairs = [*sessions]
        known = {micros(at): at for at in chain(instants, *pairs)}
        spans = [(micros(start), micros(end)) for start, end in pairs]
        self._times: Final = sorted(known)
        self._instants: Final = known
        self._places: Final = self._placed(_joined(spans), WIDTH - _PAUSE * goes_on)

    def x(self, at: datetime) -> float:
        """Where an instant stands; the ends of the line for whatever is outside."""
        time, times = micros(at), self._times
        after = bisect_right(times, time)
        if after in {0, len(times)}:
            return self._places[min(after, len(times) - 1)]
        share = (time - times[after - 1]) / (times[after] - times[after - 1])
        left, right = self._places[after - 1], self._places[after]
        return round(left + share * (right - left), 3)

    def ticks(self, apart: float = 11.0) -> Sequence[Tick]:
        """Instants to be written, none nearer to another than `apart`."""
        chosen: list[Tick] = []
        for time, x in zip(self._times, self._places, strict=True):
            if not chosen or x - chosen[-1].x >= apart:
                chosen.append(Tick(x, self._instants[time]))
        return [tick for tick in chosen if tick.x <= WIDTH - apart / 2]

    def _placed(self, spans: Sequence[tuple[int, int]], width: float) -> Sequence[float]:
        """Where each known time stands: by the clock in sessions, close together outside."""
        gaps = [(end - start, _within(spans, start, end)) for start, end in pairwise(self._times)]
        pauses = sum(1 for _, there in gaps if not there)
        pause = min(_PAUSE, _MOST_PAUSES * width / pauses) if pauses else 0.0
        busy = sum(length for length, there in gaps if there)
        if not busy:
            pause = width / pauses if pauses else 0.0
        rest = width - pause * pauses
        places = [0.0]
        for length, there in gaps:
            places.append(places[-1] + (rest * length / busy if there else pause))
        return [round(place, 3) for place in places]


def _joined(spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The same times, none overlapping another."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _within(spans: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether somebody was there between two neighbouring times."""
    after = bisect_right(spans, (start, 2**63))
    return after > 0 and spans[after - 1][1] >= end
