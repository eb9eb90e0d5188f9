"""SQLite's own words for JSON and case folding."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Float,
    Integer,
    String,
    Table,
    TypeDecorator,
    UnaryExpression,
    case,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy import Dialect as Driver
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.operators import custom_op

from greenroom.domain.call_type import FieldKind
from greenroom.domain.instants import micros_of
from greenroom.projections.dialect import Slot, Test

_NUMBERS: Final = ("integer", "real")


class SQLiteDialect:
    """How SQLite says it; see `Dialect`."""

    driver: Driver = sqlite.dialect(paramstyle="qmark")
    knows_values = False

    @staticmethod
    def insert(table: Table) -> sqlite.Insert:
        """An insert that can say what to do about a row that is there already."""
        return sqlite.insert(table)

    @staticmethod
    def folded(text: ColumnElement[Any]) -> ColumnElement[str]:
        """`text` case-folded as Python does it; the database's own lower() knows ASCII only."""
        return func.greenroom_fold(text, type_=String())

    @staticmethod
    def unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
        """`+column`, which SQLite looks for in no index."""
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    @staticmethod
    def json_at(column: Column[Any], path: Slot) -> _JsonAt:
        """The value of the JSON text in `column` at `path`."""
        return _JsonAt(column, path)

    @staticmethod
    def typed(column: Column[Any], path: tuple[str, ...], kind: FieldKind) -> ColumnElement[Any]:
        """The value at `path` if it is of `kind`, else null; see `Dialect`."""
        place: ColumnElement[str] = literal_column(f"'{_path(path)}'", String())
        said = func.json_type(column, place, type_=String())
        found = func.json_extract(column, place, type_=String())
        match kind:
            case "string":
                return case((said == _word("text"), found))
            case "number":
                return case((said.in_([_word(number) for number in _NUMBERS]), cast(found, Float)))
            case "boolean":
                yes, no = literal_column("1", Integer()), literal_column("0", Integer())
                return case((said == _word("true"), yes), (said == _word("false"), no))
            case "instant":
                return case(
                    (said == _word("text"), func.greenroom_instant(found, type_=BigInteger()))
                )


def add_functions(connection: sqlite3.Connection) -> None:
    """Give `connection` the functions that statements call."""
    connection.create_function("greenroom_fold", 1, _fold, deterministic=True)
    connection.create_function("greenroom_instant", 1, _instant, deterministic=True)


def _fold(text: object) -> str | None:
    return text.casefold() if isinstance(text, str) else None


def _instant(value: object) -> int | None:
    return micros_of(value) if isinstance(value, str) else None


def _path(keys: Sequence[str]) -> str:
    """Keys, which hold no quotes themselves, as the JSON functions take them."""
    return "$" + "".join(f'."{name}"' for name in keys)


def _word(kind: str) -> ColumnElement[str]:
    """A kind of JSON, written out."""
    return literal_column(f"'{kind}'", String())


class _Path(TypeDecorator[tuple[str, ...]]):
    """A path of keys, as the JSON functions take it."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Driver) -> str:  # noqa: ARG002 - SQLAlchemy's arguments
        """The path as text."""
        return _path(value or ())


class _JsonAt:
    def __init__(self, column: Column[Any], path: Slot) -> None:
        self._column = column
        self._path = path.parameter(_Path())

    def exists(self) -> ColumnElement[bool]:
        return self._kind.is_not(None)

    def equals(self, value: Slot) -> ColumnElement[bool]:
        kinds = _kinds(value)
        if kinds == ("text",):
            # The value first: most rows differ in it, and are then not parsed again for their kind.
            return (self._text == value.parameter(String())) & _is_of(self._kind, kinds)
        if kinds == _NUMBERS:
            return (self._number == value.parameter(Double())) & _is_of(self._kind, kinds)
        return _is_of(self._kind, kinds)

    def contains(self, value: Slot) -> ColumnElement[bool]:
        kinds = _kinds(value)
        each = func.json_each(self._column, self._path).table_valued("type", "atom")
        found = select(1).select_from(each).where(_is_of(each.c.type, kinds))
        if kinds == ("text",):
            found = found.where(type_coerce(each.c.atom, String()) == value.parameter(String()))
        elif kinds == _NUMBERS:
            found = found.where(cast(each.c.atom, Float) == value.parameter(Double()))
        return (self._kind == "array") & found.exists()

    def is_text(self, test: Test) -> ColumnElement[bool]:
        return (self._kind == "text") & test(self._text)

    def is_number(self, test: Test) -> ColumnElement[bool]:
        return _is_of(self._kind, _NUMBERS) & test(self._number)

    @property
    def _kind(self) -> ColumnElement[str]:
        """`null true false integer real text array object`; NULL where there is nothing."""
        return func.json_type(self._column, self._path, type_=String())

    @property
    def _text(self) -> ColumnElement[str]:
        return func.json_extract(self._column, self._path, type_=String())

    @property
    def _number(self) -> ColumnElement[float]:
        return cast(func.json_extract(self._column, self._path), Float)


def _is_of(kind: ColumnElement[Any], kinds: Sequence[str]) -> ColumnElement[bool]:
    """Whether `kind` is one of `kinds`, which no caller chose."""
    return kind.in_([_word(name) for name in kinds])


def _kinds(slot: Slot) -> Sequence[str]:
    """The kinds of JSON that can equal a value."""
    value = slot.value
    if value is None:
        return ("null",)
    if isinstance(value, bool):
        return ("true",) if value else ("false",)
    return ("text",) if isinstance(value, str) else _NUMBERS
