"""`history`: every event of a call, in order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Annotated, Any, Final

import typer
from rich.table import Column, Table
from rich.text import Text

from greenroom import Greenroom
from greenroom.answers import HistoryEvent
from greenroom.cli.opening import asking, call_of, helping_to_find, inside, must_have_been, opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    AsOption,
    Cid,
    CsvOption,
    DebugOption,
    JsonOption,
    StoreOption,
    parsed_instant,
)
from greenroom.cli.output import csv_lines, document_line, filled, out, printable, table
from greenroom.history import HistoryReader, wanted

_LOOK_AGAIN_SECONDS: Final = 1.0
HISTORY_COLUMNS: Final = (
    "seq", "position", "at", "recorded_at", "name", "by", "role", "stream", "version", "event",
    "event_id", "request_id", "correlation_id", "causation_id",
)  # fmt: skip  # one row of a sheet
"""What stands in a row of `--csv`, in this order."""
_LESS_TELLING: Final = frozenset(
    {"at", "cid", "call_type", "evidence", "entry_id", "fingerprint", "counts"}
)
"""Fields left out of tables; `--json` has them all."""

_UserOption = Annotated[
    str | None, typer.Option("--user", "-u", metavar="USER", help="Only by them, or about them.")
]
_KindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        "-k",
        metavar="NAME",
        help="Only these: [cyan]session.joined[/cyan], or all of [cyan]session[/cyan]. Again for"
        " more.",
    ),
]
_SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="INSTANT", help="Only from then on.")
]
_UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="INSTANT", help="Only before then.")
]
_AfterOption = Annotated[
    int, typer.Option("--after", metavar="N", help="Only past the N-th event of the call.")
]
_FollowOption = Annotated[
    bool, typer.Option("--follow", help="Go on with what happens from now, until Ctrl-C.")
]


def history(
    cid: Cid,
    *,
    user: _UserOption = None,
    kind: _KindOption = None,
    since: _SinceOption = None,
    until: _UntilOption = None,
    after: _AfterOption = 0,
    follow: _FollowOption = False,
    as_csv: CsvOption = False,
    as_user: AsOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show every event of a call: when, what, by whom.

    With --json, one JSON document a line; with --csv, one row each. The system sees the history
    of deleted calls too, without what was erased.

    [dim]greenroom history default:123 --follow --user alice --kind session[/dim]
    """
    asked = wanted(
        user=user,
        kinds=kind or (),
        start=parsed_instant(since, "--since"),
        end=parsed_instant(until, "--until"),
        after=after,
    )
    with opened(store) as room:
        reader = HistoryReader(call_of(asking(room, as_user), cid).cid, asked)
        read = partial(_read, room, cid, as_user, reader)
        more: Callable[[Iterable[HistoryEvent]], None]
        if as_json:
            more = _print_lines
            more(read())
        elif as_csv:
            events = read()  # or refused, before anything is printed
            more = csv_lines(HISTORY_COLUMNS)
            more(events)
        else:
            more = _print_rows
            shown = list(read())
            out().print(events_table(shown))
            _say_if_deleted(shown)
        if follow:
            with suppress(KeyboardInterrupt):  # the way out
                while True:
                    if inside(room).awaits(reader.until, _LOOK_AGAIN_SECONDS):
                        more(read())


def events_table(events: Sequence[HistoryEvent]) -> Table:
    """A history as a table; the date stands above it where all is of one day."""
    days = {event.at.date() for event in events}
    one_day = len(days) == 1
    columns = (
        Column("#", justify="right", style="dim"),
        Column(f"{days.pop()} UTC" if one_day else "At (UTC)"),
        Column("Event", no_wrap=True),
        Column("By", overflow="fold"),
        Column("With", overflow="fold", ratio=1),
    )
    made = filled(table(*columns), (_row(event, dated=not one_day) for event in events))
    made.columns[1].no_wrap = not one_day
    return made


def _row(event: HistoryEvent, *, dated: bool) -> Sequence[object]:
    return (
        event.seq,
        f"{event.at:%Y-%m-%d %H:%M:%S}" if dated else f"{event.at:%H:%M:%S.%f}"[:-3],
        Text(event.name, style=_STYLES.get(event.name.partition(".")[0], "")),
        event.by,
        _gist(event),
    )


_STYLES: Final = {"call": "cyan", "session": "green", "member": "magenta"}


def _gist(event: HistoryEvent) -> Text:
    """What is worth knowing of an event beside who, what and when."""
    text = Text()
    for name, value in event.event.items():
        if name in _LESS_TELLING or value in (None, "", [], {}, event.by):
            continue
        text.append(f"{' ' if text else ''}{name}=", style="dim").append(_shown(value, event))
    return text


def _shown(value: Any, event: HistoryEvent) -> str:
    """A field's value: plain text as it is, instants without what they share with the event's."""
    if not isinstance(value, str):
        return printable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    if _INSTANT.fullmatch(value):
        at = datetime.fromisoformat(value)
        return f"{at:%H:%M:%S}" if at.date() == event.at.date() else f"{at:%Y-%m-%dT%H:%M:%SZ}"
    return printable(value)


_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def _read(
    room: Greenroom, cid: str, as_user: str | None, reader: HistoryReader
) -> Iterator[HistoryEvent]:
    """Read on in the history: as a user who may read the call, or past everything."""
    handle = asking(room, as_user)
    with helping_to_find(handle, cid):
        if as_user is not None:
            call_of(handle, cid).get()
        else:
            must_have_been(room, reader.cid)
    return chain.from_iterable(inside(room).history(reader))


def _print_lines(events: Iterable[HistoryEvent]) -> None:
    for event in events:
        document_line(event)


def _print_rows(events: Iterable[HistoryEvent]) -> None:
    console = out()
    for event in events:
        seq, at, name, by, gist = (str(value) for value in _row(event, dated=True))
        console.print(f"{seq:>3}  {at}  {name:<20}  {by:<10}  {gist}", markup=False, soft_wrap=True)


def _say_if_deleted(events: Sequence[HistoryEvent]) -> None:
    last = [event for event in events if event.name in {"call.deleted", "call.restored"}][-1:]
    if last and last[0].name == "call.deleted":
        out().print(
            f"deleted by {last[0].by} at {last[0].at:%Y-%m-%d %H:%M:%S} UTC;"
            " its history stays, users see nothing of it",
            style="yellow",
            markup=False,
        )
