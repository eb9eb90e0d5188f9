"""What an event means for what is due: pure, no tables.

    kind          key                    planned by                   dropped by
    max_duration  duration/<cid>/<n>     SessionStarted, CallUpdated  SessionEnded, CallUpdated
    inactivity    empty/<cid>/<n>        the last Left                Joined, SessionEnded
    reconnection  lost/<cid>/<n>/<entry> MediaLost, MediaMeasured     MediaConnected, Left
    auto_cancel   cancel/<cid>/<ring>    CallRung                     RingAccepted, RingCancelled
    missed        missed/<cid>/<ring>    CallRung                     all answers, RingCancelled

A hard deletion drops all of its call. A deadline names its generation (session n, ring n), so
that firing one late, twice or on two machines concerns nobody else: the rules decide again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from greenroom.domain.call_events import (
    CallDeleted,
    CallRung,
    CallUpdated,
    RingCancelled,
    SessionEnded,
    SessionStarted,
)
from greenroom.domain.membership import RingAccepted, RingMissed, RingRejected
from greenroom.domain.message import CallId, EntryId, Event, EventId, RequestId, UserId
from greenroom.domain.session_events import (
    Joined,
    Left,
    MediaConnected,
    MediaLost,
    MediaMeasured,
)


class DeadlineKind(StrEnum):
    """What falls due."""

    MAX_DURATION = "max_duration"
    """The session's time is up: the call ends."""
    INACTIVITY = "inactivity"
    """The session has been empty for long enough: it closes."""
    RECONNECTION = "reconnection"
    """An entry that was lost has had the time to connect again: it is put out."""
    AUTO_CANCEL = "auto_cancel"
    """Nobody has accepted the ring: it is withdrawn."""
    MISSED = "missed"
    """Whoever has not answered the ring has missed it."""


_PREFIXES: Final = {
    DeadlineKind.MAX_DURATION: "duration",
    DeadlineKind.INACTIVITY: "empty",
    DeadlineKind.RECONNECTION: "lost",
    DeadlineKind.AUTO_CANCEL: "cancel",
    DeadlineKind.MISSED: "missed",
}


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something to do at an instant, unless an event makes it needless before."""

    kind: DeadlineKind
    cid: CallId
    number: int
    """Of the session or the ring, in its call."""
    due_at: datetime
    cause: EventId | None = field(default=None, compare=False)
    """The event that planned it, once it is planned."""
    correlation_id: RequestId | None = field(default=None, compare=False)
    """Of the chain of commands that the event belongs to."""
    entry_id: EntryId | None = None
    """The one it is about, where it is about one."""

    @property
    def key(self) -> str:
        """Its name, the same in every process; fit to be the request id of what it brings about."""
        return deadline_key(self.kind, self.cid, self.number, self.entry_id)


@dataclass(frozen=True, slots=True)
class Plan:
    """This is due then, whatever was planned under its key before."""

    deadline: Deadline


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing is due under this key any more."""

    kind: DeadlineKind
    cid: CallId
    number: int
    entry_id: EntryId | None = None

    @property
    def key(self) -> str:
        """The key of the deadline that goes."""
        return deadline_key(self.kind, self.cid, self.number, self.entry_id)


@dataclass(frozen=True, slots=True)
class Open:
    """Session `number` is the one that is on, from now on."""

    cid: CallId
    number: int


@dataclass(frozen=True, slots=True)
class Close:
    """No session is on."""

    cid: CallId


@dataclass(frozen=True, slots=True)
class Retime:
    """The session that is on, if any, now ends at `due_at`; None for no limit."""

    cid: CallId
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Await:
    """These users, and no others, have not answered the ring."""

    cid: CallId
    ring: int
    user_ids: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """This user has answered the ring; after the last of them nobody can miss it."""

    cid: CallId
    ring: int
    user_id: UserId


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing of this call is due any more."""

    cid: CallId


DEADLINE_EVENTS: Final = frozenset[type[Event]](
    {
        SessionStarted,
        SessionEnded,
        CallUpdated,
        Left,
        Joined,
        MediaConnected,
        MediaLost,
        MediaMeasured,
        CallRung,
        RingCancelled,
        RingAccepted,
        RingRejected,
        RingMissed,
        CallDeleted,
    }
)
"""The kinds of events that `deadline_changes` says something about."""
Change = Plan | Drop | Open | Close | Retime | Await | Answered | Clear


def deadline_changes(event: Event) -> Iterable[Change]:
    """What `event` means for what is due, in order."""
    match event:
        case SessionStarted(cid=cid, session=number, timer_ends_at=ends_at):
            yield Open(cid, number)
            if ends_at is not None:
                yield Plan(Deadline(DeadlineKind.MAX_DURATION, cid, number, ends_at))
        case CallUpdated(cid=cid, timer_ends_at=ends_at):
            yield Retime(cid, ends_at)
        case SessionEnded(cid=cid, session=number):
            yield Close(cid)
            yield Drop(DeadlineKind.MAX_DURATION, cid, number)
            yield Drop(DeadlineKind.INACTIVITY, cid, number)
        case Left(cid=cid, session=number, closes_at=closes_at):
            if event.awaited:
                yield Drop(DeadlineKind.RECONNECTION, cid, number, event.entry_id)
            if closes_at is not None:
                yield Plan(Deadline(DeadlineKind.INACTIVITY, cid, number, closes_at))
        case MediaLost() | MediaMeasured() | MediaConnected():
            yield _reconnection(event)
        case Joined(cid=cid, session=number):
            yield Drop(DeadlineKind.INACTIVITY, cid, number)
        case CallRung(cid=cid, ring=ring) as rung:
            yield Await(cid, ring, rung.user_ids)
            yield Plan(Deadline(DeadlineKind.AUTO_CANCEL, cid, ring, rung.auto_cancel_at))
            yield Plan(Deadline(DeadlineKind.MISSED, cid, ring, rung.missed_at))
        case RingAccepted(cid=cid, ring=ring, user_id=user_id):
            yield Drop(DeadlineKind.AUTO_CANCEL, cid, ring)
            yield Answered(cid, ring, user_id)
        case RingRejected() | RingMissed():
            yield Answered(event.cid, event.ring, event.user_id)
        case RingCancelled(cid=cid, ring=ring):
            yield Drop(DeadlineKind.AUTO_CANCEL, cid, ring)
            yield Drop(DeadlineKind.MISSED, cid, ring)
            yield Await(cid, ring, ())
        case CallDeleted(cid=cid, hard=True):
            yield Clear(cid)
        case _:
            return


def deadline_key(
    kind: DeadlineKind, cid: CallId, number: int, entry_id: EntryId | None = None
) -> str:
    """The key of a deadline, the same in every process."""
    key = f"{_PREFIXES[kind]}/{cid}/{number}"
    return key if entry_id is None else f"{key}/{entry_id}"


def entry_in(key: str) -> EntryId | None:
    """The entry that a deadline of this key is about, if any."""
    parts = key.split("/", 3)
    return EntryId(parts[3]) if len(parts) > 3 else None  # noqa: PLR2004 - kind, call, number, entry


def _reconnection(event: MediaLost | MediaMeasured | MediaConnected) -> Plan | Drop:
    """An entry is awaited, or is no more."""
    kind, cid, number, entry_id = (
        DeadlineKind.RECONNECTION,
        event.cid,
        event.session,
        event.entry_id,
    )
    if isinstance(event, MediaConnected) or event.leaves_at is None:
        return Drop(kind, cid, number, entry_id)
    return Plan(Deadline(kind, cid, number, event.leaves_at, entry_id=entry_id))
