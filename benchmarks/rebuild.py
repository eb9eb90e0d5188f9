"""How fast views are made anew: `python benchmarks/rebuild.py --events 1000000 [--save]`.

Baseline: the same as in `catch_up.py`, which is how the eventsourcing library fills views again:
its log, its mapper, one transaction an event. It is given the beginning of the same history. The
target is 10 times that, and less than 100 MiB more memory than before.

Greenroom's rebuild runs in a process of its own, beside views that have seen everything, as with
`greenroom rebuild`: the old rows are there until the new ones are complete, and are then replaced.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._audience import record, views_of
from benchmarks._evenings import EVENTS, evenings, record_stock_evenings
from benchmarks._places import BOTH, Place, places
from benchmarks._report import Arguments, arguments, grid, tell
from benchmarks._stock import StockApplication
from benchmarks._stock_views import StockViews

from greenroom.adapters.stores import open_store

MIB: Final = 1024 * 1024


class Options(Arguments):
    """What the command line says."""

    store: list[str]
    events: int
    baseline: int
    of: str


class Rebuilt(NamedTuple):
    """What a process says of a rebuild."""

    seconds: float
    before: int
    """Bytes in memory when it began."""
    most: int
    """Bytes in memory at most."""


def rebuild(url: str) -> Rebuilt:
    """Make the views of the store at `url` anew, in this process."""
    with closing(open_store(url)) as store, views_of(url) as views:
        head, before = store.position(), _memory("VmRSS")
        began = perf_counter()
        assert views.rebuild(store.salvage, until=head).position == head
        return Rebuilt(perf_counter() - began, before, _memory("VmHWM"))


def rebuild_elsewhere(url: str) -> Rebuilt:
    """The same in a fresh process."""
    command = [sys.executable, __file__, "--of", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - this very program
    return Rebuilt(*json.loads(said))


def _memory(what: str) -> int:
    """Bytes of this process that are (`VmRSS`), or were at most (`VmHWM`), in memory."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0]) * 1024
    raise LookupError(what)


def stock_seconds(place: Place, options: Options) -> float:
    """What the baseline takes for one event."""
    with closing(StockApplication(place.stock())) as stock:
        record_stock_evenings(stock, options.baseline // EVENTS)
        views = StockViews(stock)
        began = perf_counter()
        views.catch_up(options.baseline)
        return (perf_counter() - began) / options.baseline


def compare(place: Place, options: Options) -> str:
    url = place.url()
    record(url, evenings(options.events // EVENTS))
    with closing(open_store(url)) as store, views_of(url) as views:
        head = store.position()
        assert views.catch_up(store.salvage, until=head) == head
    rounds = []
    for _ in range(options.rounds):
        theirs, ours = stock_seconds(place, options), rebuild_elsewhere(url)
        rounds.append((theirs, ours.seconds / options.events, ours))
    theirs, each, ours = sorted(rounds, key=lambda one: one[0] / one[1])[len(rounds) // 2]
    head_row = [
        f"Views made anew from {options.events:,} events, {place.title}",
        *("events/s", "each", "times the baseline", "took", "more memory, at most"),
    ]
    stock_row = ["eventsourcing, a transaction an event", *_speed(theirs), "1.00", "", ""]
    took, grown = f"{ours.seconds:,.1f} s", f"{(ours.most - ours.before) / MIB:.0f} MiB"
    our_row = ["greenroom", *_speed(each), f"{theirs / each:.2f}", took, grown]
    return grid(head_row, [stock_row, our_row])


def _speed(seconds: float) -> tuple[str, str]:
    return f"{1 / seconds:,.0f}", f"{seconds * 1e6:,.1f} us"


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    parser.add_argument("--events", type=int, default=20_000, help="in the log (%(default)s)")
    parser.add_argument(
        "--baseline", type=int, default=2_000, help="events of the baseline's (%(default)s)"
    )
    parser.add_argument("--of", default="", help="only rebuild the views of the store at this URL")
    options = parser.parse_args(namespace=Options())
    if options.of:
        print(json.dumps(rebuild(options.of)))
        return
    with places(options.store) as kinds:
        tables = [compare(place, options) for place in kinds]
    tell("rebuild", tables, save=options.save)


if __name__ == "__main__":
    main()
