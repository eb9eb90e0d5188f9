"""What databases do not say in the same words: JSON, case folding, "insert unless it is there"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import BindParameter, Column, ColumnElement, Table, bindparam
from sqlalchemy import Dialect as Driver
from sqlalchemy.types import TypeEngine

from greenroom.domain.call_type import FieldKind
from greenroom.projections.query import Scalar

if TYPE_CHECKING:  # who uses the one shall not wait for the other to be loaded
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert

Test = Callable[[ColumnElement[Any]], ColumnElement[bool]]
"""What is asked of a value, as SQL."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A value of a filter, and the parameter that stands for it.

    Of the value itself SQL may depend on no more than what `shapes.shape` says of it.
    """

    value: Scalar | tuple[str, ...]
    """A path of keys where a document is looked into."""
    name: str

    def parameter(self, type_: TypeEngine[Any]) -> BindParameter[Any]:
        """The parameter, as a value of `type_`."""
        return bindparam(self.name, type_=type_)


class JsonAt(Protocol):
    """The JSON value of a column at a path of keys, as SQL.

    What is asked of it has the meaning of `query.holds`. It is false or null where the value is
    of another kind, or missing.
    """

    def exists(self) -> ColumnElement[bool]:
        """Whether there is a value; null in the document is one."""
        ...

    def equals(self, value: Slot) -> ColumnElement[bool]:
        """Whether it is `value`: `true`, `1` and `"1"` differ, `1` and `1.0` do not."""
        ...

    def contains(self, value: Slot) -> ColumnElement[bool]:
        """Whether it is an array with an element that equals `value`."""
        ...

    def is_text(self, test: Test) -> ColumnElement[bool]:
        """Whether it is a text, ordered by code point, of which `test` is true."""
        ...

    def is_number(self, test: Test) -> ColumnElement[bool]:
        """Whether it is a number, as a double, of which `test` is true."""
        ...


class Dialect(Protocol):
    """How one kind of database says it."""

    driver: Driver
    """What queries are compiled for: parameters by position."""
    knows_values: bool
    """Whether it looks at values when it plans, and at what stands in the tables."""

    @staticmethod
    def insert(table: Table) -> PostgresInsert | SQLiteInsert:
        """An insert that can say what to do about a row that is there already."""
        ...

    @staticmethod
    def folded(text: ColumnElement[Any]) -> ColumnElement[str]:
        """`text` case-folded as Python does it, ordered by code point."""
        ...

    @staticmethod
    def unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
        """`column`, and no index of it shall be used."""
        ...

    @staticmethod
    def json_at(column: Column[Any], path: Slot) -> JsonAt:
        """The value of the JSON text in `column` at `path`, whose keys `parse` has let through."""
        ...

    @staticmethod
    def typed(column: Column[Any], path: tuple[str, ...], kind: FieldKind) -> ColumnElement[Any]:
        """The value of the JSON text in `column` at `path` if it is of `kind`, else null.

        A text, a double, a truth value as 1 or 0, an instant in microseconds. Always put the same
        way, with the path written out: databases use an index only where the words agree.
        """
        ...
