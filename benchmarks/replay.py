"""How fast an aggregate is loaded from SQLite and folded: `python benchmarks/replay.py [--save]`.

Baseline: a stock aggregate of the eventsourcing library with `@event`, its JSON transcoder and its
SQLite recorder, loaded by `repository.get` (no cache, no snapshot). The target is 8 times that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._ours import record_ours
from benchmarks._places import SQLITE, Place, places
from benchmarks._report import Arguments, Contender, arguments, measure, table, tell
from benchmarks._stock import StockApplication, record_stock

from greenroom.adapters.stores import open_store
from greenroom.domain.streams import decider_of

WORK = 10_000
"""Events in one measurement."""


def again(load: Callable[[], object], events: int) -> Contender:
    """Loads so many events as often as it makes up the work."""

    def run() -> None:
        for _ in range(WORK // events):
            load()

    return Contender(run, WORK)


def replay(place: Place, events: int, rounds: int) -> str:
    with (
        closing(StockApplication(place.stock())) as stock,
        closing(open_store(place.url())) as store,
    ):
        aggregate = record_stock(stock, events)
        stream = record_ours(store, 1, events)
        fold = decider_of(stream).fold
        rows = measure(
            {
                "eventsourcing, repository.get": again(lambda: stock.session(aggregate), events),
                "greenroom, events and fold": again(lambda: fold(store.events(stream)), events),
                "greenroom, events alone": again(lambda: list(store.events(stream)), events),
            },
            rounds=rounds,
            clock=process_time,
        )
    return table(f"Replay of {events:,} events", rows, "events")


def main() -> None:
    options = arguments(__doc__, rounds=9).parse_args(namespace=Arguments())
    with places([SQLITE]) as kinds:
        tables = [
            replay(place, events, options.rounds) for place in kinds for events in (100, 1000)
        ]
    tell("replay", tables, save=options.save)


if __name__ == "__main__":
    main()
