"""How the database goes about a query, and why, in plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any as Anything
from typing import Final

from greenroom.projections.database import Database
from greenroom.projections.declared import PREFIX, wanted
from greenroom.projections.query import Comparison, Filter, Kind, comparisons
from greenroom.projections.remedies import declaration
from greenroom.projections.statements import Statement


@dataclass(frozen=True, slots=True)
class Access:
    """How the rows of one table are come by."""

    table: str
    index: str | None
    """By which of its indexes; None where it is read from end to end."""
    condition: str | None
    """What the index is asked for, in the database's words; None where it is read in its order."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be run for a query, and how; nothing of it was run."""

    sql: str
    arguments: tuple[Anything, ...]
    steps: tuple[str, ...]
    """In the database's own words."""
    accesses: tuple[Access, ...]
    sorts: bool
    """Whether all that fits is found and sorted before the first row can be answered."""
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    """What will be slow on a large table, and what would help."""


def planned(
    database: Database,
    filter: Filter,
    statement: Statement,
    arguments: Sequence[Anything],
    *,
    kind: str,
    scope: str,
) -> Plan:
    """The plan of one statement.

    Args:
        database: that would run it.
        filter: what was asked for.
        statement: that asks for it.
        arguments: of its parameters.
        kind: of query, which is also the name of its table.
        scope: the cid, or empty for the whole house.

    Raises:
        StoreError: the database cannot be read.
    """
    if database.dialect.driver.name == "sqlite":
        steps, accesses, sorts = _on_sqlite(database, statement, arguments)
    else:
        steps, accesses, sorts = _on_postgres(database, statement, arguments)
    with database.read() as connection:
        declared = wanted(connection, database.dialect)
    labels = {name: f"the declared field {index.field}" for name, index in declared.items()}
    covered = {declared[one.index].field for one in accesses if one.index and one.index in declared}
    conditions = " ".join(one.condition or "" for one in accesses if one.table == kind)
    rest = [
        one
        for one in comparisons(filter)
        if _name(one) not in covered and not re.search(rf"\b{re.escape(one.field)}\b", conditions)
    ]
    return Plan(
        statement.sql,
        tuple(arguments),
        tuple(steps),
        tuple(accesses),
        sorts,
        tuple(_reasons(accesses, labels, rest, sorts=sorts)),
        tuple(_warnings(kind, scope, accesses, rest, sorts=sorts)),
    )


_ACCESS: Final = re.compile(
    r"(?P<how>SCAN|SEARCH) (?P<table>\w+)"
    r"(?: USING (?:COVERING )?(?:INDEX (?P<index>\w+)|(?P<key>(?:INTEGER )?PRIMARY KEY)))?"
    r"(?: \((?P<condition>.*)\))?"
)

_Read = tuple[Sequence[str], Sequence[Access], bool]


def _on_sqlite(database: Database, statement: Statement, arguments: Sequence[Anything]) -> _Read:
    rows = database.fetch(f"EXPLAIN QUERY PLAN {statement.sql}", arguments)
    steps = [str(row[-1]) for row in rows]
    accesses = [
        Access(found["table"], found["index"] or found["key"], found["condition"])
        for step in steps
        if (found := _ACCESS.match(step)) is not None
    ]
    return steps, accesses, any("TEMP B-TREE FOR" in step for step in steps)


def _on_postgres(database: Database, statement: Statement, arguments: Sequence[Anything]) -> _Read:
    sql, steady = statement.sql, statement.steady
    steps = [str(row[0]) for row in database.fetch(f"EXPLAIN {sql}", arguments, steady=steady)]
    ((said,),) = database.fetch(f"EXPLAIN (FORMAT JSON) {sql}", arguments, steady=steady)
    tree = json.loads(said) if isinstance(said, str) else said
    nodes = list(_nodes(tree[0]["Plan"]))
    return steps, _accesses(nodes), any("Sort" in node["Node Type"] for node in nodes)


def _nodes(node: Mapping[str, Anything]) -> Iterator[Mapping[str, Anything]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes({"Relation Name": node.get("Relation Name"), **inner})


def _accesses(nodes: Sequence[Mapping[str, Anything]]) -> Sequence[Access]:
    found = []
    for node in nodes:
        table, index = node.get("Relation Name"), node.get("Index Name")
        if index is not None or node["Node Type"] == "Seq Scan":
            found.append(Access(table or "?", index, node.get("Index Cond")))
    return found


def _reasons(
    accesses: Sequence[Access],
    labels: Mapping[str, str],
    rest: Sequence[Comparison],
    *,
    sorts: bool,
) -> Iterator[str]:
    for one in accesses:
        if one.index is None:
            yield f"{one.table}: read from end to end"
            continue
        name = f"index {one.index}" if "KEY" not in one.index else one.index.lower()
        if one.index.startswith(PREFIX):
            name = f"{name}, of {labels.get(one.index, 'a field no longer declared')}"
        if one.condition is None:
            yield f"{one.table}: read in the order of {name}"
        else:
            yield f"{one.table}: found by {name}, where {one.condition}"
    if rest:
        names = ", ".join(dict.fromkeys(map(_name, rest)))
        yield f"looked at row by row: {names}"
    if sorts:
        yield "order: all that fits is sorted first"
    else:
        yield "order: as it is found, so that reading stops with the page"


def _warnings(
    kind: str, scope: str, accesses: Sequence[Access], rest: Sequence[Comparison], *, sorts: bool
) -> Iterator[str]:
    if any(one.table == kind and one.index is None for one in accesses):
        yield f"all of {kind} is read; ask for a field that has an index"
    for one in rest:
        if one.kind is Kind.JSON and not one.declared:
            remedy = declaration(one, kind, scope)
            advice = "it cannot be declared" if remedy is None else f"declare it: {remedy}"
            yield f"every row is read until enough have the right {_name(one)}; {advice}"
    if sorts and not any("=" in (one.condition or "") and one.table == kind for one in accesses):
        yield "everything is sorted for one page; sort by a field that has an index, or narrow it"


def _name(comparison: Comparison) -> str:
    return ".".join((comparison.field, *comparison.path))
