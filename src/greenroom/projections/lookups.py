"""Point reads: what the engine asks of the views between queries."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select

from greenroom.domain.instants import instant, instant_or_none, micros
from greenroom.domain.message import CallId, EntryId, Json, Role, StreamId, UserId
from greenroom.projections.call_lookups import CallLookups
from greenroom.projections.calls import blocks
from greenroom.projections.deadlines import deadlines
from greenroom.projections.due import Deadline, DeadlineKind, entry_in
from greenroom.projections.items import (
    ParticipantItem,
    StreamItem,
    TimelineItem,
)
from greenroom.projections.members import members
from greenroom.projections.participants import participants
from greenroom.projections.rows import (
    PARTICIPANT_COLUMNS,
    TIMELINE_COLUMNS,
    participant_item,
    timeline_item,
)
from greenroom.projections.timeline import timeline

_PAGE = 1000
_PARTICIPANTS = select(*(participants.c[name] for name in PARTICIPANT_COLUMNS))
_PARTICIPANTS_AND_CALLS = _PARTICIPANTS.add_columns(participants.c.cid)
_TIMELINE = select(*(timeline.c[name] for name in TIMELINE_COLUMNS))


class Lookups(CallLookups):
    """The same, and what is asked of the present alone."""

    def blocked_user_ids(self, cid: CallId) -> frozenset[UserId]:
        """Who cannot join the call."""
        with self._database.read() as connection:
            found = connection.execute(select(blocks.c.user_id).where(blocks.c.cid == cid))
            return frozenset(found.scalars())

    def members_among(self, cid: CallId, user_ids: Collection[UserId]) -> Mapping[UserId, Role]:
        """Those of `user_ids` who are members of the call, with their roles."""
        with self._database.read() as connection:
            found = connection.execute(
                select(members.c.user_id, members.c.role).where(
                    members.c.cid == cid, members.c.user_id.in_(sorted(user_ids))
                )
            )
            return dict(found.all())

    def memberships(
        self, cid: CallId, user_ids: Collection[UserId]
    ) -> Mapping[UserId, tuple[Role, Json]]:
        """Role and custom data of those of `user_ids` who are members of the call."""
        wanted = select(members.c.user_id, members.c.role, members.c.custom).where(
            members.c.cid == cid, members.c.user_id.in_(user_ids)
        )
        with self._database.read() as connection:
            found = connection.execute(wanted).all()
        return {user_id: (role, json.loads(custom)) for user_id, role, custom in found}

    def calls_with_member(self, user_id: UserId) -> Sequence[CallId]:
        """The calls that a user is a member of, deleted ones included."""
        with self._database.read() as connection:
            found = connection.execute(
                select(members.c.cid).where(members.c.user_id == user_id).order_by(members.c.cid)
            )
            return found.scalars().all()

    def present(self, cid: CallId) -> frozenset[UserId]:
        """Who is in the call now."""
        with self._database.read() as connection:
            found = connection.execute(
                select(participants.c.user_id).where(participants.c.cid == cid).distinct()
            )
            return frozenset(found.scalars())

    def everybody(self) -> Iterator[tuple[CallId, ParticipantItem]]:
        """(cid, entry) pairs of everybody who is in any call now."""
        with self._database.read() as connection:
            found = connection.execute(_PARTICIPANTS_AND_CALLS).all()
        yield from ((cid, participant_item(row)) for *row, cid in found)

    def entry(self, cid: CallId, entry_id: EntryId) -> ParticipantItem | None:
        """One entry of the call; None once it is closed."""
        with self._database.read() as connection:
            row = connection.execute(
                _PARTICIPANTS.where(participants.c.cid == cid, participants.c.entry_id == entry_id)
            ).one_or_none()
        return None if row is None else participant_item(row)

    def entries_of(self, user_id: UserId) -> Sequence[tuple[CallId, ParticipantItem]]:
        """Where a user is now: (cid, entry) pairs, over all calls."""
        with self._database.read() as connection:
            found = connection.execute(
                _PARTICIPANTS_AND_CALLS.where(participants.c.user_id == user_id).order_by(
                    participants.c.cid, participants.c.entry_id
                )
            )
            return [(cid, participant_item(row)) for *row, cid in found]

    def streams(self, cid: CallId) -> Sequence[StreamItem]:
        """The streams that a call's events stand in, the first written first."""
        with self._database.read() as connection:
            found = connection.execute(
                select(timeline.c.stream, func.max(timeline.c.version))
                .where(timeline.c.cid == cid)
                .group_by(timeline.c.stream)
                .order_by(func.min(timeline.c.seq))
            )
            return [
                StreamItem(stream=StreamId(stream), version=version) for stream, version in found
            ]

    def timeline(
        self, cid: CallId, *, after: int = 0, limit: int = _PAGE
    ) -> Sequence[TimelineItem]:
        """Where the events of a call stand, in order, past number `after` of the call."""
        with self._database.read() as connection:
            found = connection.execute(
                _TIMELINE.where(timeline.c.cid == cid, timeline.c.seq > after)
                .order_by(timeline.c.seq)
                .limit(limit)
            )
            return [timeline_item(row) for row in found]

    def next_due(self) -> datetime | None:
        """When the next deadline is; None while nothing is planned. Overdue ones count."""
        with self._database.read() as connection:
            earliest = connection.execute(select(func.min(deadlines.c.due_at))).scalar()
            return instant_or_none(earliest)

    def due(self, now: datetime, limit: int = 100) -> Sequence[Deadline]:
        """What is due at `now` or before, the earliest first.

        A deadline stays until an event settles it: one whose command records nothing comes again,
        which is harmless (its key is the same) and for the caller to space out.
        """
        with self._database.read() as connection:
            found = connection.execute(
                select(deadlines)
                .where(deadlines.c.due_at <= micros(now))
                .order_by(deadlines.c.due_at, deadlines.c.key)
                .limit(limit)
            ).mappings()
            return [
                Deadline(
                    DeadlineKind(row["kind"]),
                    row["cid"],
                    row["number"],
                    instant(row["due_at"]),
                    row["cause"],
                    row["correlation_id"],
                    entry_in(row["key"]),
                )
                for row in found
            ]
