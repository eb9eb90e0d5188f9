"""Measures contenders in turn, and tells how they stand against the first of them.

Absolute times depend on the machine and its other work; ratios of one run hardly do.
"""

from __future__ import annotations

import gc
import os
import platform
import sqlite3
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Final, NamedTuple, TypeAlias

RESULTS: Final = Path(__file__).parent / "results"

Latencies: TypeAlias = Sequence[float]
"""How long each unit of a run took, in seconds; empty where nobody asks."""


class Arguments(Namespace):
    """What every program here is told."""

    save: bool
    rounds: int


@dataclass(frozen=True)
class Contender:
    """Somebody who does some work, again in every round."""

    run: Callable[[], Latencies | None]
    work: int
    """How many units (events, commands) one run handles."""
    prepare: Callable[[], object] = lambda: None
    """Before every run, not timed."""


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    name: str
    seconds: float
    """A unit, on the whole: the run divided by its work; median over the rounds."""
    ratio: float
    """How many times faster than the baseline; median of the ratios within each round."""
    p50: float
    """Seconds until a unit was answered; median over the rounds; 0 where it was not taken."""
    p99: float


class _Run(NamedTuple):
    """One contender's part in one round: seconds, each a unit's but for `p50` and `p99`."""

    seconds: float
    p50: float = 0.0
    p99: float = 0.0


def arguments(doc: str | None, *, rounds: int) -> ArgumentParser:
    """What the command line of every program here takes; `parse_args` gives `Arguments`."""
    parser = ArgumentParser(description=doc, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--save", action="store_true", help="append to benchmarks/results")
    parser.add_argument("--rounds", type=int, default=rounds, help="that count (%(default)s)")
    return parser


def measure(
    contenders: Mapping[str, Contender],
    *,
    rounds: int,
    clock: Callable[[], float] = perf_counter,
    warm_up: bool = True,
) -> list[Row]:
    """Let each contender run once a round, in turn; the first is the baseline.

    Args:
        contenders: by the name to show.
        rounds: that count.
        clock: `process_time` where nothing waits, so that a busy machine matters less.
        warm_up: whether there is one round before them that does not count.
    """
    runs: dict[str, list[_Run]] = {name: [] for name in contenders}
    for counts in [False] * warm_up + [True] * rounds:
        for name, contender in contenders.items():
            run = _run(contender, clock)
            if counts:
                runs[name].append(run)
    baseline = next(iter(runs.values()))
    return [_row(name, taken, baseline) for name, taken in runs.items()]


def _run(contender: Contender, clock: Callable[[], float]) -> _Run:
    contender.prepare()
    gc.collect()
    began = clock()
    latencies = contender.run()
    seconds = (clock() - began) / contender.work
    return _Run(seconds, *percentiles(latencies)) if latencies else _Run(seconds)


def _row(name: str, runs: Sequence[_Run], baseline: Sequence[_Run]) -> Row:
    return Row(
        name,
        seconds=median(run.seconds for run in runs),
        ratio=median(slow.seconds / run.seconds for slow, run in zip(baseline, runs, strict=True)),
        p50=median(run.p50 for run in runs),
        p99=median(run.p99 for run in runs),
    )


def percentiles(latencies: Latencies) -> tuple[float, float]:
    """The 50th and the 99th of at least two."""
    cuts = quantiles(latencies, n=100, method="inclusive")
    return cuts[49], cuts[98]


def table(title: str, rows: Sequence[Row], unit: str) -> str:
    """A Markdown table; how long an answer takes is shown where it was taken."""
    answers = any(row.p99 for row in rows)
    head = [title, f"{unit}/s", "each", "times the baseline", *(["p50", "p99"] if answers else [])]
    body = [
        [
            row.name,
            f"{1 / row.seconds:,.0f}",
            f"{row.seconds * 1e6:,.1f} us",
            f"{row.ratio:.2f}",
            *([_milliseconds(row.p50), _milliseconds(row.p99)] if answers else []),
        ]
        for row in rows
    ]
    return grid(head, body)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds else ""


def grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table with a title: the first of `head`; all columns but the first are numbers."""
    lines = [
        f"### {head[0]}",
        "",
        "| | " + " | ".join(head[1:]) + " |",
        "|---|" + "---:|" * (len(head) - 1),
    ]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in body)])


def tell(name: str, tables: Sequence[str], *, save: bool, also: str = "") -> None:
    """Print the tables, and keep them in `results/<name>.md` where `save` says so.

    Args:
        name: of the program.
        tables: as `table` and `grid` make them.
        save: whether they are kept.
        also: what else of the surroundings matters, e.g. a server's version.
    """
    text = "\n\n".join(tables)
    print(text)
    if save:
        RESULTS.mkdir(exist_ok=True)
        with (RESULTS / f"{name}.md").open("a", encoding="utf-8") as results:
            results.write(f"## {surroundings()}{also and ', '}{also}\n\n{text}\n\n")


def surroundings() -> str:
    """Date, machine and versions."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}, msgspec {version('msgspec')},"
        f" eventsourcing {version('eventsourcing')}"
    )
