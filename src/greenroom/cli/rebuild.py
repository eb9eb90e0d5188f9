"""`rebuild`: the views made anew from the log."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

from greenroom.cli.failing import REFUSED
from greenroom.cli.opening import opened
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, out
from greenroom.cli.progress import steps


def rebuild(
    *,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Say whether the old views told the same; exit code 1 if not."
        ),
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Make the views anew from the log.

    Safe beside a running application: readers see the old views until the new ones are complete.
    Interrupted, it goes on where it was when it is run again.
    """
    started = time.monotonic()
    with opened(store) as room, steps({}) as told:
        head = room.position
        done = room.rebuild(
            lambda position: told("views", position, max(head, position)), compare=compare
        )
    seconds = time.monotonic() - started
    if as_json:
        document({**asdict(done), "seconds": round(seconds, 3)})
    else:
        if done.resumed_from:
            out().print(f"Went on from position {done.resumed_from:,}.")
        out().print(f"The views stand at position {done.position:,}, after {seconds:.1f} s.")
        if done.same is not None:
            out().print(_COMPARED[done.same])
    if done.same is False:
        raise typer.Exit(REFUSED)


_COMPARED: Final = {
    True: "The old views told the same.",
    False: "The old views told something else: they had gone wrong, or had calls parked.",
}
