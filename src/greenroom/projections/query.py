"""The query language: filters as one small tree, what they mean, and sort keys (semantics 6).

A filter is true or false of every row, never unknown: what compares with something missing is
false, and negation (`$ne $nin $nor`) is true where the plain comparison is false.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, assert_never

from msgspec import Struct

from greenroom.domain.call_type import FieldKind
from greenroom.domain.instants import micros_of


class Kind(StrEnum):
    """What stands in a field."""

    __hash__ = str.__hash__  # those of enumerations are not as fast

    TEXT = "text"
    INSTANT = "instant"
    BOOLEAN = "boolean"
    NUMBER = "number"
    NAMES = "names"
    """A set of names, such as the members of a call."""
    JSON = "json"
    """A JSON object; filters name a path of keys in it: `custom.color`."""


class Op(StrEnum):
    """How a comparison compares. `$ne`, `$nin` are negations and have no place in the tree."""

    __hash__ = str.__hash__

    EQ = "$eq"
    IN = "$in"
    GT = "$gt"
    GTE = "$gte"
    LT = "$lt"
    LTE = "$lte"
    EXISTS = "$exists"
    AUTOCOMPLETE = "$autocomplete"
    CONTAINS = "$contains"


class Moment(Struct, frozen=True):
    """An instant that texts inside a JSON field are compared with as instants."""

    micros: int
    """Since 1970 UTC."""


Plain = str | int | float | bool | None
"""What JSON can say in one word."""
Scalar = Plain | Moment
"""Instants of fields of their own are whole microseconds since 1970 UTC."""
Declared = Mapping[str, tuple[FieldKind, ...]]
"""Keys of a JSON field that call types have declared, with the kinds they were declared as."""


class Comparison(Struct, frozen=True):
    """One field held against a value."""

    field: str
    path: tuple[str, ...]
    """Keys inside a JSON field; empty for all other fields."""
    kind: Kind
    op: Op
    values: tuple[Scalar, ...]
    """One value; any number of them for `$in`; none for `$exists`; folded for `$autocomplete`."""
    declared: tuple[FieldKind, ...] = ()
    """As what the path is declared: there are indexes of values of these kinds."""
    indexed: bool = True
    """Whether these are to be used; `crowds` says where not."""


class All(Struct, frozen=True):
    """True where each is."""

    of: tuple[Filter, ...]


class Any(Struct, frozen=True):
    """True where one is."""

    of: tuple[Filter, ...]


class Not(Struct, frozen=True):
    """True where the other is false."""

    of: Filter


class Elsewhere(Struct, frozen=True):
    """True where the comparison is, whose field stands in another table; made by `narrowing`."""

    of: Comparison
    few: bool | None
    """Whether few rows there have it, to start from; None where the database knows best."""


Filter = Comparison | All | Any | Not | Elsewhere

EVERYTHING: Final = All(())
"""The empty filter."""

Row = Mapping[str, object]
"""Field names to values: None where missing, instants as microseconds, JSON fields as dicts,
sets of names as collections."""


class SortKey(Struct, frozen=True):
    """One field to sort by; make it with `asc` or `desc`. Null comes last either way."""

    field: str
    descending: bool = False


def asc(field: str) -> SortKey:
    """Sort by `field`, smallest first."""
    return SortKey(field)


def desc(field: str) -> SortKey:
    """Sort by `field`, largest first."""
    return SortKey(field, descending=True)


@dataclass(frozen=True)
class Fields:
    """What a query knows: its fields, and how its rows may be sorted."""

    kinds: Mapping[str, Kind]
    sortable: tuple[str, ...]
    default: SortKey
    """The sort where none is asked for."""
    tiebreak: str
    """A field that no two rows share: makes every sort total."""

    @cached_property
    def unsorted(self) -> tuple[SortKey, ...]:
        """What rows are sorted by where nobody asks for a sort."""
        return self.total((self.default,))

    def total(self, keys: tuple[SortKey, ...]) -> tuple[SortKey, ...]:
        """`keys`, ending in one that no two rows share; behind it, none would change the order."""
        for place, key in enumerate(keys, 1):
            if key.field == self.tiebreak:
                return keys[:place]
        return (*keys, SortKey(self.tiebreak, descending=keys[-1].descending))


def comparisons(filter: Filter) -> Iterator[Comparison]:
    """All that `filter` compares, in order."""
    match filter:
        case All(of=parts) | Any(of=parts):
            for part in parts:
                yield from comparisons(part)
        case Not(of=part) | Elsewhere(of=part):
            yield from comparisons(part)
        case Comparison():
            yield filter


def holds(filter: Filter, row: Row) -> bool:
    """Whether `filter` is true of `row`: the meaning that `where` must agree with."""
    match filter:
        case All(of=parts):
            return all(holds(part, row) for part in parts)
        case Any(of=parts):
            return any(holds(part, row) for part in parts)
        case Not(of=part):
            return not holds(part, row)
        case Elsewhere(of=part):
            return holds(part, row)
        case Comparison():
            return _compares(filter, row)
        case _:
            assert_never(filter)


class _Missing:
    """Nothing there; null in a JSON document is something."""


_MISSING: Final = _Missing()
_RANGES: Final[Mapping[Op, Callable[[float | str, float | str], bool]]] = {
    Op.GT: operator.gt,
    Op.GTE: operator.ge,
    Op.LT: operator.lt,
    Op.LTE: operator.le,
}


def _compares(comparison: Comparison, row: Row) -> bool:
    found = _value(comparison, row)
    values = comparison.values
    match comparison.op:
        case Op.EXISTS:
            return found is not _MISSING
        case Op.IN | Op.CONTAINS if comparison.kind is Kind.NAMES:
            return isinstance(found, Iterable) and any(value in found for value in values)
        case Op.EQ | Op.IN:
            if comparison.kind is not Kind.JSON and found is _MISSING:
                return None in values
            return any(_equal(found, value) for value in values)
        case Op.CONTAINS:
            listed = found if isinstance(found, list | tuple | set | frozenset) else ()
            return any(_equal(element, values[0]) for element in listed)
        case Op.AUTOCOMPLETE:
            return isinstance(found, str) and found.casefold().startswith(str(values[0]))
        case Op.GT | Op.GTE | Op.LT | Op.LTE as op:
            theirs = _comparable(values[0])
            ours = _moment(found) if isinstance(values[0], Moment) else _comparable(found)
            if ours is None or theirs is None or isinstance(ours, str) != isinstance(theirs, str):
                return False
            return _RANGES[op](ours, theirs)


def _value(comparison: Comparison, row: Row) -> object:
    found = row.get(comparison.field)
    if comparison.kind is not Kind.JSON:
        return _MISSING if found is None else found
    for name in comparison.path:
        if not isinstance(found, Mapping) or name not in found:
            return _MISSING
        found = found[name]
    return found


def _equal(found: object, value: Scalar) -> bool:
    """JSON equality: `true`, `1` and `"1"` differ, `1` and `1.0` do not."""
    if isinstance(value, Moment):
        return _moment(found) == value.micros
    if found is None or value is None or isinstance(found, bool) or isinstance(value, bool):
        return found is value
    ours, theirs = _comparable(found), _comparable(value)
    return ours is not None and isinstance(ours, str) == isinstance(theirs, str) and ours == theirs


def _moment(found: object) -> int | None:
    """The instant that a text names."""
    return micros_of(found) if isinstance(found, str) else None


def _comparable(found: object) -> float | str | None:
    """What a range can be asked of: text, or a number as the double that databases compare."""
    if isinstance(found, str):
        return found
    if isinstance(found, Moment):
        return found.micros
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found)
    except OverflowError:
        return math.inf if found > 0 else -math.inf
