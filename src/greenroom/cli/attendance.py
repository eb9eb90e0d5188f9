"""`attendance`: who was in a call, from when to when, how long, and how they left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

import typer
from pydantic import BaseModel
from rich.table import Column

from greenroom.attendance import Attendance, Presence, SessionAttendance, Stay
from greenroom.cli.opening import (
    asking,
    call_of,
    helping_to_find,
    inside,
    must_have_been,
    opened,
)
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
from greenroom.cli.output import csv_lines, document, filled, out, table

_MINUTE, _HOUR = 60, 3600


class Per(StrEnum):
    """What a row is about."""

    CALL = "call"
    SESSION = "session"
    ENTRY = "entry"


_ROWS: Final[Mapping[Per, Callable[[Attendance], Sequence[BaseModel]]]] = {
    Per.CALL: lambda told: told.users,
    Per.SESSION: lambda told: [user for session in told.sessions for user in session.users],
    Per.ENTRY: lambda told: told.stays,
}
_COLUMNS: Final[Mapping[Per, Sequence[str]]] = {
    Per.CALL: [name for name in Presence.model_fields if name != "session_id"],
    Per.SESSION: ["session_id", *(n for n in Presence.model_fields if n != "session_id")],
    Per.ENTRY: [*Stay.model_fields],
}


def attendance(
    cid: Cid,
    *,
    per: Annotated[
        Per,
        typer.Option(
            help="A row for each user of the [cyan]call[/cyan], of each [cyan]session[/cyan], or"
            " for each [cyan]entry[/cyan]."
        ),
    ] = Per.SESSION,
    at: Annotated[
        str | None, typer.Option("--at", metavar="INSTANT", help="As of then; as of now without.")
    ] = None,
    as_csv: CsvOption = False,
    as_user: AsOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show who was in a call, from when to when, how long, and how they left.

    Two connections of one user count once where they overlap; who is there still is counted up
    to now, or to --at. The system sees it of deleted calls too.

    [dim]greenroom attendance default:123 --per call --csv[/dim]
    """
    as_of = parsed_instant(at, "--at")
    with opened(store) as room:
        handle = asking(room, as_user)
        call = call_of(handle, cid)
        with helping_to_find(handle, cid):
            if as_user is not None:
                told = call.attendance(at=as_of)
            else:
                must_have_been(room, call.cid)
                told = inside(room).attendance(call.cid, as_of)
    if as_json:
        document(told)
    elif as_csv:
        csv_lines(_COLUMNS[per])(_ROWS[per](told))
    else:
        _show(told, per)


def _show(told: Attendance, per: Per) -> None:
    """Tables for people; sessions have a heading each."""
    if not told.stays:
        out().print("Nobody has been in this call.")
    elif per is Per.CALL:
        _print_users(told.users, "")
    elif per is Per.SESSION:
        for session in told.sessions:
            _print_users(session.users, _heading(session))
    else:
        columns = ("User", "Role", "Entry", "Joined (UTC)", "Left", _long(), "How")
        out().print(filled(table(*columns), map(_stay_row, told.stays)))


def _long() -> Column:
    return Column("There", justify="right", no_wrap=True)


def _print_users(users: Sequence[Presence], heading: str) -> None:
    columns = ("User", "Joined (UTC)", "Left", _long(), "Entries", "How")
    out().print(filled(table(*columns, title=heading or None), map(_user_row, users)))


def _heading(session: SessionAttendance) -> str:
    """E.g. `Session 1: 1:30:00 on since 2026-01-01 12:00:00`."""
    since = "on since" if session.ended_at is None else "from"
    lasted = f"{duration(session.seconds)} {since} {session.started_at:%Y-%m-%d %H:%M:%S}"
    return f"Session {session.number}: {lasted}"


def _user_row(user: Presence) -> Sequence[object]:
    return (
        user.user_id,
        user.joined_at,
        user.left_at or "there",
        duration(user.seconds),
        user.entries,
        user.reason,
    )


def _stay_row(stay: Stay) -> Sequence[object]:
    by = f" by {stay.left_by}" if stay.left_by not in {None, stay.user_id} else ""
    return (
        stay.user_id,
        stay.role,
        stay.entry_id,
        stay.joined_at,
        stay.left_at or "there",
        duration(stay.seconds),
        f"{stay.reason or ''}{by}",
    )


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, e.g. `1:05:09`."""
    whole = int(seconds)
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02}:{whole % _MINUTE:02}"
