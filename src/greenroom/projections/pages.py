"""One page of a query: a keyset walk over the rows, in either direction."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any as Anything
from typing import Generic, TypeVar

from msgspec import Struct, structs
from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from greenroom.domain.errors import InvalidInput
from greenroom.projections.crowds import Crowds
from greenroom.projections.cursor import Cursor, Signer
from greenroom.projections.database import Database
from greenroom.projections.narrowing import Narrowing
from greenroom.projections.plans import Plan, planned
from greenroom.projections.query import All, Any, Comparison, Elsewhere, Filter, Not, SortKey
from greenroom.projections.questions import Question
from greenroom.projections.rows import Row
from greenroom.projections.shapes import shape
from greenroom.projections.sql import Expression, where
from greenroom.projections.statements import ROWS, Statement, Statements, compiled
from greenroom.projections.steady import finds_one, is_steady, room
from greenroom.projections.tables import Tables

T = TypeVar("T")

DEFAULT_LIMIT = 25
MAX_LIMIT = 1000
MAX_COUNT = 1000
"""Rows that are counted; that there are more can be said without counting them."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows a query has, counted a moment after its page was read."""

    number: int
    """At most 1000."""
    exact: bool
    """Whether that is all; else there are more."""

    def __str__(self) -> str:
        """`17`, or `1000+`."""
        return f"{self.number}" if self.exact else f"{self.number}+"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a query in its order, and the cursors that lead on."""

    items: tuple[T, ...]
    next: str | None
    """Gives the page behind this one; None where this was the last when it was read."""
    prev: str | None
    """Gives the page before this one; None where this is the first."""
    count: Count | None = None
    """How many rows the query has on all its pages; None where nobody asked."""


class Scope(Struct, frozen=True):
    """Which rows of a query can be seen at all."""

    name: str
    """The cid, or empty for the whole house."""
    values: Mapping[str, Anything]
    """By parameter."""
    shape: Hashable = None
    """What else of it the statement depends on."""


class Asked(Struct, frozen=True):
    """What somebody wants to see of a query, with everything parsed."""

    scope: Scope
    filter: Filter
    sort: tuple[SortKey, ...]
    limit: int
    cursor: Cursor | None
    count: bool = False


class Pages(Generic[T]):
    """The pages of one kind of query; keeps its statements."""

    def __init__(self, question: Question[T], tables: Tables, database: Database) -> None:
        """Answer `question`, which is asked of `tables` in `database`."""
        self.question = question
        self._database = database
        self._tables = tables
        self._plans_once = database.dialect.knows_values
        self._statements = Statements()
        self._narrowing = Narrowing(question.source, database)
        self._crowds = Crowds(question.source, database, question.fields.default)

    def read(self, asked: Asked, signer: Signer) -> Page[T]:
        """The page that was `asked` for; `signer` signs its cursors.

        Raises:
            QueryTooSlow: it took longer than the database allows.
        """
        asked = self._narrowed(asked)
        statement, arguments = self.prepared(asked)
        found = self._database.fetch(statement.sql, arguments, steady=statement.steady)
        cursor, limit = asked.cursor, asked.limit
        more = len(found) > limit  # by one, or by some if it is planned once
        rows = found[:limit] if more else found
        if cursor is not None and cursor.back:
            rows.reverse()
        page = self._page(rows, len(asked.sort), cursor, signer, more=more)
        return replace(page, count=self._count(asked)) if asked.count else page

    def plan(self, asked: Asked) -> Plan:
        """How the page that was `asked` for would be read."""
        statement, arguments = self.prepared(self._narrowed(asked))
        kind, scope = self.question.kind, asked.scope.name
        return planned(self._database, asked.filter, statement, arguments, kind=kind, scope=scope)

    def _narrowed(self, asked: Asked) -> Asked:
        values = asked.scope.values
        narrowed = self._narrowing.narrowed(asked.filter, values)
        narrowed = self._crowds.avoided(narrowed, values, asked.sort[0])
        return asked if narrowed is asked.filter else structs.replace(asked, filter=narrowed)

    def prepared(self, asked: Asked) -> tuple[Statement, Sequence[Anything]]:
        """The statement that reads the page, and its arguments."""
        cursor, scope = asked.cursor, asked.scope
        values: list[Anything] = []
        looks = shape(asked.filter, values)
        keys = () if cursor is None else cursor.key
        way = None if cursor is None else (cursor.back, cursor.behind)
        rows = room(asked.limit) if self._is_steady(asked) else None
        statement = self._statements.get(
            (looks, asked.sort, way, scope.shape, rows),
            lambda: self._made(asked, len(values), rows),
        )
        given = (asked.limit + 1, *scope.values.values(), *keys, *values)
        return statement, statement.arguments(given)

    def _count(self, asked: Asked) -> Count:
        values: list[Anything] = []
        looks = shape(asked.filter, values)
        statement = self._statements.get(
            ("count", looks, asked.scope.shape), lambda: self._made_to_count(asked, len(values))
        )
        given = (MAX_COUNT + 1, *asked.scope.values.values(), *values)
        ((found,),) = self._database.fetch(statement.sql, statement.arguments(given))
        return Count(min(found, MAX_COUNT), exact=found <= MAX_COUNT)

    def _made_to_count(self, asked: Asked, values: int) -> Statement:
        names = ["rows", *asked.scope.values, *(f"v{n}" for n in range(values))]
        limited = self._matching(asked, [literal_column("1")]).limit(ROWS).subquery()
        counted = select(func.count()).select_from(limited)
        return compiled(counted, names, self._database.dialect.driver)

    def _is_steady(self, asked: Asked) -> bool:
        """Whether the database may plan it once, for all values."""
        return (
            self._plans_once
            and asked.scope.shape is None
            and is_steady(asked.filter, asked.sort, self.question.fields, self._tables)
        )

    def _made(self, asked: Asked, values: int, rows: int | None) -> Statement:
        names = [
            "rows",
            *asked.scope.values,
            *(f"k{n}" for n in range(0 if asked.cursor is None else len(asked.sort))),
            *(f"v{n}" for n in range(values)),
        ]
        limit = ROWS if rows is None else literal_column(str(rows))
        return compiled(
            self._select(asked).limit(limit),
            names,
            self._database.dialect.driver,
            steady=rows is not None,
        )

    def _select(self, asked: Asked) -> Select[Anything]:
        question, cursor = self.question, asked.cursor
        back = cursor is not None and cursor.back
        columns = [question.source.sort(key.field, descending=key.descending) for key in asked.sort]
        falling = [key.descending != back for key in asked.sort]
        statement = self._matching(asked, [*question.columns, *columns])
        if not finds_one(asked.filter, question.fields):
            statement = statement.order_by(
                *(
                    column.desc() if down else column.asc()
                    for column, down in zip(columns, falling, strict=True)
                )
            )
        if cursor is None:
            return statement
        mark = [bindparam(f"k{n}", type_=column.type) for n, column in enumerate(columns)]
        return statement.where(past(columns, falling, mark, inclusive=cursor.behind == back))

    def _matching(self, asked: Asked, columns: Sequence[Expression]) -> Select[Anything]:
        """`columns` of all rows that can be seen and that the filter finds."""
        question = self.question
        return (
            select(*columns)
            .select_from(question.tables)
            .where(
                question.within(asked.scope.shape),
                where(asked.filter, question.source, self._database.dialect),
            )
        )

    def _page(
        self, rows: Sequence[Row], keys: int, cursor: Cursor | None, signer: Signer, *, more: bool
    ) -> Page[T]:
        """The page of `rows`; `more` says whether there are others in the direction of reading."""
        item = self.question.item
        if not rows:
            return _nothing(cursor, signer)
        items = tuple([item(row[:-keys]) for row in rows])
        back = cursor is not None and cursor.back
        start = end = None
        if more if back else cursor is not None:
            start = signer.write(Cursor(tuple(rows[0][-keys:]), behind=False, back=True))
        if back or more:
            end = signer.write(Cursor(tuple(rows[-1][-keys:]), behind=True, back=False))
        return Page(items, end, start)


def _nothing(cursor: Cursor | None, signer: Signer) -> Page[Anything]:
    """A page without rows."""
    if cursor is None:
        return Page((), None, None)
    # Everything this way is gone: the same mark leads back to where one came from.
    turned = signer.write(Cursor(cursor.key, behind=cursor.behind, back=not cursor.back))
    return Page((), turned, None) if cursor.back else Page((), None, turned)


def past(
    columns: Sequence[Expression],
    falling: Sequence[bool],
    key: Sequence[Expression],
    *,
    inclusive: bool,
) -> ColumnElement[bool]:
    """The rows that come after `key` where `columns` fall or rise; also at it if `inclusive`."""
    if len(set(falling)) == 1:
        # One row-value comparison: an index over these columns starts right there.
        ours, theirs = tuple_(*columns), tuple_(*key)
        if falling[0]:
            return ours <= theirs if inclusive else ours < theirs
        return ours >= theirs if inclusive else ours > theirs
    beyond = [
        column < value if down else column > value
        for column, down, value in zip(columns, falling, key, strict=True)
    ]
    equal = [column == value for column, value in zip(columns, key, strict=True)]
    steps = [and_(*equal[:n], step) for n, step in enumerate(beyond)]
    first = columns[0] <= key[0] if falling[0] else columns[0] >= key[0]
    # `first` follows from the rest, and lets an index skip what lies before.
    return and_(first, or_(false(), *steps, *([and_(*equal)] if inclusive else ())))


def checked_limit(limit: object) -> int:
    """How many rows a page may have.

    Raises:
        InvalidInput: not an integer from 1 to 1000.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput("limit", f"an integer from 1 to {MAX_LIMIT}")
    return limit


def fingerprint(filter: Filter) -> str:
    """The same text for the same filter, whichever order its parts were written in."""
    match filter:
        case Comparison(field=field, path=path, op=op, values=values):
            return f"{field} {path} {op} {values}"
        case Not(of=part):
            return f"Not({fingerprint(part)})"
        case Elsewhere(of=part):
            return fingerprint(part)
        case All(of=parts) | Any(of=parts):
            inner = ", ".join(sorted(fingerprint(part) for part in parts))
            return f"{type(filter).__name__}({inner})"
