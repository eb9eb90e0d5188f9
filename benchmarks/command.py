"""How fast one durable command is, alone: `python benchmarks/command.py [--save] [--profile]`.

Somebody joins and leaves a call in which 20 others are; each command is on the disk before the
next one begins (SQLite with WAL and synchronous=FULL, PostgreSQL with fsync, on all sides).

Baseline: a stock aggregate of the eventsourcing library: get, command, save; below it, with the
library's cache of aggregates. The target is 1.5 times the first on SQLite and 3 times on
PostgreSQL. The last line is the floor: the driver inserting the rows that greenroom was seen to
write, one command a commit. With `--profile`, where greenroom's own time goes instead.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from cProfile import Profile
from pathlib import Path
from pstats import Stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._places import BOTH, Place, places
from benchmarks._raw import replayed, seen
from benchmarks._report import Arguments, Contender, arguments, measure, table, tell
from benchmarks._stock import CACHED, StockApplication
from benchmarks._visits import COMMANDS, StockVisits, ThreadedVisits

from greenroom import Greenroom

VISITS = 40
"""Joins in one round; as many leaves follow."""


class Options(Arguments):
    """What the command line says."""

    profile: bool
    store: list[str]


def stock(stack: ExitStack, place: Place, more: Mapping[str, str]) -> Contender:
    application = stack.enter_context(closing(StockApplication({**place.stock(), **more})))
    load = StockVisits(application, 1, VISITS // 2)
    return Contender(load.run, VISITS // 2 * COMMANDS, load.prepare)


def ours(stack: ExitStack, place: Place) -> Contender:
    room = stack.enter_context(Greenroom.open(place.url(), timers=False))
    return Contender(ThreadedVisits(room, 1, VISITS).run, VISITS * COMMANDS)


def compare(place: Place, rounds: int) -> str:
    with ExitStack() as stack:
        greenroom = ours(stack, place)
        rows = measure(
            {
                "eventsourcing: get, command, save": stock(stack, place, {}),
                "the same, with its cache": stock(stack, place, CACHED),
                "greenroom: join, leave": greenroom,
                "the bare driver, the same rows": replayed(
                    stack.enter_context(closing(place.log())),
                    seen(greenroom),
                    greenroom.work,
                ),
            },
            rounds=rounds,
        )
    return table(f"One durable command at a time, {place.title}", rows, "commands")


def profile(place: Place) -> None:
    """Print where the time of a thread that asks goes."""
    with ExitStack() as stack:
        room = stack.enter_context(Greenroom.open(place.url(), timers=False))
        load = ThreadedVisits(room, 1, 400)
        load.run_here()
        with Profile() as taken:
            load.run_here()
    print(f"### {place.title}: seconds for {400 * COMMANDS} commands")
    Stats(taken).sort_stats("tottime").print_stats(40)


def main() -> None:
    parser = arguments(__doc__, rounds=15)
    parser.add_argument("--profile", action="store_true", help="where the time goes instead")
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    options = parser.parse_args(namespace=Options())
    with places(options.store) as kinds:
        if options.profile:
            for place in kinds:
                profile(place)
            return
        tables = [compare(place, options.rounds) for place in kinds]
    tell("command", tables, save=options.save)


if __name__ == "__main__":
    main()
