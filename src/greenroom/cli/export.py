"""`export`: everything that was recorded, as files for programs that analyse tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from greenroom.cli.opening import inside, opened
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, err
from greenroom.cli.progress import steps
from greenroom.domain.errors import InvalidInput
from greenroom.history import numbered


def export(
    *,
    parquet: Annotated[
        Path,
        typer.Option(
            "--parquet", metavar="DIRECTORY", help="Write Parquet files below this directory."
        ),
    ],
    after: Annotated[
        int, typer.Option("--after", min=0, metavar="N", help="Only events past this position.")
    ] = 0,
    personal: Annotated[
        bool,
        typer.Option("--personal", help="Write custom data and the like too, where not erased."),
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Write all events, and who attended what, as Parquet files (extra [cyan]parquet[/cyan]).

    In little memory, however much there is. `events/` has a row for each event of the log,
    `attendance/` one for each entry into a call. With --after, events alone: those that came since
    the last time.

    [dim]greenroom export --parquet ./lake[/dim]
    """
    try:
        from greenroom.reports import parquet as writing  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InvalidInput("--parquet", "the extra: pip install 'greenroom[parquet]'") from error
    try:
        with opened(store) as room, steps({}) as told:
            core, end = inside(room), room.position
            done = writing.export(
                numbered(core.feed(after), core.index(), after, end),
                parquet,
                now=core.now(),
                after=after,
                personal=personal,
                progress=lambda position: told("written", position, end),
            )
    except OSError as error:
        raise InvalidInput("--parquet", f"a directory that can be written ({error})") from error
    if as_json:
        document(done)
        return
    err().print(
        f"{done.events:,} events and {done.stays:,} entries up to position {done.position} in"
        f" {len(done.files)} files; go on with --after {done.position}.",
        markup=False,
        soft_wrap=True,
    )
