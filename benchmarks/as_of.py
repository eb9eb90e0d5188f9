"""How fast the past is read: `python benchmarks/as_of.py [--members 10000] [--save]`.

Every member of one call has 2.4 versions on average, all of them in the log. Baseline: a page of 25
members as they are now, the cursor in the middle, through the handle of the call. The contender
asks `room.at(position).as_user(...).call(...)` for the same page, at positions long gone; the past
is kept in tables (`room.keep_past()`). The target is 3 times the baseline at 1,000,000 members. How
long it takes from the first question to the middle is shown by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._audience import OWNER, TYPE, Audience, found, members, record, tidy
from benchmarks._latencies import Figure, figures_table, keep, latencies
from benchmarks._places import BOTH, Place, places
from benchmarks._report import Arguments, arguments, surroundings, tell

from greenroom import Greenroom
from greenroom.projections.items import MemberItem
from greenroom.projections.pages import Page

NOW: Final = "as it is"
MOMENTS: Final = {"when all had come": 0.0, "half way through the changes": 0.5}
"""By the share of the changes that had happened."""
_WALK: Final = 1000

Ask = Callable[..., Page[MemberItem]]
"""A query of members."""


class Options(Arguments):
    """What the command line says."""

    store: list[str]
    members: int
    asks: int


def middle(ask: Ask, size: int) -> str | None:
    """A cursor in the middle of all members."""
    cursor = None
    for _ in range(size // 2 // _WALK):
        cursor = ask(limit=_WALK, cursor=cursor).next
    return cursor


def compare(place: Place, options: Options) -> tuple[str, list[Figure]]:
    """Pages of now and then, in turn."""
    audience, url = Audience(options.members), place.url()
    began = perf_counter()
    head = found(url)
    record(url, audience.arrivals())
    record(url, audience.changes())
    recorded = perf_counter() - began
    with ExitStack() as stack:
        room = stack.enter_context(Greenroom.open(url, timers=False))
        began = perf_counter()
        assert members(room) == audience.size
        projected = perf_counter() - began
        began = perf_counter()
        room.keep_past()
        filled = perf_counter() - began
        tidy(url)
        figures, first = ask_all(room, place.name, audience, head, options)
    title = f"{audience.size:,} members with 2.4 versions each, {place.name}"
    note = (
        f"Recorded in {recorded:.0f} s, projected in {projected:.0f} s,"
        f" its past kept in another {filled:.0f} s."
        f" The first page of a moment, and the walk to its middle: {', '.join(first)}."
    )
    return f"{figures_table(title, figures, NOW)}\n\n{note}", figures


def ask_all(
    room: Greenroom, store: str, audience: Audience, head: int, options: Options
) -> tuple[list[Figure], list[str]]:
    """The figures of a page, and how long each moment took to be ready."""
    with ExitStack() as stack:
        asks: dict[str, Ask] = {NOW: room.as_user(OWNER).call(TYPE, "crowd").query_members}
        for name, share in MOMENTS.items():
            position = audience.last(head) + int((room.position - audience.last(head)) * share)
            past = room.at(position)
            stack.callback(past.close)
            asks[name] = past.as_user(OWNER).call(TYPE, "crowd").query_members
        pages = dict(_pages(asks, audience.size))
        taken = latencies(
            {name: ask for name, (ask, _) in pages.items()},
            rounds=options.rounds,
            asks=options.asks,
        )
    figures = [
        Figure("as_of", store, audience.size, "page at 50 %", name, *numbers)
        for name, numbers in taken.items()
    ]
    return figures, [f"{name} {seconds:.1f} s" for name, (_, seconds) in pages.items()]


def _pages(
    asks: dict[str, Ask], size: int
) -> Iterator[tuple[str, tuple[Callable[[int], object], float]]]:
    """By name: how to ask for the page in the middle, and how long it took to get there."""
    seen: set[tuple[str, ...]] = set()
    for name, ask in asks.items():
        began = perf_counter()
        cursor = middle(ask, size)
        seconds = perf_counter() - began
        seen.add(tuple(item.user_id for item in ask(cursor=cursor).items))
        yield name, (_again(ask, cursor), seconds)
    assert len(seen) == 1, "nobody came or went: the page shows the same people at all times"


def _again(ask: Ask, cursor: str | None) -> Callable[[int], object]:
    return lambda _: ask(cursor=cursor)


def main() -> None:
    parser = arguments(__doc__, rounds=15)
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--asks", type=int, default=20, help="questions a round (%(default)s)")
    options = parser.parse_args(namespace=Options())
    with places(options.store) as kinds:
        compared = [compare(place, options) for place in kinds]
    tell("as_of", [text for text, _ in compared], save=options.save)
    if options.save:
        keep("as_of", [figure for _, some in compared for figure in some], surroundings())


if __name__ == "__main__":
    main()
