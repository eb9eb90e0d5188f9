"""The same session, in a store of greenroom's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from benchmarks._stock import FINGERPRINT, PRESENT

from greenroom.domain.admission import Evidence
from greenroom.domain.message import (
    Actor,
    CallId,
    Decided,
    EntryId,
    Event,
    EventId,
    RequestId,
    Role,
    StreamId,
    UserId,
)
from greenroom.domain.ports import EventStore
from greenroom.domain.session_events import Joined, Left, LeftReason, MediaConnected, Pinned
from greenroom.domain.streams import session_stream

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
CID = CallId("livestream:123")
EVIDENCE = Evidence(
    call=3, call_type=1, membership=1, user=1, member_role=Role("call_member"), owner=False
)


def record_ours(store: EventStore, session: int, events: int) -> StreamId:
    """A session of that many events: people come, get media, and leave when 20 others came."""
    stream = session_stream(CID, session)
    store.append(
        [
            Decided(
                stream=stream,
                version=version,
                event=event,
                event_id=EventId(f"01940000-0000-7000-8000-{version:012}"),
                by=Actor(name=f"user-{version}"),
                request_id=RequestId(f"01940000-0000-7000-8001-{version:012}"),
                correlation_id=RequestId(f"01940000-0000-7000-8001-{version:012}"),
            )
            for version, event in enumerate(_comings_and_goings(session, events), start=1)
        ]
    )
    return stream


def _comings_and_goings(session: int, events: int) -> Iterator[Event]:
    for number in range(events):
        at = AT + timedelta(seconds=number)
        visit, step = divmod(number, 3)
        entry, user = EntryId(f"entry-{visit}"), UserId(f"user-{visit}")
        if step == 0:
            yield Joined(
                at=at,
                cid=CID,
                session=session,
                entry_id=entry,
                user_id=user,
                role=Role("user"),
                counts=True,
                evidence=EVIDENCE,
            )
        elif step == 1:
            yield MediaConnected(
                at=at, cid=CID, session=session, entry_id=entry, fingerprint=FINGERPRINT
            )
        elif visit >= PRESENT:
            gone = visit - PRESENT
            yield Left(
                at=at,
                cid=CID,
                session=session,
                entry_id=EntryId(f"entry-{gone}"),
                user_id=UserId(f"user-{gone}"),
                reason=LeftReason.LEFT,
            )
        else:
            yield Pinned(at=at, cid=CID, session=session, user_id=user)
