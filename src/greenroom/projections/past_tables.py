"""The tables of the past: every version of every row, and where in the log it held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Computed,
    Index,
    MetaData,
    Subquery,
    Table,
    and_,
    bindparam,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from greenroom.projections.bulk import Row, Values, several, shape_of
from greenroom.projections.calls import answers, calls
from greenroom.projections.members import members
from greenroom.projections.participants import participants
from greenroom.projections.sessions import attendees, running, sessions
from greenroom.projections.tables import Tables
from greenroom.projections.users import users

OPEN: Final = 2**63 - 1
"""`until` of what holds still."""

metadata: Final = MetaData()
"""These tables alone: they are there only where somebody wants them kept."""

POSITION: Final = bindparam("position", type_=BigInteger())
LATEST: Final = bindparam("latest", type_=BigInteger())

_NOTHING: Final[Row] = {}


@dataclass(eq=False)
class Versioned:
    """How the past of one table is kept."""

    now: Table
    versions: Table
    """Its rows without the counters, each from position `since` to before `until`."""
    place: int
    """Of `until` within the key, whose other parts are those of the row."""
    crowd: bool = False
    """Too many to look at: they stay when their call is erased, and nobody is shown them."""
    counters: tuple[str, ...] = ()
    """Columns that change all the time: they make no new version, but stand in `counts`."""
    counts: Table | None = None
    """What the counters say from a position on; at `OPEN`, what they say in the end."""
    personal: Row = field(default_factory=dict)
    """Of what is erased, every version says this instead."""

    @cached_property
    def steady_of(self) -> Callable[[Row], Values]:
        """What makes a new version of a row when it changes, in the order of the columns."""
        apart = {*shape_of(self.now).keys, *self.counters}
        return several([name for name in shape_of(self.now).columns if name not in apart])

    @cached_property
    def counted_of(self) -> Callable[[Row], Values]:
        """What the counters of a row say."""
        return several(self.counters)


def _kept(
    now: Table,
    *indexes: tuple[str, ...],
    place: int | None = None,
    crowd: bool = False,
    counters: tuple[str, ...] = (),
    personal: Row = _NOTHING,
) -> Versioned:
    """Tables for the past of `now`.

    Indexes end with both positions, so that versions of other times are passed over in them.
    """
    name = f"{now.name}_past"
    keys = [column.name for column in now.primary_key.columns]
    place = len(keys) if place is None else place
    key = [_copied(now.c[name]) for name in keys]
    key.insert(place, Column("until", BigInteger, primary_key=True))
    versions = Table(
        name,
        metadata,
        *key,
        Column("since", BigInteger, nullable=False),
        *(_copied(column) for column in now.columns if column.name not in {*keys, *counters}),
        *(Index(f"{name}_by_{'_'.join(names)}", *names, "since", "until") for names in indexes),
        sqlite_with_rowid=False,
    )
    if not counters:
        return Versioned(now, versions, place, crowd, personal=personal)
    counts = Table(
        f"{now.name}_counted",
        metadata,
        *(_copied(now.c[name]) for name in keys),
        Column("position", BigInteger, primary_key=True),
        *(_copied(now.c[name]) for name in counters),
        sqlite_with_rowid=False,
    )
    return Versioned(now, versions, place, crowd, counters, counts, personal)


def _copied(column: Column[Any]) -> Column[Any]:
    computed = column.computed
    return Column(
        column.name,
        column.type,
        *(() if computed is None else (Computed(computed.sqltext, computed.persisted),)),
        primary_key=column.primary_key,
        nullable=column.nullable,
    )


CALLS: Final = _kept(
    calls,
    ("created_at", "cid"),
    ("updated_at", "cid"),
    ("starts_at_rising", "cid"),
    ("starts_at_falling", "cid"),
    ("created_by", "cid"),
    counters=("member_count",),
    personal={"custom": "{}"},
)
MEMBERS: Final = _kept(
    members,
    ("cid", "created_at", "user_id"),
    ("user_id", "cid"),
    crowd=True,
    personal={"custom": "{}"},
)
# Those who are in a call are found together when all of them leave.
PARTICIPANTS: Final = _kept(participants, ("cid", "joined_at", "entry_id"), place=1)
SESSIONS: Final = _kept(
    sessions, ("cid", "started_at", "number"), counters=("participant_count", "entry_count")
)
USERS: Final = _kept(users, personal={"name": None, "name_folded": None, "custom": "{}"})
ANSWERS: Final = _kept(answers)
KEPT: Final = {kept.now: kept for kept in (CALLS, MEMBERS, PARTICIPANTS, SESSIONS, USERS, ANSWERS)}
"""By table of now."""
ASIDE: Final = {
    table: table.to_metadata(metadata, name=f"{table.name}_aside") for table in (attendees, running)
}
"""Copies of what projections lean on and nobody asks: without a past."""
TABLES: Final[Sequence[Table]] = (
    *(kept.versions for kept in KEPT.values()),
    *(kept.counts for kept in KEPT.values() if kept.counts is not None),
    *ASIDE.values(),
)
"""All of them."""


class _Likely(FunctionElement[Any]):
    """A condition that excludes little: no reason to choose an index, if useful within one.

    Without statistics SQLite takes any bound for a narrow one, and prefers it to a whole key.
    """

    type = NullType()  # a Boolean would be compared with 1, and serve no index
    inherit_cache = True


@compiles(_Likely)
def _plain(likely: _Likely, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(likely.clauses, **options)


@compiles(_Likely, "sqlite")
def _said(likely: _Likely, compiler: SQLCompiler, **options: Any) -> str:
    return f"likely({compiler.process(likely.clauses, **options)})"


def _then(kept: Versioned, begins: str | None = None) -> Subquery:
    """The rows as they were at `POSITION`.

    None of them says in `begins` an instant past `LATEST`, which changes nothing, but spares a
    page of the latest rows all those that came later.
    """
    past = kept.versions
    held = select(*(_value(kept, column.name) for column in kept.now.columns)).where(
        past.c.since <= POSITION, past.c.until > POSITION
    )
    if begins is not None:
        held = held.where(_Likely(past.c[begins] <= LATEST))
    return held.subquery(kept.now.name)


def _value(kept: Versioned, name: str) -> ColumnElement[Any]:
    """A column at `POSITION`; what a counter said is what it was last set to."""
    counts, past = kept.counts, kept.versions
    if counts is None or name not in kept.counters:
        return past.c[name]
    same = [counts.c[column.name] == past.c[column.name] for column in kept.now.primary_key.columns]
    return (
        select(counts.c[name])
        .where(and_(*same), counts.c.position <= POSITION)
        .order_by(counts.c.position.desc())
        .limit(1)
        .correlate(past)
        .scalar_subquery()
        .label(name)
    )


THEN: Final = Tables(
    calls=_then(CALLS, "created_at"),
    members=_then(MEMBERS, "created_at"),
    participants=_then(PARTICIPANTS, "joined_at"),
    sessions=_then(SESSIONS, "started_at"),
    users=_then(USERS),
    answers=_then(ANSWERS),
    unordered=frozenset({"type", "id", "ended_at"}),
    declared=False,
)
"""As it stood at `position`, where no event of a call was later than `latest`."""
