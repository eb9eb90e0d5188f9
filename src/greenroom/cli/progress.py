"""Bars for what takes long: on standard error, gone when done, nothing where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from greenroom.cli.output import err

Told = Callable[[str, int, int], None]
"""Takes a step, how much of it is done, and how much there is; 0 for unknown."""


@contextmanager
def steps(words: Mapping[str, str], *, by_itself: bool = True) -> Iterator[Told]:
    """One bar for each step that is told of, in the order of their beginnings.

    Args:
        words: what people read for a step; its own name by default.
        by_itself: whether a thread draws them; otherwise they are drawn where they are told of.
    """
    console = err()
    bars: dict[str, TaskID] = {}
    with Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        auto_refresh=by_itself,
    ) as progress:

        def told(step: str, done: int, of: int) -> None:
            if step not in bars:
                bars[step] = progress.add_task(words.get(step, step))
            progress.update(bars[step], completed=done, total=of or None, refresh=not by_itself)

        yield told
