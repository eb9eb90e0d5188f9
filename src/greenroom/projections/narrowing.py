"""Where to start: from the few users of a name, or from the members who came first.

A call of a million has a handful of people called Zoe, and tens of thousands whose name begins
with A. To find the former one looks them up; of the latter a page is full after some hundreds of
members. PostgreSQL can tell by what it knows of the names. SQLite cannot: it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any as Anything
from typing import Final

from msgspec import structs
from sqlalchemy import func, literal_column, select

from greenroom.projections.database import Database
from greenroom.projections.dialect import Slot
from greenroom.projections.query import All, Comparison, Elsewhere, Filter, Op
from greenroom.projections.shapes import shape
from greenroom.projections.sql import Source, looked_up
from greenroom.projections.statements import ROWS, Statement, Statements, compiled

FEW: Final = 2000
"""Looking up so many takes a few milliseconds. Where there are more of them in a million, a page is
found among some ten thousand, which takes no longer."""
PAGE: Final = 26
"""Rows of the usual page, and one more."""


class Narrowing:
    """Finds out, where a filter asks for a field that stands elsewhere, how many have it there."""

    def __init__(self, source: Source, database: Database) -> None:
        self._source = source
        self._database = database
        self._statements = Statements()

    def narrowed(self, filter: Filter, scope: Mapping[str, Anything]) -> Filter:
        """`filter`, or one that means the same and says where to start.

        Args:
            filter: whatever was asked for.
            scope: values of the parameters that the tables have.
        """
        if not self._source.elsewhere:
            return filter
        parts = filter.of if isinstance(filter, All) else (filter,)
        for place, part in enumerate(parts):
            if isinstance(part, Comparison) and self._can_be_looked_up(part):
                told = Elsewhere(part, None if self._knows else self._few(part, scope))
                if not isinstance(filter, All):
                    return told
                return structs.replace(filter, of=(*parts[:place], told, *parts[place + 1 :]))
        return filter

    @property
    def _knows(self) -> bool:
        return self._database.dialect.knows_values

    def _can_be_looked_up(self, comparison: Comparison) -> bool:
        if comparison.field not in self._source.elsewhere:
            return False
        if comparison.op is Op.EQ:
            return comparison.values[0] is not None
        return comparison.op is Op.AUTOCOMPLETE

    def _few(self, comparison: Comparison, scope: Mapping[str, Anything]) -> bool:
        looks = shape(comparison, [])
        statement = self._statements.get(looks, lambda: self._made(comparison, scope))
        given = (FEW + 1, *scope.values(), *comparison.values)
        ((found, rows),) = self._database.fetch(statement.sql, statement.arguments(given))
        # Looked up, all are read; met on the way, a page's share of the rows.
        return bool(found <= FEW and found * found <= PAGE * (rows or 0))

    def _made(self, comparison: Comparison, scope: Mapping[str, Anything]) -> Statement:
        place = self._source.elsewhere[comparison.field]
        value = Slot(comparison.values[0], "v0")
        there = (
            select(literal_column("1"))
            .where(looked_up(comparison, place.folded, value))
            .limit(ROWS)
            .subquery()
        )
        counted = select(func.count(), place.rows).select_from(there)
        return compiled(counted, ["rows", *scope, "v0"], self._database.dialect.driver)
