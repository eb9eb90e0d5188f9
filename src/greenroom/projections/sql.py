"""What a filter says, as SQL; `query.holds` gives the meaning it must agree with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any as Anything
from typing import Final, assert_never

from sqlalchemy import Column, ColumnElement, and_, false, or_, true

from greenroom.domain.call_type import FieldKind
from greenroom.projections.dialect import Dialect, JsonAt, Test
from greenroom.projections.query import All, Any, Comparison, Filter, Kind, Moment, Not, Op, Scalar

Expression = ColumnElement[Anything]


class Source:
    """Where the fields of a query stand in SQL."""

    def __init__(
        self,
        columns: Mapping[str, Expression],
        *,
        folded: Mapping[str, Expression] | None = None,
        names: Mapping[str, Callable[[Sequence[str] | None], ColumnElement[bool]]] | None = None,
        sorts: Mapping[tuple[str, bool], Expression] | None = None,
    ) -> None:
        """Name the columns.

        Args:
            columns: of the plain fields, and of the JSON documents.
            folded: stored case-folded columns; other texts are folded as they are read.
            names: how to ask a set of names whether one of these is in it (None: any at all).
            sorts: columns to sort (field, descending) by where the field itself may be null.
        """
        self.columns = columns
        self._folded = folded or {}
        self.names = names or {}
        self._sorts = sorts or {}

    def folded(self, field: str, dialect: Dialect) -> Expression:
        """The text of `field`, case-folded."""
        stored = self._folded.get(field)
        return dialect.folded(self.columns[field]) if stored is None else stored

    def sort(self, field: str, *, descending: bool) -> Expression:
        """What to order by: never null, so that a keyset can be compared with it."""
        return self._sorts.get((field, descending), self.columns[field])


def where(filter: Filter, source: Source, dialect: Dialect) -> ColumnElement[bool]:
    """`filter` over `source`; null counts as false outside, and as false under a negation."""
    match filter:
        case All(of=parts):
            return and_(true(), *(where(part, source, dialect) for part in parts))
        case Any(of=parts):
            return or_(false(), *(where(part, source, dialect) for part in parts))
        case Not(of=part):
            return where(part, source, dialect).is_not(true())
        case Comparison(kind=Kind.JSON):
            return _json(filter, source, dialect)
        case Comparison(kind=Kind.NAMES):
            return _names(filter, source)
        case Comparison():
            return _plain(filter, source, dialect)
        case _:
            assert_never(filter)


def starts_with(text: Expression, prefix: str) -> ColumnElement[bool]:
    """Whether `text` begins with `prefix`, as a range that an index can answer."""
    behind = _behind(prefix)
    return text >= prefix if behind is None else and_(text >= prefix, text < behind)


_RANGES: Final[Mapping[Op, Callable[[Expression, Scalar], ColumnElement[bool]]]] = {
    Op.GT: lambda column, value: column > value,
    Op.GTE: lambda column, value: column >= value,
    Op.LT: lambda column, value: column < value,
    Op.LTE: lambda column, value: column <= value,
}


def _plain(comparison: Comparison, source: Source, dialect: Dialect) -> ColumnElement[bool]:
    column, values = source.columns[comparison.field], comparison.values
    if comparison.kind is Kind.NUMBER:
        values = tuple(map(_double, values))
    match comparison.op:
        case Op.EXISTS:
            return column.is_not(None)
        case Op.AUTOCOMPLETE:
            return starts_with(source.folded(comparison.field, dialect), str(values[0]))
        case Op.EQ | Op.IN:
            there = [value for value in values if value is not None]
            # One value is compared, not looked up in a list: the plan is the better one.
            found = column == there[0] if len(there) == 1 else column.in_(there)
            return or_(column.is_(None), found) if None in values else found
        case op:
            return _RANGES[op](column, values[0])


def _names(comparison: Comparison, source: Source) -> ColumnElement[bool]:
    among = source.names[comparison.field]
    if comparison.op is Op.EXISTS:
        return among(None)
    return among([str(value) for value in comparison.values])


def _json(comparison: Comparison, source: Source, dialect: Dialect) -> ColumnElement[bool]:
    column, values = source.columns[comparison.field], comparison.values
    if not isinstance(column, Column):
        raise TypeError(comparison.field)
    typed = {kind: dialect.typed(column, comparison.path, kind) for kind in comparison.declared}
    at = _JsonAt(dialect.json_at(column, comparison.path), typed)
    match comparison.op:
        case Op.EXISTS:
            return at.plain.exists()
        case Op.EQ | Op.IN:
            return or_(*(at.equals(value) for value in values))
        case Op.CONTAINS if not isinstance(values[0], Moment):
            return at.plain.contains(values[0])
        case Op.AUTOCOMPLETE:
            return at.is_text(lambda text: starts_with(dialect.folded(text), str(values[0])))
        case op if isinstance(values[0], Moment):
            micros = values[0].micros
            return at.is_instant(lambda instant: _RANGES[op](instant, micros))
        case op if isinstance(values[0], str):
            return at.is_text(lambda text: _RANGES[op](text, values[0]))
        case op:
            return at.is_number(lambda number: _RANGES[op](number, _double(values[0])))


class _JsonAt:
    """A JSON value, asked for as an index of its declared kinds has it, where there is one."""

    def __init__(self, plain: JsonAt, typed: Mapping[FieldKind, Expression]) -> None:
        self.plain: Final = plain
        self._typed = typed

    def equals(self, value: Scalar) -> ColumnElement[bool]:
        match value:
            case Moment(micros=micros):
                return self.is_instant(lambda instant: instant == micros)
            case bool() if "boolean" in self._typed:
                return self._typed["boolean"] == int(value)
            case str() if "string" in self._typed:
                return self._typed["string"] == value
            case int() | float() if "number" in self._typed and not isinstance(value, bool):
                return self._typed["number"] == _double(value)
            case _:
                return self.plain.equals(value)

    def is_text(self, test: Test) -> ColumnElement[bool]:
        typed = self._typed.get("string")
        return self.plain.is_text(test) if typed is None else test(typed)

    def is_number(self, test: Test) -> ColumnElement[bool]:
        typed = self._typed.get("number")
        return self.plain.is_number(test) if typed is None else test(typed)

    def is_instant(self, test: Test) -> ColumnElement[bool]:
        return test(self._typed["instant"])


def _double(value: Scalar) -> Scalar:
    """A number as what it is compared as; databases that are told of an integer may think small."""
    return float(value) if isinstance(value, int) else value


_LAST: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)


def _behind(prefix: str) -> str | None:
    """The first text past all that begin with `prefix`; None where there is none."""
    kept = prefix.rstrip(chr(_LAST))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
