"""How long readers wait while others work: `python benchmarks/readers.py [--save]`.

One process reads: members by id and pages of 25, as users do, with a pause between two questions.
Baseline: the same with nobody else. Then a process writes, one durable command after the other;
another makes the views anew again and again (`greenroom rebuild`); and then both at once. The
target is twice the idle p50 for the queries of the views, and no error at all. The reads of the
handle (`call.query_members`) also bring the views up to what the writer has recorded meanwhile.

The audience stands in the log itself, so that a rebuild has something to do. With two cores, three
busy processes share them.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, sleep
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._audience import CID, OWNER, TYPE, Audience, found, members, record, tidy, views_of
from benchmarks._latencies import Figure, figures_table, keep
from benchmarks._places import BOTH, Place, places
from benchmarks._report import Arguments, arguments, percentiles, surroundings, tell

from greenroom import Greenroom, Member
from greenroom.projections.items import MemberItem
from greenroom.projections.pages import Page

IDLE: Final = "nobody else"
WRITER: Final = "a writer"
REBUILD: Final = "rebuilds"
BOTH_AT_ONCE: Final = "a writer and rebuilds"
PHASES: Final = (IDLE, WRITER, REBUILD, BOTH_AT_ONCE)
_PAUSE: Final = 0.002
"""Seconds between two questions."""


Ask = Callable[..., Page[MemberItem]]
"""A query of members."""


class Options(Arguments):
    """What the command line says."""

    store: list[str]
    members: int
    seconds: float
    write_to: str


class Reader:
    """Asks, and keeps the time of every answer and the faults of every wrong one."""

    def __init__(self, questions: Mapping[str, Callable[[int], int]], expected: int) -> None:
        """Take the questions.

        Args:
            questions: each gives how many members it found, asked for the `n`th time.
            expected: how many of them a right answer to the second of each two has; the first
                has one.
        """
        self._questions = questions
        self._expected = expected
        self.faults: Counter[str] = Counter()
        self._numbers = count()

    def ask(self, going: Callable[[], bool]) -> Mapping[str, Sequence[float]]:
        """The seconds of every answer, by question, as long as `going` says."""
        seconds: dict[str, list[float]] = {name: [] for name in self._questions}
        while going():
            n = next(self._numbers)
            for name, question in self._questions.items():
                began = perf_counter()
                try:
                    said = question(n)
                except Exception as error:  # noqa: BLE001 - whatever it is, it counts
                    self.faults[repr(error)] += 1
                else:
                    seconds[name].append(perf_counter() - began)
                    if said not in {1, self._expected}:
                        self.faults[f"{name}: {said} members"] += 1
                sleep(_PAUSE)
        return seconds


def write(url: str) -> None:
    """Change members, one command after the other, until somebody ends this process."""
    with Greenroom.open(url, timers=False) as room:
        call = room.as_user(OWNER).call(TYPE, "crowd")
        for n in count():
            call.update_members([Member(OWNER, custom={"n": n})])


@contextmanager
def writing(url: str) -> Iterator[None]:
    """A process that writes meanwhile."""
    writer = _started(__file__, "--write-to", url)
    try:
        sleep(0.5)  # until it is at it
        yield
        assert writer.poll() is None, "the writer ended by itself"
    finally:
        writer.kill()
        writer.wait()


@contextmanager
def rebuilding(url: str) -> Iterator[Callable[[], int]]:
    """Processes that make the views anew, one after the other; says how many have done so."""
    rebuild = ("-m", "greenroom", "rebuild", "--store", url)
    running = [_started(*rebuild)]

    def done() -> int:
        if running[-1].poll() is not None:
            assert running[-1].returncode == 0, "a rebuild failed"
            running.append(_started(*rebuild))
        return len(running) - 1

    try:
        yield done
        assert running[-1].wait() == 0, "the last rebuild failed"
    finally:
        running[-1].kill()


def _started(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)  # noqa: S603 - programs of ours


def phase(name: str, url: str, reader: Reader, seconds: float) -> Mapping[str, Sequence[float]]:
    """What the reader takes meanwhile: so long, and until one rebuild is done where any runs."""
    with ExitStack() as stack:
        if name in {WRITER, BOTH_AT_ONCE}:
            stack.enter_context(writing(url))
        rebuilt: Callable[[], int] = lambda: 1  # noqa: E731 - where nobody rebuilds
        if name in {REBUILD, BOTH_AT_ONCE}:
            rebuilt = stack.enter_context(rebuilding(url))
        ends = perf_counter() + seconds
        return reader.ask(lambda: rebuilt() < 1 or perf_counter() < ends)


def compare(place: Place, options: Options) -> tuple[str, list[Figure]]:
    """The answers' times in every phase."""
    audience, url = Audience(options.members), place.url()
    found(url)
    record(url, audience.arrivals())
    with ExitStack() as stack:
        room = stack.enter_context(Greenroom.open(url, timers=False))
        call = room.as_user(OWNER).call(TYPE, "crowd")
        call.add_members([Member(OWNER)])
        assert members(room) == audience.size + 1
        tidy(url)
        queries = stack.enter_context(views_of(url)).queries
        asks: Mapping[str, Ask] = {
            "the views' queries": partial(queries.members, CID, actor=OWNER),
            "call.query_members": call.query_members,
        }
        reader = Reader(dict(_questions(audience, asks)), expected=25)
        taken: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for _ in range(options.rounds):
            for name in PHASES:
                for question, seconds in phase(name, url, reader, options.seconds).items():
                    runs = taken.setdefault(question, {}).setdefault(name, [])
                    runs.append(percentiles(seconds))
    figures = list(_figures(place.name, audience.size, taken))
    title = f"Readers of {audience.size:,} members, {place.name}"
    faults = "; ".join(f"{what} ({times})" for what, times in reader.faults.items())
    note = f"Errors and wrong answers: {faults or 'none'}."
    return f"{figures_table(title, figures, f'with {IDLE}')}\n\n{note}", figures


def _questions(
    audience: Audience, asks: Mapping[str, Ask]
) -> Iterator[tuple[str, Callable[[int], int]]]:
    chance = Random(audience.seed)
    ids = [audience.user_id(chance.randrange(audience.size)) for _ in range(1000)]
    by_id = [{"user_id": user_id} for user_id in ids]
    for name, ask in asks.items():
        yield f"{name}, by id", partial(_counted, ask, by_id)
        yield f"{name}, a page", partial(_counted, ask, [{}])


def _counted(ask: Ask, filters: Sequence[Mapping[str, str]], n: int) -> int:
    """How many members the `n`th answer shows."""
    return len(ask(filters=filters[n % len(filters)]).items)


def _figures(
    store: str, size: int, taken: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]
) -> Iterator[Figure]:
    for question, phases in taken.items():
        idle = [p50 for p50, _ in phases[IDLE]]
        for name, runs in phases.items():
            yield Figure(
                *("readers", store, size, question, name),
                p50=median(p50 for p50, _ in runs),
                p99=median(p99 for _, p99 in runs),
                ratio=median(p50 / first for (p50, _), first in zip(runs, idle, strict=True)),
            )


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--store", choices=BOTH, nargs="*", default=BOTH)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3, help="of a phase (%(default)s)")
    parser.add_argument("--write-to", default="", help="of use to this program alone")
    options = parser.parse_args(namespace=Options())
    if options.write_to:
        write(options.write_to)
    with places(options.store) as kinds:
        compared = [compare(place, options) for place in kinds]
    tell("readers", [text for text, _ in compared], save=options.save)
    if options.save:
        keep("readers", [figure for _, some in compared for figure in some], surroundings())


if __name__ == "__main__":
    main()
