"""Answers to the queries of semantics 6: members, calls, participants and sessions, in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from itertools import chain
from typing import Any as Anything
from typing import Final, TypeVar

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
from greenroom.projections.query import Declared, Filter, SortKey
from greenroom.projections.reader import Reader
from greenroom.projections.tables import NOW, Tables

T = TypeVar("T")
Filters = Mapping[str, Anything]
_NOTHING: Final[Mapping[str, int]] = {}


class Queries:
    """Answers the four queries. Each takes the same arguments, none of them needed.

    - `filters`: Mongo-style; None or empty for everything
    - `sort`: up to two of `asc(field)`, `desc(field)`
    - `limit`: rows in a page, 1 to 1000
    - `cursor`: the `next` or `prev` of an earlier page of the same query by the same actor
    - `actor`: on whose behalf; a cursor is of no use to anybody else
    - `declared`: keys of `custom` that call types declare, which are indexed

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

    def members(
        self,
        cid: CallId,
        *,
        filters: Filters | None = None,
        sort: Sequence[SortKey] | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        actor: str = "",
        declared: Declared = NOTHING_DECLARED,
    ) -> Page[MemberItem]:
        """The members of a call; the first to be added first."""
        scope = Scope(cid, {"cid": cid, **self._given}, actor)
        return self._answer(self._pages.members, scope, filters, sort, limit, cursor, declared)

    def calls(
        self,
        *,
        filters: Filters | None = None,
        sort: Sequence[SortKey] | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        actor: str = "",
        reader: Reader | None = None,
        declared: Declared = NOTHING_DECLARED,
    ) -> Page[CallItem]:
        """The calls that `reader` may read, all for None; the youngest first."""
        values, sizes = dict[str, Anything](self._given), None
        if reader is not None:
            lists = reader.lists()
            sizes = tuple(map(len, lists))
            values |= {f"r{n}": name for n, name in enumerate(chain([reader.user_id], *lists))}
        scope = Scope("", values, actor, sizes)
        return self._answer(self._pages.calls, scope, filters, sort, limit, cursor, declared)

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
        scope = Scope(cid, {"cid": cid, **self._given}, actor)
        return self._answer(self._pages.participants, scope, filters, sort, limit, cursor)

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
        scope = Scope(cid, {"cid": cid, **self._given}, actor)
        return self._answer(self._pages.sessions, scope, filters, sort, limit, cursor)

    def _answer(  # noqa: PLR0917 - the arguments of every query, in their order
        self,
        pages: Pages[T],
        scope: Scope,
        filters: object,
        sort: object,
        limit: object,
        cursor: object,
        declared: Declared = NOTHING_DECLARED,
    ) -> Page[T]:
        fields = pages.question.fields
        tree, keys = parse(filters, fields, declared), parse_sort(sort, fields)
        rows = checked_limit(limit)
        signer = Signer(self._secret, lambda: self._bound_to(pages, scope, tree, keys))
        mark = None if cursor is None else signer.read(cursor)
        return pages.read(Asked(scope, tree, keys, rows, mark), signer)

    def _bound_to(
        self, pages: Pages[T], scope: Scope, tree: Filter, keys: Sequence[SortKey]
    ) -> Sequence[object]:
        """What makes a query this query."""
        order = [(key.field, key.descending) for key in keys]
        return (pages.question.kind, scope.name, fingerprint(tree), order, scope.actor, *self._told)

    def _over(self, tables: Tables) -> _Pages:
        if tables not in self._known:
            self._known[tables] = _Pages(tables, self._database)
        return self._known[tables]


class _Pages:
    """The pages of each query over the same tables."""

    def __init__(self, tables: Tables, database: Database) -> None:
        self.members = Pages(questions.members(tables), database)
        self.calls = Pages(questions.calls(tables), database)
        self.participants = Pages(questions.participants(tables), database)
        self.sessions = Pages(questions.sessions(tables), database)
