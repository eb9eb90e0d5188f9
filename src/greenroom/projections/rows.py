"""From rows of the tables to what queries answer."""

from __future__ import annotations

import json

from sqlalchemy import RowMapping

from greenroom.domain.membership import Answer
from greenroom.domain.streams import session_id
from greenroom.projections.columns import instant, instant_or_none
from greenroom.projections.items import (
    AnswerItem,
    CallItem,
    MemberItem,
    ParticipantItem,
    SessionItem,
    TimelineItem,
    UserItem,
)


def member_item(row: RowMapping) -> MemberItem:
    """A row of `members`, with `user_name`, `user_role` and `user_custom` beside it."""
    return MemberItem(
        user_id=row["user_id"],
        role=row["role"],
        custom=json.loads(row["custom"]),
        created_at=instant(row["created_at"]),
        updated_at=instant(row["updated_at"]),
        user=UserItem(
            user_id=row["user_id"],
            name=row["user_name"],
            role=row["user_role"],
            custom=json.loads(row["user_custom"] or "{}"),
        ),
    )


def call_item(row: RowMapping) -> CallItem:
    """A row of `calls`."""
    return CallItem(
        cid=row["cid"],
        type=row["type"],
        id=row["id"],
        created_by=row["created_by"],
        team=row["team"],
        custom=json.loads(row["custom"]),
        settings=json.loads(row["settings"]),
        created_at=instant(row["created_at"]),
        updated_at=instant(row["updated_at"]),
        starts_at=instant_or_none(row["starts_at"]),
        ended_at=instant_or_none(row["ended_at"]),
        backstage=row["backstage"],
        ongoing=row["ongoing"],
        session_id=session_id(row["cid"], row["session"]) if row["ongoing"] else None,
        member_count=row["member_count"],
    )


def participant_item(row: RowMapping) -> ParticipantItem:
    """A row of `participants`."""
    return ParticipantItem(
        entry_id=row["entry_id"],
        session_id=row["session_id"],
        user_id=row["user_id"],
        role=row["role"],
        joined_at=instant(row["joined_at"]),
        connected=row["connected"],
    )


def session_item(row: RowMapping) -> SessionItem:
    """A row of `sessions`."""
    return SessionItem(
        id=row["id"],
        number=row["number"],
        started_by=row["started_by"],
        started_at=instant(row["started_at"]),
        ended_at=instant_or_none(row["ended_at"]),
        duration=row["duration"],
        end_reason=row["end_reason"],
        live_started_at=instant_or_none(row["live_started_at"]),
        live_ended_at=instant_or_none(row["live_ended_at"]),
        timer_ends_at=instant_or_none(row["timer_ends_at"]),
        participant_count=row["participant_count"],
        entry_count=row["entry_count"],
    )


def answer_item(row: RowMapping) -> AnswerItem:
    """A row of `answers`."""
    return AnswerItem(
        user_id=row["user_id"],
        ring=row["ring"],
        answer=Answer(row["answer"]),
        at=instant(row["at"]),
    )


def timeline_item(row: RowMapping) -> TimelineItem:
    """A row of `timeline`."""
    return TimelineItem(
        seq=row["seq"],
        position=row["position"],
        stream=row["stream"],
        version=row["version"],
        name=row["name"],
        at=instant(row["at"]),
    )
