"""How many durable commands a second: `python benchmarks/in_flight.py [--save] [--profile]`.

Visitors join and leave calls in which 20 others are, each call on its own; every command is on the
disk before it is answered. 64 and 256 of them are in flight through `greenroom.aio`, and 64 threads
through `greenroom`. Who joins is a stranger to the call, or, in a line of its own, a member of whom
the process has to read in the store, because another process has made them one.

Baseline: stock aggregates of the eventsourcing library, get, command and save in 8 threads, as the
library is by default; below it, with the library's cache of aggregates. The target is 20 times the
first on SQLite and 40 times on PostgreSQL.

The floor is the bare driver inserting the rows that greenroom was seen to write, in the same
batches, one after the other; the target is 0.7 of its speed. With `--profile`, where the time of
the loop's thread goes instead, in microseconds a command.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from cProfile import Profile
from pathlib import Path
from pstats import Stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._places import BOTH, Place, places
from benchmarks._raw import Bytes, replayed, seen
from benchmarks._report import Arguments, Contender, Row, arguments, grid, measure, table, tell
from benchmarks._stock import CACHED, StockApplication
from benchmarks._visits import (
    COMMANDS,
    FlyingVisits,
    StockVisits,
    ThreadedVisits,
    flying_room,
)

from greenroom import Greenroom

STOCK_THREADS, STOCK_VISITS = 8, 20
THREADS = 64
COMMANDS_A_ROUND = 4096
FLYING_64 = "greenroom.aio, 64 in flight"
FLYING_256 = "greenroom.aio, 256 in flight"
THREADED = f"greenroom, {THREADS} threads"
COMPARED_WITH_DRIVER = (FLYING_64, FLYING_256, THREADED)
RAW = "the bare driver"


class Options(Arguments):
    """What the command line says."""

    profile: bool
    store: list[str]


def visits(flying: int) -> int:
    """Of each visitor in a round."""
    return COMMANDS_A_ROUND // COMMANDS // flying


def stock(stack: ExitStack, place: Place, more: Mapping[str, str]) -> Contender:
    application = stack.enter_context(closing(StockApplication({**place.stock(), **more})))
    load = StockVisits(application, STOCK_THREADS, STOCK_VISITS)
    return Contender(load.run, STOCK_THREADS * STOCK_VISITS * COMMANDS, load.prepare)


def flying(
    stack: ExitStack, place: Place, number: int, *, requests: bool = False, members: bool = False
) -> Contender:
    url, elsewhere = place.url(), None
    runner, room = stack.enter_context(flying_room(url))
    if members:
        elsewhere = stack.enter_context(Greenroom.open(url, timers=False))
    load = FlyingVisits(
        runner, room, number, visits(number), requests=requests, elsewhere=elsewhere
    )
    return Contender(load.run, COMMANDS_A_ROUND, load.prepare)


def threaded(stack: ExitStack, place: Place) -> Contender:
    room = stack.enter_context(Greenroom.open(place.url(), timers=False))
    load = ThreadedVisits(room, THREADS, visits(THREADS))
    return Contender(load.run, COMMANDS_A_ROUND)


def compare(place: Place, rounds: int) -> list[str]:
    """The tables of one kind of store."""
    with ExitStack() as stack:
        ours = {
            FLYING_64: flying(stack, place, 64),
            FLYING_256: flying(stack, place, 256),
            "the same, each with a request id": flying(stack, place, 256, requests=True),
            "the same, all of them members": flying(stack, place, 256, members=True),
            THREADED: threaded(stack, place),
        }
        contenders = {
            f"eventsourcing, {STOCK_THREADS} threads": stock(stack, place, {}),
            "the same, with its cache": stock(stack, place, CACHED),
            **ours,
        }
        written = {name: seen(ours[name]) for name in COMPARED_WITH_DRIVER}
        floors = {
            f"{RAW}, rows of: {name}": replayed(
                stack.enter_context(closing(place.log())), batches, COMMANDS_A_ROUND
            )
            for name, batches in written.items()
        }
        rows = measure(contenders | floors, rounds=rounds)
    title = f"Durable commands, {place.title}"
    return [table(title, rows, "commands"), floor(place, rows, written)]


def floor(
    place: Place, rows: Sequence[Row], written: Mapping[str, Sequence[Sequence[Bytes]]]
) -> str:
    """How near greenroom comes to the driver, by the medians of the same rounds."""
    seconds = {row.name: row.seconds for row in rows}
    body = []
    for name, batches in written.items():
        count = sum(map(len, batches))
        size = sum(len(document) for batch in batches for *_, document in batch)
        share = seconds[f"{RAW}, rows of: {name}"] / seconds[name]
        body.append([name, f"{count / len(batches):.0f}", f"{size / count:.0f}", f"{share:.2f}"])
    head = [f"Share of {RAW}, {place.title}", "rows a commit", "bytes a row", "share"]
    return grid(head, body)


def profile(place: Place) -> None:
    """Print where the time of the loop's thread goes, with 256 in flight."""
    with ExitStack() as stack:
        contender = flying(stack, place, 256)
        contender.run()
        contender.prepare()
        with Profile() as taken:
            contender.run()
    print(f"### {place.title}: seconds for {COMMANDS_A_ROUND} commands")
    Stats(taken).sort_stats("tottime").print_stats(40)


def main() -> None:
    parser = arguments(__doc__, rounds=7)
    parser.add_argument("--profile", action="store_true", help="where the time goes instead")
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    options = parser.parse_args(namespace=Options())
    with places(options.store) as kinds:
        if options.profile:
            for place in kinds:
                profile(place)
            return
        tables = [text for place in kinds for text in compare(place, options.rounds)]
    tell("in_flight", tables, save=options.save)


if __name__ == "__main__":
    main()
