"""How fast an aggregate is loaded from SQLite and folded: `python benchmarks/replay.py [--save]`.

Baseline: a stock aggregate of the eventsourcing library with `@event`, its JSON transcoder and its
SQLite recorder, loaded by `repository.get` (no cache, no snapshot). The target is 8 times that.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks._ours import record_ours
from benchmarks._report import Row, measure, table, tell
from benchmarks._stock import StockApplication, record_stock

from greenroom.adapters.stores import SQLiteStore
from greenroom.domain.streams import decider_of

WORK = 10_000
"""Events in one measurement."""


def replay(directory: Path, events: int) -> list[Row]:
    stock = StockApplication(directory / f"stock-{events}.db")
    aggregate = record_stock(stock, events)
    with closing(SQLiteStore(directory / f"ours-{events}.db")) as store:
        stream = record_ours(store, 1, events)
        fold = decider_of(stream).fold
        times = range(WORK // events)
        rows = measure(
            {
                "eventsourcing, repository.get": lambda: [
                    stock.repository.get(aggregate) for _ in times
                ],
                "greenroom, events and fold": lambda: [fold(store.events(stream)) for _ in times],
                "greenroom, events alone": lambda: [list(store.events(stream)) for _ in times],
            },
            work=WORK,
            clock=process_time,
        )
    stock.close()
    return rows


def main() -> None:
    with TemporaryDirectory() as directory:
        tell(
            "replay",
            [
                table(f"Replay of {events:,} events", replay(Path(directory), events), "events")
                for events in (100, 1000)
            ],
        )


if __name__ == "__main__":
    main()
