"""Tables and their indexes, made by statements that are put together once in a process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from sqlalchemy import Connection, Index, Table
from sqlalchemy.dialects import registry
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement, DropTable


def make(connection: Connection, tables: Iterable[Table]) -> None:
    """Make the tables that are not there, with their indexes."""
    _execute(connection, _making(connection.dialect.name, tuple(tables)))


def make_anew(connection: Connection, tables: Iterable[Table]) -> None:
    """Make the tables, empty, whether they are there or not."""
    dialect, those = connection.dialect.name, tuple(tables)
    _execute(connection, _dropping(dialect, those))
    _execute(connection, _making(dialect, those))


def drop(connection: Connection, tables: Iterable[Table]) -> None:
    """Drop those of the tables that are there."""
    _execute(connection, _dropping(connection.dialect.name, tuple(tables)))


def _execute(connection: Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


@cache
def _making(dialect: str, tables: tuple[Table, ...]) -> Sequence[str]:
    return [
        statement
        for table in tables
        for statement in (
            _written(CreateTable(table, if_not_exists=True), dialect),
            *(_written(CreateIndex(one, if_not_exists=True), dialect) for one in _indexes(table)),
        )
    ]


@cache
def _dropping(dialect: str, tables: tuple[Table, ...]) -> Sequence[str]:
    return [_written(DropTable(table, if_exists=True), dialect) for table in tables]


def _indexes(table: Table) -> Sequence[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _written(statement: DDLElement, dialect: str) -> str:
    return str(statement.compile(dialect=registry.load(dialect)()))
