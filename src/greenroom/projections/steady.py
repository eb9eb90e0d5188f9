"""Which queries have one best plan, whatever the values: databases need not plan them each time.

To plan a query takes PostgreSQL twice as long as to run it. Where a filter is common or rare it is
time well spent: the wrong plan takes a thousand times as long. These have an index that gives
their rows one by one, in order, for every value.
"""

from __future__ import annotations

from typing import Final

from greenroom.projections.query import All, Comparison, Fields, Filter, Kind, Op, SortKey
from greenroom.projections.tables import NOW, Tables

ROOM: Final = (2, 11, 26, 51, 101, 251, 501, 1001)
"""Rows to read, of the usual pages and one more. Told nothing of it, a database that plans once
expects that somebody wants a tenth of all rows."""


def room(limit: int) -> int:
    """How many rows a plan is made for that shall give more than `limit`; up to 1000."""
    return next(rows for rows in ROOM if rows > limit)


def finds_one(filter: Filter, fields: Fields) -> bool:
    """Whether it asks for the one row with a certain value of the field that no two rows share."""
    return any(
        isinstance(part, Comparison)
        and part.field == fields.tiebreak
        and part.op is Op.EQ
        and part.values[0] is not None
        for part in _parts(filter)
    )


def is_steady(
    filter: Filter, sort: tuple[SortKey, ...], fields: Fields, tables: Tables = NOW
) -> bool:
    """Whether no value can make another plan the better one in these tables."""
    parts = _parts(filter)
    if finds_one(filter, fields):
        return True
    if not parts:
        return sort[0].field not in tables.unordered
    return (
        tables.declared
        and len(parts) == 1
        and _is_declared(parts[0])
        and _as_they_came(sort, fields)
    )


def _parts(filter: Filter) -> tuple[Filter, ...]:
    """What must be true, each of it."""
    return filter.of if isinstance(filter, All) else (filter,)


def _is_declared(part: Filter) -> bool:
    """Whether an index has the rows with this value of a custom field together."""
    if not isinstance(part, Comparison) or part.kind is not Kind.JSON or part.op is not Op.EQ:
        return False
    (value,) = part.values
    return isinstance(value, str) and "string" in part.declared


def _as_they_came(sort: tuple[SortKey, ...], fields: Fields) -> bool:
    """Whether rows are sorted as those indexes have them; they can be read from either end."""
    first, *others = fields.unsorted
    turned = sort[0].descending != first.descending
    return sort == tuple(SortKey(key.field, key.descending != turned) for key in (first, *others))
