"""`history`: every event of a call, in order."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.table import Column, Table
from rich.text import Text

from greenroom import Greenroom
from greenroom.answers import HistoryEvent
from greenroom.cli.opening import asking, call_of, helping_to_find, inside, opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    AsOption,
    Cid,
    DebugOption,
    JsonOption,
    StoreOption,
)
from greenroom.cli.output import document_line, filled, out, printable, table
from greenroom.domain.errors import CallNotFound

_LOOK_AGAIN_SECONDS: Final = 0.2
_LESS_TELLING: Final = frozenset(
    {"at", "cid", "call_type", "evidence", "entry_id", "fingerprint", "counts"}
)
"""Fields left out of tables; `--json` has them all."""


def history(
    cid: Cid,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what happens from now, until Ctrl-C.")
    ] = False,
    as_user: AsOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show every event of a call: when, what, by whom.

    With --json, one JSON document a line. The system sees the history of deleted calls too,
    without what was erased.

    [dim]greenroom history default:123 --follow[/dim]
    """
    with opened(store) as room:
        read = _reader(room, cid, as_user)
        events = read()
        if as_json:
            _print_lines(events)
        else:
            out().print(events_table(events))
            _say_if_deleted(events)
        if follow:
            try:
                _follow(room, read, len(events), _print_lines if as_json else _print_rows)
            except KeyboardInterrupt:
                return  # the way out


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


def _reader(room: Greenroom, cid: str, as_user: str | None) -> Callable[[], Sequence[HistoryEvent]]:
    """How the history is read: as a user who may read the call, or past everything."""
    handle = asking(room, as_user)
    call = call_of(handle, cid)

    def read() -> Sequence[HistoryEvent]:
        with helping_to_find(handle, cid):
            if as_user is not None:
                return call.history()
            events = inside(room).history(call.cid)
            if not events:
                raise CallNotFound(call.cid)
            return events

    return read


def _follow(
    room: Greenroom,
    read: Callable[[], Sequence[HistoryEvent]],
    shown: int,
    show: Callable[[Sequence[HistoryEvent]], None],
) -> None:
    """Show what is added to a history, as long as nobody interrupts."""
    position = room.position
    while True:
        time.sleep(_LOOK_AGAIN_SECONDS)
        if room.position == position:
            continue
        position = room.position
        events = read()
        show(events[shown:])
        shown = len(events)


def _print_lines(events: Sequence[HistoryEvent]) -> None:
    for event in events:
        document_line(event)


def _print_rows(events: Sequence[HistoryEvent]) -> None:
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
