"""Declared custom fields: indexed wherever views stand, and of the same meaning as any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import literal, select
from tests.projections.history import CID, START, History
from tests.projections.places import Refill, Where, execute, opened, together
from tests.projections.worlds import IDS, JSON, SCALARS, SECONDS, filters

from greenroom.domain.call_type import CallTypeDefined, FieldsDeclared, IndexedCustom
from greenroom.domain.errors import InvalidFilter
from greenroom.domain.instants import micros_of
from greenroom.domain.message import CallId
from greenroom.domain.streams import type_stream
from greenroom.projections.members import members
from greenroom.projections.parse import parse
from greenroom.projections.postgres_functions import TEXT_AT
from greenroom.projections.queries import Queries
from greenroom.projections.query import Declared, Fields, Kind, Row, asc, desc, holds
from greenroom.projections.questions import MEMBER_FIELDS
from greenroom.projections.views import Views

COLOR: IndexedCustom = {"members": {"color": "string"}}
BY_COLOR: Declared = {"color": ("string",)}


def declare(history: History, fields: IndexedCustom, name: str = "livestream") -> None:
    event = FieldsDeclared(at=history.now, call_type=name, indexed_custom=fields)
    history.record(type_stream(name), event)


@pytest.fixture
def colorful(history: History) -> History:
    """Members of two colors, before anything is declared."""
    for number in range(40):
        color = "red" if number % 10 == 0 else "blue"
        history.added(f"painter-{number:02}", custom={"color": color})
    return history


def settled(views: Views) -> Views:
    assert views.indexes.settle()
    return views


def indexes(where: Where) -> int:
    """How many indexes of declared fields there are, and can be used."""
    if isinstance(where, str):
        sql = (
            "SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indisvalid"
            " AND relnamespace = 'greenroom_views'::regnamespace AND relname ~ '^of_custom_'"
        )
    else:
        sql = "SELECT count(*) FROM sqlite_master WHERE name GLOB 'of_custom_*'"
    return int(execute(where, sql)[0][0])


def plan(views: Views, run: Any) -> str:
    """How the database goes about what `run` asks the queries."""
    asked: list[tuple[str, Any]] = []
    database = views._database
    fetch = database.fetch
    said = "EXPLAIN QUERY PLAN " if database.dialect.driver.name == "sqlite" else "EXPLAIN "

    def explained(sql: str, arguments: Any, **how: bool) -> Any:
        asked.extend((str(row[-1]), None) for row in fetch(said + sql, arguments, **how))
        return fetch(sql, arguments, **how)

    database.fetch = explained  # type: ignore[method-assign] # listens in
    try:
        run(views.queries)
    finally:
        del database.fetch
    return "\n".join(line for line, _ in asked)


@pytest.mark.parametrize(
    "sort", [None, [desc("created_at")], [desc("created_at"), desc("user_id")]]
)
def test_one_value_is_found_in_the_index_in_its_order(
    where: Where, history: History, sort: Any
) -> None:
    for number in range(3000):
        history.added(f"painter-{number:04}", custom={"color": f"color-{number % 9}"})
    declare(history, COLOR)
    views = settled(opened(where, history))

    def ask(queries: Queries) -> None:
        page = queries.members(
            CID, filters={"custom.color": "color-7"}, sort=sort, declared=BY_COLOR
        )
        ids = [item.user_id for item in page.items]
        expected = [f"painter-{number:04}" for number in range(7, 3000, 9)][:: -1 if sort else 1]
        assert ids == expected[:25]

    said = plan(views, ask)
    assert "of_custom_" in said
    assert "TEMP B-TREE" not in said
    assert "Sort" not in said, said
    views.close()


@pytest.mark.slow
def test_calls_are_found_by_a_field_of_any_type(where: Where) -> None:
    history = History()
    declare(history, {"calls": {"topic": "string"}}, "livestream")
    declare(history, {"calls": {"topic": "number"}}, "default")
    for number in range(3000):
        topic: str | int = number if number % 2 else str(number)
        history.created(CallId(f"livestream:{number}"), custom={"topic": topic})
    views = settled(opened(where, history))
    either: Declared = {"topic": ("number", "string")}
    for asked, cid in ((7, "livestream:7"), ("8", "livestream:8"), ("7", None), (8.0, None)):

        def ask(queries: Queries, asked: Any = asked, cid: Any = cid) -> None:
            found = queries.calls(filters={"custom.topic": asked}, declared=either).items
            assert [item.cid for item in found] == ([cid] if cid else [])

        assert "of_custom_" in plan(views, ask)
    views.close()


def test_indexes_come_and_go_with_declarations(durable: Where, colorful: History) -> None:
    views = settled(opened(durable, colorful))
    assert indexes(durable) == 0
    changes: list[tuple[IndexedCustom, int]] = [
        (COLOR, 1),
        ({"members": {"color": "string", "size": "number"}, "calls": {"due": "instant"}}, 3),
        ({"members": {"color": "boolean"}}, 1),
        ({}, 0),
    ]
    for fields, count in changes:
        declare(colorful, fields)
        views.catch_up(colorful.feed, until=colorful.head)
        settled(views)
        assert indexes(durable) == count
    views.close()


def test_two_types_share_an_index_until_neither_declares_it(
    durable: Where, colorful: History
) -> None:
    declare(colorful, COLOR, "livestream")
    declare(colorful, COLOR, "default")
    views = settled(opened(durable, colorful))
    assert indexes(durable) == 1
    declare(colorful, {}, "livestream")
    views.catch_up(colorful.feed, until=colorful.head)
    settled(views)
    assert indexes(durable) == 1
    declare(colorful, {}, "default")
    views.catch_up(colorful.feed, until=colorful.head)
    settled(views)
    assert indexes(durable) == 0
    views.close()


def test_a_new_type_may_declare_fields_at_once(durable: Where, history: History) -> None:
    event = CallTypeDefined(at=history.now, call_type="show", indexed_custom=COLOR)
    history.record(type_stream("show"), event)
    settled(opened(durable, history)).close()
    assert indexes(durable) == 1


def test_an_index_that_is_missing_is_made_when_the_views_are_opened(
    durable: Where, colorful: History
) -> None:
    declare(colorful, COLOR)
    settled(opened(durable, colorful)).close()
    schema = "greenroom_views." if isinstance(durable, str) else ""
    catalog = "pg_class WHERE relname" if isinstance(durable, str) else "sqlite_master WHERE name"
    (name,) = execute(
        durable, f"SELECT {catalog[-7:].rsplit(maxsplit=1)[-1]} FROM {catalog} LIKE 'of_c%'"
    )[0]
    execute(durable, f"DROP INDEX {schema}{name}")
    assert indexes(durable) == 0
    settled(opened(durable, colorful)).close()
    assert indexes(durable) == 1


def test_a_rebuild_keeps_the_indexes(durable: Where, colorful: History) -> None:
    declare(colorful, COLOR)
    views = settled(opened(durable, colorful))
    views.rebuild(colorful.feed, until=colorful.head)
    settled(views)
    assert indexes(durable) == 1
    found = views.queries.members(CID, filters={"custom.color": "red"}, declared=BY_COLOR)
    assert len(found.items) == 4
    views.close()


def test_however_many_open_the_views_each_index_is_made_once(
    durable: Where, colorful: History
) -> None:
    opened(durable, colorful).close()
    declare(colorful, {"members": {"color": "string", "size": "number", "at": "instant"}})

    def at_once() -> None:
        settled(opened(durable, colorful)).close()

    together(*[at_once] * 4)
    settled(opened(durable, colorful)).close()
    assert indexes(durable) == 3


@pytest.mark.slow
def test_what_was_left_half_made_is_made_anew(postgres_url: str, colorful: History) -> None:
    declare(colorful, COLOR)
    settled(opened(postgres_url, colorful)).close()
    execute(
        postgres_url,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN"
        " (SELECT oid FROM pg_class WHERE relname ~ '^of_custom_')",
    )
    assert indexes(postgres_url) == 0
    settled(opened(postgres_url, colorful)).close()
    assert indexes(postgres_url) == 1


@pytest.mark.slow
def test_closing_does_not_wait_for_an_index_that_waits_for_others(
    postgres_url: str, colorful: History
) -> None:
    views, other = opened(postgres_url, colorful), opened(postgres_url, colorful)
    with views._database.snapshot() as connection:
        connection.execute(select(literal(1)))  # an index waits for whoever may still read
        declare(colorful, COLOR)
        other.catch_up(colorful.feed, until=colorful.head)
        assert not other.indexes.settle(0.3)
        other.close()
    views.close()
    settled(opened(postgres_url, colorful)).close()
    assert indexes(postgres_url) == 1


@pytest.mark.slow
def test_readers_and_writers_go_on_while_an_index_waits(
    postgres_url: str, colorful: History
) -> None:
    views = opened(postgres_url, colorful)
    with views._database.snapshot() as connection:
        connection.execute(select(literal(1)))
        declare(colorful, COLOR)
        views.catch_up(colorful.feed, until=colorful.head)
        colorful.added("latecomer", custom={"color": "red"})
        views.catch_up(colorful.feed, until=colorful.head)
        red = views.queries.members(CID, filters={"custom.color": "red"}, declared=BY_COLOR)
        assert len(red.items) == 5
        assert not views.indexes.settle(0)
    settled(views)
    assert indexes(postgres_url) == 1
    views.close()


@pytest.mark.slow
def test_administrators_look_after_the_indexes_from_wherever_they_connect(
    postgres_url: str, colorful: History
) -> None:
    kinds: IndexedCustom = {
        "members": {"color": "string", "age": "number", "late": "boolean", "due": "instant"}
    }
    declare(colorful, kinds)
    colorful.added("alice", custom={"age": 41, "late": True, "due": "2026-01-01T00:00:00Z"})
    views = settled(opened(postgres_url, colorful))
    views.rebuild(colorful.feed, until=colorful.head)
    with psycopg.connect(postgres_url, autocommit=True) as anybody:
        anybody.execute("SET search_path = pg_catalog")
        for command in ("ANALYZE", "VACUUM ANALYZE", "REINDEX TABLE greenroom_views.members"):
            anybody.execute(command)
        known = anybody.execute(
            "SELECT tablename, most_common_vals FROM pg_stats"
            " WHERE schemaname = 'greenroom_views' AND tablename ~ '^of_custom_'"
        ).fetchall()
    assert len({index for index, _ in known}) == len(kinds["members"])
    assert any(common == "{blue,red}" for _, common in known)
    views.close()


@pytest.mark.slow
def test_functions_of_another_build_are_not_taken_for_ours(
    postgres_url: str, colorful: History
) -> None:
    """They stay where they are; what is declared is indexed anew by ours."""
    opened(postgres_url, colorful).close()
    other = TEXT_AT._replace(body=TEXT_AT.body.replace("string", "number"))
    assert other.name != TEXT_AT.name
    with psycopg.connect(postgres_url, autocommit=True) as anybody:
        anybody.execute("SET search_path = greenroom_views")
        anybody.execute(f"DROP FUNCTION {TEXT_AT.signature}".encode())
        anybody.execute(other.made.encode())
    declare(colorful, COLOR)
    views = settled(opened(postgres_url, colorful))
    red = views.queries.members(CID, filters={"custom.color": "red"}, declared=BY_COLOR)
    assert len(red.items) == 4
    views.close()


@pytest.mark.parametrize(
    ("said", "by_its_values"),
    [
        ({"$gte": 2990}, True),
        ({"$gte": 10, "$lt": 20}, True),
        ({"$gt": 5000}, True),
        ({"$gt": 300}, False),
    ],
)
def test_a_range_is_started_at_its_values_where_few_lie_in_it(
    where: Where, history: History, said: dict[str, int], *, by_its_values: bool
) -> None:
    for number in range(3000):
        history.added(f"painter-{number:04}", custom={"seat": 2999 - number})
    declare(history, {"members": {"seat": "number"}})
    views = settled(opened(where, history))

    def ask(queries: Queries) -> None:
        filters = {"role": "call_member", "custom.seat": said}
        declared: Declared = {"seat": ("number",)}
        first = queries.members(CID, filters=filters, limit=4, declared=declared)
        low, high = said.get("$gte", said.get("$gt", -2) + 1), said.get("$lt", 3000)
        seats = list(range(min(high, 3000) - 1, low - 1, -1))
        assert [item.custom["seat"] for item in first.items] == seats[:4]
        if len(seats) > 4:
            second = queries.members(
                CID, filters=filters, limit=4, cursor=first.next, declared=declared
            )
            assert [item.custom["seat"] for item in second.items] == seats[4:8]

    looked = [line for line in plan(views, ask).splitlines() if " USING INDEX " in line]
    by_index = ["of_custom_" in line for line in looked if "members" in line]
    if views._database.dialect.knows_values:
        assert not by_index
    elif by_its_values:
        assert by_index
        assert all(by_index)
    else:
        # Looked into for each page, and then left alone.
        assert by_index == [True, False, True, False]
    views.close()


KINDS: Declared = {
    "a": ("string",),
    "b": ("number",),
    "a-b": ("boolean",),
    "_": ("instant",),
    "type": ("instant", "string"),
    "length": ("boolean", "number", "string"),
}
RFC_3339 = st.builds(
    lambda at, ahead: at.astimezone(ahead).isoformat(),
    st.sampled_from([START, START + timedelta(microseconds=1), START - timedelta(days=365)]).map(
        lambda at: at.replace(tzinfo=UTC)
    ),
    st.sampled_from([UTC, datetime.fromisoformat("2026-01-01T00:00:00-09:30").tzinfo]),
)
CUSTOM = st.dictionaries(st.sampled_from(sorted(KINDS)), JSON | RFC_3339 | SCALARS, max_size=5)


def among_declared() -> st.SearchStrategy[dict[str, Any]]:
    """Filters over the declared fields; what they are compared with fits them, or does not."""
    fields = Fields({"custom": Kind.JSON}, (), asc("user_id"), "user_id")
    instants = st.dictionaries(
        st.sampled_from(["custom._", "custom.type"]),
        RFC_3339
        | st.builds(
            lambda op, at: {op: at},
            st.sampled_from(["$ne", "$gt", "$gte", "$lt", "$lte"]),
            RFC_3339,
        )
        | st.lists(RFC_3339, min_size=1, max_size=3).map(lambda some: {"$in": some}),
        min_size=1,
        max_size=2,
    )
    return filters(fields) | instants | instants.map(lambda said: {"$nor": [said]})


@given(
    st.lists(st.tuples(SECONDS, CUSTOM), max_size=6),
    st.lists(among_declared(), min_size=1, max_size=3),
)
@example([(0, {"_": "2026-01-01T00:00:00Z"})], [{"custom._": "2025-12-31T14:30:00-09:30"}])
@example([(0, {"a": 1}), (0, {"a": "1"})], [{"custom.a": 1}, {"custom.a": {"$ne": 1}}])
@example([(0, {"a-b": True}), (1, {"a-b": 1})], [{"custom.a-b": True}, {"custom.a-b": 1}])
def test_to_declare_a_field_changes_nothing_but_what_instants_mean(
    refilled: Refill, people: list[tuple[int, dict[str, Any]]], asked: list[dict[str, Any]]
) -> None:
    history = History()
    # Three types, which between them declare each field as all of its kinds.
    thrice = [(kinds * 3)[:3] for kinds in KINDS.values()]
    for number, kinds in enumerate(zip(*thrice, strict=True)):
        declare(history, {"members": dict(zip(KINDS, kinds, strict=True))}, f"type-{number}")
    history.created()
    rows: dict[str, Row] = {}
    for number, (second, custom) in enumerate(people):
        at = START + timedelta(seconds=second)
        history.added(f"user-{number}", custom=custom, at=at)
        rows[f"user-{number}"] = {"user_id": f"user-{number}", "custom": custom}
    views = settled(refilled(history))
    for said in asked:
        try:
            tree = parse(said, MEMBER_FIELDS, KINDS)
        except InvalidFilter:  # a text that is no instant: see below
            continue
        meant = {user_id for user_id, row in rows.items() if holds(tree, row)}
        page = views.queries.members(CID, filters=said, limit=1000, declared=KINDS)
        assert {item.user_id for item in page.items} == meant, said


@given(st.lists(st.tuples(IDS, CUSTOM), max_size=4), among_declared())
def test_where_no_instants_are_declared_the_meaning_is_that_of_any_field(
    people: list[tuple[str, dict[str, Any]]], said: dict[str, Any]
) -> None:
    plain = {name: kinds for name, kinds in KINDS.items() if "instant" not in kinds}
    for _, custom in people:
        row: Mapping[str, Any] = {"custom": custom}
        assert holds(parse(said, MEMBER_FIELDS, plain), row) == holds(
            parse(said, MEMBER_FIELDS), row
        )


NEARLY = st.builds(
    "{}-{}-{}{}{}:{}:{}{}{}".format,
    st.sampled_from(["2024", "2026", "1969", "0001", "0000", "9999", "1900"]),
    st.sampled_from(["01", "02", "04", "12", "13", "00"]),
    st.sampled_from(["01", "28", "29", "30", "31", "32", "00"]),
    st.sampled_from(["T", "t", " ", "", "x"]),
    st.sampled_from(["00", "12", "23", "24"]),
    st.sampled_from(["00", "59", "60"]),
    st.sampled_from(["00", "59", "60"]),
    st.sampled_from(["", ".0", ".5", ".123456", ".1234567", ".", ",5"]),
    st.sampled_from(
        ["Z", "z", "+00:00", "-00:00", "+23:59", "-09:30", "+24:00", "+0130", "", "\n"]
    ),
)


@given(NEARLY)
@example("2024-02-29T12:00:00.000001-09:30")
@example("2026-02-29T12:00:00Z")
@example("0001-01-01T00:00:00+23:59")
def test_databases_read_instants_as_python_does(refilled: Refill, text: str) -> None:
    views = refilled(History())
    dialect = views._database.dialect
    typed = dialect.typed(members.c.custom, ("at",), "instant")
    with views._database.write() as connection:
        row = {"cid": CID, "user_id": "alice", "user_id_folded": "alice", "role": "host"}
        at = {"created_at": 0, "updated_at": 0, "custom": json.dumps({"at": text})}
        connection.execute(members.insert(), {**row, **at})
        assert connection.execute(select(typed)).scalar() == micros_of(text)


@pytest.mark.parametrize("text", ["2026-01-01", "2026-02-30T00:00:00Z", "soon", ""])
def test_a_declared_instant_is_compared_with_instants(text: str) -> None:
    declared: Declared = {"due": ("instant",)}
    with pytest.raises(InvalidFilter) as refusal:
        parse({"custom.due": {"$lt": text}}, MEMBER_FIELDS, declared)
    assert refusal.value.path == "filters.custom.due.$lt"
    at = datetime(2026, 1, 1, tzinfo=UTC)
    row: Row = {"custom": {"due": "2026-01-01T01:00:00+01:00"}}
    assert holds(parse({"custom.due": at}, MEMBER_FIELDS, declared), row)
    assert holds(parse({"custom.due": at.isoformat()}, MEMBER_FIELDS, declared), row)
    assert not holds(parse({"custom.due": at.isoformat()}, MEMBER_FIELDS), row)


def test_where_another_type_calls_it_a_text_only_datetimes_mean_instants() -> None:
    either: Declared = {"due": ("instant", "string")}
    row: Row = {"custom": {"due": "2026-01-01T01:00:00+01:00"}}
    assert not holds(parse({"custom.due": "2026-01-01T00:00:00Z"}, MEMBER_FIELDS, either), row)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert holds(parse({"custom.due": at}, MEMBER_FIELDS, either), row)
    assert holds(parse({"custom.due": {"$lte": at}}, MEMBER_FIELDS, either), row)
