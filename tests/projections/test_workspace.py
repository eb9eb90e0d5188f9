"""Rows changed in memory and written together are the rows that each change for itself leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Connection,
    Float,
    Integer,
    MetaData,
    Table,
    delete,
    select,
)

from greenroom.projections.bulk import Changes, Key, Row, Shape, Values
from greenroom.projections.columns import TEXT
from greenroom.projections.database import Database
from greenroom.projections.sqlite import SQLiteDatabase
from greenroom.projections.workspace import Workspace
from greenroom.testing.postgres import PrivatePostgres

LIMIT = timedelta(seconds=20)

metadata = MetaData()

SEATS = Table(
    "seats",
    metadata,
    Column("hall", TEXT, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("who", TEXT),
    Column("note", TEXT, nullable=False),
    Column("taken", Boolean, nullable=False),
    Column("price", Float),
    Column("length", Integer, Computed("length(note)", persisted=True)),
    sqlite_with_rowid=False,
)
"""A key of three parts, every type there is, and a column that the database fills."""

HALLS = Table(
    "halls",
    metadata,
    Column("hall", TEXT, primary_key=True),
    Column("who", TEXT),
    Column("note", TEXT, nullable=False),
    sqlite_with_rowid=False,
)

DOORS = Table("doors", metadata, Column("hall", TEXT, primary_key=True), sqlite_with_rowid=False)
"""Nothing but a key."""

TABLES = (SEATS, HALLS, DOORS)
PEOPLE = ("thierry", "tommaso", "alice", "charlie", "jaewoong", 'o"neill', "日本")


def key_of(table: Table, row: Row) -> Key:
    return tuple(row[column.name] for column in table.primary_key.columns)


class Model:
    """The same, as plainly as it can be said: every change happens at once, in dictionaries."""

    def __init__(self) -> None:
        self.rows: dict[Table, dict[Key, Row]] = {table: {} for table in TABLES}

    def get(self, table: Table, key: Key) -> Row | None:
        return self.rows[table].get(key)

    def put(self, table: Table, row: Row) -> None:
        self.rows[table][key_of(table, row)] = row

    def change(self, table: Table, key: Key, **values: Any) -> None:
        if key in self.rows[table]:
            self.rows[table][key] = {**self.rows[table][key], **values}

    def drop(self, table: Table, key: Key) -> None:
        self.rows[table].pop(key, None)

    def drop_under(self, table: Table, *prefix: str | int) -> None:
        for key in [key for key in self.rows[table] if key[: len(prefix)] == prefix]:
            del self.rows[table][key]

    erase_under = drop_under

    def erase_where(self, table: Table, column: str, value: str | int, **blank: Any) -> None:
        for key, row in self.rows[table].items():
            if row[column] == value:
                self.rows[table][key] = {**row, **blank}


NOTHING: Row = {}


class Step(NamedTuple):
    """A call of one method, of rows or of the model."""

    method: str
    table: Table
    arguments: tuple[Any, ...]
    values: Row = NOTHING

    def take(self, rows: Workspace | Model) -> Any:
        return getattr(rows, self.method)(self.table, *self.arguments, **self.values)


LETTERS = st.sampled_from("ab")
NUMBERS = st.integers(1, 2)
WHO = st.sampled_from(PEOPLE)
NOTES = st.sampled_from(["", "{}", "'", "late", "ä🎈"])
KEYS: dict[Table, st.SearchStrategy[Key]] = {
    SEATS: st.tuples(LETTERS, NUMBERS, NUMBERS),
    HALLS: st.tuples(LETTERS),
    DOORS: st.tuples(LETTERS),
}
PRICES = st.none() | st.floats(-1e300, 1e300) | st.integers(0, 9).map(float)
VALUES: dict[Table, st.SearchStrategy[Row]] = {
    SEATS: st.fixed_dictionaries(
        {"who": st.none() | WHO, "note": NOTES, "taken": st.booleans(), "price": PRICES}
    ),
    HALLS: st.fixed_dictionaries({"who": st.none() | WHO, "note": NOTES}),
    DOORS: st.just({}),
}


METHODS = (
    *("get", "put", "put", "put", "change", "change", "drop"),
    *("drop_under", "erase_under", "erase_where"),
)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Anything that can be done to any table."""
    table = draw(st.sampled_from(TABLES))
    key = draw(KEYS[table])
    method = draw(st.sampled_from(METHODS))
    prefix = key[: draw(st.integers(1, len(key)))]
    match method:
        case "put":
            parts = zip(table.primary_key.columns.keys(), key, strict=True)
            return Step("put", table, ({**dict(parts), **draw(VALUES[table])},))
        case "change":
            return Step("change", table, (key,), draw(VALUES[table]))
        case "get" | "drop":
            return Step(method, table, (key,))
        case "erase_where" if table is not DOORS:
            return Step(method, table, ("who", draw(WHO)), {"note": draw(NOTES)})
        case "drop_under" | "erase_under":
            return Step(method, table, prefix)
        case _:
            return Step("drop_under", table, prefix)


class Batch(NamedTuple):
    """What is done before it is written, and which rows were said to be wanted."""

    expected: Sequence[tuple[Table, Key]]
    steps: Sequence[Step]


def a_key(table: Table) -> st.SearchStrategy[tuple[Table, Key]]:
    return st.tuples(st.just(table), KEYS[table])


BATCHES = st.lists(
    st.builds(
        Batch,
        st.lists(st.sampled_from(TABLES).flatmap(a_key), max_size=4),
        st.lists(steps(), max_size=8),
    ),
    max_size=5,
)


@pytest.fixture(scope="module", params=["memory", pytest.param("postgres", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """With the tables, in some state."""
    with ExitStack() as stack:
        if request.param == "memory":
            made: Database = SQLiteDatabase(None, LIMIT)
        else:
            server: PrivatePostgres = request.getfixturevalue("postgres")
            made = _on_postgres(stack.enter_context(server.database()))
        stack.callback(made.close)
        with made.write() as connection:
            metadata.create_all(connection)
        yield made


def _on_postgres(url: str) -> Database:
    from greenroom.projections.postgres import PostgresDatabase  # noqa: PLC0415 - slow tests

    made = PostgresDatabase(url, LIMIT)
    with made.founding() as connection:
        made.clear(connection)
    return made


def found(connection: Connection, table: Table) -> dict[Key, Row]:
    """What the table holds, as the model has it; what the database fills is right."""
    rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    if table is SEATS:
        assert all(row.pop("length") == len(row["note"]) for row in rows)
    return {key_of(table, row): row for row in rows}


def seat(number: int, who: str, note: str = "") -> Row:
    places = {"hall": "a", "line": 1, "number": number}
    return {**places, "who": who, "note": note, "taken": True, "price": None}


@given(BATCHES)
@example(
    [
        Batch(
            [], [Step("put", SEATS, (seat(1, "alice"),)), Step("put", SEATS, (seat(2, "alice"),))]
        ),
        Batch(
            [(SEATS, ("a", 1, 1))],
            [
                Step("change", SEATS, (("a", 1, 1),), {"who": "charlie"}),
                Step("erase_where", SEATS, ("who", "alice"), {"note": "{}"}),
                Step("get", SEATS, (("a", 1, 2),)),
                Step("drop_under", SEATS, ("a",)),
                Step("put", SEATS, (seat(2, "thierry"),)),
            ],
        ),
    ]
)
def test_a_batch_leaves_what_its_changes_leave_one_by_one(
    database: Database, batches: Sequence[Batch]
) -> None:
    model = Model()
    with database.write() as connection:
        for table in TABLES:
            connection.execute(delete(table))
    for batch in batches:
        with database.write() as connection:
            rows = Workspace(database.bulk(connection))
            rows.expect(batch.expected)
            for step in batch.steps:
                assert step.take(rows) == step.take(model)
            rows.flush()
            for table in TABLES:
                assert found(connection, table) == model.rows[table]


class Asked:
    """A database with one row, which says what it was asked."""

    def __init__(self) -> None:
        self.loads: list[list[Key]] = []
        self.written: dict[str, Changes] = {}

    def load(self, wanted: Mapping[Shape, Sequence[Key]]) -> dict[Shape, Sequence[Values]]:
        self.loads += [list(keys) for keys in wanted.values()]
        return {shape: [("a", "alice", "")] * (("a",) in keys) for shape, keys in wanted.items()}

    def write(self, changes: Mapping[Shape, Changes]) -> None:
        self.written = {shape.name: change for shape, change in changes.items()}


@pytest.fixture
def asked() -> Asked:
    return Asked()


def hall(letter: str, who: str = "alice") -> Row:
    return {"hall": letter, "who": who, "note": ""}


def test_expected_rows_are_read_together_and_once(asked: Asked) -> None:
    rows = Workspace(asked)
    rows.expect([(HALLS, ("a",)), (HALLS, ("b",)), (HALLS, ("a",))])
    rows.expect([(HALLS, ("b",))])
    assert (rows.get(HALLS, ("a",)), rows.get(HALLS, ("b",))) == (hall("a"), None)
    assert asked.loads == [[("a",), ("b",)]]


def test_what_was_put_or_is_gone_is_not_read(asked: Asked) -> None:
    rows = Workspace(asked)
    rows.put(HALLS, hall("b"))
    rows.drop(HALLS, ("c",))
    rows.drop_under(HALLS, "a")
    assert [rows.get(HALLS, (letter,)) for letter in "abc"] == [None, hall("b"), None]
    assert asked.loads == []


def test_what_was_only_looked_at_is_not_written(asked: Asked) -> None:
    rows = Workspace(asked)
    rows.get(HALLS, ("a",))
    rows.change(HALLS, ("b",), who="charlie")
    rows.flush()
    assert asked.written == {}


CHANGES: dict[str, Callable[[Workspace], None]] = {
    "put": lambda rows: rows.put(HALLS, hall("a", "charlie")),
    "change": lambda rows: rows.change(HALLS, ("a",), who="charlie"),
}


@pytest.mark.parametrize("last", CHANGES)
def test_a_row_changed_many_times_is_written_once(asked: Asked, last: str) -> None:
    rows = Workspace(asked)
    for who in PEOPLE:
        rows.change(HALLS, ("a",), who=who)
    CHANGES[last](rows)
    rows.flush()
    assert asked.written["halls"].put == [("a", "charlie", "")]
