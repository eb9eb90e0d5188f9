"""The shape of a filter: all that its statement depends on, which is not the values."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any as Anything
from typing import Final, TypeVar

from greenroom.projections.query import (
    All,
    Any,
    Comparison,
    Elsewhere,
    Filter,
    Kind,
    Moment,
    Not,
    Op,
    Scalar,
)

T = TypeVar("T")

LAST: Final = "\U0010ffff"
"""The last letter of all: nothing stands behind a text that has no other."""


def shape(filter: Filter, values: list[Anything]) -> Hashable:
    """What `filter` looks like without its values.

    Those are appended to `values`, as `sql.where` numbers them: depth first, in order, and of a
    comparison inside a document its path before all others.
    """
    if type(filter) is Comparison:
        return _comparison(filter, values)
    if type(filter) is Not:
        return ("not", shape(filter.of, values))
    if type(filter) is Elsewhere:
        return ("elsewhere", filter.few, shape(filter.of, values))
    assert isinstance(filter, All | Any)  # noqa: S101 - there is no other
    return (type(filter), *[shape(part, values) for part in filter.of])


def rounded(values: Sequence[T]) -> Sequence[T]:
    """`values` with the last one repeated up to a power of two.

    A list means the same with a value twice, and lists of similar lengths share a statement.
    """
    if len(values) < 2:  # noqa: PLR2004 - nothing to round
        return values
    return [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]


def _comparison(comparison: Comparison, values: list[Anything]) -> Hashable:
    field: Hashable = comparison.field
    op, its_values = comparison.op, comparison.values
    if comparison.kind is Kind.JSON:
        values.append(comparison.path)
        if comparison.declared:  # an index is used only where its path is written out
            field = (field, comparison.path, comparison.declared, comparison.indexed)
    if op is Op.AUTOCOMPLETE:
        values.extend(its_values)
        return (field, op, not str(its_values[0]).rstrip(LAST))
    if comparison.kind is Kind.JSON or comparison.kind is Kind.NUMBER:
        values.extend([_told(one) for one in its_values])
        return (field, op, *[_look(one) for one in its_values])
    values.extend(its_values)
    return (field, op, *[one is None for one in its_values])


def _told(value: Scalar) -> Anything:
    """A value as drivers are told of it."""
    if isinstance(value, Moment):
        return value.micros
    # As the double that it is compared as: drivers would tell small integers from large ones.
    return float(value) if type(value) is int else value


def _look(value: Scalar) -> Hashable:
    """What of a value decides how it is compared."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "text"
    return "instant" if isinstance(value, Moment) else "number"
