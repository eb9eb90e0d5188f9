"""`projections`: how far the views have come, what is parked, and trying it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import typer
from rich.table import Column
from rich.text import Text
from typer.core import TyperGroup

from greenroom import Parked, ProjectionStatus, Retried
from greenroom.cli.failing import REFUSED, Guarded
from greenroom.cli.opening import opened
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import cell, document, filled, out, printable, sign, table

_HELP: Final = frozenset({"-h", "--help"})


class _Listing(TyperGroup):
    """The group of commands; where none is named, `list` is meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = any(arg in self.commands for arg in args) or _HELP.intersection(args)
        return super().parse_args(ctx, args if named else ["list", *args])


app: Final = typer.Typer(cls=_Listing, rich_markup_mode="rich")
"""The commands under `greenroom projections`."""


@app.command("list", cls=Guarded)
def show(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show how far each projection has come, and how much it has parked.

    A query catches up first, so what lags is work for the next one, and nothing is stale. Without
    a command, this is what is shown.
    """
    with opened(store) as room:
        found = [*room.positions().values()]
        head = room.position
    if as_json:
        document({"position": head, "projections": found})
    else:
        out().print(filled(_table_of(_LISTED), map(_status_row, found)))
        _hint(sum(one.parked for one in found))


@app.command("parked", cls=Guarded)
def parked(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show the calls of which a projection takes no events, since one of them failed.

    Queries about them answer as of before. Exit code 1 where there are any.
    """
    with opened(store) as room:
        found = room.parked()
    if as_json:
        document({"items": found})
    else:
        _show_parked(found)
    if found:
        raise typer.Exit(REFUSED)


@app.command("retry", cls=Guarded)
def retry(
    *,
    projection: Annotated[
        str | None,
        typer.Option("--projection", metavar="NAME", help="Only what this projection parked."),
    ] = None,
    call: Annotated[
        str | None,
        typer.Option(
            "--call",
            metavar="CID",
            help="Only what is parked of this call; of a user or a call type, its stream.",
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Apply what is parked again, from the log and in its order.

    Once its cause is mended: greenroom upgraded, a backup restored. Safe beside a running
    application. Exit code 1 where something fails again.
    """
    with opened(store) as room:
        retried = room.retry_parked(projection=projection, key=call)
    if as_json:
        document(retried)
    else:
        _show_retried(retried)
    if retried.parked:
        raise typer.Exit(REFUSED)


_LISTED: Final = ("Projection", "Version", "Position", "Lag", "Waiting since (UTC)", "Parked")
_NUMBERS: Final = frozenset({"Version", "Position", "Lag", "Parked", "At", "Attempts"})
_PARKED: Final = ("Projection", "Of", "At", "Event", "Attempts", "Last (UTC)", "Why")


def _table_of(columns: Sequence[str]) -> Any:
    return table(
        *(
            Column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
            for name in columns
        )
    )


def _status_row(one: ProjectionStatus) -> Sequence[object]:
    return (
        cell(one.name, "bold"),
        one.version,
        f"{one.position:,}",
        Text(f"{one.lag:,}", style="yellow" if one.lag else ""),
        one.since,
        Text(f"{one.parked:,}", style="yellow" if one.parked else ""),
    )


def _show_parked(found: Sequence[Parked]) -> None:
    if not found:
        out().print("Nothing is parked.")
        return
    out().print(filled(_table_of(_PARKED), _parked_rows(found)))
    _hint(len(found))


def _parked_rows(found: Sequence[Parked]) -> Iterator[Sequence[object]]:
    for one in found:
        event = f"{one.name}, {one.stream} version {one.version}"
        at = f"{one.position:,}"
        yield one.projection, one.key, at, event, one.attempts, one.last_at, one.error


def _hint(parked: int) -> None:
    if parked:
        out().print(
            f"{parked:,} parked: `greenroom projections parked` says what and why,"
            " `greenroom projections retry` tries again.",
            style="yellow",
        )


def _show_retried(retried: Retried) -> None:
    console = out()
    for one in retried.mended:
        said = f"{one.projection}: {one.key} is complete again"
        console.print(sign(passed=True), printable(said), markup=False)
    for one in retried.parked:
        said = f"{one.projection}: {one.key} fails at position {one.position:,}: {one.error}"
        console.print(sign(passed=False), printable(said), markup=False, soft_wrap=True)
    if not retried.mended and not retried.parked:
        console.print("Nothing is parked there.")
