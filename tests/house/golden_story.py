"""One event of every kind, in an order in which they may have happened.

The story that `golden/stored_events.jsonl` tells in stored form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from greenroom.domain.access import Capability
from greenroom.domain.admission import Evidence
from greenroom.domain.call_events import (
    CallCreated,
    CallDeleted,
    CallEnded,
    CallRestored,
    CallRung,
    CallUpdated,
    EndReason,
    MembersNotified,
    RingCancelled,
    RingEndReason,
    SessionEnded,
    SessionEndReason,
    SessionStarted,
    StoppedLive,
    UserBlocked,
    UserUnblocked,
    WentLive,
)
from greenroom.domain.call_type import (
    CallTypeDefined,
    FieldsDeclared,
    Granted,
    Revoked,
    SettingsChanged,
)
from greenroom.domain.membership import (
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
    PermissionRequested,
    PermissionsGranted,
    PermissionsRevoked,
    RingAccepted,
    RingMissed,
    RingRejected,
)
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
    Team,
    UserId,
)
from greenroom.domain.session_events import (
    Joined,
    Left,
    LeftReason,
    MediaConnected,
    MediaLost,
    MediaMeasured,
    MediaPublished,
    MediaStatistics,
    MediaUnpublished,
    Pinned,
    RecordedFile,
    RecordingEnd,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    Track,
    TrackRecorded,
    Unpinned,
    UsersMuted,
    UserUnmuted,
)
from greenroom.domain.settings import BackstageSettings, Settings
from greenroom.domain.streams import (
    call_stream,
    member_stream,
    session_stream,
    type_stream,
    user_stream,
)
from greenroom.domain.user import UserErased, UserUpserted

AT: Final = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER: Final = AT + timedelta(minutes=5)
CID: Final = CallId("livestream:123")
THIERRY, TOMMASO, ALICE = UserId("thierry"), UserId("tommaso"), UserId("alice")
PHONE, LAPTOP = EntryId("entry-phone"), EntryId("entry-laptop")
TALK: Final = (Capability.SCREENSHARE, Capability.SEND_AUDIO)

_TYPE: Final = (
    CallTypeDefined(
        at=AT,
        call_type="clinic",
        based_on="livestream",
        settings=Settings(
            backstage=BackstageSettings(enabled=True, join_ahead_time_seconds=300)
        ).model_dump(mode="json", exclude={"session": {"reconnection_timeout_seconds"}}),
        grants={Role("user"): (Capability.JOIN_CALL, Capability.READ_CALL)},
        indexed_custom={"members": {"ward": "string"}, "calls": {"due": "instant"}},
    ),
    SettingsChanged(at=AT, settings={"limits": {"max_participants": 50}}),
    Granted(at=AT, role=Role("call_member"), capability=Capability.SEND_AUDIO),
    Revoked(at=AT, role=Role("user"), capability=Capability.JOIN_CALL),
    FieldsDeclared(
        at=AT,
        call_type="clinic",
        indexed_custom={
            "members": {"ward": "string", "bed": "number"},
            "calls": {"due": "instant"},
        },
    ),
)
_CALL: Final = (
    CallCreated(
        at=AT,
        cid=CID,
        call_type="livestream",
        created_by=THIERRY,
        team=Team("cardiology"),
        custom={"topic": "rounds", "beds": [1, 2.5, None, True]},
        starts_at=LATER,
        settings={"backstage": {"enabled": True, "join_ahead_time_seconds": 300}},
        backstage=True,
    ),
    CallUpdated(
        at=AT,
        cid=CID,
        custom={"topic": "late rounds"},
        starts_at=LATER,
        settings={"limits": {"max_participants": 50}},
        backstage=True,
        timer_ends_at=LATER,
    ),
    CallRung(
        at=AT,
        cid=CID,
        ring=1,
        caller=THIERRY,
        user_ids=(ALICE, TOMMASO),
        video=True,
        auto_cancel_at=LATER,
        missed_at=LATER,
    ),
    RingCancelled(at=AT, cid=CID, ring=1, reason=RingEndReason.CANCELLED),
    MembersNotified(at=AT, cid=CID, user_ids=(ALICE, TOMMASO)),
    SessionStarted(
        at=AT, cid=CID, session=1, started_by=THIERRY, backstage=True, timer_ends_at=LATER
    ),
    WentLive(at=AT, cid=CID, backstage=True),
    UserBlocked(at=AT, cid=CID, user_id=TOMMASO),
    UserUnblocked(at=AT, cid=CID, user_id=TOMMASO),
    StoppedLive(at=AT, cid=CID),
    SessionEnded(at=AT, cid=CID, session=1, reason=SessionEndReason.ENDED),
    CallEnded(at=AT, cid=CID, reason=EndReason.MAX_DURATION),
    CallDeleted(at=AT, cid=CID, hard=False),
    CallRestored(at=AT, cid=CID),
)
_SESSION: Final = (
    Joined(
        at=AT,
        cid=CID,
        session=1,
        entry_id=PHONE,
        user_id=ALICE,
        role=Role("user"),
        counts=True,
        evidence=Evidence(
            call=2,
            call_type=4,
            membership=1,
            user=1,
            member_role=Role("host"),
            owner=False,
            grants=(Capability.JOIN_BACKSTAGE,),
        ),
    ),
    MediaConnected(at=AT, cid=CID, session=1, entry_id=PHONE, fingerprint="sha-256 4A:AD:B9:B1"),
    UsersMuted(
        at=AT, cid=CID, session=1, user_ids=(ALICE,), tracks=(Track.AUDIO, Track.SCREENSHARE_AUDIO)
    ),
    Pinned(at=AT, cid=CID, session=1, user_id=ALICE),
    Unpinned(at=AT, cid=CID, session=1, user_id=ALICE),
    MediaLost(at=AT, cid=CID, session=1, entry_id=PHONE),
    Left(
        at=AT,
        cid=CID,
        session=1,
        entry_id=PHONE,
        user_id=ALICE,
        reason=LeftReason.LOST,
        closes_at=LATER,
    ),
    # Added later: the versions of what stands above are written down.
    MediaPublished(at=AT, cid=CID, session=1, entry_id=PHONE, epoch=2, kind=Track.VIDEO),
    MediaUnpublished(at=AT, cid=CID, session=1, entry_id=PHONE, epoch=2, kind=Track.VIDEO),
    UserUnmuted(
        at=AT, cid=CID, session=1, user_id=ALICE, tracks=(Track.AUDIO,), entry_ids=(PHONE, LAPTOP)
    ),
    MediaMeasured(
        at=AT,
        cid=CID,
        session=1,
        entry_id=PHONE,
        epoch=2,
        statistics=MediaStatistics(
            seconds=61.5,
            packets_received=6100,
            bytes_received=7_000_000,
            packets_sent=12_000,
            bytes_sent=14_000_000,
            packets_lost=12,
            key_frame_requests=3,
            round_trip=0.02,
        ),
        leaves_at=LATER,
    ),
    RecordingStarted(at=AT, cid=CID, session=1, recording=1),
    RecordingResumed(at=AT, cid=CID, session=1, recording=1),
    RecordingStopped(
        at=AT,
        cid=CID,
        session=1,
        recording=1,
        reason=RecordingEnd.FAILED,
        because="[Errno 28] No space left on device",
    ),
    TrackRecorded(
        at=AT,
        cid=CID,
        session=1,
        recording=1,
        entry_id=PHONE,
        user_id=ALICE,
        epoch=2,
        kind=Track.VIDEO,
        file=RecordedFile(
            name="livestream.123/1/1/entry-phone-video-2.webm",
            codec="VP8",
            starts_after=1.25,
            seconds=61.5,
            bytes=7_000_000,
            sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            packets_lost=12,
            packets_dropped=250,
            failure="[Errno 28] No space left on device",
        ),
    ),
)
_MEMBER: Final = (
    MemberAdded(at=AT, cid=CID, user_id=ALICE, role=Role("host"), custom={"ward": "north"}),
    MemberUpdated(at=AT, cid=CID, user_id=ALICE, role=Role("moderator"), custom={"ward": "süd"}),
    PermissionRequested(at=AT, cid=CID, user_id=ALICE, permissions=TALK),
    PermissionsGranted(at=AT, cid=CID, user_id=ALICE, permissions=TALK),
    PermissionsRevoked(at=AT, cid=CID, user_id=ALICE, permissions=TALK),
    RingMissed(at=AT, cid=CID, user_id=ALICE, ring=1),
    RingRejected(at=AT, cid=CID, user_id=ALICE, ring=1, reason="in the lift"),
    RingAccepted(at=AT, cid=CID, user_id=ALICE, ring=1),
    MemberRemoved(at=AT, cid=CID, user_id=ALICE),
)
_USER: Final = (
    UserUpserted(
        at=AT,
        user_id=ALICE,
        role=Role("guest"),
        teams=(Team("cardiology"),),
        display_name="Alice",
        custom={"plan": "gold"},
    ),
    UserErased(at=AT, user_id=ALICE),
)


def told() -> Iterator[Decided[Event]]:
    """The whole story, stream by stream."""
    versions: Counter[StreamId] = Counter()
    for stream, events in (
        (type_stream("clinic"), _TYPE),
        (user_stream(ALICE), _USER),
        (call_stream(CID), _CALL),
        (session_stream(CID, 1), _SESSION),
        (member_stream(CID, ALICE), _MEMBER),
    ):
        for event in events:
            versions[stream] += 1
            yield _decided(event, stream, versions[stream])


def _decided(event: Event, stream: StreamId, version: int) -> Decided[Event]:
    by_system = event.name in {"call.ended", "session.lost", "session.measured"}
    return Decided(
        stream=stream,
        version=version,
        event=event,
        event_id=EventId(f"01940000-0000-7000-8000-{version:012}"),
        by=Actor(name="media", system=True)
        if by_system
        else Actor(name=THIERRY, role=Role("admin"), teams=(Team("cardiology"),)),
        request_id=RequestId(f"request-{version}"),
        correlation_id=RequestId("request-1"),
        causation_id=EventId("01940000-0000-7000-8000-000000000000") if by_system else None,
    )
