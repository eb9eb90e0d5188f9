"""What many calls come to: how many people at once, how long sessions last, how rings end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from greenroom.domain.call_events import SessionEnded, SessionStarted
from greenroom.domain.instants import instant, micros
from greenroom.domain.membership import RingAccepted, RingMissed, RingRejected
from greenroom.domain.message import CallId, Event, UserId
from greenroom.domain.session_events import Joined, Left
from greenroom.projections.log_index import Happened

OUTCOMES: Final[Mapping[str, str]] = {
    RingAccepted.name: "accepted",
    RingRejected.name: "rejected",
    RingMissed.name: "missed",
}
"""What becomes of a ring, by the stored names of the events that `Counting.rings` counts."""
PRESENCE: Final = frozenset({one.name for one in (SessionStarted, SessionEnded, Joined, Left)})
"""Stored names of the events that `Counting.take` counts."""
LENGTHS: Final = (60, 300, 900, 1800, 3600, 7200, 14400)
"""Seconds that divide sessions by how long they lasted; the last are longer than all."""
_SLOTS, _BARS = 240, 24
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of time."""

    start: datetime
    most: int
    """Connections at once, at most."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A longer stretch of time, with the rings that came to an end in it."""

    start: datetime
    outcomes: Mapping[str, int]
    """By outcome; all of them are there."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted."""

    start: datetime
    end: datetime
    calls: int
    """In which anything of it happened."""
    joins: int
    sessions: int
    """That came to an end."""
    peak: int
    """The most connections at once."""
    peak_at: datetime
    spent_seconds: float
    """Of all sessions together."""
    slots: Sequence[Slot]
    lengths: Sequence[int]
    """Sessions shorter than each of `LENGTHS`, and not than the one before; longer than all."""
    bars: Sequence[Bar]
    outcomes: Mapping[str, int]


class Counting:
    """Counts what happened between two instants, of what is told in the order of time."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self._start, self._end = micros(start), max(micros(end), micros(start) + 1)
        self._calls: set[CallId] = set()
        self._since: dict[CallId, int] = {}
        self._now = self._joins = self._peak = 0
        self._peak_at = self._start
        self._most = [0] * _SLOTS
        self._reached = 0
        self._lengths = [0] * (len(LENGTHS) + 1)
        self._spent = 0
        self._rings: dict[tuple[CallId, UserId, int], tuple[int, str]] = {}

    def take(self, happened: Iterable[Happened]) -> None:
        """Go on with these, in the order of time; past the end nothing counts."""
        for one in happened:
            if one.at >= self._end:
                return
            self._carry_on(one.at)
            self._count(one)

    def rings(self, answers: Iterable[Event]) -> None:
        """Count what became of rings, in the order of the log: of each, what was said last."""
        for answer in answers:
            at = micros(answer.at)
            if isinstance(answer, RingAccepted | RingRejected | RingMissed) and (
                self._start <= at < self._end
            ):
                ring = answer.cid, answer.user_id, answer.ring
                self._calls.add(answer.cid)
                self._rings[ring] = at, OUTCOMES[answer.name]

    def tally(self) -> Tally:
        """What it comes to."""
        self._carry_on(self._end - 1)
        bars = [dict.fromkeys(OUTCOMES.values(), 0) for _ in range(_BARS)]
        for at, outcome in self._rings.values():
            bars[self._place(at, _BARS)][outcome] += 1
        return Tally(
            start=instant(self._start),
            end=instant(self._end),
            calls=len(self._calls),
            joins=self._joins,
            sessions=sum(self._lengths),
            peak=self._peak,
            peak_at=instant(self._peak_at),
            spent_seconds=self._spent / _SECOND,
            slots=[Slot(self._at(n, _SLOTS), most) for n, most in enumerate(self._most)],
            lengths=self._lengths,
            bars=[Bar(self._at(n, _BARS), bar) for n, bar in enumerate(bars)],
            outcomes={name: sum(bar[name] for bar in bars) for name in OUTCOMES.values()},
        )

    def _count(self, one: Happened) -> None:
        cid, at, name, _ = one
        counts = at >= self._start
        if counts:
            self._calls.add(cid)
        match name:
            case Joined.name:
                self._now += 1
                self._joins += counts
                self._note(at)
            case Left.name:
                self._now -= 1
            case SessionStarted.name:
                self._since[cid] = at
            case SessionEnded.name:
                lasted = max(0, at - self._since.pop(cid, at))
                if counts:
                    self._lengths[bisect_right(LENGTHS, lasted / _SECOND)] += 1
                    self._spent += lasted
            case _:
                pass

    def _note(self, at: int) -> None:
        """As many as are there now."""
        if at >= self._start:
            slot = self._place(at, _SLOTS)
            self._most[slot] = max(self._most[slot], self._now)
            if self._now > self._peak:
                self._peak, self._peak_at = self._now, at

    def _carry_on(self, at: int) -> None:
        """Until then nobody came or went: whoever is there is so in every slot in between."""
        if at < self._start:
            return
        here = self._place(at, _SLOTS)
        for slot in range(self._reached, here + 1):
            self._most[slot] = max(self._most[slot], self._now)
        if self._now > self._peak:  # they were there when it began
            self._peak, self._peak_at = self._now, self._start
        self._reached = here

    def _place(self, at: int, places: int) -> int:
        return (at - self._start) * places // (self._end - self._start)

    def _at(self, place: int, places: int) -> datetime:
        return instant(self._start + place * (self._end - self._start) // places)
