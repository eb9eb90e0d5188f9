"""Everybody wants into one call: `python benchmarks/hot_call.py [--save]`.

1,000 users join a call limited to 500, by 8 workers; exactly 500 must get in, every time. Baseline:
a stock aggregate of the eventsourcing library, which is got and saved again, after a pause by
chance, as long as somebody else was quicker; below it, with the library's cache of aggregates. The
target is 150 times the first.

Then the same from four processes at once, on one store: exactly 500 again. Then joins of a call
without a limit, 256 of them in flight: the target is a p99 of at most 5 times the p50.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._crowds import LIMIT, USERS, WORKERS, Crowd, FlyingCrowd, StockCrowd, join
from benchmarks._places import BOTH, Place, places
from benchmarks._report import (
    Arguments,
    Contender,
    Latencies,
    arguments,
    grid,
    measure,
    percentiles,
    table,
    tell,
)
from benchmarks._stock import CACHED, StockApplication
from benchmarks._visits import TYPE, flying_room

from greenroom import Greenroom, aio

PROCESSES = 4
FLYING, JOINS = 256, 16
"""In flight, and joins of each of them."""


class Options(Arguments):
    """What the command line says."""

    store: list[str]


def compare(place: Place, rounds: int) -> str:
    """Crowds of one process."""
    with ExitStack() as stack:

        def stock(more: Mapping[str, str]) -> Contender:
            application = stack.enter_context(closing(StockApplication({**place.stock(), **more})))
            return Contender(StockCrowd(application).run, USERS)

        room = stack.enter_context(Greenroom.open(place.url(), timers=False))
        runner, flying = stack.enter_context(flying_room(place.url()))
        rows = measure(
            {
                "eventsourcing, tried again": stock({}),
                "the same, with its cache": stock(CACHED),
                f"greenroom, {WORKERS} threads": Contender(Crowd(room).run, USERS),
                f"greenroom.aio, {WORKERS} tasks": Contender(
                    FlyingCrowd(runner, flying).run, USERS
                ),
            },
            rounds=rounds,
            warm_up=False,
        )
    title = f"{USERS:,} users join, {LIMIT} may, {WORKERS} workers, {place.title}"
    return table(title, rows, "joins")


def crowd_of_a_process(
    url: str,
    call_id: str,
    numbers: range,
    barrier: Barrier,
    answers: SimpleQueue[tuple[int, float]],
) -> None:
    """Lets its share of the users join when all processes are there; says how long they took."""
    with (
        Greenroom.open(url, timers=False) as room,
        ThreadPoolExecutor(WORKERS // PROCESSES) as pool,
    ):
        barrier.wait()
        began = perf_counter()
        inside = sum(
            inside for inside, _ in pool.map(lambda n: join(room, call_id, f"user-{n}"), numbers)
        )
        answers.put((inside, perf_counter() - began))


def from_processes(place: Place) -> Sequence[str]:
    """One line: how many got in from several processes, and how fast."""
    url, call_id = place.url(), "hot"
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(PROCESSES), spawn.SimpleQueue()
    with Greenroom.open(url, timers=False) as room:
        room.as_user("thierry").call(TYPE, call_id).create(max_participants=LIMIT)
    crowds = [
        spawn.Process(
            target=crowd_of_a_process,
            args=(url, call_id, range(first, USERS, PROCESSES), barrier, answers),
        )
        for first in range(PROCESSES)
    ]
    for crowd in crowds:
        crowd.start()
    told = [answers.get() for _ in crowds]
    for crowd in crowds:
        crowd.join()
    with Greenroom.open(url, timers=False) as room:
        page = room.as_user("thierry").call(TYPE, call_id).query_participants(limit=USERS)
    present = {one.user_id for one in page.items}
    assert len(present) == len(page.items) == sum(inside for inside, _ in told) == LIMIT
    slowest = max(seconds for _, seconds in told)
    return [place.title, f"{len(present)}", f"{USERS / slowest:,.0f}"]


def hot(place: Place, rounds: int) -> Sequence[str]:
    """One line: how long joins of one call take with many in flight."""
    with flying_room(place.url()) as (runner, room):
        taken = [runner.run(joins(room, f"hot-{number}")) for number in range(rounds + 1)][1:]
    middle, worst = zip(*(percentiles(latencies) for latencies, _ in taken), strict=True)
    ratios = sorted(late / usual for usual, late in zip(middle, worst, strict=True))
    speed = sorted(FLYING * JOINS / seconds for _, seconds in taken)
    half = len(taken) // 2
    return [
        place.title,
        f"{speed[half]:,.0f}",
        f"{sorted(middle)[half] * 1e3:.2f} ms",
        f"{sorted(worst)[half] * 1e3:.2f} ms",
        f"{ratios[half]:.1f}",
    ]


async def joins(room: aio.Greenroom, call_id: str) -> tuple[Latencies, float]:
    """The seconds every join took, and all of them."""
    await room.as_user("thierry").call(TYPE, call_id).create()

    async def one_after_the_other(first: int) -> Latencies:
        taken = []
        for number in range(first, FLYING * JOINS, FLYING):
            began = perf_counter()
            await room.as_user(f"user-{number}").call(TYPE, call_id).join()
            taken.append(perf_counter() - began)
        return taken

    began = perf_counter()
    taken = await asyncio.gather(*map(one_after_the_other, range(FLYING)))
    return [one for some in taken for one in some], perf_counter() - began


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    options = parser.parse_args(namespace=Options())
    with places(options.store) as kinds:
        tables = [compare(place, options.rounds) for place in kinds]
        crowds = [from_processes(place) for place in kinds]
        lines = [hot(place, options.rounds) for place in kinds]
    head = [f"The same from {PROCESSES} processes at once", "got in", "joins/s"]
    tables.append(grid(head, crowds))
    head = [f"Joins of one call, {FLYING} in flight", "joins/s", "p50", "p99", "p99 / p50"]
    tables.append(grid(head, lines))
    tell("hot_call", tables, save=options.save)


if __name__ == "__main__":
    main()
