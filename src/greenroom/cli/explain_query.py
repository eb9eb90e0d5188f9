"""`explain-query`: how the database would go about a query, and why."""

from __future__ import annotations

from contextlib import nullcontext
from enum import StrEnum
from typing import Annotated

import typer

from greenroom.cli.opening import asking, helping_to_find, opened
from greenroom.cli.options import Asked, asks
from greenroom.cli.output import cell, document, filled, out, printable, table
from greenroom.projections.plans import Plan


class Kind(StrEnum):
    """Of query."""

    MEMBERS = "members"
    CALLS = "calls"
    PARTICIPANTS = "participants"
    SESSIONS = "sessions"


@asks
def explain_query(
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help="members, calls, participants or sessions.")
    ],
    cid: Annotated[
        str | None, typer.Argument(metavar="[CID]", help="The call; without for calls.")
    ] = None,
    *,
    asked: Asked,
) -> None:
    """Say how the database would go about a list, by which index, and why.

    Nothing of the query is run. Warns of what will be slow when there is much of it.

    [dim]greenroom explain-query members livestream:launch --filter '{"custom.color": "red"}'[/dim]
    """
    with opened(asked.store) as room:
        handle = asking(room, asked.as_user)
        with nullcontext() if cid is None else helping_to_find(handle, cid):
            plan = handle.explain_query(
                kind.value,
                cid,
                asked.filters,
                asked.sort,
                limit=asked.limit,
                cursor=asked.cursor,
            )
        if asked.as_json:
            document(plan)
        else:
            _show(plan)


def _show(plan: Plan) -> None:
    console = out()
    for line in plan.sql.splitlines():
        console.print(printable(line), markup=False, soft_wrap=True)
    if plan.arguments:
        rows = ((number, value) for number, value in enumerate(plan.arguments, 1))
        console.print(filled(table("#", "Parameter"), rows))
    for step in plan.steps:
        console.print(f"  {printable(step)}", style="dim", markup=False, soft_wrap=True)
    for reason in plan.reasons:
        console.print(f"- {printable(reason)}", markup=False, soft_wrap=True)
    for warning in plan.warnings:
        console.print(cell(f"! {warning}", "yellow"), soft_wrap=True)
