"""What queries read: the tables of now, or what once stood in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import FromClause

from greenroom.projections.calls import answers, calls
from greenroom.projections.members import members
from greenroom.projections.participants import participants
from greenroom.projections.sessions import sessions
from greenroom.projections.users import users


@dataclass(frozen=True, eq=False)
class Tables:
    """One of each: a table, or a subquery that gives the same columns.

    Made once, at import: the statements of queries are kept for each of these by identity.
    """

    calls: FromClause
    members: FromClause
    participants: FromClause
    sessions: FromClause
    users: FromClause
    answers: FromClause
    unordered: frozenset[str] = frozenset()
    """Fields to sort by that no index has the rows in the order of."""
    declared: bool = True
    """Whether there are indexes of declared fields."""


NOW: Final = Tables(calls, members, participants, sessions, users, answers)
"""As it stands."""
