"""`db`: how a store stands, and what keeps it in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from rich.table import Column
from rich.text import Text

from greenroom.adapters.checking import Findings
from greenroom.adapters.checking import check as look_at_all
from greenroom.adapters.inspection import StoreStatus
from greenroom.adapters.inspection import status as look_at
from greenroom.adapters.migration import Migrated
from greenroom.adapters.migration import migrate as bring_up_to_date
from greenroom.adapters.repairing import Repaired
from greenroom.adapters.repairing import repair as put_right
from greenroom.adapters.stores import open_store
from greenroom.adapters.tables import Holder, open_tables
from greenroom.cli.failing import REFUSED, Guarded
from greenroom.cli.options import DEFAULT_STORE, KEYS, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, filled, out, printable, sign, table
from greenroom.cli.progress import steps
from greenroom.domain.errors import InvalidInput, StoreError
from greenroom.domain.instants import EPOCH
from greenroom.tickers import PRUNED_AT_ONCE

app: Final = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
"""The commands under `greenroom db`."""

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH: Final = re.compile(r"(\d{1,6})([smhdw])")
_UNIT: Final = 1000


@app.command("status", cls=Guarded)
def status(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show how a store stands: schema, positions, views, notifications, who holds others up.

    Nothing is made or migrated. On PostgreSQL it names the transactions that hold appends or
    erasures up, and since when.

    [dim]greenroom db status --store postgresql://user@host/calls[/dim]
    """
    with _helping():
        found = look_at(store)
    if as_json:
        document(found)
    else:
        _show_status(found)


@app.command("migrate", cls=Guarded)
def migrate(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Bring an older store and its views up to date, and say what was done.

    Opening a room does the same; stop applications with an older greenroom first.
    """
    with _helping(), steps({}) as told:
        done = bring_up_to_date(
            store, lambda position, of: told("views", position, of), keys=KEYS.get()
        )
    if as_json:
        document(done)
    else:
        _show_migrated(done)


@app.command("check", cls=Guarded)
def check(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Look at every row of a store, and name what is wrong.

    Versions and positions without holes, documents that can be read, keys that are there or were
    erased, requests that refer to something. Exit code 1 where anything is wrong. Safe beside a
    running application.
    """
    with _helping(), steps({"file": "pages of the file"}) as told:
        found = look_at_all(store, told, keys=KEYS.get())
    if as_json:
        document({"whole": found.whole, **asdict(found)})
    else:
        _show_findings(found)
    if not found.whole:
        raise typer.Exit(REFUSED)


@app.command("repair", cls=Guarded)
def repair(
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """After an older backup was restored: bring what stands beside the log back to where it ends.

    Views are filled anew; answers to requests, snapshots and refused attempts that refer to what is
    gone are forgotten. No record is changed. Stop applications first.
    """
    with _helping(), steps({}) as told:
        done = put_right(store, lambda position, of: told("views", position, of), keys=KEYS.get())
    if as_json:
        document(done)
    else:
        _show_repaired(done)


@app.command("prune", cls=Guarded)
def prune(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="LENGTH", help="e.g. 7d, 12h, 30m or 90s.")
    ] = "7d",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Forget the answers of requests that are older; asked again, those are carried out anew.

    A room that runs timers does so by itself (its option `remember_requests`).
    """
    length = _length(older_than)
    pruned = 0
    with _helping(), steps({"pruned": "requests forgotten"}) as told:
        with open_tables(store) as tables:
            tables.must_be_store()
        now = datetime.now(UTC)
        before = now - min(length, now - EPOCH)
        with closing(open_store(store, create=False, keys=KEYS.get())) as opened:
            while some := opened.prune_requests(before, PRUNED_AT_ONCE):
                pruned += some
                told("pruned", pruned, 0)
    if as_json:
        document({"pruned": pruned, "before": before})
    else:
        out().print(
            f"{pruned:,} requests from before {before:%Y-%m-%d %H:%M:%S} UTC are forgotten."
        )


@contextmanager
def _helping() -> Iterator[None]:
    """Where there is no store, say how to name another."""
    try:
        yield
    except StoreError as error:
        error.add_note("Name another store with --store or GREENROOM_STORE.")
        raise


def _length(said: str) -> timedelta:
    """The length of time that `said` is.

    Raises:
        InvalidInput: it is none.
    """
    found = _LENGTH.fullmatch(said)
    if found is None:
        raise InvalidInput("--older-than", "a length of time, e.g. 7d, 12h, 30m or 90s")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def _show_status(found: StoreStatus) -> None:
    console = out()
    if found.copy is not None:
        console.print(
            f"A copy of {found.copy.source} into it is not finished, since"
            f" {found.copy.begun_at:%Y-%m-%d %H:%M:%S} UTC: run the same `greenroom copy` again.",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    console.print(filled(table("Store", Column(found.place, overflow="fold")), _facts(found)))
    if found.views.projections:
        console.print(
            filled(
                table("View", *(Column(name, justify="right") for name in _OF_VIEWS)),
                (
                    (
                        one.name,
                        f"{one.position:,}",
                        _lag(one.lag, current=one.current),
                        Text(f"{one.parked:,}", style="yellow" if one.parked else ""),
                    )
                    for one in found.views.projections
                ),
            )
        )
    if found.holders:
        console.print(filled(table(*_HOLDER), map(_holder_row, found.holders)))


def _facts(found: StoreStatus) -> Iterator[Sequence[object]]:
    copied = "" if found.copy is None else f" of {found.copy.until:,}"
    yield "kind", found.kind
    yield "schema", _schema(found.schema, found.supported_schema)
    yield "position", f"{found.position:,}{copied}"
    yield "events", f"{found.events:,} in {found.streams:,} streams"
    since = found.requests.oldest_at
    of = "" if since is None else f", the oldest of {since:%Y-%m-%d %H:%M:%S} UTC"
    yield "requests", f"{found.requests.kept:,} kept{of}"
    yield "keys", f"of {found.subject_keys:,} users and calls with personal data"
    yield "size", _bytes(found.bytes)
    yield "views", _views(found)
    outbox = found.outbox
    if outbox is None:
        yield "outbox", "none yet"
        return
    style = "yellow" if outbox.unknown or outbox.gave_up else ""
    counts = f"{outbox.pending:,} pending, {outbox.unknown:,} unknown, {outbox.gave_up:,} given up"
    yield "outbox", Text(f"{counts}; {outbox.lag:,} behind", style=style)
    if outbox.due_at is not None:
        yield "next notification", f"due {outbox.due_at:%Y-%m-%d %H:%M:%S} UTC"


def _schema(found: int, supported: int) -> Text:
    if found == supported:
        return Text(f"{found}, current")
    helps = "run `greenroom db migrate`" if found < supported else "upgrade greenroom"
    return Text(f"{found}, this greenroom writes {supported}: {helps}", style="yellow")


def _views(found: StoreStatus) -> Text:
    if found.views.fault is not None:
        return Text(printable(found.views.fault), style="yellow")
    if not found.views.projections:
        return Text("none yet", style="dim")
    return Text(_bytes(found.views.bytes))


def _lag(behind: int, *, current: bool) -> Text:
    if not current:
        return Text("of another version: filled anew on opening", style="yellow")
    return Text(f"{behind:,}", style="yellow" if behind else "")


_OF_VIEWS: Final = ("Position", "Lag", "Parked")
_HOLDER: Final = ("Held up by", "Application", "User", "State", "Since (UTC)", "Why", "Waiting")


def _holder_row(one: Holder) -> Sequence[object]:
    return (
        one.pid,
        one.application_name,
        one.user if one.client is None else f"{one.user} at {one.client}",
        one.state,
        one.since,
        Text(", ".join(one.why), style="yellow"),
        one.waiting,
    )


def _show_migrated(done: Migrated) -> None:
    console = out()
    if done.schema_before == done.schema:
        console.print(f"The store is of schema {done.schema} already, which is current.")
    else:
        console.print(f"The store was brought from schema {done.schema_before} to {done.schema}.")
    if done.views_anew:
        console.print(f"Filled anew: {', '.join(done.views_anew)}.")
    console.print(f"The views stand at position {done.position:,}.")


def _show_repaired(done: Repaired) -> None:
    console = out()
    if not done.anything:
        console.print(f"Nothing had seen more than the log, which ends at {done.position:,}.")
        return
    console.print(f"The log ends at {done.position:,}; what had seen more of it was put right.")
    if done.views_anew:
        console.print(f"  Filled anew: {', '.join(done.views_anew)}.")
    if done.outbox_from is not None:
        console.print(f"  The outbox reads on from there; it had come to {done.outbox_from:,}.")
    counts = (
        (done.requests, "answers to requests"),
        (done.snapshots, "snapshots"),
        (done.attempts, "refused attempts"),
    )
    for count, what in counts:
        if count:
            console.print(f"  Forgotten: {count:,} {what}.")


def _show_findings(found: Findings) -> None:
    console = out()
    seen = (
        f"{found.events:,} records in {found.streams:,} streams up to position {found.position:,},"
        f" {found.requests:,} requests"
    )
    console.print(sign(passed=found.whole), f"{seen}: {_verdict(found)}", markup=False)
    if found.sealed:
        console.print(
            f"  {found.sealed:,} records hold personal data, {found.erased:,} of them erased"
        )
    for fault in found.faults:
        console.print(f"  {printable(fault)}", style="red", markup=False, soft_wrap=True)
    if found.fault_count > len(found.faults):
        console.print(f"  and {found.fault_count - len(found.faults):,} more", style="red")


def _verdict(found: Findings) -> str:
    if found.whole:
        return "whole"
    return "1 fault" if found.fault_count == 1 else f"{found.fault_count:,} faults"


def _bytes(size: int) -> str:
    """A size as people say it."""
    shown = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if shown < _UNIT:
            return f"{shown:.0f} {unit}" if unit == "B" else f"{shown:.1f} {unit}"
        shown /= _UNIT
    return f"{shown:,.1f} TB"
