"""What a filter says, as SQL; `query.holds` gives the meaning it must agree with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any as Anything
from typing import Final, NamedTuple, assert_never

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Integer,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
)

from greenroom.domain.call_type import FieldKind
from greenroom.projections.columns import TEXT
from greenroom.projections.dialect import Dialect, JsonAt, Slot, Test
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
)
from greenroom.projections.statements import SUFFIX, behind

Expression = ColumnElement[Anything]


class Place(NamedTuple):
    """Where a text stands in another table, which has an index of it, case-folded."""

    key: Expression
    """What rows of ours have in common with those there."""
    its_key: Expression
    folded: Expression
    rows: Expression
    """How many rows of ours there are."""


class Source:
    """Where the fields of a query stand in SQL."""

    def __init__(
        self,
        columns: Mapping[str, Expression],
        *,
        folded: Mapping[str, Expression] | None = None,
        names: Mapping[str, Callable[[Sequence[Expression]], ColumnElement[bool]]] | None = None,
        sorts: Mapping[tuple[str, bool], Expression] | None = None,
        elsewhere: Mapping[str, Place] | None = None,
    ) -> None:
        """Name the columns.

        Args:
            columns: of the plain fields, and of the JSON documents.
            folded: stored case-folded columns; other texts are folded as they are read.
            names: how to ask a set of names whether one of these is in it (of none: any at all).
            sorts: columns to sort (field, descending) by where the field itself may be null.
            elsewhere: of fields that stand in another table, where they are looked up there.
        """
        self.columns = columns
        self._folded = folded or {}
        self.names = names or {}
        self._sorts = sorts or {}
        self.elsewhere = elsewhere or {}

    def folded(self, field: str, dialect: Dialect) -> Expression:
        """The text of `field`, case-folded."""
        stored = self._folded.get(field)
        return dialect.folded(self.columns[field]) if stored is None else stored

    def sort(self, field: str, *, descending: bool) -> Expression:
        """What to order by: never null, so that a keyset can be compared with it."""
        return self._sorts.get((field, descending), self.columns[field])


def where(filter: Filter, source: Source, dialect: Dialect) -> ColumnElement[bool]:
    """`filter` over `source`; null counts as false outside, and as false under a negation.

    Its values are parameters, `v0 v1 v2 ...` in the order of `shapes.shape`: what is built for one
    filter answers every other of the same shape.
    """
    return _where(filter, source, dialect, count())


def negated(inner: ColumnElement[bool]) -> ColumnElement[bool]:
    """True where `inner` is false, and where it is null."""
    return inner.is_not(true())


def starts_with(text: Expression, prefix: Slot) -> ColumnElement[bool]:
    """Whether `text` begins with `prefix`, as a range that an index can answer."""
    begun = text >= prefix.parameter(text.type)
    if behind(str(prefix.value)) is None:
        return begun
    return and_(begun, text < bindparam(f"{prefix.name}{SUFFIX}behind", type_=text.type))


def _where(
    filter: Filter, source: Source, dialect: Dialect, numbers: Iterator[int]
) -> ColumnElement[bool]:
    match filter:
        case All(of=parts):
            return and_(true(), *(_where(part, source, dialect, numbers) for part in parts))
        case Any(of=parts):
            return or_(false(), *(_where(part, source, dialect, numbers) for part in parts))
        case Not(of=part):
            return negated(_where(part, source, dialect, numbers))
        case Elsewhere():
            return _elsewhere(filter, source, dialect, numbers)
        case Comparison(kind=Kind.JSON):
            return _json(filter, source, dialect, numbers)
        case Comparison(kind=Kind.NAMES):
            return _names(filter, source, numbers)
        case Comparison():
            return _plain(filter, source, dialect, numbers)
        case _:
            assert_never(filter)


def _slots(values: Sequence[Anything], numbers: Iterator[int]) -> Sequence[Slot]:
    return [Slot(value, f"v{next(numbers)}") for value in values]


_RANGES: Final[Mapping[Op, Callable[[Expression, Expression], ColumnElement[bool]]]] = {
    Op.GT: lambda column, value: column > value,
    Op.GTE: lambda column, value: column >= value,
    Op.LT: lambda column, value: column < value,
    Op.LTE: lambda column, value: column <= value,
}


def _plain(
    comparison: Comparison, source: Source, dialect: Dialect, numbers: Iterator[int]
) -> ColumnElement[bool]:
    column, slots = source.columns[comparison.field], _slots(comparison.values, numbers)
    match comparison.op:
        case Op.EXISTS:
            return column.is_not(None)
        case Op.AUTOCOMPLETE:
            return starts_with(source.folded(comparison.field, dialect), slots[0])
        case Op.EQ | Op.IN:
            there = [slot.parameter(column.type) for slot in slots if slot.value is not None]
            # One value is compared, not looked up in a list: the plan is the better one.
            found = column == there[0] if len(there) == 1 else among(column, there)
            return or_(column.is_(None), found) if len(there) < len(slots) else found
        case op:
            return _RANGES[op](column, slots[0].parameter(column.type))


def looked_up(comparison: Comparison, folded: Expression, value: Slot) -> ColumnElement[bool]:
    """What an index of case-folded texts can say of a comparison with `value`."""
    if comparison.op is Op.AUTOCOMPLETE:
        return starts_with(folded, value)
    return folded == bindparam(f"{value.name}{SUFFIX}folded", type_=folded.type)


def _elsewhere(
    filter: Elsewhere, source: Source, dialect: Dialect, numbers: Iterator[int]
) -> ColumnElement[bool]:
    comparison, place = filter.of, source.elsewhere[filter.of.field]
    (slot,) = _slots(comparison.values, numbers)
    column = source.columns[comparison.field]
    exactly = true() if comparison.op is Op.AUTOCOMPLETE else column == slot.parameter(column.type)
    if filter.few:
        there = select(place.its_key).where(looked_up(comparison, place.folded, slot))
        return and_(exactly, place.key.in_(there))
    folded = place.folded if filter.few is None else dialect.unindexed(place.folded)
    return and_(exactly, looked_up(comparison, folded, slot))


def among(column: Expression, values: Sequence[Expression]) -> ColumnElement[bool]:
    """Whether `column` is one of `values`, of which there may be none."""
    return column.in_(values) if values else false()


def _names(comparison: Comparison, source: Source, numbers: Iterator[int]) -> ColumnElement[bool]:
    slots = _slots(comparison.values, numbers)
    return source.names[comparison.field]([slot.parameter(TEXT) for slot in slots])


def _json(
    comparison: Comparison, source: Source, dialect: Dialect, numbers: Iterator[int]
) -> ColumnElement[bool]:
    column = source.columns[comparison.field]
    if not isinstance(column, Column):
        raise TypeError(comparison.field)
    (path,) = _slots([comparison.path], numbers)
    slots = _slots(comparison.values, numbers)
    typed: dict[FieldKind, Expression] = {
        kind: dialect.typed(column, comparison.path, kind) for kind in comparison.declared
    }
    if not comparison.indexed:
        typed = {kind: _in_no_index(value) for kind, value in typed.items()}
    at = _JsonAt(dialect.json_at(column, path), typed)
    match comparison.op:
        case Op.EXISTS:
            return at.plain.exists()
        case Op.EQ | Op.IN:
            return at.among(slots)
        case Op.CONTAINS:
            return at.plain.contains(slots[0])
        case Op.AUTOCOMPLETE:
            return at.is_text(lambda text: starts_with(dialect.folded(text), slots[0]))
        case op if isinstance(slots[0].value, Moment):
            return at.is_instant(lambda at: _RANGES[op](at, slots[0].parameter(BigInteger())))
        case op if isinstance(slots[0].value, str):
            return at.is_text(lambda text: _RANGES[op](text, slots[0].parameter(text.type)))
        case op:
            return at.is_number(lambda number: _RANGES[op](number, slots[0].parameter(Double())))


def _in_no_index(value: Expression) -> Expression:
    """`value`, in words that no index has, nor one of the rows where it is not null."""
    return func.coalesce(value, null(), type_=value.type)


class _JsonAt:
    """A JSON value, asked for as an index of its declared kinds has it, where there is one."""

    def __init__(self, plain: JsonAt, typed: Mapping[FieldKind, Expression]) -> None:
        self.plain: Final = plain
        self._typed = typed

    def among(self, slots: Sequence[Slot]) -> ColumnElement[bool]:
        """Whether it equals one of them."""
        texts = [slot for slot in slots if isinstance(slot.value, str)]
        typed = self._typed.get("string")
        if typed is None or len(texts) < 2:  # noqa: PLR2004 - one is compared, not looked up
            return or_(*(self.equals(slot) for slot in slots))
        others = [slot for slot in slots if slot not in texts]
        listed = typed.in_([slot.parameter(typed.type) for slot in texts])
        return or_(listed, *(self.equals(slot) for slot in others))

    def equals(self, slot: Slot) -> ColumnElement[bool]:
        match slot.value:
            case Moment():
                return self.is_instant(lambda at: at == slot.parameter(BigInteger()))
            case bool() as said if "boolean" in self._typed:
                return self._typed["boolean"] == literal_column(str(int(said)), Integer())
            case str() if "string" in self._typed:
                typed = self._typed["string"]
                return typed == slot.parameter(typed.type)
            case int() | float() as said if "number" in self._typed and not isinstance(said, bool):
                return self._typed["number"] == slot.parameter(Double())
            case _:
                return self.plain.equals(slot)

    def is_text(self, test: Test) -> ColumnElement[bool]:
        typed = self._typed.get("string")
        return self.plain.is_text(test) if typed is None else test(typed)

    def is_number(self, test: Test) -> ColumnElement[bool]:
        typed = self._typed.get("number")
        return self.plain.is_number(test) if typed is None else test(typed)

    def is_instant(self, test: Test) -> ColumnElement[bool]:
        return test(self._typed["instant"])
