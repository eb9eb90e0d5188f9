"""How much memory calls take that were touched: `python benchmarks/cache.py [--save]`.

100,000 calls are created one after the other, 256 in flight, in a process of its own for every size
of the cache (SQLite). What the process has grown by since it opened the store is bounded by the
size of the cache, whatever was touched: from half of the calls on, it hardly grows any more.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._places import SQLITE, places
from benchmarks._report import Arguments, arguments, grid, tell
from benchmarks._visits import TYPE

from greenroom import aio

CACHES = (1_000, 10_000, 50_000)
"""Streams that are kept: a call that is created takes two, itself and its creator's membership."""
LOOKS = (0.05, 0.1, 0.25, 0.5, 0.75, 1)
"""When the process is looked at, as shares of the calls."""
FLYING = 256
MIB = 1024 * 1024


class Options(Arguments):
    """What the command line says."""

    calls: int


def resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def touch(url: str, cache: int, calls: int) -> Sequence[int]:
    """Create the calls; by how many bytes the process has grown at every look."""
    grown = []
    async with await aio.Greenroom.open(url, timers=False, cache=cache) as room:
        thierry = room.as_user("thierry")

        async def create(numbers: Iterator[int]) -> None:
            for number in numbers:
                await thierry.call(TYPE, f"call-{number}").create()

        before = resident()
        done = 0
        for look in LOOKS:
            numbers = iter(range(done, done := int(calls * look)))
            await asyncio.gather(*(create(numbers) for _ in range(FLYING)))
            grown.append(resident() - before)
    return grown


def touch_in_a_process(answer: Connection, url: str, cache: int, calls: int) -> None:
    answer.send(asyncio.run(touch(url, cache, calls)))


def growth(url: str, cache: int, calls: int) -> Sequence[int]:
    """What a fresh process of its own tells of `touch`."""
    spawn = multiprocessing.get_context("spawn")
    answer, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=touch_in_a_process, args=(theirs, url, cache, calls))
    process.start()
    theirs.close()  # so that a process that dies is an EOFError, not a wait without end
    grown: Sequence[int] = answer.recv()
    process.join()
    return grown


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args(namespace=Options())
    body = []
    with places([SQLITE]) as (place,):
        for cache in CACHES:
            grown = growth(place.url(), cache, options.calls)
            body.append([f"{cache:,} streams", *(f"{size / MIB:.1f} MiB" for size in grown)])
    head = ["Growth of the process after so many calls, by the size of the cache"]
    head += [f"{int(options.calls * look):,}" for look in LOOKS]
    tell("cache", [grid(head, body)], save=options.save)


if __name__ == "__main__":
    main()
