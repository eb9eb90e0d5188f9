"""From rows of the tables to what queries answer.

Rows are tuples as drivers give them: of the columns named beside each function, in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from msgspec.json import Decoder

from greenroom.domain.instants import EPOCH, instant_or_none
from greenroom.domain.membership import Answer
from greenroom.domain.session_events import Track
from greenroom.domain.streams import session_id
from greenroom.projections.items import (
    AnswerItem,
    CallItem,
    MemberItem,
    ParticipantItem,
    SessionItem,
    TimelineItem,
    UserItem,
)

Row = Sequence[Any]

_decoded: Final = Decoder().decode

MEMBER_COLUMNS: Final = ("user_id", "role", "custom", "created_at", "updated_at")
"""Behind them stand the user's name, role and custom data."""
CALL_COLUMNS: Final = (
    "cid",
    "type",
    "id",
    "created_by",
    "team",
    "custom",
    "settings",
    "created_at",
    "updated_at",
    "starts_at",
    "ended_at",
    "backstage",
    "ongoing",
    "session",
    "member_count",
)
PARTICIPANT_COLUMNS: Final = (
    "entry_id",
    "session_id",
    "user_id",
    "role",
    "joined_at",
    "connected",
    "published",
    "muted",
)
SESSION_COLUMNS: Final = (
    "id",
    "number",
    "started_by",
    "started_at",
    "ended_at",
    "duration",
    "end_reason",
    "live_started_at",
    "live_ended_at",
    "timer_ends_at",
    "participant_count",
    "entry_count",
)
ANSWER_COLUMNS: Final = ("user_id", "ring", "answer", "at")
TIMELINE_COLUMNS: Final = ("seq", "position", "stream", "version", "name", "at")


def member_item(row: Row) -> MemberItem:
    """A row of `members`, with the user's name, role and custom data behind it."""
    user_id, role, custom, created_at, updated_at, user_name, user_role, user_custom = row
    return MemberItem(
        user_id=user_id,
        role=role,
        custom=_document(custom),
        created_at=EPOCH + timedelta(0, 0, created_at),
        updated_at=EPOCH + timedelta(0, 0, updated_at),
        user=UserItem(
            user_id=user_id,
            name=user_name,
            role=user_role,
            custom=_document(user_custom or "{}"),
        ),
    )


def call_item(row: Row) -> CallItem:
    """A row of `calls`."""
    cid, type_, id_, created_by, team, custom, settings, created_at, updated_at, *others = row
    starts_at, ended_at, backstage, ongoing, session, member_count = others
    return CallItem(
        cid=cid,
        type=type_,
        id=id_,
        created_by=created_by,
        team=team,
        custom=_document(custom),
        settings=_document(settings),
        created_at=EPOCH + timedelta(0, 0, created_at),
        updated_at=EPOCH + timedelta(0, 0, updated_at),
        starts_at=instant_or_none(starts_at),
        ended_at=instant_or_none(ended_at),
        backstage=bool(backstage),
        ongoing=bool(ongoing),
        session_id=session_id(cid, session) if ongoing else None,
        member_count=member_count,
    )


def participant_item(row: Row) -> ParticipantItem:
    """A row of `participants`."""
    entry_id, session, user_id, role, joined_at, connected, published, muted = row
    return ParticipantItem(
        entry_id=entry_id,
        session_id=session,
        user_id=user_id,
        role=role,
        joined_at=EPOCH + timedelta(0, 0, joined_at),
        connected=bool(connected),
        published=_tracks(published),
        muted=_tracks(muted),
    )


def session_item(row: Row) -> SessionItem:
    """A row of `sessions`."""
    id_, number, started_by, started_at, ended_at, duration, end_reason, *others = row
    live_started_at, live_ended_at, timer_ends_at, participant_count, entry_count = others
    return SessionItem(
        id=id_,
        number=number,
        started_by=started_by,
        started_at=EPOCH + timedelta(0, 0, started_at),
        ended_at=instant_or_none(ended_at),
        duration=duration,
        end_reason=end_reason,
        live_started_at=instant_or_none(live_started_at),
        live_ended_at=instant_or_none(live_ended_at),
        timer_ends_at=instant_or_none(timer_ends_at),
        participant_count=participant_count,
        entry_count=entry_count,
    )


def answer_item(row: Row) -> AnswerItem:
    """A row of `answers`."""
    user_id, ring, answer, at = row
    return AnswerItem(
        user_id=user_id, ring=ring, answer=Answer(answer), at=EPOCH + timedelta(0, 0, at)
    )


def timeline_item(row: Row) -> TimelineItem:
    """A row of `timeline`."""
    seq, position, stream, version, name, at = row
    return TimelineItem(
        seq=seq,
        position=position,
        stream=stream,
        version=version,
        name=name,
        at=EPOCH + timedelta(0, 0, at),
    )


def _tracks(names: str) -> tuple[Track, ...]:
    return tuple(map(Track, names.split())) if names else ()


def _document(text: str) -> Any:
    return _decoded(text)
