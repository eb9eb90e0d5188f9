"""Histories written by hand: events with their places in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import convert

from greenroom.domain import call_events as call
from greenroom.domain import membership, session_events, streams, user
from greenroom.domain.admission import Evidence
from greenroom.domain.message import (
    Actor,
    CallId,
    EntryId,
    Event,
    EventId,
    Recorded,
    RequestId,
    Role,
    StreamId,
    Team,
    UserId,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = b"s" * 32
CID = CallId("livestream:123")
Pair = tuple[int, Recorded[Event]]

EVIDENCE = Evidence(call=1, call_type=1, membership=0, user=0, member_role=None, owner=False)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class History:
    """A log in memory. Every method records one event, a second after the one before."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self._versions: Counter[StreamId] = Counter()

    @property
    def now(self) -> datetime:
        return at(len(self.pairs))

    @property
    def head(self) -> int:
        return self.pairs[-1][0] if self.pairs else 0

    def feed(self, after: int) -> Iterator[Pair]:
        return (pair for pair in self.pairs if pair[0] > after)

    def record(self, stream: StreamId, event: Event) -> datetime:
        self._versions[stream] += 1
        # Positions rise with gaps, as some stores leave them.
        position = self.head + 1 + len(self.pairs) % 2
        recorded = Recorded(
            stream=stream,
            version=self._versions[stream],
            event=event,
            event_id=EventId(f"event-{position}"),
            by=Actor(name="thierry"),
            request_id=RequestId("request"),
            correlation_id=RequestId("request"),
            position=position,
        )
        self.pairs.append((position, recorded))
        return event.at

    def in_call(self, kind: type[Event], cid: CallId = CID, **values: Any) -> datetime:
        event = convert({"at": self.now, "cid": cid, **values}, kind)
        return self.record(streams.call_stream(cid), event)

    def created(self, cid: CallId = CID, by: str = "thierry", **values: Any) -> datetime:
        call_type = cid.partition(":")[0]
        return self.in_call(call.CallCreated, cid, call_type=call_type, created_by=by, **values)

    def updated(self, cid: CallId = CID, **values: Any) -> datetime:
        return self.in_call(call.CallUpdated, cid, **{"backstage": False, **values})

    def session_started(self, number: int = 1, cid: CallId = CID, **values: Any) -> datetime:
        defaults = {"session": number, "started_by": "thierry", "backstage": False}
        return self.in_call(call.SessionStarted, cid, **{**defaults, **values})

    def session_ended(self, number: int = 1, cid: CallId = CID, **values: Any) -> datetime:
        reason = call.SessionEndReason.EMPTY
        return self.in_call(call.SessionEnded, cid, session=number, reason=reason, **values)

    def rung(
        self, ring: int, user_ids: Iterable[str], cid: CallId = CID, **values: Any
    ) -> datetime:
        defaults = {
            "caller": "thierry",
            "video": True,
            "auto_cancel_at": self.now + timedelta(seconds=15),
            "missed_at": self.now + timedelta(seconds=20),
        }
        said = {**defaults, "ring": ring, "user_ids": tuple(user_ids), **values}
        return self.in_call(call.CallRung, cid, **said)

    def of_member(
        self, kind: type[Event], user_id: str, cid: CallId = CID, **values: Any
    ) -> datetime:
        said = {"at": self.now, "cid": cid, "user_id": user_id, **values}
        return self.record(streams.member_stream(cid, UserId(user_id)), convert(said, kind))

    def added(
        self,
        user_id: str,
        role: str = "call_member",
        cid: CallId = CID,
        custom: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> datetime:
        said = {"role": Role(role), "custom": dict(custom or {}), **values}
        return self.of_member(membership.MemberAdded, user_id, cid, **said)

    def removed(self, user_id: str, cid: CallId = CID) -> datetime:
        return self.of_member(membership.MemberRemoved, user_id, cid)

    def in_session(
        self, kind: type[Event], /, number: int = 1, cid: CallId = CID, **values: Any
    ) -> datetime:
        said = {"at": self.now, "cid": cid, "session": number, **values}
        return self.record(streams.session_stream(cid, number), convert(said, kind))

    def joined(
        self, user_id: str, entry: str, number: int = 1, cid: CallId = CID, **values: Any
    ) -> datetime:
        defaults = {"role": "user", "counts": True, "evidence": EVIDENCE}
        said = {**defaults, "entry_id": EntryId(entry), "user_id": user_id, **values}
        return self.in_session(session_events.Joined, number, cid, **said)

    def left(
        self, user_id: str, entry: str, number: int = 1, cid: CallId = CID, **values: Any
    ) -> datetime:
        reason = session_events.LeftReason.LEFT
        said = {"entry_id": entry, "user_id": user_id, "reason": reason, **values}
        return self.in_session(session_events.Left, number, cid, **said)

    def upserted(self, user_id: str, name: str = "", **values: Any) -> datetime:
        event = user.UserUpserted(at=self.now, user_id=UserId(user_id), display_name=name, **values)
        return self.record(streams.user_stream(UserId(user_id)), event)

    def forgotten(self, user_id: str) -> datetime:
        event = user.UserErased(at=self.now, user_id=UserId(user_id))
        return self.record(streams.user_stream(UserId(user_id)), event)


__all__ = ["CID", "SECRET", "START", "History", "Pair", "Team", "at"]
