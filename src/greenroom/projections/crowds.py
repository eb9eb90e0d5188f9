"""Where to start when declared fields are asked for: at their values, or at the first rows.

Of a million members a handful are due today, and most were due before tomorrow. The former are
found in the index of the field and sorted; of the latter, read in the order that was asked for, a
page is full at once. PostgreSQL can tell by what it knows of the values. SQLite cannot: the index
is looked into first, as far as some rows, and not used if there are more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any as Anything
from typing import Final

from msgspec import structs
from sqlalchemy import and_, bindparam, func, literal_column, select

from greenroom.projections.calls import calls
from greenroom.projections.columns import TEXT
from greenroom.projections.database import Database
from greenroom.projections.members import members
from greenroom.projections.query import All, Comparison, Filter, Op, SortKey
from greenroom.projections.shapes import shape
from greenroom.projections.sql import Source, where
from greenroom.projections.statements import ROWS, Statement, Statements, compiled

FEW: Final = 2000
"""Rows that are found and sorted within a few milliseconds. Where more of a million fit, a page is
full after some ten thousand in any order."""
_RANGES: Final = frozenset({Op.GT, Op.GTE, Op.LT, Op.LTE})


class Crowds:
    """Finds out whether few rows have the declared fields that a filter asks for."""

    def __init__(self, source: Source, database: Database, indexed: SortKey) -> None:
        """Look at nothing yet.

        Args:
            source: of the query.
            database: that is asked.
            indexed: what rows of one value are sorted by in the index of a field, either way.
        """
        custom = source.columns.get("custom")
        table = next((one for one in (members, calls) if custom is one.c.custom), None)
        self._table = None if database.dialect.knows_values else table
        self._source = source
        self._database = database
        self._indexed = indexed.field
        self._statements = Statements()

    def avoided(self, filter: Filter, scope: Mapping[str, Anything], sort: SortKey) -> Filter:
        """`filter`, or one that means the same and uses no index that would give too many rows.

        Args:
            filter: whatever was asked for.
            scope: values of the parameters that the tables have.
            sort: what comes first in the order of the rows.
        """
        if self._table is None:
            return filter
        asked: dict[tuple[str, ...], list[Comparison]] = {}
        for one in _conditions(filter):
            if self._may_crowd(one, sort):
                asked.setdefault(one.path, []).append(one)
        crowds = [one for alike in asked.values() if not self._few(alike, scope) for one in alike]
        return _without(filter, crowds) if crowds else filter

    def _may_crowd(self, comparison: Comparison, sort: SortKey) -> bool:
        """Whether its rows have to be sorted, once the index has found them."""
        if comparison.op is Op.EQ:
            return bool(comparison.declared) and sort.field != self._indexed
        return bool(comparison.declared) and comparison.op in {*_RANGES, Op.IN}

    def _few(self, alike: list[Comparison], scope: Mapping[str, Anything]) -> bool:
        bounds, values = All(tuple(alike)), list[Anything]()
        looks = shape(bounds, values), tuple(scope)
        statement = self._statements.get(looks, lambda: self._made(bounds, scope, len(values)))
        given = (FEW + 1, *scope.values(), *values)
        ((found,),) = self._database.fetch(statement.sql, statement.arguments(given))
        return bool(found <= FEW)

    def _made(self, bounds: All, scope: Mapping[str, Anything], values: int) -> Statement:
        within = where(bounds, self._source, self._database.dialect)
        if self._table is members:
            within = and_(members.c.cid == bindparam("cid", type_=TEXT), within)
        there = select(literal_column("1")).where(within).limit(ROWS).subquery()
        counted = select(func.count()).select_from(there)
        names = ["rows", *scope, *(f"v{n}" for n in range(values))]
        return compiled(counted, names, self._database.dialect.driver)


def _conditions(filter: Filter) -> Iterator[Comparison]:
    """What must be true of every row."""
    match filter:
        case All(of=parts):
            for part in parts:
                yield from _conditions(part)
        case Comparison():
            yield filter
        case _:
            pass


def _without(filter: Filter, crowds: list[Comparison]) -> Filter:
    match filter:
        case All(of=parts):
            return All(tuple(_without(part, crowds) for part in parts))
        case Comparison() if filter in crowds:
            return structs.replace(filter, indexed=False)
        case _:
            return filter
