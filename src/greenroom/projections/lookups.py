"""Point reads: what the engine asks of the views between queries."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select

from greenroom.domain.message import CallId, EntryId, Role, StreamId, UserId
from greenroom.projections.call_types import call_types
from greenroom.projections.calls import answers, blocks, calls
from greenroom.projections.columns import instant, instant_or_none, micros
from greenroom.projections.database import Database
from greenroom.projections.deadlines import deadlines
from greenroom.projections.due import Deadline, DeadlineKind
from greenroom.projections.items import (
    AnswerItem,
    CallItem,
    ParticipantItem,
    SessionItem,
    StreamItem,
    TimelineItem,
)
from greenroom.projections.members import members
from greenroom.projections.participants import participants
from greenroom.projections.reader import here
from greenroom.projections.rows import (
    ANSWER_COLUMNS,
    CALL_COLUMNS,
    PARTICIPANT_COLUMNS,
    SESSION_COLUMNS,
    TIMELINE_COLUMNS,
    answer_item,
    call_item,
    participant_item,
    session_item,
    timeline_item,
)
from greenroom.projections.sessions import sessions
from greenroom.projections.tables import NOW
from greenroom.projections.timeline import timeline

_PAGE = 1000
_CALLS = select(*(calls.c[name] for name in CALL_COLUMNS))
_ANSWERS = select(*(answers.c[name] for name in ANSWER_COLUMNS))
_PARTICIPANTS = select(*(participants.c[name] for name in PARTICIPANT_COLUMNS))
_PARTICIPANTS_AND_CALLS = _PARTICIPANTS.add_columns(participants.c.cid)
_SESSIONS = select(*(sessions.c[name] for name in SESSION_COLUMNS))
_TIMELINE = select(*(timeline.c[name] for name in TIMELINE_COLUMNS))


class Lookups:
    """Answers from the views as they stand; `Views.catch_up` first where it matters.

    Of a call that is not there, or was deleted for good, everything is empty.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def call(self, cid: CallId) -> CallItem | None:
        """The call as it is now; None where there is none, or it was deleted."""
        with self._database.read() as connection:
            row = connection.execute(_CALLS.where(calls.c.cid == cid, here(NOW))).one_or_none()
        return None if row is None else call_item(row)

    def call_types(self) -> Sequence[str]:
        """The names of all call types, sorted."""
        with self._database.read() as connection:
            found = connection.execute(select(call_types.c.name).order_by(call_types.c.name))
            return found.scalars().all()

    def blocked_user_ids(self, cid: CallId) -> frozenset[UserId]:
        """Who cannot join the call."""
        with self._database.read() as connection:
            found = connection.execute(select(blocks.c.user_id).where(blocks.c.cid == cid))
            return frozenset(found.scalars())

    def member_ids(self, cid: CallId, *, after: str = "") -> Iterator[UserId]:
        """All members of a call by user id, read in pages: any number of them, in little memory.

        Members who come or go meanwhile may or may not be among them; the others are, once.
        """
        statement = select(members.c.user_id).where(members.c.cid == cid)
        while True:
            with self._database.read() as connection:
                page = connection.execute(
                    statement.where(members.c.user_id > after)
                    .order_by(members.c.user_id)
                    .limit(_PAGE)
                )
                found = page.scalars().all()
            yield from found
            if len(found) < _PAGE:
                return
            after = found[-1]

    def members_among(self, cid: CallId, user_ids: Collection[UserId]) -> Mapping[UserId, Role]:
        """Those of `user_ids` who are members of the call, with their roles."""
        with self._database.read() as connection:
            found = connection.execute(
                select(members.c.user_id, members.c.role).where(
                    members.c.cid == cid, members.c.user_id.in_(sorted(user_ids))
                )
            )
            return dict(found.all())

    def calls_with_member(self, user_id: UserId) -> Sequence[CallId]:
        """The calls that a user is a member of, deleted ones included."""
        with self._database.read() as connection:
            found = connection.execute(
                select(members.c.cid).where(members.c.user_id == user_id).order_by(members.c.cid)
            )
            return found.scalars().all()

    def answers(self, cid: CallId) -> Mapping[UserId, AnswerItem]:
        """What became of each user's latest ring in the call."""
        with self._database.read() as connection:
            found = connection.execute(_ANSWERS.where(answers.c.cid == cid))
            return {row.user_id: answer_item(row) for row in found}

    def present(self, cid: CallId) -> frozenset[UserId]:
        """Who is in the call now."""
        with self._database.read() as connection:
            found = connection.execute(
                select(participants.c.user_id).where(participants.c.cid == cid).distinct()
            )
            return frozenset(found.scalars())

    def present_by_role(self, cid: CallId) -> Mapping[Role, int]:
        """How many distinct users of each role are in the call now."""
        with self._database.read() as connection:
            found = connection.execute(
                select(participants.c.role, func.count(participants.c.user_id.distinct()))
                .where(participants.c.cid == cid)
                .group_by(participants.c.role)
            )
            return dict(found.all())

    def participants(self, cid: CallId) -> Sequence[ParticipantItem]:
        """Every entry of those who are in the call now, the first to come first."""
        with self._database.read() as connection:
            found = connection.execute(
                _PARTICIPANTS.where(participants.c.cid == cid).order_by(
                    participants.c.joined_at, participants.c.entry_id
                )
            )
            return [participant_item(row) for row in found]

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

    def session(self, cid: CallId, number: int) -> SessionItem | None:
        """One session of the call; None where there was none of that number."""
        with self._database.read() as connection:
            row = connection.execute(
                _SESSIONS.where(sessions.c.cid == cid, sessions.c.number == number)
            ).one_or_none()
        return None if row is None else session_item(row)

    def current_session(self, cid: CallId) -> SessionItem | None:
        """The session that is on; None while nobody has come."""
        with self._database.read() as connection:
            row = connection.execute(
                _SESSIONS.where(sessions.c.cid == cid, sessions.c.ended_at.is_(None))
                .order_by(sessions.c.number.desc())
                .limit(1)
            ).one_or_none()
        return None if row is None else session_item(row)

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
                )
                for row in found
            ]
