"""`what-if`: what would have come of everything that was asked for, under another policy."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

import typer

from greenroom import whatif
from greenroom.cli.opening import opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    DebugOption,
    JsonOption,
    StoreOption,
    parsed_json,
)
from greenroom.cli.output import document, err, filled, out, printable, table
from greenroom.cli.progress import steps
from greenroom.domain.errors import InvalidInput
from greenroom.whatif.changes import Change
from greenroom.whatif.running import Progress

INTERRUPTED: Final = 130
"""Exit code: as of every program that an interrupt has ended."""
_Policies = list[str] | None


def what_if(
    *,
    revoke: Annotated[
        _Policies,
        typer.Option(metavar="TYPE:ROLE:CAPABILITY", help="Suppose a role never held it."),
    ] = None,
    grant: Annotated[
        _Policies,
        typer.Option(metavar="TYPE:ROLE:CAPABILITY", help="Suppose a role always held it."),
    ] = None,
    settings: Annotated[
        _Policies,
        typer.Option(metavar="TYPE=JSON", help="Suppose other settings of a type, all along."),
    ] = None,
    without: Annotated[
        list[int] | None,
        typer.Option(metavar="POSITION", help="Suppose the event there never was."),
    ] = None,
    call: Annotated[
        list[str] | None, typer.Option("--call", metavar="CID", help="Only this call, and so on.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="After this instant or position.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="Up to this instant or position.")
    ] = None,
    cascading: Annotated[
        bool,
        typer.Option("--cascading", help="Let calls go on from what comes out otherwise."),
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Differences to show.")] = 25,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, help="That share the calls.", show_default="as fits"),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Decide again on everything that was asked for, and show what would have come out otherwise.

    Nothing is recorded. Without any change, everything comes out as it was.

    [dim]greenroom what-if --revoke default:user:join-call --after 2026-01-01T00:00:00Z[/dim]
    """
    changes = [*_changes(revoke or [], grant or [], settings or [], without or [])]
    with _watched() as progress, opened(store) as room:
        found = room.what_if(*changes).over(
            call or None,
            period=(_moment("--after", after), _moment("--until", until)),
            mode=whatif.Mode.CASCADING if cascading else whatif.Mode.PINNED,
            shown=limit,
            processes=processes,
            progress=progress,
        )
    if as_json:
        document(found)
    else:
        show(found)


@contextmanager
def _watched() -> Iterator[Progress]:
    """A bar; and whoever interrupts is told how far it was."""
    reached, last = 0, 0
    gc.freeze()  # all that was imported is not searched for garbage again and again
    try:
        with steps({"log": "Deciding again"}, by_itself=False) as told:

            def progress(position: int, until: int) -> None:
                nonlocal reached, last
                reached, last = position, until
                told("log", position, until)

            yield progress
    except KeyboardInterrupt:
        err().print(f"Interrupted at position {reached:,} of {last:,}.")
        raise typer.Exit(INTERRUPTED) from None


def show(found: whatif.Comparison) -> None:
    """What comes out otherwise, and how much of it there is."""
    out().print(f"{found.decided:,} decisions made again, {found.mode}.")
    if found.same:
        out().print("Everything comes out as it was.")
        return
    rows = (
        (one.at, one.user_id, one.operation, one.cid, one.kind, one.code, _because(one))
        for one in found.differences
    )
    columns = ("At (UTC)", "User", "Operation", "Call", "Comes out", "Refused", "Because")
    out().print(filled(table(*columns), rows))
    counted = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items())
    out().print(f"In all: {printable(counted)}.", markup=False)


def _because(one: whatif.Difference) -> str:
    return "" if one.reason is None else one.reason.because


def _changes(
    revoke: Sequence[str], grant: Sequence[str], settings: Sequence[str], without: Sequence[int]
) -> Iterator[Change]:
    for said in revoke:
        call_type, role, capability = _policy("--revoke", said)
        yield whatif.revoke(call_type, role=role, capability=capability)
    for said in grant:
        call_type, role, capability = _policy("--grant", said)
        yield whatif.grant(call_type, role=role, capability=capability)
    for said in settings:
        call_type, equals, patch = said.partition("=")
        if not equals:
            raise InvalidInput("--settings", 'TYPE=JSON, e.g. default={"limits": {...}}')
        yield whatif.settings(call_type, parsed_json(patch, "--settings"))
    if without:
        yield whatif.without(without)


def _policy(path: str, said: str) -> Sequence[str]:
    parts = said.split(":")
    if len(parts) != 3:  # noqa: PLR2004 - as the help says
        raise InvalidInput(path, "TYPE:ROLE:CAPABILITY, e.g. default:user:join-call")
    return parts


def _moment(path: str, said: str | None) -> datetime | int | None:
    if said is None:
        return None
    if said.isdecimal():
        return int(said)
    try:
        return datetime.fromisoformat(said)
    except ValueError:
        raise InvalidInput(path, "a position, or an instant such as 2026-01-31T12:00Z") from None
