"""How long readers wait while others work: `python benchmarks/readers.py [--save]`.

One process reads: members by id and pages of 25, as users do, with a pause between two questions.
Another has the timers and follows the log, as where there are workers. Baseline: the same with
nobody else. Then a process writes, one durable command after the other about anybody of
the audience: their data, their coming, their going. Another makes the views anew again and again
(`greenroom rebuild`); and then both at once. The target is twice the idle p50, and no error at all.

The handle (`call.query_members`) asks who may read, which has to be as it is recorded now. Last it
is asked by somebody who has just changed a member and must be shown that, whatever it takes: every
such question brings the views up to the end of the log, unless somebody has been quicker.

The audience stands in the log itself, so that a rebuild has something to do. With two cores, four
busy processes and a server share them.
"""

from __future__ import annotations

import subprocess
import sys
from argparse import SUPPRESS
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from threading import Event
from time import perf_counter, sleep
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._audience import CID, OWNER, TYPE, Audience, found, members, record, tidy, views_of
from benchmarks._latencies import Figure, figures_table, keep
from benchmarks._places import BOTH, Place, places
from benchmarks._report import Arguments, arguments, percentiles, surroundings, tell

from greenroom import CallHandle, Greenroom, Member
from greenroom.projections.items import MemberItem
from greenroom.projections.pages import Page

IDLE: Final = "nobody else"
WRITER: Final = "a writer"
REBUILD: Final = "rebuilds"
BOTH_AT_ONCE: Final = "a writer and rebuilds"
PHASES: Final = (IDLE, WRITER, REBUILD, BOTH_AT_ONCE)
_PAUSE: Final = 0.002
"""Seconds between two questions."""
AT_IT: Final = 50
"""Events after which a writer has begun: it has connected, and compiled what it needs."""


Ask = Callable[..., Page[MemberItem]]
"""A query of members."""
Question = Callable[[int], Callable[[], int]]
"""Gets ready for the `n`th time; what it gives asks, and says how many members it found."""


class Options(Arguments):
    """What the command line says."""

    store: list[str]
    members: int
    seconds: float
    write_to: str
    lead: str


class Reader:
    """Asks, and keeps the time of every answer and the faults of every wrong one."""

    def __init__(self, questions: Mapping[str, Question], expected: int) -> None:
        """Take the questions.

        Args:
            questions: by name.
            expected: how many members a page shows; whoever is asked for by id is one.
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
                asked = question(n)
                began = perf_counter()
                try:
                    said = asked()
                except Exception as error:  # noqa: BLE001 - whatever it is, it counts
                    self.faults[repr(error)] += 1
                else:
                    seconds[name].append(perf_counter() - began)
                    if said not in {1, self._expected}:
                        self.faults[f"{name}: {said} members"] += 1
                sleep(_PAUSE)
        return seconds


def write(url: str, audience: Audience) -> None:
    """Command after command about one of the audience or another, until somebody ends this."""
    chance = Random(audience.seed)
    with Greenroom.open(url, timers=False) as room:
        call = room.as_user(OWNER).call(TYPE, "crowd")
        call.go_live()
        for n in count():
            user_id = audience.user_id(chance.randrange(audience.size))
            call.update_members([Member(user_id, custom={"n": n})])
            theirs = room.as_user(user_id).call(TYPE, "crowd")
            theirs.join()
            theirs.leave()


@contextmanager
def writing(room: Greenroom, url: str, audience: Audience) -> Iterator[None]:
    """A process that writes meanwhile."""
    writer = _started(__file__, "--write-to", url, "--members", str(audience.size))
    try:
        begun = room.position
        while room.position < begun + AT_IT:
            assert writer.poll() is None, "the writer could not begin"
            sleep(_PAUSE)
        yield
        assert writer.poll() is None, "the writer ended by itself"
    finally:
        writer.kill()
        writer.wait()


@contextmanager
def led(url: str) -> Iterator[None]:
    """A process that follows the log for all, and carries out what timers ask for."""
    leader = _started(__file__, "--lead", url)
    try:
        with views_of(url) as views:
            while not views.led():
                assert leader.poll() is None, "the leader could not begin"
                sleep(_PAUSE)
        yield
        assert leader.poll() is None, "the leader ended by itself"
    finally:
        leader.kill()
        leader.wait()


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
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, *arguments], stdout=quiet, stderr=quiet)  # noqa: S603 - programs of ours


class Phases:
    """The same questions, whatever else goes on."""

    def __init__(self, room: Greenroom, url: str, audience: Audience, seconds: float) -> None:
        self._room = room
        self._url = url
        self._audience = audience
        self._seconds = seconds
        self.written: list[float] = []
        """Records a second, the reader's own included, of every phase with a writer."""

    def ask(self, name: str, readers: Sequence[Reader]) -> Mapping[str, Sequence[float]]:
        """What they take in that phase, one after the other: so long each, and a rebuild long."""
        with ExitStack() as stack:
            if name in {WRITER, BOTH_AT_ONCE}:
                stack.enter_context(writing(self._room, self._url, self._audience))
                stack.enter_context(self._counted())
            rebuilt: Callable[[], int] = lambda: 1  # noqa: E731 - where nobody rebuilds
            if name in {REBUILD, BOTH_AT_ONCE}:
                rebuilt = stack.enter_context(rebuilding(self._url))
            taken: dict[str, Sequence[float]] = {}
            for reader in readers:
                ends = perf_counter() + self._seconds
                taken |= reader.ask(partial(_until, ends, rebuilt))
            return taken

    @contextmanager
    def _counted(self) -> Iterator[None]:
        began, before = perf_counter(), self._room.position
        yield
        self.written.append((self._room.position - before) / (perf_counter() - began))


def _until(ends: float, rebuilt: Callable[[], int]) -> bool:
    """Whether to go on: so long, and until something was rebuilt."""
    return rebuilt() < 1 or perf_counter() < ends


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
        stack.enter_context(led(url))
        queries = stack.enter_context(views_of(url)).queries
        asks: Mapping[str, Ask] = {
            "the views' queries": partial(queries.members, CID, actor=OWNER),
            "call.query_members": call.query_members,
        }
        readers = [
            Reader(dict(_questions(audience, asks)), expected=25),
            Reader({"call.query_members, after a write": partial(_own, call)}, expected=1),
        ]
        phases = Phases(room, url, audience, options.seconds)
        taken: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for _ in range(options.rounds):
            for name in PHASES:
                for question, seconds in phases.ask(name, readers).items():
                    runs = taken.setdefault(question, {}).setdefault(name, [])
                    runs.append(percentiles(seconds))
    figures = list(_figures(place.name, audience.size, taken))
    title = f"Readers of {audience.size:,} members, {place.name}"
    faults = Counter[str]()
    for reader in readers:
        faults += reader.faults
    said = "; ".join(f"{what} ({times})" for what, times in faults.items())
    note = (
        f"Recorded beside a writer: {median(phases.written):,.0f} events a second in all."
        f" Errors and wrong answers: {said or 'none'}."
    )
    return f"{figures_table(title, figures, f'with {IDLE}')}\n\n{note}", figures


def _questions(audience: Audience, asks: Mapping[str, Ask]) -> Iterator[tuple[str, Question]]:
    chance = Random(audience.seed)
    ids = [audience.user_id(chance.randrange(audience.size)) for _ in range(1000)]
    by_id = [{"user_id": user_id} for user_id in ids]
    for name, ask in asks.items():
        yield f"{name}, by id", partial(_counted, ask, by_id)
        yield f"{name}, a page", partial(_counted, ask, [{}])


def _counted(ask: Ask, filters: Sequence[Mapping[str, str]], n: int) -> Callable[[], int]:
    """How many members the `n`th answer shows."""
    return lambda: len(ask(filters=filters[n % len(filters)]).items)


def _own(call: CallHandle, n: int) -> Callable[[], int]:
    """How many members show what was written just before anybody asks."""
    call.update_members([Member(OWNER, custom={"n": n})])
    return lambda: len(call.query_members({"user_id": OWNER, "custom.n": n}).items)


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
    parser.add_argument("--write-to", default="", help=SUPPRESS)
    parser.add_argument("--lead", default="", help=SUPPRESS)
    options = parser.parse_args(namespace=Options())
    if options.write_to:
        write(options.write_to, Audience(options.members))
    if options.lead:
        with Greenroom.open(options.lead):
            Event().wait()
    with places(options.store) as kinds:
        compared = [compare(place, options) for place in kinds]
    tell("readers", [text for text, _ in compared], save=options.save)
    if options.save:
        keep("readers", [figure for _, some in compared for figure in some], surroundings())


if __name__ == "__main__":
    main()
