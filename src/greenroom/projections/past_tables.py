"""The tables of the past: every version of every row, and where in the log it held."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    Index,
    MetaData,
    Subquery,
    Table,
    bindparam,
    select,
)

from greenroom.projections.calls import answers, calls
from greenroom.projections.members import members
from greenroom.projections.participants import participants
from greenroom.projections.sessions import sessions
from greenroom.projections.tables import Tables
from greenroom.projections.users import users

OPEN: Final = 2**63 - 1
"""`until` of what holds still."""

metadata: Final = MetaData()
"""These tables alone: they are there only where somebody wants them kept."""

POSITION: Final = bindparam("position", type_=BigInteger())
LATEST: Final = bindparam("latest", type_=BigInteger())


def _past(now: Table, *indexes: tuple[str, ...]) -> Table:
    """The versions of the rows of `now`, each from position `since` to before `until`.

    Indexes end with both, so that versions of other times are passed over without a look at them.
    """
    name = f"{now.name}_past"
    keys = [column.name for column in now.primary_key.columns]
    return Table(
        name,
        metadata,
        *(_copied(now.c[key]) for key in keys),
        Column("since", BigInteger, primary_key=True),
        Column("until", BigInteger, nullable=False),
        *(_copied(column) for column in now.columns if column.name not in keys),
        *(Index(f"{name}_by_{'_'.join(names)}", *names, "since", "until") for names in indexes),
        sqlite_with_rowid=now.dialect_options["sqlite"]["with_rowid"],
    )


def _copied(column: Column[object]) -> Column[object]:
    computed = column.computed
    return Column(
        column.name,
        column.type,
        *(() if computed is None else (Computed(computed.sqltext, computed.persisted),)),
        primary_key=column.primary_key,
        nullable=column.nullable,
    )


calls_past: Final = _past(
    calls,
    ("created_at", "cid"),
    ("updated_at", "cid"),
    ("starts_at_rising", "cid"),
    ("starts_at_falling", "cid"),
    ("created_by", "cid"),
)
members_past: Final = _past(members, ("cid", "created_at", "user_id"), ("user_id", "cid"))
participants_past: Final = _past(participants, ("cid", "joined_at", "entry_id"))
sessions_past: Final = _past(sessions, ("cid", "started_at", "number"))
users_past: Final = _past(users)
answers_past: Final = _past(answers)

PAST: Final = (
    calls_past,
    members_past,
    participants_past,
    sessions_past,
    users_past,
    answers_past,
)
"""All of them."""


def _then(past: Table, now: Table, begins: str | None = None) -> Subquery:
    """The rows of `now` as they were at `POSITION`.

    None of them says in `begins` an instant past `LATEST`, which changes nothing, but spares a
    page of the latest rows all those that came later.
    """
    held = select(*(past.c[column.name] for column in now.columns)).where(
        past.c.since <= POSITION, past.c.until > POSITION
    )
    if begins is not None:
        held = held.where(past.c[begins] <= LATEST)
    return held.subquery(now.name)


THEN: Final = Tables(
    calls=_then(calls_past, calls, "created_at"),
    members=_then(members_past, members, "created_at"),
    participants=_then(participants_past, participants, "joined_at"),
    sessions=_then(sessions_past, sessions, "started_at"),
    users=_then(users_past, users),
    answers=_then(answers_past, answers),
)
"""As it stood at `position`, where no event of a call was later than `latest`."""
