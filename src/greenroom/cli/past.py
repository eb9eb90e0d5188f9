"""`past`: tables of what was, so that questions about long ago are answered at once."""

from __future__ import annotations

import time
from typing import Final

import typer

from greenroom.cli.failing import Guarded
from greenroom.cli.opening import opened
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, out
from greenroom.cli.progress import steps

app: Final = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
"""The commands under `greenroom past`."""


@app.command("keep", cls=Guarded)
def keep(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Keep what was in tables of its own, filled from the log and from now on kept in step.

    Safe beside a running application, whose processes go on with it. Interrupted, the same
    command goes on where it was.

    [dim]greenroom past keep[/dim]
    """
    started = time.monotonic()
    with opened(store) as room, steps({}) as told:
        reached = room.keep_past(lambda position, of: told("past", position, of))
    seconds = time.monotonic() - started
    if as_json:
        document({"position": reached, "seconds": round(seconds, 3)})
    else:
        out().print(f"The past is kept up to position {reached}, after {seconds:.1f} s.")


@app.command("drop", cls=Guarded)
def drop(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Do away with these tables. Nothing is lost: the past is read from the log again."""
    with opened(store) as room:
        dropped = room.drop_past()
    if as_json:
        document({"dropped": dropped})
    else:
        out().print("Dropped." if dropped else "There was nothing to drop.")


@app.command("status", cls=Guarded)
def status(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show whether the past is kept, and how far."""
    with opened(store) as room:
        kept, position = room.kept_past(), room.position
    if as_json:
        document({"kept": kept, "position": position})
    elif kept is None:
        out().print("Not kept: the past is read from the log. `greenroom past keep` keeps it.")
    elif kept.whole:
        out().print(f"Kept up to position {kept.position} of {position}.")
    else:
        out().print(
            f"Filled up to position {kept.position} of {position}, and read from the log until it"
            " is whole; `greenroom past keep` goes on with it."
        )
