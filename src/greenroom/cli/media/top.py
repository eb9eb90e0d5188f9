"""`media top`: what goes through calls and entries, as it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from greenroom.cli.media.looking import Look, Place, place_of, workers_of
from greenroom.cli.media.rates import ORDERS, CallRow, Order, Rates, calls, in_order
from greenroom.cli.options import DebugOption, JsonOption
from greenroom.cli.output import document, document_line, out, printable, table
from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput, MediaError

_AT_ONCE: Final = 16
"""Processes that are asked at the same time."""
_AROUND: Final = 5
"""Lines of a screen that are not rows."""

UrlArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="URL",
        help="Where media is served, e.g. [cyan]http://127.0.0.1:8080/media[/cyan].",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="GREENROOM_STORE",
        help="The store whose media workers are asked, where no URL is named.",
    ),
]
EveryOption = Annotated[
    float,
    typer.Option("--every", metavar="SECONDS", min=0.1, max=3600, help="From look to look."),
]
SortOption = Annotated[
    str, typer.Option("--sort", "-s", metavar="WHAT", help=f"By {', '.join(ORDERS)}.")
]
CallsOption = Annotated[bool, typer.Option("--calls", help="Calls alone, without who is in them.")]
OnceOption = Annotated[
    bool, typer.Option("--once", help="Look twice, print one table, and exit: for scripts.")
]


def top(
    urls: UrlArgument = None,
    *,
    store: StoreOption = None,
    every: EveryOption = 1.0,
    sort: SortOption = "traffic",
    calls_only: CallsOption = False,
    once: OnceOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Watch what goes through the media of calls and of who is in them, a second.

    It asks the workers of a store (`greenroom media run`), or applications that mount
    `media_app(operator_key=...)`, as `greenroom serve` does: their key is read from
    GREENROOM_OPERATOR_KEY. With `--json`, every look is a line.

    [dim]greenroom media top http://127.0.0.1:8080[/dim]
    """
    order = _order(sort)
    with _found(urls or (), store) as places:
        views = _views(places, every, order)
        if once:
            view = next(views)
            if not view.answered:
                why = "; ".join(view.failed.values())
                raise MediaError(why or "no media worker is alive: run `greenroom media run`")
            document(view.said()) if as_json else out().print(_shown(view, calls_only=calls_only))
        elif as_json:
            for view in views:
                document_line(view.said())
        else:
            _watch(views, calls_only=calls_only)


@dataclass(frozen=True, slots=True)
class View:
    """What is shown at one time."""

    rows: Sequence[CallRow]
    loads: Mapping[str, float | None]
    """Of the processes that answered, by name."""
    failed: Mapping[str, str]
    """Why the others did not."""

    @property
    def answered(self) -> bool:
        """Whether any process did."""
        return bool(self.loads)

    def said(self) -> Mapping[str, object]:
        """For programs."""
        return {"calls": self.rows, "loads": self.loads, "failed": self.failed}


@contextmanager
def _found(urls: Sequence[str], store: str | None) -> Iterator[Callable[[], Sequence[Place]]]:
    """What is to be asked, at each look."""
    if urls:
        key = os.environ.get("GREENROOM_OPERATOR_KEY") or ""
        places = [place_of(url, key) for url in dict.fromkeys(urls)]
        yield lambda: places
    elif store is not None:
        with workers_of(store) as workers:
            yield workers
    else:
        raise InvalidInput("URL", "where media is served, or --store for its workers")


def _order(said: str) -> Order:
    for order in ORDERS:
        if said == order:
            return order
    raise InvalidInput("--sort", f"one of {', '.join(ORDERS)}", checks.nearest(said, ORDERS))


def _views(places: Callable[[], Sequence[Place]], every: float, order: Order) -> Iterator[View]:
    """One after another, `every` so many seconds; the first after as many.

    A process is shown from its second answer on.
    """
    with ThreadPoolExecutor(_AT_ONCE, "greenroom-look") as threads:
        before: Mapping[Place, Look | str] | None = None
        due = time.monotonic()
        while True:
            asked = places()
            found = dict(zip(asked, threads.map(_tried, asked), strict=True))
            if before is not None:
                yield _view(before, found, order)
            before = found
            due = max(due + every, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


def _tried(place: Place) -> Look | str:
    """What it answers, or why it does not."""
    try:
        return place.look()
    except MediaError as error:
        return str(error)


def _view(
    before: Mapping[Place, Look | str], after: Mapping[Place, Look | str], order: Order
) -> View:
    rows: list[CallRow] = []
    loads: dict[str, float | None] = {}
    failed: dict[str, str] = {}
    for place, found in after.items():
        if isinstance(found, str):
            failed[place.name] = found
            continue
        loads[place.name] = found.load
        first = before.get(place)
        if isinstance(first, Look):
            rows += calls(place.name, first, found, order)
    return View(in_order(rows, order), loads, failed)


def _watch(views: Iterator[View], *, calls_only: bool) -> None:
    """Show each in the place of the one before, until interrupted."""
    console = out()
    live = Live(console=console, auto_refresh=False, screen=console.is_terminal)
    try:
        with live:
            live.update(Text("Looking ..."), refresh=True)
            for view in views:
                live.update(_shown(view, calls_only=calls_only, console=console), refresh=True)
    except KeyboardInterrupt:
        pass


def _shown(view: View, *, calls_only: bool, console: Console | None = None) -> RenderableType:
    """The table, cut to the screen of `console` where there is one."""
    room = None
    if console is not None and console.is_terminal:
        room = max(1, console.height - _AROUND - len(view.failed))
    several = len(view.loads) + len(view.failed) > 1
    made = _table(several=several)
    lines = list(_lines(view.rows, calls_only=calls_only, several=several))
    for line in lines[:room]:
        made.add_row(*line)
    said = [Text(f"{name}: {why}", style="red") for name, why in view.failed.items()]
    if room is not None and len(lines) > room:
        said.append(Text(f"and {len(lines) - room} more; a larger window shows them", style="dim"))
    return Group(_summary(view), made, *said)


def _table(*, several: bool) -> Table:
    numbers = (
        *("in\npackets/s", "out\npackets/s", "in\nkbit/s", "out\nkbit/s"),
        *("\nloss", "round\ntrip", "\njitter", "key\nframes/s"),
    )
    names = ["\ncall, entries", *(["\nserved by"] if several else [])]
    return table(
        *(Column(name, overflow="fold") for name in names),
        *(Column(name, justify="right", no_wrap=True) for name in numbers),
    )


def _lines(
    rows: Sequence[CallRow], *, calls_only: bool, several: bool
) -> Iterator[Sequence[Text | str]]:
    for row in rows:
        served = [Text(printable(row.served_by))] if several else []
        yield [Text(printable(row.cid), style="bold"), *served, *_cells(row.rates)]
        for entry in () if calls_only else row.entries:
            who = Text(f"  {printable(entry.user_id)} ")
            who.append(printable(entry.entry_id)[-6:], style="dim")
            yield [who, *([""] if several else []), *_cells(entry.rates)]


def _cells(rates: Rates | None) -> Sequence[Text | str]:
    if rates is None:
        return [Text("not connected", style="yellow"), *[""] * 7]
    loss = rates.loss
    return [
        f"{rates.packets_in:,.0f}",
        f"{rates.packets_out:,.0f}",
        f"{rates.bits_in / 1000:,.0f}",
        f"{rates.bits_out / 1000:,.0f}",
        "-" if loss is None else Text(f"{loss:.1%}", style="red" if loss > _LOSSY else ""),
        _milliseconds(rates.round_trip),
        _milliseconds(rates.jitter),
        f"{rates.key_frame_requests:.1f}",
    ]


_LOSSY: Final = 0.02
"""The share of packets above which loss is heard and seen."""


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


def _summary(view: View) -> Text:
    entries = sum(len(row.entries) for row in view.rows)
    rates = [row.rates for row in view.rows]
    loads = ", ".join(
        f"{name} {'?' if load is None else f'{load:.0%}'} busy" for name, load in view.loads.items()
    )
    return Text(
        f"calls {len(view.rows)}, entries {entries}; "
        f"{sum(one.bits_in for one in rates) / 1e6:,.1f} Mbit/s in, "
        f"{sum(one.bits_out for one in rates) / 1e6:,.1f} out; {loads or 'nobody answers'}"
    )
