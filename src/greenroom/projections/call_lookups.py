"""Point reads about calls, as they are or as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from sqlalchemy import FromClause, Select, func, select

from greenroom.domain.message import CallId, Role, UserId
from greenroom.projections.call_types import call_types
from greenroom.projections.database import Database
from greenroom.projections.items import AnswerItem, CallItem, ParticipantItem, SessionItem
from greenroom.projections.reader import here
from greenroom.projections.rows import (
    ANSWER_COLUMNS,
    CALL_COLUMNS,
    PARTICIPANT_COLUMNS,
    SESSION_COLUMNS,
    answer_item,
    call_item,
    participant_item,
    session_item,
)
from greenroom.projections.statements import Statement, compiled
from greenroom.projections.tables import NOW, Tables

_PAGE: Final = 1000
_NOTHING: Final[Mapping[str, int]] = {}


class CallLookups:
    """Answers from the views as they stand; `Views.catch_up` first where it matters.

    Of a call that is not there, or was deleted for good, everything is empty.
    """

    def __init__(
        self, database: Database, tables: Tables = NOW, given: Mapping[str, int] = _NOTHING
    ) -> None:
        """Read `tables`, with `given` for the parameters that occur in them."""
        self._database = database
        self._tables = tables
        self._given = given
        self._calls = _columns(tables.calls, CALL_COLUMNS)
        self._answers = _columns(tables.answers, ANSWER_COLUMNS)
        self._participants = _columns(tables.participants, PARTICIPANT_COLUMNS)
        self._sessions = _columns(tables.sessions, SESSION_COLUMNS)

    def over(self, tables: Tables, **given: int) -> CallLookups:
        """The same over other tables, with `given` for the parameters that occur in them."""
        return CallLookups(self._database, tables, given)

    def call(self, cid: CallId) -> CallItem | None:
        """The call; None where there is none, or it was deleted."""
        this = self._tables.calls.c.cid == cid
        found = self._asked(self._calls.where(this, here(self._tables)))
        return call_item(found[0]) if found else None

    def call_types(self) -> Sequence[str]:
        """The names of all call types, sorted; of past ones too those that were defined later."""
        asked = self._call_types  # by every query of calls: SQLAlchemy would take half its time
        return [name for (name,) in self._database.fetch(asked.sql, asked.arguments(()))]

    @cached_property
    def _call_types(self) -> Statement:
        every = select(call_types.c.name).order_by(call_types.c.name)
        return compiled(every, (), self._database.dialect.driver)

    def member_ids(self, cid: CallId, *, after: str = "") -> Iterator[UserId]:
        """All members of a call by user id, read in pages: any number of them, in little memory.

        Members who come or go meanwhile may or may not be among them; the others are, once.
        """
        user_id = self._tables.members.c.user_id
        wanted = select(user_id).where(self._tables.members.c.cid == cid)
        while True:
            page = wanted.where(user_id > after).order_by(user_id).limit(_PAGE)
            found = [name for (name,) in self._asked(page)]
            yield from found
            if len(found) < _PAGE:
                return
            after = found[-1]

    def answers(self, cid: CallId) -> Mapping[UserId, AnswerItem]:
        """What became of each user's latest ring in the call."""
        found = self._asked(self._answers.where(self._tables.answers.c.cid == cid))
        return {row.user_id: answer_item(row) for row in found}

    def present_by_role(self, cid: CallId) -> Mapping[Role, int]:
        """How many distinct users of each role are in the call."""
        present = self._tables.participants.c
        wanted: Any = select(present.role, func.count(present.user_id.distinct()))
        found = self._asked(wanted.where(present.cid == cid).group_by(present.role))
        return dict(map(tuple, found))

    def participants(self, cid: CallId) -> Sequence[ParticipantItem]:
        """Every entry of those who are in the call, the first to come first."""
        present = self._tables.participants.c
        within = self._participants.where(present.cid == cid)
        found = self._asked(within.order_by(present.joined_at, present.entry_id))
        return [participant_item(row) for row in found]

    def session(self, cid: CallId, number: int) -> SessionItem | None:
        """One session of the call; None where there was none of that number."""
        sessions = self._tables.sessions.c
        found = self._asked(self._sessions.where(sessions.cid == cid, sessions.number == number))
        return session_item(found[0]) if found else None

    def current_session(self, cid: CallId) -> SessionItem | None:
        """The session that is on; None while nobody has come."""
        sessions = self._tables.sessions.c
        running = self._sessions.where(sessions.cid == cid, sessions.ended_at.is_(None))
        found = self._asked(running.order_by(sessions.number.desc()).limit(1))
        return session_item(found[0]) if found else None

    def _asked(self, wanted: Select[Any]) -> Sequence[Any]:
        with self._database.read() as connection:
            return connection.execute(wanted, self._given).all()


def _columns(table: FromClause, names: Iterable[str]) -> Select[Any]:
    return select(*(table.c[name] for name in names))
