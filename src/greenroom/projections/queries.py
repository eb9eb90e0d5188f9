"""The queries of semantics 6: members, calls, participants and sessions, in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any as Anything
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, and_, func, select

from greenroom.domain.access import USER
from greenroom.domain.message import CallId
from greenroom.projections.calls import calls
from greenroom.projections.cursor import Signer
from greenroom.projections.database import Database
from greenroom.projections.items import (
    CallItem,
    MemberItem,
    ParticipantItem,
    SessionItem,
)
from greenroom.projections.members import members
from greenroom.projections.pages import (
    DEFAULT_LIMIT,
    Asked,
    Page,
    Query,
    checked_limit,
    fingerprint,
    read_page,
)
from greenroom.projections.parse import parse, parse_sort
from greenroom.projections.participants import participants
from greenroom.projections.query import Fields, Kind, SortKey, asc, desc
from greenroom.projections.reader import Reader, call_is_here, here, readable
from greenroom.projections.rows import call_item, member_item, participant_item, session_item
from greenroom.projections.sessions import sessions
from greenroom.projections.sql import Source
from greenroom.projections.users import users

T = TypeVar("T")
Filters = Mapping[str, Anything]


MEMBER_FIELDS: Final = Fields(
    {
        "user_id": Kind.TEXT,
        "role": Kind.TEXT,
        "created_at": Kind.INSTANT,
        "updated_at": Kind.INSTANT,
        "custom": Kind.JSON,
        "user.name": Kind.TEXT,
        "user.role": Kind.TEXT,
        "user.custom": Kind.JSON,
    },
    sortable=("user_id", "created_at"),
    default=asc("created_at"),
    tiebreak="user_id",
)
CALL_FIELDS: Final = Fields(
    {
        "cid": Kind.TEXT,
        "type": Kind.TEXT,
        "id": Kind.TEXT,
        "team": Kind.TEXT,
        "created_by": Kind.TEXT,
        "created_at": Kind.INSTANT,
        "updated_at": Kind.INSTANT,
        "starts_at": Kind.INSTANT,
        "ended_at": Kind.INSTANT,
        "backstage": Kind.BOOLEAN,
        "ongoing": Kind.BOOLEAN,
        "members": Kind.NAMES,
        "custom": Kind.JSON,
    },
    sortable=("starts_at", "created_at", "updated_at", "ended_at", "type", "id", "cid"),
    default=desc("created_at"),
    tiebreak="cid",
)
PARTICIPANT_FIELDS: Final = Fields(
    {
        "user_id": Kind.TEXT,
        "role": Kind.TEXT,
        "joined_at": Kind.INSTANT,
        "session_id": Kind.TEXT,
    },
    sortable=("joined_at", "user_id"),
    default=asc("joined_at"),
    tiebreak="entry_id",
)
SESSION_FIELDS: Final = Fields(
    {"started_at": Kind.INSTANT, "ended_at": Kind.INSTANT, "duration": Kind.NUMBER},
    sortable=("started_at",),
    default=desc("started_at"),
    tiebreak="number",
)


def _has_member(user_ids: Sequence[str] | None) -> ColumnElement[bool]:
    # A list of cids to look up, not a correlated EXISTS: 0.02 ms instead of 45 on a large table.
    if user_ids is None:
        return calls.c.member_count > 0
    return calls.c.cid.in_(select(members.c.cid).where(members.c.user_id.in_(user_ids)))


_USER_ROLE: Final = func.coalesce(users.c.role, str(USER))

_MEMBERS: Final[Query[MemberItem]] = Query(
    "members",
    MEMBER_FIELDS,
    Source(
        {
            "user_id": members.c.user_id,
            "role": members.c.role,
            "created_at": members.c.created_at,
            "updated_at": members.c.updated_at,
            "custom": members.c.custom,
            "user.name": users.c.name,
            "user.role": _USER_ROLE,
            "user.custom": users.c.custom,
        },
        folded={"user_id": members.c.user_id_folded, "user.name": users.c.name_folded},
    ),
    select(
        members,
        users.c.name.label("user_name"),
        _USER_ROLE.label("user_role"),
        users.c.custom.label("user_custom"),
    ).select_from(members.outerjoin(users, users.c.user_id == members.c.user_id)),
    member_item,
)
_CALLS: Final[Query[CallItem]] = Query(
    "calls",
    CALL_FIELDS,
    Source(
        {name: calls.c[name] for name in CALL_FIELDS.kinds if name != "members"},
        names={"members": _has_member},
        sorts={
            (name, descending): calls.c[f"{name}_{'falling' if descending else 'rising'}"]
            for name in ("starts_at", "ended_at")
            for descending in (False, True)
        },
    ),
    select(calls),
    call_item,
)
_PARTICIPANTS: Final[Query[ParticipantItem]] = Query(
    "participants",
    PARTICIPANT_FIELDS,
    Source({name: participants.c[name] for name in (*PARTICIPANT_FIELDS.kinds, "entry_id")}),
    select(participants),
    participant_item,
)
_SESSIONS: Final[Query[SessionItem]] = Query(
    "sessions",
    SESSION_FIELDS,
    Source({name: sessions.c[name] for name in (*SESSION_FIELDS.kinds, "number")}),
    select(sessions),
    session_item,
)


class Queries:
    """Answers the four queries. Each takes the same arguments, none of them needed.

    - `filters`: Mongo-style; None or empty for everything
    - `sort`: up to two of `asc(field)`, `desc(field)`
    - `limit`: rows in a page, 1 to 1000
    - `cursor`: the `next` or `prev` of an earlier page of the same query by the same actor
    - `actor`: on whose behalf; a cursor is of no use to anybody else

    Each raises InvalidFilter, InvalidSort, InvalidCursor or InvalidInput (`limit`) with the path
    of the fault, and QueryTooSlow past the time limit.
    """

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database = database
        self._secret = secret

    def members(
        self,
        cid: CallId,
        *,
        filters: Filters | None = None,
        sort: Sequence[SortKey] | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        actor: str = "",
    ) -> Page[MemberItem]:
        """The members of a call; the first to be added first."""
        return self._answer(
            _MEMBERS,
            cid,
            and_(members.c.cid == cid, call_is_here(cid)),
            filters,
            sort,
            limit,
            cursor,
            actor,
        )

    def calls(
        self,
        *,
        filters: Filters | None = None,
        sort: Sequence[SortKey] | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        actor: str = "",
        reader: Reader | None = None,
    ) -> Page[CallItem]:
        """The calls that `reader` may read, all for None; the youngest first."""
        seen = here() if reader is None else and_(here(), readable(reader))
        return self._answer(_CALLS, "", seen, filters, sort, limit, cursor, actor)

    def participants(
        self,
        cid: CallId,
        *,
        filters: Filters | None = None,
        sort: Sequence[SortKey] | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        actor: str = "",
    ) -> Page[ParticipantItem]:
        """The entries of those who are in a call now; the first to come first."""
        within = and_(participants.c.cid == cid, call_is_here(cid))
        return self._answer(_PARTICIPANTS, cid, within, filters, sort, limit, cursor, actor)

    def sessions(
        self,
        cid: CallId,
        *,
        filters: Filters | None = None,
        sort: Sequence[SortKey] | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        actor: str = "",
    ) -> Page[SessionItem]:
        """The sessions of a call, the one that is on included; the latest first."""
        within = and_(sessions.c.cid == cid, call_is_here(cid))
        return self._answer(_SESSIONS, cid, within, filters, sort, limit, cursor, actor)

    def _answer(  # noqa: PLR0917 - the arguments of every query, in their order
        self,
        query: Query[T],
        scope: str,
        within: ColumnElement[bool],
        filters: object,
        sort: object,
        limit: object,
        cursor: object,
        actor: str,
    ) -> Page[T]:
        asked = Asked(
            scope=scope,
            within=within,
            filter=parse(filters, query.fields),
            sort=parse_sort(sort, query.fields),
            limit=checked_limit(limit),
            cursor=cursor,
            actor=actor,
        )
        order = [(key.field, key.descending) for key in asked.sort]
        bound_to = (query.kind, scope, fingerprint(asked.filter), order, actor)
        return read_page(query, asked, self._database, Signer(self._secret, bound_to))
