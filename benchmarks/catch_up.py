"""How fast views catch up with a log: `python benchmarks/catch_up.py [--save]`.

Baseline: the eventsourcing library's notifications and mapper, and one transaction an event with
the SQL that it takes, on the same kind of database (`_stock_views.py`). As that is slow it is
given the beginning of the same history. Beside it stands what the baseline gains where one
transaction holds 1,000 events, as greenroom's first one does; those that follow hold up to 4,000.
The target is 20 times the baseline on SQLite and 30 on PostgreSQL.

Greenroom's views keep more: sessions and who attended them, deadlines, instants, and indexes for
every sort that queries allow. Its personal data is sealed in the log and has to be opened.
Its views on SQLite are written with synchronous=NORMAL: what a power cut takes of them is caught
up again from the log. The baseline has FULL, as the library leaves it.

What it costs to keep the past is told by greenroom's own time without: both in every round.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._audience import record, views_at
from benchmarks._evenings import EVENTS, evenings, record_stock_evenings
from benchmarks._places import BOTH, Place, places
from benchmarks._report import Arguments, Contender, arguments, measure, table, tell
from benchmarks._stock import StockApplication
from benchmarks._stock_views import StockViews

from greenroom.adapters.stores import open_store
from greenroom.domain.ports import EventStore
from greenroom.projections.views import Views

AT_ONCE = 1000
OURS: Final = "greenroom"
KEEPING: Final = "greenroom, the past kept"


class Options(Arguments):
    """What the command line says."""

    store: list[str]
    events: int
    baseline: int


class FreshViews:
    """Views of a store, new in every round."""

    def __init__(self, place: Place, store: EventStore, *, past: bool = False) -> None:
        self._place = place
        self._store = store
        self._past = past
        self._views: Views | None = None

    def prepare(self) -> None:
        """Make them."""
        self.close()
        self._views = Views.open(views_at(self._place.url()), secret=self._store.secret)
        if self._past:
            self._views.past.want()

    def run(self) -> None:
        """Let them catch up."""
        assert self._views is not None
        head = self._store.position()
        assert self._views.catch_up(self._store.salvage, until=head) == head
        kept = self._views.past.kept()
        assert (kept is not None and kept.whole) == self._past

    def close(self) -> None:
        """Leave them."""
        if self._views is not None:
            self._views.close()


def compare(place: Place, options: Options) -> str:
    with ExitStack() as stack:
        stock = stack.enter_context(closing(StockApplication(place.stock())))
        record_stock_evenings(stock, options.baseline // EVENTS)
        url = place.url()
        record(url, evenings(options.events // EVENTS))
        store = stack.enter_context(closing(open_store(url)))
        ours = stack.enter_context(closing(FreshViews(place, store)))
        keeping = stack.enter_context(closing(FreshViews(place, store, past=True)))
        rows = measure(
            {
                "eventsourcing, a transaction an event": of_stock(StockViews(stock), options),
                f"the same, {AT_ONCE:,} events a transaction": of_stock(
                    StockViews(stock, AT_ONCE), options
                ),
                OURS: Contender(ours.run, store.position(), ours.prepare),
                KEEPING: Contender(keeping.run, store.position(), keeping.prepare),
            },
            rounds=options.rounds,
            warm_up=False,
        )
    title = f"Views catch up with {options.events:,} events, {place.title}"
    took = {row.name: row.seconds for row in rows}
    note = f"With the past kept it takes {took[KEEPING] / took[OURS]:.2f} times as long as without."
    return f"{table(title, rows, 'events')}\n\n{note}"


def of_stock(views: StockViews, options: Options) -> Contender:
    return Contender(lambda: views.catch_up(options.baseline), options.baseline, views.empty)


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    parser.add_argument("--events", type=int, default=20_000, help="of greenroom's (%(default)s)")
    parser.add_argument(
        "--baseline", type=int, default=2_000, help="events of the baseline's (%(default)s)"
    )
    options = parser.parse_args(namespace=Options())
    with places(options.store) as kinds:
        tables = [compare(place, options) for place in kinds]
    tell("catch_up", tables, save=options.save)


if __name__ == "__main__":
    main()
