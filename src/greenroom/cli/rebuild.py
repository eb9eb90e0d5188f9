"""`rebuild`: the views made anew from the log."""

from __future__ import annotations

import time

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from greenroom.cli.opening import opened
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, err, out


def rebuild(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Make the views anew from the log.

    Safe beside a running application: readers see the old views until the new ones are complete.
    """
    started = time.monotonic()
    with opened(store) as room, _progress() as progress:
        task = progress.add_task("views", total=room.position)
        reached = room.rebuild(lambda position: progress.update(task, completed=position))
        progress.update(task, completed=reached, total=reached)
    seconds = time.monotonic() - started
    if as_json:
        document({"position": reached, "seconds": round(seconds, 3)})
    else:
        out().print(f"The views stand at position {reached}, after {seconds:.1f} s.")


def _progress() -> Progress:
    """A bar on standard error, gone when done; nothing where nobody watches."""
    console = err()
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
