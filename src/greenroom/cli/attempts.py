"""`attempts`: who tried and was turned away."""

from __future__ import annotations

from typing import Annotated

import typer

from greenroom.cli.opening import NAME, call_of, opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    Cid,
    DebugOption,
    JsonOption,
    StoreOption,
)
from greenroom.cli.output import document, filled, out, table
from greenroom.domain.attempts import Attempts


def attempts(
    cid: Cid,
    *,
    user: Annotated[
        str | None, typer.Option("--user", "-u", metavar="USER", help="Of one user alone.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=10_000, help="The latest so many.")
    ] = 25,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show who tried something in a call and was turned away, the latest first.

    The first few of each user and minute are shown one by one, all of them are counted.

    [dim]greenroom attempts default:123 --user eve[/dim]
    """
    with opened(store) as room:
        found = call_of(room.system(NAME), cid).attempts(user=user, limit=limit)
    if as_json:
        document(found)
    else:
        show(found)


def show(found: Attempts) -> None:
    """Attempts, and how many there were."""
    if not found.total:
        out().print("Nobody was turned away, as far as it is kept.")
        return
    rows = (
        (one.at, one.user_id, one.operation, one.code, one.rule, one.position)
        for one in found.verbatim
    )
    columns = ("At (UTC)", "User", "Operation", "Refused", "Lacking", "Position")
    out().print(filled(table(*columns), rows))
    more = found.total - len(found.verbatim)
    out().print(f"{found.total} in all{f', {more} of them not shown' if more else ''}.")
