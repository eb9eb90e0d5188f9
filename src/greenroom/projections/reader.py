"""Which calls a user may read, as SQL: a page of calls shows no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count

from sqlalchemy import ColumnElement, and_, bindparam, or_, select

from greenroom.domain.message import Role, Team, UserId
from greenroom.projections.columns import TEXT
from greenroom.projections.shapes import rounded
from greenroom.projections.sql import Expression, among
from greenroom.projections.tables import Tables


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

    def lists(self) -> tuple[Sequence[str], ...]:
        """All names in it but the user's own, as `readable` takes them.

        Its teams, `role_types`, `owner_types`; then, for each set of member roles, whichever call
        types share it, those types and the roles.
        """
        shared = sorted(set(self.member_roles.values()), key=sorted)
        by_membership = (
            (sorted(name for name, held in self.member_roles.items() if held == roles), roles)
            for roles in shared
        )
        found = (self.teams, self.role_types, self.owner_types, *chain(*by_membership))
        return tuple(rounded(sorted(names)) for names in found)


def here(tables: Tables) -> ColumnElement[bool]:
    """The calls that were not deleted."""
    return tables.calls.c.deleted.is_(False)


def call_is_here(tables: Tables, cid: Expression) -> ColumnElement[bool]:
    """Whether this very call was not deleted."""
    calls = tables.calls
    return select(1).select_from(calls).where(calls.c.cid == cid, here(tables)).exists()


def readable(tables: Tables, sizes: Sequence[int]) -> ColumnElement[bool]:
    """The calls whose type, team and membership let a reader read them.

    Args:
        tables: what is read.
        sizes: how long each of the reader's `lists` is. What stands in them are the parameters
            `r1 r2 r3 ...`, one list after the other; `r0` is the user.
    """
    calls, members = tables.calls, tables.members
    numbers = count(1)
    user_id = bindparam("r0", type_=TEXT)
    teams, role_types, owner_types, *by_membership = [
        [bindparam(f"r{next(numbers)}", type_=TEXT) for _ in range(size)] for size in sizes
    ]
    mine = calls.c.created_by == user_id
    joined = select(members.c.cid).where(members.c.user_id == user_id)

    def with_role() -> Iterator[ColumnElement[bool]]:
        for types, roles in zip(by_membership[::2], by_membership[1::2], strict=True):
            held = joined.where(among(members.c.role, roles))
            yield and_(among(calls.c.type, types), calls.c.cid.in_(held))

    return and_(
        or_(
            among(calls.c.type, role_types),
            and_(mine, among(calls.c.type, owner_types)),
            *with_role(),
        ),
        or_(
            calls.c.team.is_(None),
            among(calls.c.team, teams),
            mine,
            calls.c.cid.in_(joined),
        ),
    )
