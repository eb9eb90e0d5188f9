"""One page of a query: a keyset walk over the rows, in either direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any as Anything
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, Row, RowMapping, Select, and_, false, or_, tuple_

from greenroom.domain.errors import InvalidInput
from greenroom.projections.cursor import Cursor, KeyValue, Signer
from greenroom.projections.database import Database
from greenroom.projections.query import All, Any, Comparison, Fields, Filter, Not, SortKey
from greenroom.projections.sql import Expression, Source, where

T = TypeVar("T")

DEFAULT_LIMIT = 25
MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a query in its order, and the cursors that lead on."""

    items: tuple[T, ...]
    next: str | None
    """Gives the page behind this one; None where this was the last when it was read."""
    prev: str | None
    """Gives the page before this one; None where this is the first."""


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """One kind of query: what it knows, where that stands, and what a row becomes."""

    kind: str
    fields: Fields
    source: Source
    rows: Select[Anything]
    item: Callable[[RowMapping], T]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see of a query, with everything parsed."""

    scope: str
    """Which rows at all: the cid, or empty for the whole house."""
    within: ColumnElement[bool]
    """The same, and what the asker may see, as SQL."""
    filter: Filter
    sort: tuple[SortKey, ...]
    limit: int
    cursor: object
    actor: str


def read_page(query: Query[T], asked: Asked, database: Database, signer: Signer) -> Page[T]:
    """The page of `query` that was `asked` for.

    Raises:
        InvalidCursor: the cursor is not one of this query for this actor.
        QueryTooSlow: it took longer than the database allows.
    """
    cursor = None if asked.cursor is None else signer.read(asked.cursor)
    back = cursor is not None and cursor.back
    columns = [query.source.sort(key.field, descending=key.descending) for key in asked.sort]
    falling = [key.descending != back for key in asked.sort]
    statement = (
        query.rows.add_columns(*(column.label(_key(n)) for n, column in enumerate(columns)))
        .where(asked.within, where(asked.filter, query.source, database.dialect))
        .order_by(
            *(
                column.desc() if down else column.asc()
                for column, down in zip(columns, falling, strict=True)
            )
        )
        .limit(asked.limit + 1)
    )
    if cursor is not None:
        inclusive = cursor.behind == back
        statement = statement.where(past(columns, falling, cursor.key, inclusive=inclusive))
    with database.read_limited() as connection:
        found = connection.execute(statement).all()
    more = len(found) > asked.limit
    rows = found[: asked.limit]
    return _page(query, rows[::-1] if back else rows, len(columns), cursor, signer, more=more)


def past(
    columns: Sequence[Expression],
    falling: Sequence[bool],
    key: Sequence[KeyValue],
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
        case Comparison():
            return repr(filter)
        case Not(of=part):
            return f"Not({fingerprint(part)})"
        case All(of=parts) | Any(of=parts):
            inner = ", ".join(sorted(fingerprint(part) for part in parts))
            return f"{type(filter).__name__}({inner})"


def _page(
    query: Query[T],
    rows: Sequence[Row[Anything]],
    keys: int,
    cursor: Cursor | None,
    signer: Signer,
    *,
    more: bool,
) -> Page[T]:
    """The page of `rows`; `more` says whether there are others in the direction of reading."""
    items = tuple(query.item(row._mapping) for row in rows)  # noqa: SLF001 - its public name
    if not rows:
        # Everything this way is gone: the same mark leads back to where one came from.
        if cursor is None:
            return Page((), None, None)
        turned = signer.write(Cursor(cursor.key, behind=cursor.behind, back=not cursor.back))
        return Page((), turned, None) if cursor.back else Page((), None, turned)
    start = signer.write(Cursor(_keys(rows[0], keys), behind=False, back=True))
    end = signer.write(Cursor(_keys(rows[-1], keys), behind=True, back=False))
    if cursor is not None and cursor.back:
        return Page(items, end, start if more else None)
    return Page(items, end if more else None, None if cursor is None else start)


def _keys(row: Row[Anything], keys: int) -> tuple[KeyValue, ...]:
    found = row._mapping  # noqa: SLF001 - its public name
    return tuple(found[_key(n)] for n in range(keys))


def _key(n: int) -> str:
    return f"sort_key_{n}"
