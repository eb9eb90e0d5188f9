"""How fast the whole history is read from SQLite: `python benchmarks/feed.py [--save]`.

Baseline: the eventsourcing library's recorder, 1,000 notifications at a time, mapped to domain
events by its stock mapper. The target is 3 times that.
"""

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks._ours import record_ours
from benchmarks._report import measure, table, tell
from benchmarks._stock import StockApplication, record_stock

from greenroom.adapters.stores import SQLiteStore

SESSIONS, EVENTS, PAGE = 100, 100, 1000


def stock_feed(application: StockApplication) -> Iterator[object]:
    last = 0
    while notifications := application.recorder.select_notifications(
        last, PAGE, inclusive_of_start=False
    ):
        for notification in notifications:
            yield application.mapper.to_domain_event(notification)
        last = notifications[-1].id


def main() -> None:
    with TemporaryDirectory() as directory:
        stock = StockApplication(Path(directory) / "stock.db")
        with closing(SQLiteStore(Path(directory) / "ours.db")) as store:
            for session in range(1, SESSIONS + 1):
                record_stock(stock, EVENTS)
                record_ours(store, session, EVENTS)
            assert sum(1 for _ in stock_feed(stock)) == store.position() == SESSIONS * EVENTS
            rows = measure(
                {
                    "eventsourcing, notifications and mapper": lambda: deque(stock_feed(stock), 0),
                    "greenroom, feed": lambda: deque(store.feed(), 0),
                },
                work=SESSIONS * EVENTS,
                clock=process_time,
            )
        stock.close()
    tell("feed", [table(f"The history of {SESSIONS * EVENTS:,} events", rows, "events")])


if __name__ == "__main__":
    main()
