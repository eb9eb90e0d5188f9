"""Answers to the queries of semantics 6: members, calls, participants and sessions, in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from itertools import chain
from typing import Any as Anything
from typing import Final, Literal, TypedDict, TypeVar, Unpack, cast

from greenroom.domain.errors import QueryTooSlow
from greenroom.domain.message import CallId
from greenroom.projections import questions
from greenroom.projections.cursor import Signer
from greenroom.projections.database import Database
from greenroom.projections.items import (
    CallItem,
    MemberItem,
    ParticipantItem,
    SessionItem,
)
from greenroom.projections.pages import (
    DEFAULT_LIMIT,
    Asked,
    Page,
    Pages,
    Scope,
    checked_limit,
    fingerprint,
)
from greenroom.projections.parse import NOTHING_DECLARED, parse, parse_sort
from greenroom.projections.plans import Plan
from greenroom.projections.query import Declared, SortKey
from greenroom.projections.reader import Reader
from greenroom.projections.remedies import too_slow
from greenroom.projections.tables import NOW, Tables

T = TypeVar("T")
Filters = Mapping[str, Anything]
Kind = Literal["members", "calls", "participants", "sessions"]
"""Of query."""
_NOTHING: Final[Mapping[str, int]] = {}


class Said(TypedDict, total=False):
    """The arguments of every query, none of them needed."""

    filters: Filters | None
    """Mongo-style; None or empty for everything."""
    sort: Sequence[SortKey] | None
    """Up to two of `asc(field)`, `desc(field)`."""
    limit: int
    """Rows in a page, 1 to 1000."""
    cursor: str | None
    """The `next` or `prev` of an earlier page of the same query by the same actor."""
    actor: str
    """On whose behalf; a cursor is of no use to anybody else."""
    declared: Declared
    """Keys of `custom` that call types declare, which are indexed."""
    count: bool
    """Whether the page shall say how many rows there are in all."""


class Queries:
    """Answers the four queries; `Said` says what can be asked.

    Each raises InvalidFilter, InvalidSort, InvalidCursor or InvalidInput (`limit`) with the path
    of the fault, and QueryTooSlow past the time limit.
    """

    def __init__(self, database: Database, secret: bytes) -> None:
        self._secret = secret
        self._database = database
        self._given: Mapping[str, int] = {}
        self._told: Sequence[tuple[str, int]] = ()
        self._known: dict[Tables, _Pages] = {}
        self._pages = self._over(NOW)

    def over(self, tables: Tables, *, hints: Mapping[str, int] = _NOTHING, **given: int) -> Queries:
        """The same queries over other tables.

        Args:
            tables: made once: the statements over them are kept.
            hints: values of parameters that change how `tables` are read, not what is found.
            **given: values of the parameters that occur in `tables`; what else would be another
                query, so that cursors are of no use to it.
        """
        other = copy(self)
        other.__dict__.update(
            _given={**given, **hints}, _told=sorted(given.items()), _pages=self._over(tables)
        )
        return other

    def members(self, cid: CallId, **said: Unpack[Said]) -> Page[MemberItem]:
        """The members of a call; the first to be added first."""
        return self._answer(self._pages.members, self._of_call(cid), **said)

    def participants(self, cid: CallId, **said: Unpack[Said]) -> Page[ParticipantItem]:
        """The entries of those who are in a call now; the first to come first."""
        return self._answer(self._pages.participants, self._of_call(cid), **said)

    def sessions(self, cid: CallId, **said: Unpack[Said]) -> Page[SessionItem]:
        """The sessions of a call, the one that is on included; the latest first."""
        return self._answer(self._pages.sessions, self._of_call(cid), **said)

    def calls(self, reader: Reader | None = None, **said: Unpack[Said]) -> Page[CallItem]:
        """The calls that `reader` may read, all for None; the youngest first."""
        return self._answer(self._pages.calls, self._of_house(reader), **said)

    def plan(
        self, kind: Kind, cid: CallId | None, reader: Reader | None = None, **said: Unpack[Said]
    ) -> Plan:
        """How the database would go about a query; what is said is what the query is told.

        Args:
            kind: of query.
            cid: of the call, except where calls are asked for.
            reader: whose calls, for queries of calls.
            **said: as for the query.
        """
        pages: Pages[Anything] = getattr(self._pages, kind)
        scope = self._of_house(reader) if cid is None else self._of_call(cid)
        return pages.plan(self._asked(pages, scope, **said)[0])

    def _of_house(self, reader: Reader | None) -> Scope:
        values, sizes = dict[str, Anything](self._given), None
        if reader is not None:
            lists = reader.lists()
            sizes = tuple(map(len, lists))
            values |= {f"r{n}": name for n, name in enumerate(chain([reader.user_id], *lists))}
        return Scope("", values, sizes)

    def _of_call(self, cid: CallId) -> Scope:
        return Scope(cid, {"cid": cid, **self._given})

    def _answer(self, pages: Pages[T], scope: Scope, **said: Unpack[Said]) -> Page[T]:
        asked, signer = self._asked(pages, scope, **said)
        try:
            return pages.read(asked, signer)
        except QueryTooSlow as error:
            filters = cast("dict[str, Anything] | None", said.get("filters"))  # or it was refused
            limit, kind = self._database.limit, pages.question.kind
            raise too_slow(limit, filters, asked.filter, kind, scope.name) from error

    def _asked(
        self,
        pages: Pages[T],
        scope: Scope,
        *,
        filters: object = None,
        sort: object = None,
        limit: object = DEFAULT_LIMIT,
        cursor: object = None,
        actor: str = "",
        declared: Declared = NOTHING_DECLARED,
        count: bool = False,
    ) -> tuple[Asked, Signer]:
        """What is asked for, parsed, and who signs its cursors."""
        fields = pages.question.fields
        tree, keys = parse(filters, fields, declared), parse_sort(sort, fields)
        rows = checked_limit(limit)

        def bound_to() -> Sequence[object]:
            """What makes this query this query."""
            order = [(key.field, key.descending) for key in keys]
            kind = pages.question.kind
            return (kind, scope.name, fingerprint(tree), order, actor, *self._told)

        signer = Signer(self._secret, bound_to)
        mark = None if cursor is None else signer.read(cursor)
        return Asked(scope, tree, keys, rows, mark, count), signer

    def _over(self, tables: Tables) -> _Pages:
        if tables not in self._known:
            self._known[tables] = _Pages(tables, self._database)
        return self._known[tables]


class _Pages:
    """The pages of each query over the same tables."""

    def __init__(self, tables: Tables, database: Database) -> None:
        self.members = Pages(questions.members(tables), tables, database)
        self.calls = Pages(questions.calls(tables), tables, database)
        self.participants = Pages(questions.participants(tables), tables, database)
        self.sessions = Pages(questions.sessions(tables), tables, database)
