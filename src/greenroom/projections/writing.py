"""Running the writes of projections: statements compiled once, handed straight to the driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement
from sqlalchemy import Dialect as Driver

from greenroom.projections.dialect import Dialect
from greenroom.projections.projection import InsertNew, Statement, Upsert, Write


class Run(NamedTuple):
    """One statement in the driver's words, and the values of each run of it."""

    sql: str
    rows: Sequence[Mapping[str, Any]]


class Compiled:
    """The statements of all writes so far, as one driver takes them.

    Statements are few and made once, at import: they are told apart by identity, and kept.
    """

    def __init__(self, dialect: Dialect, driver: Driver) -> None:
        self._dialect = dialect
        self._driver = driver
        self._known: dict[_Kind, tuple[str, Mapping[str, Any], Statement]] = {}

    def runs(self, writes: Iterable[Write]) -> Iterator[Run]:
        """The writes in order; neighbours that run the same statement are one run."""
        for kind, alike in groupby(writes, _kind):
            run = list(alike)
            sql, constants = self._compiled(run[0].statement, kind)
            yield Run(sql, [{**constants, **write.values} for write in run])

    def _compiled(self, statement: Statement, kind: _Kind) -> tuple[str, Mapping[str, Any]]:
        """`statement` as SQL with the parameters of its `kind`, and those that never change."""
        _, names = kind
        known = self._known.get(kind)
        if known is None:
            compiled = self._executable(statement).compile(
                dialect=self._driver, column_keys=list(names), for_executemany=True
            )
            constants = {
                name: value for name, value in (compiled.params or {}).items() if name not in names
            }
            # The statement is kept as well, or another could come to have its identity.
            known = self._known[kind] = (str(compiled), constants, statement)
        return known[:2]

    def _executable(self, statement: Statement) -> ClauseElement:
        match statement:
            case Upsert(table=table):
                insert = self._dialect.insert(table)
                keys = [column.name for column in table.primary_key.columns]
                return insert.on_conflict_do_update(
                    index_elements=keys,
                    set_={
                        column.name: insert.excluded[column.name]
                        for column in table.columns
                        if column.name not in keys and not column.computed
                    },
                )
            case InsertNew(table=table):
                return self._dialect.insert(table).on_conflict_do_nothing()
            case _:
                return statement


_Kind = tuple[int, tuple[str, ...]]


def _kind(write: Write) -> _Kind:
    """Of which statement it is, by identity, and the names of its values."""
    return id(write.statement), tuple(write.values)
