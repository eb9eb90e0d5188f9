"""Who follows the log, and misses something: `python benchmarks/followers.py [--save]`.

For 30 seconds, 8 writers append to PostgreSQL at the same time, in transactions of all lengths,
while a follower reads whatever is past the last position it has seen. What it has not seen a while
after the last writer is through, it never will.

The naive way is a table with a `bigserial`: positions are given out when rows are inserted, and
seen when they are committed, which is another order. The other one is a store of greenroom's, with
`wait` and `feed`. The target is that nothing is skipped, no position comes twice, and none earlier
than one before it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from threading import Event as Flag
from time import sleep

sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg
from benchmarks._ours import record_ours
from benchmarks._places import POSTGRESQL, places
from benchmarks._report import Arguments, arguments, grid, tell

from greenroom.adapters.stores import open_store

WRITERS = 8
LARGEST = 50
"""Rows of one transaction, at most."""
PAUSE = 0.005
"""Seconds that a writer rests between two transactions, at most; and the naive one within, too."""
POLL = 0.002
"""Seconds that the naive follower rests where nothing is new."""
GRACE = 2.0
"""Seconds in which whatever was committed can be seen."""
DOCUMENT = b"x" * 400


class Options(Arguments):
    """What the command line says."""

    seconds: float


Follow = Callable[[Flag], Sequence[int]]
Write = Callable[[int, Flag], None]


def naive(stack: ExitStack, url: str) -> tuple[Write, Follow, Callable[[], int]]:
    """A table as many tutorials have it: writer, follower, and how many rows it holds."""

    def connect() -> psycopg.Connection:
        return stack.enter_context(psycopg.connect(url, autocommit=True))

    connect().execute("CREATE TABLE log (position bigserial PRIMARY KEY, document bytea)")

    def write(number: int, stop: Flag) -> None:
        chance, connection = random.Random(number), connect()
        while not stop.is_set():
            with connection.transaction():
                for rows in (chance.randrange(1, LARGEST // 2), chance.randrange(1, LARGEST // 2)):
                    connection.execute(
                        "INSERT INTO log (document) SELECT %s FROM generate_series(1, %s)",
                        (DOCUMENT, rows),
                    )
                    sleep(chance.uniform(0, PAUSE))
            sleep(chance.uniform(0, PAUSE))

    def follow(stop: Flag) -> Sequence[int]:
        connection, seen = connect(), [0]
        while True:
            last_look = stop.is_set()
            found = connection.execute(
                "SELECT position FROM log WHERE position > %s ORDER BY position LIMIT 1000",
                (seen[-1],),
            ).fetchall()
            seen += [position for (position,) in found]
            if not found and last_look:
                return seen[1:]
            if not found:
                sleep(POLL)

    def held() -> int:
        ((rows,),) = connect().execute("SELECT count(*) FROM log").fetchall()
        return int(rows)

    return write, follow, held


def ours(stack: ExitStack, url: str) -> tuple[Write, Follow, Callable[[], int]]:
    """A store of greenroom's for every writer, as if each were a process of its own."""
    sessions = count(1)

    def write(number: int, stop: Flag) -> None:
        chance = random.Random(number)
        store = stack.enter_context(closing(open_store(url)))
        while not stop.is_set():
            record_ours(store, next(sessions), chance.randrange(2, LARGEST))
            sleep(chance.uniform(0, PAUSE))

    def follow(stop: Flag) -> Sequence[int]:
        store = stack.enter_context(closing(open_store(url)))
        seen = [0]
        while True:
            last_look = stop.is_set()
            if store.wait(seen[-1], timeout=0.1):
                seen += [position for position, _ in store.feed(seen[-1])]
            elif last_look:
                return seen[1:]

    def held() -> int:
        store = stack.enter_context(closing(open_store(url)))
        return sum(1 for _ in store.feed())

    return write, follow, held


def skipped(
    name: str,
    url: str,
    seconds: float,
    make: Callable[..., tuple[Write, Follow, Callable[[], int]]],
) -> Sequence[str]:
    """One line: how much the follower has missed."""
    written, read = Flag(), Flag()
    with ExitStack() as stack, ThreadPoolExecutor(WRITERS + 1) as pool:
        write, follow, held = make(stack, url)
        follower = pool.submit(follow, read)
        writers = [pool.submit(write, number, written) for number in range(WRITERS)]
        sleep(seconds)
        written.set()
        for writer in writers:
            writer.result()
        sleep(GRACE)
        read.set()
        seen, rows = follower.result(), held()
    assert list(seen) == sorted(set(seen)), "a position came twice, or late"
    return [name, f"{rows:,}", f"{rows - len(seen):,}", f"{(rows - len(seen)) / rows:.1%}"]


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args(namespace=Options())
    with places([POSTGRESQL]) as (place,):
        body = [
            skipped("the last position of a bigserial", place.url(), options.seconds, naive),
            skipped("greenroom, feed", place.url(), options.seconds, ours),
        ]
    title = f"Events skipped by a follower, {WRITERS} writers, {place.title}"
    assert body[1][2] == "0", "the feed has skipped something"
    tell("followers", [grid([title, "events", "skipped", "share"], body)], save=options.save)


if __name__ == "__main__":
    main()
