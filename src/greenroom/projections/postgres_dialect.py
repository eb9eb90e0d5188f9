"""PostgreSQL's own words for JSON and case folding."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
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
from greenroom.domain.instants import RFC_3339
from greenroom.projections.dialect import Slot, Test

_FOLD: Final = f"fold_{unicodedata.unidata_version.replace('.', '_')}"
"""Folds as this Python does; another one, that knows more letters, has a function of its own."""
_INFINITE: Final = 2**1024 - 2**970
"""The least integer that is nearer to infinity than to any double."""

# jsonb knows no NUL: it is written as two letters here, and the first of them, where it stands for
# itself, as two others, so that texts stay different and in order. See `_JsonText`.
_JSON_OF: Final = r"""
CREATE FUNCTION json_of(document text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN strpos(document, '\u000') = 0 THEN document::jsonb
        ELSE regexp_replace(
            regexp_replace(document, '(?<!\\)((?:\\\\)*)\\u0001', '\1\\u0001\\u0002', 'g'),
            '(?<!\\)((?:\\\\)*)\\u0000', '\1\\u0001\\u0001', 'g'
        )::jsonb
    END
$$"""
_JSON_AT: Final = """
CREATE FUNCTION json_at(document text, path text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT json_of(document) #> path
$$"""
_TEXT_AT: Final = """
CREATE FUNCTION text_at(document text, path text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    node jsonb := json_of(document) #> path;
BEGIN
    RETURN CASE jsonb_typeof(node) WHEN 'string' THEN node #>> '{}' END;
END
$$"""
_NUMBER_OF: Final = f"""
CREATE FUNCTION number_of(node jsonb) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE
        WHEN jsonb_typeof(node) IS DISTINCT FROM 'number' THEN NULL
        WHEN node::numeric >= {_INFINITE} THEN 'Infinity'
        WHEN node::numeric <= -{_INFINITE} THEN '-Infinity'
        ELSE node::numeric::double precision
    END;
END
$$"""
_NUMBER_AT: Final = """
CREATE FUNCTION number_at(document text, path text[]) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN number_of(json_of(document) #> path);
END
$$"""
_HAS_NUMBER: Final = """
CREATE FUNCTION has_number(node jsonb, number double precision) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM jsonb_array_elements(CASE jsonb_typeof(node) WHEN 'array' THEN node END)
        WHERE number_of(value) = number
    )
$$"""


_BOOLEAN_AT: Final = """
CREATE FUNCTION boolean_at(document text, path text[]) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE json_of(document) #> path WHEN 'true'::jsonb THEN 1 WHEN 'false'::jsonb THEN 0 END;
END
$$"""
# Whole days by the calendar, then the time of day: nothing in it may fail, or depend on a setting.
_INSTANT_AT: Final = rf"""
CREATE FUNCTION instant_at(document text, path text[]) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    said text := text_at(document, path) COLLATE "C";
    day date;
    seconds bigint;
    ahead bigint := 0;
    fraction text;
BEGIN
    IF said IS NULL OR said !~ '^{RFC_3339.pattern}$' OR said LIKE '0000%' THEN
        RETURN NULL;
    END IF;
    day := make_date(substr(said, 1, 4)::integer, substr(said, 6, 2)::integer, 1)
        + (substr(said, 9, 2)::integer - 1);
    IF extract(month FROM day) <> substr(said, 6, 2)::integer THEN
        RETURN NULL;
    END IF;
    seconds := (day - DATE '1970-01-01')::bigint * 86400 + substr(said, 12, 2)::integer * 3600
        + substr(said, 15, 2)::integer * 60 + substr(said, 18, 2)::integer;
    IF said ~ '[+-]..:..$' THEN
        ahead := substr(right(said, 5), 1, 2)::integer * 3600 + right(said, 2)::integer * 60;
        IF substr(right(said, 6), 1, 1) = '-' THEN
            ahead := -ahead;
        END IF;
    END IF;
    fraction := coalesce(substring(said FROM '\.([0-9]+)'), '');
    RETURN (seconds - ahead) * 1000000 + rpad(fraction, 6, '0')::integer;
END
$$"""


@cache
def _fold() -> str:
    """Case folding letter by letter; the server's own lower() depends on its locale."""
    letters = (chr(code) for code in range(1, sys.maxunicode + 1))
    changing = {letter: folded for letter in letters if (folded := letter.casefold()) != letter}
    beyond_ascii = "".join(letter for letter in changing if not letter.isascii())
    table = json.dumps(changing, ensure_ascii=False)
    return f"""
CREATE FUNCTION {_FOLD}(said text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded text := '';
    letter text;
BEGIN
    IF octet_length(said) = length(said) OR said COLLATE "C" !~ '[{beyond_ascii}]' THEN
        RETURN lower(said COLLATE "C");
    END IF;
    FOREACH letter IN ARRAY string_to_array(said, NULL) LOOP
        folded := folded || coalesce('{table}'::jsonb ->> letter, letter);
    END LOOP;
    RETURN folded;
END
$$"""


FUNCTIONS: Final[Mapping[str, Callable[[], str]]] = {
    "json_of(text)": lambda: _JSON_OF,
    "json_at(text, text[])": lambda: _JSON_AT,
    "text_at(text, text[])": lambda: _TEXT_AT,
    "number_of(jsonb)": lambda: _NUMBER_OF,
    "number_at(text, text[])": lambda: _NUMBER_AT,
    "boolean_at(text, text[])": lambda: _BOOLEAN_AT,
    "instant_at(text, text[])": lambda: _INSTANT_AT,
    "has_number(jsonb, double precision)": lambda: _HAS_NUMBER,
    f"{_FOLD}(text)": _fold,
}
"""What statements call: by signature, the statement that makes it, put together when needed."""


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
        folded: ColumnElement[str] = getattr(func, _FOLD)(text, type_=text.type)
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
        name, gives = _KINDS[kind]
        # Quoted, or a key called NULL would be none.
        keys = ",".join(f'"{key}"' for key in path)
        place: ColumnElement[Any] = literal_column(f"'{{{keys}}}'::text[]", ARRAY(Text))
        found: ColumnElement[Any] = getattr(func, name)(column, place, type_=gives)
        return found.collate("C") if kind == "string" else found


class _JsonText(TypeDecorator[str]):
    """Text from inside a document, written as `json_of` writes it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Driver) -> str | None:  # noqa: ARG002 - SQLAlchemy's arguments
        """The text, its letters that `json_of` writes as two written so."""
        return None if value is None else value.replace("\x01", "\x01\x02")


_KINDS: Final[Mapping[FieldKind, tuple[str, TypeEngine[Any]]]] = {
    "string": ("text_at", _JsonText()),
    "number": ("number_at", Double()),
    "boolean": ("boolean_at", Integer()),
    "instant": ("instant_at", BigInteger()),
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
        return func.has_number(self._value, value.parameter(Double()))

    def _holds(self, other: ColumnElement[Any]) -> ColumnElement[bool]:
        # Of jsonb's own: one list contains another if it has its elements, kinds included.
        return self._value.op("@>", is_comparison=True)(other)

    def is_text(self, test: Test) -> ColumnElement[bool]:
        return test(func.text_at(*self._place, type_=_JsonText()).collate("C"))

    def is_number(self, test: Test) -> ColumnElement[bool]:
        return test(func.number_at(*self._place, type_=Double()))

    @property
    def _value(self) -> ColumnElement[Any]:
        return func.json_at(*self._place, type_=JSONB())


def _constant(value: object) -> ColumnElement[Any]:
    """`value`, which no caller chose, as JSON."""
    return literal_column(f"'{json.dumps(value)}'::jsonb", JSONB)
