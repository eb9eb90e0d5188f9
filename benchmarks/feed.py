"""How fast the whole history is read: `python benchmarks/feed.py [--save]`.

Baseline: the eventsourcing library's recorder, 1,000 notifications at a time, mapped to domain
events by its stock mapper. The target is 3 times that, on SQLite and on PostgreSQL. On SQLite the
processor's time is compared; on PostgreSQL the time that passes, as a server works for it.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._ours import record_ours
from benchmarks._places import BOTH, Place, SQLitePlace, places
from benchmarks._report import Arguments, Contender, arguments, measure, table, tell
from benchmarks._stock import StockApplication, record_stock

from greenroom.adapters.stores import open_store

SESSIONS, EVENTS, PAGE = 100, 100, 1000


class Options(Arguments):
    """What the command line says."""

    store: list[str]


def stock_feed(application: StockApplication) -> Iterator[object]:
    last = 0
    while notifications := application.recorder.select_notifications(
        last, PAGE, inclusive_of_start=False
    ):
        for notification in notifications:
            yield application.mapper.to_domain_event(notification)
        last = notifications[-1].id


def read_through(feed: Callable[[], Iterator[object]]) -> Contender:
    def run() -> None:
        deque(feed(), 0)

    return Contender(run, SESSIONS * EVENTS)


def compare(place: Place, rounds: int) -> str:
    with (
        closing(StockApplication(place.stock())) as stock,
        closing(open_store(place.url())) as store,
    ):
        for session in range(1, SESSIONS + 1):
            record_stock(stock, EVENTS)
            record_ours(store, session, EVENTS)
        assert sum(1 for _ in stock_feed(stock)) == store.position() == SESSIONS * EVENTS
        rows = measure(
            {
                "eventsourcing, notifications and mapper": read_through(lambda: stock_feed(stock)),
                "greenroom, feed": read_through(store.feed),
            },
            rounds=rounds,
            clock=process_time if isinstance(place, SQLitePlace) else perf_counter,
        )
    title = f"The history of {SESSIONS * EVENTS:,} events, {place.title}"
    return table(title, rows, "events")


def main() -> None:
    parser = arguments(__doc__, rounds=9)
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    options = parser.parse_args(namespace=Options())
    with places(options.store) as kinds:
        tables = [compare(place, options.rounds) for place in kinds]
    tell("feed", tables, save=options.save)


if __name__ == "__main__":
    main()
