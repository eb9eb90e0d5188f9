"""From what a caller wrote to a filter or a sort; every fault is refused with its place.

Callers pass on what strangers sent: nothing here may run their code, recurse without a bound, or
take long. So types are looked at as they are (an object may lie about its `__class__`), and only
the built-in types' own methods are called.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Final, TypeGuard

from msgspec import Struct

from greenroom.domain.call_type import FieldKind
from greenroom.domain.errors import InvalidFilter, InvalidSort
from greenroom.domain.instants import micros, micros_of
from greenroom.projections.query import (
    EVERYTHING,
    All,
    Any,
    Comparison,
    Declared,
    Fields,
    Filter,
    Kind,
    Moment,
    Not,
    Op,
    Scalar,
    SortKey,
)
from greenroom.projections.shapes import rounded

MAX_DEPTH: Final = 5
"""Of `$and $or $nor` inside each other."""
MAX_NODES: Final = 32
"""Comparisons and combinations in one filter."""
MAX_VALUES: Final = 100
"""In one list."""
MAX_TEXT: Final = 512
"""Characters of one string."""
MAX_PATH: Final = 8
"""Keys in one path."""
MAX_SORT_KEYS: Final = 2
MAX_INTEGER: Final = 2**53
"""Beyond it doubles, and with them JSON, no longer tell integers apart."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_PATH_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")

NOTHING_DECLARED: Final[Declared] = {}
_DECLARABLE: Final = "custom"
"""The field whose keys call types declare."""
_COMBINATIONS: Final = ("$and", "$or", "$nor")
_NEGATIONS: Final = {"$ne": Op.EQ, "$nin": Op.IN}
_OPS: Final[Mapping[str, Op]] = {**{op.value: op for op in Op}, **_NEGATIONS}
_EQUALITY: Final = ("$eq", "$ne", "$in", "$nin", "$exists")
_RANGES: Final = ("$gt", "$gte", "$lt", "$lte")
_OPERATORS: Final = {
    Kind.TEXT: (*_EQUALITY, *_RANGES, "$autocomplete"),
    Kind.INSTANT: (*_EQUALITY, *_RANGES),
    Kind.NUMBER: (*_EQUALITY, *_RANGES),
    Kind.BOOLEAN: _EQUALITY,
    Kind.NAMES: ("$contains", "$in", "$nin", "$exists"),
    Kind.JSON: (*_EQUALITY, *_RANGES, "$autocomplete", "$contains"),
}
_EVERY_OPERATOR: Final = sorted({name for names in _OPERATORS.values() for name in names})
_EXPECTED: Final = {
    Kind.TEXT: "a string",
    Kind.NAMES: "a string",
    Kind.INSTANT: "an aware datetime, or an RFC 3339 string such as 2026-01-31T12:00:00Z",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.JSON: "a string, a number, true, false or null",
}


def parse(filters: object, fields: Fields, declared: Declared = NOTHING_DECLARED) -> Filter:
    """The filter that `filters` says; None or an empty object for everything.

    Args:
        filters: Mongo-style.
        fields: what the query knows.
        declared: keys of `custom` that call types have declared.

    Raises:
        InvalidFilter: with the path of the fault, what was expected, and the nearest known name.
    """
    return (
        EVERYTHING
        if filters is None
        else _Parser(fields, declared).combination(filters, "filters", 0)
    )


def parse_sort(sort: object, fields: Fields) -> tuple[SortKey, ...]:
    """The keys to sort by, ending in one that no two rows share.

    Raises:
        InvalidSort: with the path of the fault, what was expected, and the nearest known name.
    """
    keys = () if sort is None else tuple(_sort_keys(sort, fields))
    return fields.total(keys) if keys else fields.unsorted


def _sort_keys(sort: object, fields: Fields) -> Sequence[SortKey]:
    if not _is_list(sort) or len(sort) > MAX_SORT_KEYS:
        raise InvalidSort("sort", f"a list of at most {MAX_SORT_KEYS} of asc(field), desc(field)")
    keys: list[SortKey] = []
    for index, key in enumerate(sort):
        where = f"sort[{index}]"
        if (
            type(key) is not SortKey
            or type(key.field) is not str
            or type(key.descending) is not bool
        ):
            raise InvalidSort(where, "asc(field) or desc(field)")
        if key.field not in fields.sortable:
            known = ", ".join(fields.sortable)
            raise InvalidSort(where, f"one of {known}", _nearest(key.field, fields.sortable))
        if any(key.field == other.field for other in keys):
            raise InvalidSort(where, "each field once")
        keys.append(key)
    return keys


class _Parser:
    """One run over one filter; counts its nodes."""

    def __init__(self, fields: Fields, declared: Declared) -> None:
        self._fields = fields
        self._declared = declared
        self._nodes = 0

    def combination(self, said: object, where: str, depth: int) -> Filter:
        if not _is_object(said):
            raise InvalidFilter(where, 'an object such as {"role": "host"}')
        if depth > MAX_DEPTH:
            raise InvalidFilter(where, f"at most {MAX_DEPTH} combinations inside each other")
        parts = [self._part(key, inner, where, depth) for key, inner in dict.items(said)]
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _part(self, key: object, said: object, where: str, depth: int) -> Filter:
        self._count(where)
        if not _is_text(key):
            raise InvalidFilter(where, "names of fields as keys")
        name = str.__str__(key)
        where = f"{where}.{_shown(name)}"
        if not name.startswith("$"):
            return self._field(name, said, where)
        if name not in _COMBINATIONS:
            raise InvalidFilter(
                where,
                f"one of {', '.join(_COMBINATIONS)}, or a field",
                _nearest(name, _COMBINATIONS),
            )
        if not _is_list(said) or not 1 <= len(said) <= MAX_NODES:
            raise InvalidFilter(where, f"a list of 1 to {MAX_NODES} filters")
        parts = tuple(
            self.combination(part, f"{where}[{index}]", depth + 1)
            for index, part in enumerate(said)
        )
        match name:
            case "$and":
                return All(parts)
            case "$or":
                return Any(parts)
            case _:
                return Not(Any(parts))

    def _field(self, name: str, said: object, where: str) -> Filter:
        place = _place(name, self._fields, self._declared, where)
        if not _is_object(said):
            return _comparison(place, "$eq", said, where)
        if not dict.__len__(said):
            raise InvalidFilter(where, f"a value, or one of {', '.join(_OPERATORS[place.kind])}")
        parts: list[Filter] = []
        for key, value in dict.items(said):
            self._count(where)
            if not _is_text(key):
                raise InvalidFilter(where, "operators as keys")
            operator = str.__str__(key)
            parts.append(_comparison(place, operator, value, f"{where}.{_shown(operator)}"))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _count(self, where: str) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise InvalidFilter(where, f"at most {MAX_NODES} comparisons and combinations")


class _Place(Struct, frozen=True):
    """The field that a name means, and the path inside it."""

    field: str
    path: tuple[str, ...]
    kind: Kind
    declared: tuple[FieldKind, ...] = ()

    @property
    def of_instants(self) -> bool:
        """Whether texts are compared as the instants they name."""
        return "instant" in self.declared and "string" not in self.declared


def _place(name: str, fields: Fields, declared: Declared, where: str) -> _Place:
    kind = fields.kinds.get(name)
    if kind is Kind.JSON:
        raise InvalidFilter(where, f"a key inside it, such as {name}.color")
    if kind is not None:
        return _Place(name, (), kind)
    for field, its_kind in fields.kinds.items():
        if its_kind is Kind.JSON and name.startswith(f"{field}."):
            path = _path(name.removeprefix(f"{field}."), where)
            kinds = declared.get(path[0], ()) if field == _DECLARABLE and len(path) == 1 else ()
            return _Place(field, path, its_kind, kinds)
    known = [f"{field}.<key>" if k is Kind.JSON else field for field, k in fields.kinds.items()]
    raise InvalidFilter(where, f"one of {', '.join(known)}", _nearest(name, fields.kinds))


def _comparison(place: _Place, operator: str, value: object, where: str) -> Filter:
    kind = place.kind
    if operator not in _OPERATORS[kind]:
        allowed = _OPERATORS[kind]
        nearest = None if operator in _EVERY_OPERATOR else _nearest(operator, allowed)
        raise InvalidFilter(where, f"one of {', '.join(allowed)}", nearest)
    if operator == "$exists":
        if type(value) is not bool:
            raise InvalidFilter(where, "true or false")
        found = Comparison(place.field, place.path, kind, Op.EXISTS, ())
        return found if value else Not(found)
    op = _OPS[operator]
    values = _values(place, op, value, where)
    comparison = Comparison(place.field, place.path, kind, op, values, place.declared)
    return Not(comparison) if operator in _NEGATIONS else comparison


def _path(path: str, where: str) -> tuple[str, ...]:
    keys = tuple(path.split(".", MAX_PATH))
    if len(keys) > MAX_PATH or not all(_PATH_KEY.fullmatch(key) for key in keys):
        raise InvalidFilter(
            where,
            f"1 to {MAX_PATH} keys joined by dots, each a letter or _ and up to 63 more of"
            " A-Z a-z 0-9 _ -",
        )
    return keys


def _values(place: _Place, op: Op, value: object, where: str) -> tuple[Scalar, ...]:
    kind = place.kind
    if op is Op.IN:
        if not _is_list(value) or not 1 <= len(value) <= MAX_VALUES:
            raise InvalidFilter(where, f"a list of 1 to {MAX_VALUES} values")
        found = [_asked(place, one, f"{where}[{index}]") for index, one in enumerate(value)]
        return tuple(rounded(found))
    if op is Op.EQ:
        return (_asked(place, value, where),)
    if op is Op.CONTAINS:
        return (_scalar(kind, value, where),)
    if op is Op.AUTOCOMPLETE:
        beginning = _text(value, where) if _is_text(value) else ""
        if not beginning:
            raise InvalidFilter(where, "the beginning of a string, not empty")
        return (beginning.casefold(),)
    if value is None or type(value) is bool:
        expected = "a string or a number" if kind is Kind.JSON else _EXPECTED[kind]
        raise InvalidFilter(where, expected)
    return (_asked(place, value, where),)


def _asked(place: _Place, value: object, where: str) -> Scalar:
    """`value` as what `place` is compared with: an instant, where its texts name instants."""
    is_instant = issubclass(type(value), datetime) or (place.of_instants and _is_text(value))
    if "instant" in place.declared and is_instant:
        return Moment(_instant(value, where))
    return _scalar(place.kind, value, where)


def _scalar(kind: Kind, value: object, where: str) -> Scalar:
    """`value` as one that fields of `kind` are compared with; null means that nothing is there."""
    if type(value) is str and kind is Kind.TEXT:  # what most are
        return _text(value, where)
    if value is None and kind is not Kind.NAMES:
        return None
    match kind:
        case Kind.INSTANT:
            return _instant(value, where)
        case Kind.BOOLEAN | Kind.JSON if type(value) is bool:
            return value
        case Kind.TEXT | Kind.NAMES | Kind.JSON if _is_text(value):
            return _text(value, where)
        case Kind.NUMBER | Kind.JSON if _is_number(value):
            return _number(value, where)
        case _:
            raise InvalidFilter(where, _EXPECTED[kind])


def _text(value: str, where: str) -> str:
    text = str.__str__(value)
    if len(text) > MAX_TEXT:
        raise InvalidFilter(where, f"at most {MAX_TEXT} characters")
    if _UNSTORABLE.search(text):
        raise InvalidFilter(where, "text without NUL and without lone surrogates")
    return text


def _number(value: float, where: str) -> int | float:
    if _is_integer(value):
        integer = int.__pos__(value)
        if not -MAX_INTEGER <= integer <= MAX_INTEGER:
            raise InvalidFilter(where, "an integer from -2^53 to 2^53")
        return integer
    number = float.__pos__(value)
    if not math.isfinite(number):
        raise InvalidFilter(where, "a finite number")
    return number


def _instant(value: object, where: str) -> int:
    try:
        found = micros_of(str.__str__(value)) if _is_text(value) else None
        if found is not None:
            return found
        if issubclass(type(value), datetime) and isinstance(value, datetime) and value.tzinfo:
            return micros(value)
    except Exception as error:  # a stranger's time zone may raise anything
        raise InvalidFilter(where, _EXPECTED[Kind.INSTANT]) from error
    raise InvalidFilter(where, _EXPECTED[Kind.INSTANT])


def _is_object(value: object) -> TypeGuard[dict[object, object]]:
    return issubclass(type(value), dict)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return type(value) in {list, tuple}


def _is_text(value: object) -> TypeGuard[str]:
    return issubclass(type(value), str)


def _is_integer(value: object) -> TypeGuard[int]:
    return issubclass(type(value), int)


def _is_number(value: object) -> TypeGuard[int | float]:
    return issubclass(type(value), int | float) and type(value) is not bool


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name[:64], list(known), n=1)), None)


def _shown(name: str) -> str:
    """A stranger's key, fit to stand in a message."""
    if name.isascii() and name.isprintable():
        return name[:80]
    return name[:80].encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
