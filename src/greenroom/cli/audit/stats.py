"""`audit stats`: plots over many calls."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from greenroom.cli.audit.options import write
from greenroom.cli.opening import inside, opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    DebugOption,
    JsonOption,
    StoreOption,
    parsed_instant,
)
from greenroom.cli.output import document, err
from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput
from greenroom.domain.instants import instant
from greenroom.reports.stats import stats_report
from greenroom.reports.tally import OUTCOMES, PRESENCE, Counting

_ALL: Final = PRESENCE | OUTCOMES.keys()


def stats(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the page is written.")
    ] = Path("stats.html"),
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="From then on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Up to then.")
    ] = None,
    call_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only calls of this type.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Write a page of plots: people at once, how long sessions last, what becomes of rings.

    One file, without a network or scripts. Of all that was recorded, or of a time.

    [dim]greenroom audit stats --since 2026-01-01 -o january.html[/dim]
    """
    of = None if call_type is None else checks.name(call_type, "--type")
    start, end = parsed_instant(since, "--since"), parsed_instant(until, "--until")
    with opened(store) as room:
        core = inside(room)
        now = core.now()
        end = min(end or now, now)
        index, position = core.index(), room.position
        if start is None:
            first = next(index.happened(_ALL, until=position, call_type=of), None)
            start = end - timedelta(hours=1) if first is None else min(instant(first.at), end)
        if start > end:
            raise InvalidInput("--since", "an instant before --until, that has come")
        counting = Counting(start, end)
        counting.take(index.happened(PRESENCE, until=position, call_type=of))
        answers = index.happened(OUTCOMES, until=position, call_type=of)
        counting.rings(core.picked(sorted(one.position for one in answers)))
    tally = counting.tally()
    page = stats_report(tally, at=now, call_type=of)
    write(output, page.encode())
    if as_json:
        document({"output": str(output), **asdict(tally)})
    else:
        err().print(f"Written to {output}.", markup=False, soft_wrap=True)
