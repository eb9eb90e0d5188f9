"""Many rows at once on PostgreSQL: a column an array, a table a statement, one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import psycopg
from sqlalchemy import BigInteger, Boolean, Float, Integer, String

from greenroom.projections.bulk import Changes, Key, Shape, Values

_TYPES: Final = {
    BigInteger: "bigint",
    Boolean: "boolean",
    Float: "double precision",
    Integer: "integer",
    String: "text",
}
"""As the server calls them; text without its collation, which the table has."""


class PostgresBulk:
    """See `Bulk`."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        """Use the driver's own connection, in its transaction."""
        self._raw = raw

    def load(self, wanted: Mapping[Shape, Sequence[Key]]) -> Mapping[Shape, Iterable[Values]]:
        """See `Bulk`."""
        with self._raw.pipeline():
            asked = {
                shape: self._run(_select(shape, len(shape.keys)), keys)
                for shape, keys in wanted.items()
            }
        return {shape: cursor.fetchall() for shape, cursor in asked.items()}

    def write(self, changes: Mapping[Shape, Changes]) -> None:
        """See `Bulk`."""
        with self._raw.pipeline():
            for shape, change in changes.items():
                for moved in change.moved:
                    self._run(_move(shape, moved.column, tuple(moved.found_by)), moved.values)
                for length in {len(prefix) for prefix in change.swept}:
                    self._delete(shape, [key for key in change.swept if len(key) == length])
                for blank in change.blanked:
                    sql = _update(shape, blank.column, tuple(blank.values))
                    self._raw.execute(sql, (*blank.values.values(), blank.value), prepare=True)
                self._delete(shape, change.dropped)
                if change.put:
                    self._run(_upsert(shape), change.put)
                if change.added:
                    self._run(_insert(shape), change.added)

    def _delete(self, shape: Shape, keys: Sequence[Key]) -> None:
        if keys:
            self._run(_delete(shape, len(keys[0])), keys)

    def _run(self, sql: bytes, rows: Sequence[Values]) -> psycopg.Cursor[Any]:
        """Run a statement that takes an array for each place in `rows`."""
        arrays = [list(values) for values in zip(*rows, strict=True)]
        return self._raw.execute(sql, arrays, prepare=True, binary=True)


@cache
def _select(shape: Shape, length: int) -> bytes:
    """The rows whose keys begin with one of those given, each of so many values."""
    columns = ", ".join(f't."{name}"' for name in shape.columns)
    given = f"{_given(shape, length)} ON {_matches(shape, length)}"
    return f'SELECT {columns} FROM "{shape.name}" AS t JOIN {given}'.encode()


@cache
def _delete(shape: Shape, length: int) -> bytes:
    """Of all rows whose key begins with one of those given, each of so many values."""
    matches = _matches(shape, length)
    return f'DELETE FROM "{shape.name}" AS t USING {_given(shape, length)} WHERE {matches}'.encode()


@cache
def _update(shape: Shape, column: str, names: Sequence[str]) -> bytes:
    values = ", ".join(f'"{name}" = %s' for name in names)
    return f'UPDATE "{shape.name}" SET {values} WHERE "{column}" = %s'.encode()


@cache
def _move(shape: Shape, column: str, found_by: Sequence[str]) -> bytes:
    matches = " AND ".join(f't."{name}" = k.by_{name}' for name in found_by)
    given = f"unnest({_arrays(shape, (column, *found_by))})"
    names = ", ".join(f"by_{name}" for name in found_by)
    return (
        f'UPDATE "{shape.name}" AS t SET "{column}" = k.other'
        f" FROM {given} AS k(other, {names}) WHERE {matches}"
    ).encode()


@cache
def _insert(shape: Shape) -> bytes:
    columns = ", ".join(f'"{name}"' for name in shape.columns)
    arrays = _arrays(shape, shape.columns)
    return f'INSERT INTO "{shape.name}" ({columns}) SELECT * FROM unnest({arrays})'.encode()


@cache
def _upsert(shape: Shape) -> bytes:
    keys = ", ".join(f'"{name}"' for name in shape.keys)
    others = [f'"{name}" = excluded."{name}"' for name in shape.columns if name not in shape.keys]
    over = f"UPDATE SET {', '.join(others)}" if others else "NOTHING"
    return _insert(shape) + f" ON CONFLICT ({keys}) DO {over}".encode()


def _given(shape: Shape, length: int) -> str:
    """The keys given, as a table."""
    names = shape.keys[:length]
    return f"unnest({_arrays(shape, names)}) AS k({', '.join(names)})"


def _matches(shape: Shape, length: int) -> str:
    return " AND ".join(f't."{name}" = k."{name}"' for name in shape.keys[:length])


def _arrays(shape: Shape, names: Sequence[str]) -> str:
    types = (_TYPES[type(shape.table.columns[name].type)] for name in names)
    return ", ".join(f"%b::{name}[]" for name in types)
