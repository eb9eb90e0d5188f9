"""Many rows at once on SQLite: straight to the driver, with values by place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Final

from sqlalchemy import Connection

from greenroom.projections.bulk import Changes, Key, Shape, Values

_AT_ONCE: Final = 256
"""Keys in one question: half the time of asking for each, and more gain nothing."""


class SQLiteBulk:
    """See `Bulk`."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        """Use the driver's own connection, in its transaction."""
        self._raw = raw

    def load(self, wanted: Mapping[Shape, Sequence[Key]]) -> Mapping[Shape, Iterable[Values]]:
        """See `Bulk`."""
        return {shape: self._loaded(shape, keys) for shape, keys in wanted.items()}

    def write(self, changes: Mapping[Shape, Changes]) -> None:
        """See `Bulk`."""
        run = self._raw.executemany
        for shape, change in changes.items():
            for moved in change.moved:
                run(_move(shape, moved.column, tuple(moved.found_by)), moved.values)
            for prefix in change.swept:
                self._raw.execute(_delete(shape, len(prefix)), prefix)
            for blank in change.blanked:
                sql = _update(shape, blank.column, tuple(blank.values))
                self._raw.execute(sql, (*blank.values.values(), blank.value))
            if change.dropped:
                run(_delete(shape, len(shape.keys)), change.dropped)
            if change.put:
                run(_upsert(shape), change.put)
            if change.added:
                run(_insert(shape), change.added)

    def _loaded(self, shape: Shape, keys: Sequence[Key]) -> Sequence[Values]:
        found: list[Values] = []
        for asked in _chunks(keys):
            sql = _select(shape, len(asked))
            found += self._raw.execute(sql, tuple(chain.from_iterable(asked))).fetchall()
        return found


def driver(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection underneath."""
    raw = connection.connection.dbapi_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(type(raw).__name__)
    return raw


def _chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """At most so many at once, in a power of two: few statements serve any number of keys."""
    for start in range(0, len(keys), _AT_ONCE):
        chunk = keys[start : start + _AT_ONCE]
        rounded = 1 << (len(chunk) - 1).bit_length()
        yield [*chunk, *[(None,) * len(chunk[0])] * (rounded - len(chunk))]  # type: ignore[list-item]  # no key equals null


@cache
def _select(shape: Shape, count: int) -> str:
    """The rows of so many keys."""
    columns = ", ".join(f't."{name}"' for name in shape.columns)
    row = f"({', '.join('?' for _ in shape.keys)})"
    matches = (f't."{name}" = k.column{place}' for place, name in enumerate(shape.keys, start=1))
    return (
        f"SELECT {columns} FROM (VALUES {', '.join([row] * count)}) AS k"
        f' CROSS JOIN "{shape.name}" AS t ON {" AND ".join(matches)}'
    )


@cache
def _delete(shape: Shape, length: int) -> str:
    """Of all rows whose key begins with so many values."""
    return f'DELETE FROM "{shape.name}" WHERE {_begins(shape, length)}'


@cache
def _update(shape: Shape, column: str, names: Sequence[str]) -> str:
    values = ", ".join(f'"{name}" = ?' for name in names)
    return f'UPDATE "{shape.name}" SET {values} WHERE "{column}" = ?'


@cache
def _move(shape: Shape, column: str, found_by: Sequence[str]) -> str:
    matches = " AND ".join(f'"{name}" = ?' for name in found_by)
    return f'UPDATE "{shape.name}" SET "{column}" = ? WHERE {matches}'


@cache
def _insert(shape: Shape) -> str:
    columns = ", ".join(f'"{name}"' for name in shape.columns)
    values = ", ".join("?" for _ in shape.columns)
    return f'INSERT INTO "{shape.name}" ({columns}) VALUES ({values})'


@cache
def _upsert(shape: Shape) -> str:
    keys = ", ".join(f'"{name}"' for name in shape.keys)
    others = [f'"{name}" = excluded."{name}"' for name in shape.columns if name not in shape.keys]
    over = f"UPDATE SET {', '.join(others)}" if others else "NOTHING"
    return f"{_insert(shape)} ON CONFLICT ({keys}) DO {over}"


def _begins(shape: Shape, length: int) -> str:
    return " AND ".join(f'"{name}" = ?' for name in shape.keys[:length])
