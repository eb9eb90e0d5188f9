"""Events for the exam of the stores: some with personal fields, some without."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import JsonValue

from greenroom.domain.membership import MemberAdded
from greenroom.domain.message import (
    Actor,
    CallId,
    Decided,
    Event,
    EventId,
    RequestId,
    StreamId,
    UserId,
)
from greenroom.domain.ports import EventStore
from greenroom.domain.session_events import Pinned
from greenroom.domain.streams import member_stream, session_stream, user_stream
from greenroom.domain.user import UserUpserted

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
CID = CallId("livestream:123")
STAGE = session_stream(CID, 1)
"""A stream without anything personal in it."""


def decided(event: Event, stream: StreamId, version: int) -> Decided[Event]:
    """`event` as a command of thierry's brought it about."""
    return Decided(
        stream=stream,
        version=version,
        event=event,
        event_id=EventId(f"{stream}@{version}"),
        by=Actor(name="thierry", teams=()),
        request_id=RequestId(f"request-{stream}-{version}"),
        correlation_id=RequestId("correlation"),
        causation_id=EventId("cause"),
    )


def pinned(version: int, stream: StreamId = STAGE) -> Decided[Event]:
    """An event without anything personal in it, that says its own version."""
    return decided(
        Pinned(at=AT, cid=CID, session=1, user_id=UserId(f"user-{version}")), stream, version
    )


def added(user: str, version: int = 1, **custom: JsonValue) -> Decided[Event]:
    """`user` becomes a member; `custom` is personal."""
    event = MemberAdded(at=AT, cid=CID, user_id=UserId(user), custom=custom)
    return decided(event, member_stream(CID, UserId(user)), version)


def upserted(user: str, version: int = 1, display_name: str = "") -> Decided[Event]:
    """`user` is known; the display name is personal."""
    event = UserUpserted(at=AT, user_id=UserId(user), display_name=display_name)
    return decided(event, user_stream(UserId(user)), version)


def everything(store: EventStore) -> list[tuple[int, StreamId, int]]:
    """Position, stream and version of every record, as the feed tells them."""
    return [(position, record.stream, record.version) for position, record in store.feed()]


def members(store: EventStore, user: str) -> list[MemberAdded]:
    """The joining of `user`, as it is read back."""
    events = store.events(member_stream(CID, UserId(user)))
    return [event for event in events if isinstance(event, MemberAdded)]


def users(store: EventStore, user: str) -> list[UserUpserted]:
    """What is told of `user`, as it is read back."""
    events = store.events(user_stream(UserId(user)))
    return [event for event in events if isinstance(event, UserUpserted)]
