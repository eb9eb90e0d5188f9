"""How long answers take: the same questions put to everybody in turn, against the first of them."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from benchmarks._report import RESULTS, grid, percentiles

Ask = Callable[[int], object]
"""Asks for the `n`th time; what it gives back is not looked at."""

WARM_UP: Final = 7
"""Questions before a measurement: a driver prepares after five."""
PATIENCE: Final = 0.3
"""Seconds for one contender's part in a round."""


@dataclass(frozen=True)
class Figure:
    """What one contender needed for one question."""

    benchmark: str
    store: str
    """As its place is called: "SQLite", "PostgreSQL 15.18"."""
    size: int
    """Of the data set: members."""
    question: str
    contender: str
    p50: float
    """Seconds; the median over the rounds."""
    p99: float
    ratio: float
    """p50, as a multiple of the first contender's; the median over the rounds."""


def latencies(
    askers: Mapping[str, Ask], *, rounds: int, asks: int
) -> Mapping[str, tuple[float, float, float]]:
    """p50, p99 and ratio of each, by name; the first is the baseline.

    Args:
        askers: who is asked, in turn.
        rounds: that count.
        asks: questions in each round, where `PATIENCE` suffices.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in askers}
    for ask in askers.values():
        timed(ask, WARM_UP)
    for _ in range(rounds):
        for name, ask in askers.items():
            gc.collect()
            taken[name].append(percentiles(timed(ask, asks)))
    baseline = [p50 for p50, _ in next(iter(taken.values()))]
    return {
        name: (
            median(p50 for p50, _ in runs),
            median(p99 for _, p99 in runs),
            median(p50 / first for (p50, _), first in zip(runs, baseline, strict=True)),
        )
        for name, runs in taken.items()
    }


def timed(ask: Ask, asks: int) -> Sequence[float]:
    """The seconds of each of so many questions; of fewer where they take too long."""
    seconds: list[float] = []
    for n in range(asks):
        began = perf_counter()
        ask(n)
        seconds.append(perf_counter() - began)
        if len(seconds) > 1 and sum(seconds) > PATIENCE:
            break
    return seconds


def figures_table(title: str, figures: Sequence[Figure], baseline: str) -> str:
    """A Markdown table: a line for each question and contender."""
    body = [
        [
            figure.question,
            figure.contender,
            milliseconds(figure.p50),
            milliseconds(figure.p99),
            f"{figure.ratio:.2f}",
        ]
        for figure in figures
    ]
    return grid([title, "who answers", "p50", "p99", f"times {baseline}"], body)


def milliseconds(seconds: float) -> str:
    """For people: three digits that matter."""
    return f"{seconds * 1e3:.3f} ms" if seconds < 0.1 else f"{seconds * 1e3:,.0f} ms"


def keep(benchmark: str, figures: Iterable[Figure], where: str) -> None:
    """Keep figures for `--plot`, in place of older ones of the same store and size.

    Args:
        benchmark: names the file `results/<benchmark>.json`.
        figures: the new ones.
        where: date and machine.
    """
    fresh = list(figures)
    measured = {(figure.store, figure.size) for figure in fresh}
    old = [figure for figure in kept(benchmark) if (figure.store, figure.size) not in measured]
    document = {
        "where": where,
        "kept_at": f"{datetime.now(UTC):%Y-%m-%d}",
        "figures": [asdict(figure) for figure in sorted([*old, *fresh], key=_place)],
    }
    RESULTS.mkdir(exist_ok=True)
    _path(benchmark).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def kept(benchmark: str) -> list[Figure]:
    """The figures that were last kept; none where there are none."""
    if not _path(benchmark).exists():
        return []
    document = json.loads(_path(benchmark).read_text(encoding="utf-8"))
    return [Figure(**figure) for figure in document["figures"]]


def _place(figure: Figure) -> tuple[str, int]:
    return figure.store, figure.size


def _path(benchmark: str) -> Path:
    return RESULTS / f"{benchmark}.json"
