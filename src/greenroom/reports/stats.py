"""Plots over many calls, on a page of one file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final, NamedTuple

from greenroom.reports.page import page
from greenroom.reports.tally import OUTCOMES, Bar, Slot, Tally

WIDTH, HEIGHT = 900, 220
"""Of what is drawn in, in units of the picture; words stand around it."""
_LABELS: Final = (
    "under 1 min", "1 to 5 min", "5 to 15 min", "15 to 30 min", "30 to 60 min", "1 to 2 h",
    "2 to 4 h", "over 4 h",
)  # fmt: skip  # one for each length
_STEPS: Final = (1, 2, 5)
_TICKS: Final = 4
_DAYS: Final = timedelta(days=3)


class Mark(NamedTuple):
    """Something written at an axis."""

    place: float
    text: str


class Box(NamedTuple):
    """A rectangle that stands for a number."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


def stats_report(tally: Tally, *, at: datetime, call_type: str | None = None) -> str:
    """The page, as HTML.

    Args:
        tally: what was counted.
        at: as of when it is made.
        call_type: which calls it is about; None for all.
    """
    rings = sum(tally.outcomes.values())
    return page(
        "stats.html.jinja",
        tally=tally,
        at=at,
        call_type=call_type,
        rings=rings,
        answered=round(100 * tally.outcomes["accepted"] / rings) if rings else None,
        times=_times(tally),
        concurrency=_concurrency(tally.slots),
        lengths=_lengths(tally.lengths),
        outcomes=_outcomes(tally.bars),
        words=[*zip(_LABELS, tally.lengths, strict=True)],
        kinds=[*OUTCOMES.values()],
        size=(WIDTH, HEIGHT),
    )


def scale_of(most: int) -> int:
    """The round number that an axis ends at: at least `most`, and not much more."""
    step = 1
    while True:
        for factor in _STEPS:
            if factor * step * _TICKS >= most:
                return factor * step * _TICKS
        step *= 10


def _concurrency(slots: Sequence[Slot]) -> dict[str, Any]:
    """A line with an area below it, one step for each slot."""
    top = scale_of(max(slot.most for slot in slots))
    wide = WIDTH / len(slots)
    path = [f"M0 {HEIGHT}"]
    for number, slot in enumerate(slots):
        path.append(f"V{_y(slot.most, top)}H{round((number + 1) * wide, 1)}")
    return {"path": "".join((*path, f"V{HEIGHT}Z")), "marks": _marks(top)}


def _lengths(lengths: Sequence[int]) -> dict[str, Any]:
    """A bar for each range of lengths."""
    top = scale_of(max(lengths))
    wide = WIDTH / len(lengths)
    boxes = [
        Box(
            round(n * wide + 8, 1), _y(count, top), round(wide - 16, 1),
            HEIGHT - _y(count, top), "lengths", f"{_LABELS[n]}: {count}",
        )
        for n, count in enumerate(lengths)
    ]  # fmt: skip  # one bar
    labels = [Mark(round((n + 0.5) * wide, 1), label) for n, label in enumerate(_LABELS)]
    return {"boxes": boxes, "marks": _marks(top), "labels": labels}


def _outcomes(bars: Sequence[Bar]) -> dict[str, Any]:
    """Bars of what became of rings, one kind upon the other."""
    top = scale_of(max(sum(bar.outcomes.values()) for bar in bars))
    wide = WIDTH / len(bars)
    boxes = []
    for n, bar in enumerate(bars):
        ends = [*accumulate(bar.outcomes.values())]
        for (kind, count), end in zip(bar.outcomes.items(), ends, strict=True):
            if count:
                upper, lower = _y(end, top), _y(end - count, top)
                title = f"{bar.start:%Y-%m-%d %H:%M}: {count} {kind}"
                x, width = round(n * wide + 3, 1), round(wide - 6, 1)
                boxes.append(Box(x, upper, width, round(lower - upper, 1), kind, title))
    return {"boxes": boxes, "marks": _marks(top)}


def _marks(top: int) -> Sequence[Mark]:
    steps = [top * n // _TICKS for n in range(_TICKS + 1)]
    return [Mark(_y(value, top), f"{value:,}") for value in steps]


def _times(tally: Tally) -> Sequence[Mark]:
    """Six instants along the axis of time."""
    length = tally.end - tally.start
    form = "%Y-%m-%d" if length > _DAYS else "%m-%d %H:%M"
    instants = [(n / 6, tally.start + length * n / 6) for n in range(6)]
    return [Mark(round(share * WIDTH, 1), at.strftime(form)) for share, at in instants]


def _y(value: float, top: int) -> float:
    return round(HEIGHT - HEIGHT * value / top, 1)
