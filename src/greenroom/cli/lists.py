"""`calls`, `members`, `participants`, `sessions`: one page of a query each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

from rich.table import Column, Table
from rich.text import Text

from greenroom.cli.opening import asking, call_of, helping_to_find, opened
from greenroom.cli.options import Asked, Cid, CountOption, asks
from greenroom.cli.output import cell, document, filled, out, table
from greenroom.projections.items import CallItem, MemberItem, ParticipantItem, SessionItem
from greenroom.projections.pages import Page

T = TypeVar("T")
_UNFOLDED: Final = 36
"""Characters of a first column that stay on one line: a type and a uuid on most terminals."""


@asks
def calls(*, asked: Asked, count: CountOption = False) -> None:
    """List calls, newest first.

    [dim]greenroom calls --filter '{"members": {"$in": ["alice"]}}' --sort -starts_at[/dim]
    """
    with opened(asked.store) as room:
        page = asking(room, asked.as_user).query_calls(**_said(asked), count=count)
        _show(page, _CALLS, _call_row, "No calls to see.", as_json=asked.as_json)


@asks
def members(cid: Cid, *, asked: Asked, count: CountOption = False) -> None:
    """List the members of a call, oldest first.

    [dim]greenroom members livestream:launch --filter '{"role": "host"}' --sort -created_at[/dim]
    """
    with opened(asked.store) as room:
        handle = asking(room, asked.as_user)
        with helping_to_find(handle, cid):
            page = call_of(handle, cid).query_members(**_said(asked), count=count)
        _show(page, _MEMBERS, _member_row, "No members to see.", as_json=asked.as_json)


@asks
def participants(cid: Cid, *, asked: Asked, count: CountOption = False) -> None:
    """List who is in a call now, one row a connection."""
    with opened(asked.store) as room:
        handle = asking(room, asked.as_user)
        with helping_to_find(handle, cid):
            page = call_of(handle, cid).query_participants(**_said(asked), count=count)
        _show(
            page, _PARTICIPANTS, _participant_row, "Nobody is in the call.", as_json=asked.as_json
        )


@asks
def sessions(cid: Cid, *, asked: Asked, count: CountOption = False) -> None:
    """List a call's sessions, latest first.

    [dim]greenroom sessions default:123 --filter '{"duration": {"$gt": 60}}'[/dim]
    """
    with opened(asked.store) as room:
        handle = asking(room, asked.as_user)
        with helping_to_find(handle, cid):
            page = call_of(handle, cid).query_sessions(**_said(asked), count=count)
        _show(page, _SESSIONS, _session_row, "No session was held yet.", as_json=asked.as_json)


def _said(asked: Asked) -> dict[str, Any]:
    return {
        "filters": asked.filters,
        "sort": asked.sort,
        "limit": asked.limit,
        "cursor": asked.cursor,
    }


def members_table(page: Page[MemberItem]) -> Table:
    """A page of members as a table."""
    return _listed(_MEMBERS, map(_member_row, page.items))


def _listed(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table whose first column, which says what a row is, is folded last."""
    listed = list(rows)
    longest = max((len(str(row[0])) for row in listed), default=0)
    first = Column(columns[0], overflow="fold", no_wrap=longest <= _UNFOLDED)
    return filled(table(first, *columns[1:]), listed)


def _show(
    page: Page[T],
    columns: Sequence[str],
    row: Callable[[T], Sequence[object]],
    nothing: str,
    *,
    as_json: bool,
) -> None:
    if as_json:
        counted = {} if page.count is None else {"count": page.count}
        document({"items": page.items, "next": page.next, "prev": page.prev, **counted})
        return
    console = out()
    if page.items:
        console.print(_listed(columns, map(row, page.items)))
    else:
        console.print(nothing, style="dim")
    if page.count is not None:
        console.print(f"{page.count} in all", style="dim")
    for way, cursor in (("next", page.next), ("prev", page.prev)):
        if cursor is not None:
            console.print(f"{way}: --cursor {cursor}", style="dim", soft_wrap=True)


_CALLS = ("Call", "State", "Starts (UTC)", "Created (UTC)", "By", "Members")
_MEMBERS = ("User", "Role", "Added (UTC)", "Custom", "Name")
_PARTICIPANTS = ("User", "Role", "Joined (UTC)", "Media", "Entry")
_SESSIONS = ("#", "Started (UTC)", "Lasted", "Ended by", "People", "Joins", "Started by")


def _call_row(item: CallItem) -> Sequence[object]:
    return (
        cell(item.cid, "bold"),
        _state(item),
        item.starts_at,
        item.created_at,
        item.created_by,
        item.member_count,
    )


def _state(item: CallItem) -> Text:
    """Where the call is in its life; green while somebody may be in it."""
    if item.ended_at is not None:
        word, style = "ended", "dim"
    elif item.backstage:
        word, style = "backstage", "yellow"
    else:
        word, style = "open", ""
    if item.ongoing:
        word, style = "ongoing" if word == "open" else f"{word}, ongoing", "green"
    return Text(word, style=style)


def _member_row(item: MemberItem) -> Sequence[object]:
    return (
        cell(item.user_id, "bold"),
        item.role,
        item.created_at,
        dict(item.custom) or None,
        item.user.name,
    )


def _participant_row(item: ParticipantItem) -> Sequence[object]:
    return (cell(item.user_id, "bold"), item.role, item.joined_at, _media(item), item.entry_id)


def _media(item: ParticipantItem) -> Text | None:
    """What is sent, if anything flows, and what is muted."""
    sent = Text(" ").join(Text(track, style="green") for track in item.published)
    muted = Text(" ").join(Text(f"{track} muted", style="yellow") for track in item.muted)
    if item.connected and not sent:
        sent = Text("flows", style="green")
    said = [part for part in (sent, muted) if part]
    return Text(", ").join(said) if said else None


def _session_row(item: SessionItem) -> Sequence[object]:
    return (
        item.number,
        item.started_at,
        Text("ongoing", style="green") if item.duration is None else _length(item.duration),
        item.end_reason,
        item.participant_count,
        item.entry_count,
        item.started_by,
    )


def _length(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    return str(timedelta(seconds=round(seconds)))
