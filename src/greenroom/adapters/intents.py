"""Who hears what: from a record to the notifications it asks for (semantics 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, assert_never

from pydantic import JsonValue

from greenroom.domain.call_events import CallRung, MembersNotified, SessionStarted, WentLive
from greenroom.domain.membership import RingMissed
from greenroom.domain.message import CallId, Event, EventId, Recorded, UserId

Kind = Literal[
    "call_ring", "call_notification", "call_missed", "session_started", "call_live_started"
]

Noteworthy = CallRung | MembersNotified | RingMissed | SessionStarted | WentLive

KIND_OF: Final[Mapping[type[Event], Kind]] = {
    CallRung: "call_ring",
    MembersNotified: "call_notification",
    RingMissed: "call_missed",
    SessionStarted: "session_started",
    WentLive: "call_live_started",
}
"""The events somebody hears of, and as what."""


@dataclass(frozen=True, slots=True)
class Intent:
    """That one user is to be told one thing, once."""

    kind: Kind
    cid: CallId
    user_id: UserId
    """To whom."""
    caused_by: UserId
    cause: EventId
    at: datetime
    data: Mapping[str, JsonValue]

    @property
    def key(self) -> str:
        """The same however often the record is read: one cause tells a user one thing once."""
        return f"{self.cause}/{self.kind}/{self.user_id}"


def intents(
    recorded: Recorded[Event],
    *,
    member_ids: Callable[[CallId], Iterable[UserId]],
    present: Callable[[CallId], frozenset[UserId]],
    caller: Callable[[CallId, int], UserId | None],
) -> Iterator[Intent]:
    """What a record asks for.

    A ring goes to everybody rung, a notification to everybody notified, a missed call to who
    missed it. That a call has started or gone live goes to all its members, but neither to
    whoever brought it about nor to those who are in already; a session that starts in backstage
    is announced when the call goes live.

    Args:
        recorded: any; most events nobody hears of.
        member_ids: everybody who belongs to a call; asked only where all of them hear.
        present: who is in a call now.
        caller: who rang ring number n of a call; None where that is not known any more.
    """
    event = recorded.event
    if not isinstance(event, Noteworthy):
        return
    kind, cid, by = KIND_OF[type(event)], event.cid, recorded.by.user_id
    data: Mapping[str, JsonValue] = {}
    to: Iterable[UserId]
    match event:
        case CallRung():
            to, by, data = event.user_ids, event.caller, _ring(event)
        case MembersNotified():
            to = event.user_ids
        case RingMissed():
            to, by = [event.user_id], caller(cid, event.ring) or by
            data = {"ring": event.ring}
        case SessionStarted():
            by, data = event.started_by, {"session": event.session}
            to = [] if event.backstage else _others(member_ids(cid), present(cid) | {by})
        case WentLive():
            to = _others(member_ids(cid), present(cid) | {by})
        case _:
            assert_never(event)
    for user_id in to:
        yield Intent(kind, cid, user_id, by, recorded.event_id, recorded.at, data)


def _ring(event: CallRung) -> dict[str, JsonValue]:
    return {
        "video": event.video,
        "ring": event.ring,
        "auto_cancel_at": event.auto_cancel_at.isoformat(),
        "missed_at": event.missed_at.isoformat(),
    }


def _others(members: Iterable[UserId], without: frozenset[UserId]) -> Iterator[UserId]:
    return (user_id for user_id in members if user_id not in without)
