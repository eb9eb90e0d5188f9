"""Vacuuming, and what the server has noted of the values in columns: it quotes some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg import Connection, sql

_FIELDS: Final = """\
SELECT attname, atttypid::regtype::text FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""
_IS_NOTED_AND_EMPTY: Final = """\
SELECT NOT EXISTS (SELECT FROM {}) AND EXISTS (
    SELECT FROM pg_stats WHERE schemaname = current_schema() AND tablename = %s
)"""
_BLANK: Final[Mapping[str, object]] = {"text": "{}", "boolean": False}
"""What stands in a row that says nothing; numbers are 0. Indexes read some texts as JSON."""


def vacuum(connection: Connection[Any], tables: Sequence[str]) -> None:
    """Free the old versions of rows, and note anew what stands in the columns of `tables`.

    Args:
        connection: in autocommit mode.
        tables: in the first schema of its search path.
    """
    for table in tables:
        asked = sql.SQL(_IS_NOTED_AND_EMPTY).format(sql.Identifier(table))
        if connection.execute(asked, [table]).fetchone() == (True,):
            _look_at_nothing(connection, table)
    names = sql.SQL(", ").join(map(sql.Identifier, tables))
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(names))


def _look_at_nothing(connection: Connection[Any], table: str) -> None:
    """Let the server note a row that nobody ever sees; of an empty table it notes nothing new."""
    fields = connection.execute(_FIELDS, [table]).fetchall()
    name = sql.Identifier(table)
    columns = sql.SQL(", ").join(sql.Identifier(field) for field, _ in fields)
    blank = [_BLANK.get(kind, 0) for _, kind in fields]
    marks = sql.SQL(", ").join([sql.Placeholder()] * len(blank))
    with connection.transaction():
        row = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(name, columns, marks)
        connection.execute(row, blank)
        connection.execute(sql.SQL("ANALYZE {}").format(name))
        connection.execute(sql.SQL("DELETE FROM {}").format(name))
