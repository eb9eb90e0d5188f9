"""PostgreSQL's own words for JSON and case folding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Integer,
    Table,
    Text,
    TypeDecorator,
    func,
    literal_column,
)
from sqlalchemy import Dialect as Driver
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.types import TypeEngine

from greenroom.domain.call_type import FieldKind
from greenroom.projections.dialect import Slot, Test
from greenroom.projections.postgres_functions import (
    BOOLEAN_AT,
    FOLD,
    HAS_NUMBER,
    INSTANT_AT,
    JSON_AT,
    NUMBER_AT,
    TEXT_AT,
    Function,
)


class PostgresDialect:
    """How PostgreSQL says it; see `Dialect`. Statements need `FUNCTIONS` on their search path."""

    driver: Driver = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call] # theirs
    knows_values = True

    @staticmethod
    def insert(table: Table) -> postgresql.Insert:
        """An insert that can say what to do about a row that is there already."""
        return postgresql.insert(table)

    @staticmethod
    def folded(text: ColumnElement[Any]) -> ColumnElement[str]:
        """`text` case-folded as Python does it, ordered by code point."""
        folded: ColumnElement[str] = getattr(func, FOLD)(text, type_=text.type)
        return folded.collate("C")

    @staticmethod
    def unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The column: it knows when not to use an index."""
        return column

    @staticmethod
    def json_at(column: Column[Any], path: Slot) -> _JsonAt:
        """The value of the JSON text in `column` at `path`."""
        return _JsonAt(column, path)

    @staticmethod
    def typed(column: Column[Any], path: tuple[str, ...], kind: FieldKind) -> ColumnElement[Any]:
        """The value at `path` if it is of `kind`, else null; see `Dialect`."""
        function, gives = _KINDS[kind]
        # Quoted, or a key called NULL would be none.
        keys = ",".join(f'"{key}"' for key in path)
        place: ColumnElement[Any] = literal_column(f"'{{{keys}}}'::text[]", ARRAY(Text))
        found: ColumnElement[Any] = _called(function, column, place, type_=gives)
        return found.collate("C") if kind == "string" else found


class _JsonText(TypeDecorator[str]):
    """Text from inside a document, written as `postgres_functions` write it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Driver) -> str | None:  # noqa: ARG002 - SQLAlchemy's arguments
        """The text, its letters that stand there as two written so."""
        return None if value is None else value.replace("\x01", "\x01\x02")


_KINDS: Final[Mapping[FieldKind, tuple[Function, TypeEngine[Any]]]] = {
    "string": (TEXT_AT, _JsonText()),
    "number": (NUMBER_AT, Double()),
    "boolean": (BOOLEAN_AT, Integer()),
    "instant": (INSTANT_AT, BigInteger()),
}
"""By kind: the function that finds its values, and what it gives."""


class _Path(TypeDecorator[tuple[str, ...]]):
    """A path of keys as an array."""

    impl = ARRAY(Text)
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Driver) -> list[str]:  # noqa: ARG002 - SQLAlchemy's arguments
        """The keys as the driver takes an array."""
        return list(value or ())


class _JsonAt:
    def __init__(self, column: Column[Any], path: Slot) -> None:
        self._place = (column, path.parameter(_Path()))

    def exists(self) -> ColumnElement[bool]:
        return self._value.is_not(None)

    def equals(self, value: Slot) -> ColumnElement[bool]:
        said = value.value
        if said is None or isinstance(said, bool):
            return self._value == _constant(said)
        if isinstance(said, str):
            return self.is_text(lambda text: text == value.parameter(_JsonText()))
        return self.is_number(lambda number: number == value.parameter(Double()))

    def contains(self, value: Slot) -> ColumnElement[bool]:
        said = value.value
        if said is None or isinstance(said, bool):
            return self._holds(_constant([said]))
        if isinstance(said, str):
            return self._holds(func.jsonb_build_array(value.parameter(_JsonText())))
        return _called(HAS_NUMBER, self._value, value.parameter(Double()))

    def _holds(self, other: ColumnElement[Any]) -> ColumnElement[bool]:
        # Of jsonb's own: one list contains another if it has its elements, kinds included.
        return self._value.op("@>", is_comparison=True)(other)

    def is_text(self, test: Test) -> ColumnElement[bool]:
        return test(_called(TEXT_AT, *self._place, type_=_JsonText()).collate("C"))

    def is_number(self, test: Test) -> ColumnElement[bool]:
        return test(_called(NUMBER_AT, *self._place, type_=Double()))

    @property
    def _value(self) -> ColumnElement[Any]:
        return _called(JSON_AT, *self._place, type_=JSONB())


def _called(function: Function, *arguments: ColumnElement[Any], **how: Any) -> ColumnElement[Any]:
    called: ColumnElement[Any] = getattr(func, function.name)(*arguments, **how)
    return called


def _constant(value: object) -> ColumnElement[Any]:
    """`value`, which no caller chose, as JSON."""
    return literal_column(f"'{json.dumps(value)}'::jsonb", JSONB)
