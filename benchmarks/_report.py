"""Measures contenders in turn, and tells how they stand against the first of them.

Absolute times depend on the machine and its other work; ratios of one run hardly do.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    seconds: float
    """Median over the rounds."""
    per_second: float
    ratio: float
    """How many times faster than the baseline; median of the ratios within each round."""


def measure(
    contenders: Mapping[str, Callable[[], object]],
    *,
    work: int,
    rounds: int = 9,
    clock: Callable[[], float] = perf_counter,
) -> list[Row]:
    """Time each contender once a round, in turn; the first is the baseline.

    Args:
        contenders: by the name to show.
        work: how many units (events, commands) one call handles.
        rounds: after one round that is not counted.
        clock: `process_time` where nothing waits, so that a busy machine matters less.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for count in range(rounds + 1):
        for name, run in contenders.items():
            gc.collect()
            began = clock()
            run()
            if count:
                times[name].append(clock() - began)
    baseline = next(iter(times.values()))
    return [
        Row(
            name,
            median(took),
            work / median(took),
            median(slow / fast for slow, fast in zip(baseline, took, strict=True)),
        )
        for name, took in times.items()
    ]


def table(title: str, rows: Sequence[Row], unit: str) -> str:
    """A Markdown table."""
    lines = [
        f"### {title}",
        "",
        f"| | median | {unit}/s | times the baseline |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {row.name} | {row.seconds * 1e3:.2f} ms | {row.per_second:,.0f} | {row.ratio:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def tell(name: str, tables: Sequence[str]) -> None:
    """Print the tables; with `--save` on the command line, keep them in `results/<name>.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="append to benchmarks/results")
    text = "\n\n".join(tables)
    print(text)
    if parser.parse_args().save:
        RESULTS.mkdir(exist_ok=True)
        with (RESULTS / f"{name}.md").open("a", encoding="utf-8") as results:
            results.write(f"## {surroundings()}\n\n{text}\n\n")


def surroundings() -> str:
    """Date, machine and versions."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}, msgspec {version('msgspec')},"
        f" eventsourcing {version('eventsourcing')}"
    )
