"""All that is kept, found and not listed: every file of a folder, every row of every table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

_SQLITE: Final = b"SQLite format 3\0"
_SERVER_TABLES: Final = """\
SELECT relnamespace::regnamespace::text, relname FROM pg_class
WHERE relkind IN ('r', 'p', 'm') AND relpersistence <> 't'
AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2"""
_STATISTICS: Final = """\
SELECT schemaname || '.' || tablename, one::text FROM pg_stats AS one
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"""


def everything(folder: Path, servers: Sequence[str]) -> dict[str, str]:
    """What stands in each place: in each file as it is, and in each table as its rows say it.

    Args:
        folder: with all files, in whatever folders below it.
        servers: URLs of databases.
    """
    found = dict(_files(folder))
    for name, rows in tables(folder, servers).items():
        found[f"table {name}"] = "\n".join(rows)
    for url in servers:
        with psycopg.connect(url) as server:
            for table, told in server.execute(_STATISTICS):
                name = f"statistics of {table}"
                found[name] = found.get(name, "") + told
    return found


def tables(folder: Path, servers: Sequence[str]) -> dict[str, list[str]]:
    """The rows of every table there is, bytes as Latin-1; of PostgreSQL and of SQLite files."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.read_bytes()[: len(_SQLITE)] == _SQLITE:
            with closing(sqlite3.connect(path)) as file:
                # `sqlite_master` among them: who declares a field writes its name there.
                names = [
                    str(name)
                    for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type='table'")
                ]
                for name in [*names, "sqlite_master"]:
                    rows = file.execute(f'SELECT * FROM "{name}"')
                    found[f"{_kind(path)}.{name}"] = [*map(_said, rows)]
    for number, url in enumerate(servers):
        with psycopg.connect(url) as server:
            for schema, name in server.execute(_SERVER_TABLES).fetchall():
                asked = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name))
                found[f"{number}.{schema}.{name}"] = [*map(_said, server.execute(asked))]
    return found


def holding(words: Mapping[str, str], found: Mapping[str, str]) -> dict[str, set[str]]:
    """In which of the places each word stands, by what the word is."""
    return {
        what: {place for place, said in found.items() if word in said}
        for what, word in words.items()
    }


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes().decode("latin-1")


def _kind(path: Path) -> str:
    """The file's name; of one that is half made, its folder has a name of chance."""
    return f"{path.parent.name[: len('calls.views.db-rebuild')]}/{path.name}"


def _said(row: Sequence[Any]) -> str:
    return " ".join(one.decode("latin-1") if isinstance(one, bytes) else str(one) for one in row)
