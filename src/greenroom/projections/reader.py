"""Which calls a user may read, as SQL: a page of calls shows no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, or_, select

from greenroom.domain.message import CallId, Role, Team, UserId
from greenroom.projections.calls import calls
from greenroom.projections.members import members


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whose eyes a query of calls is answered for."""

    user_id: UserId
    teams: frozenset[Team] = frozenset()
    role_types: frozenset[str] = frozenset()
    """Call types whose calls the user's own role may read."""
    owner_types: frozenset[str] = frozenset()
    """Call types whose calls their creator may read."""
    member_roles: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    """By call type: the member roles that may read."""


def here() -> ColumnElement[bool]:
    """The calls that were not deleted."""
    return calls.c.deleted.is_(False)


def call_is_here(cid: CallId) -> ColumnElement[bool]:
    """Whether this very call was not deleted."""
    return select(1).where(calls.c.cid == cid, here()).exists()


def readable(reader: Reader) -> ColumnElement[bool]:
    """The calls whose type, team and membership let `reader` read them."""
    mine = calls.c.created_by == reader.user_id
    joined = select(members.c.cid).where(members.c.user_id == reader.user_id)
    by_role = calls.c.type.in_(sorted(reader.role_types))
    by_ownership = and_(mine, calls.c.type.in_(sorted(reader.owner_types)))
    return and_(
        or_(by_role, by_ownership, *_by_membership(reader)),
        or_(
            calls.c.team.is_(None),
            calls.c.team.in_(sorted(reader.teams)),
            mine,
            calls.c.cid.in_(joined),
        ),
    )


def _by_membership(reader: Reader) -> Iterator[ColumnElement[bool]]:
    """One condition for each set of member roles, whichever call types share it."""
    for roles in sorted(set(reader.member_roles.values()), key=sorted):
        types = sorted(name for name, held in reader.member_roles.items() if held == roles)
        with_role = select(members.c.cid).where(
            members.c.user_id == reader.user_id, members.c.role.in_(sorted(roles))
        )
        yield and_(calls.c.type.in_(types), calls.c.cid.in_(with_role))
