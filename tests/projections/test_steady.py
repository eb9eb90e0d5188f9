"""Which queries a database may plan once: those whose best plan no value can change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Table

from greenroom.projections import past_tables
from greenroom.projections.calls import calls
from greenroom.projections.parse import parse, parse_sort
from greenroom.projections.past_tables import THEN
from greenroom.projections.query import Declared, SortKey, asc, desc
from greenroom.projections.questions import CALL_FIELDS, MEMBER_FIELDS
from greenroom.projections.steady import ROOM, is_steady, room
from greenroom.projections.tables import NOW, Tables

COLOR: Declared = {"color": ("string",), "age": ("number",)}


def steady(
    said: dict[str, Any], sort: Sequence[SortKey] | None = None, *, tables: Tables = NOW
) -> bool:
    keys = parse_sort(sort, MEMBER_FIELDS)
    return is_steady(parse(said, MEMBER_FIELDS, COLOR), keys, MEMBER_FIELDS, tables)


@pytest.mark.parametrize("sort", [None, [desc("user_id")], [asc("created_at"), desc("user_id")]])
def test_everybody_is_read_in_any_order_along_an_index(sort: Sequence[SortKey] | None) -> None:
    assert steady({}, sort)


@pytest.mark.parametrize(
    "said",
    [
        {"user_id": "alice"},
        {"user_id": "alice", "role": "host"},
        {"$and": [{"user_id": "alice"}, {"custom.seat": 7}]},
    ],
)
def test_one_person_is_looked_up_whoever_it_is(said: dict[str, Any]) -> None:
    assert steady(said)
    assert steady(said, [desc("created_at")])


def test_of_the_past_what_stands_in_order_or_alone_is_planned_once() -> None:
    assert steady({}, tables=THEN)
    assert steady({}, [desc("user_id")], tables=THEN)
    assert steady({"user_id": "alice"}, tables=THEN)
    assert not steady({"custom.color": "red"}, tables=THEN), "no index has it there"
    for sort, found in {"updated_at": True, "cid": True, "type": False, "ended_at": False}.items():
        keys = parse_sort([asc(sort)], CALL_FIELDS)
        assert is_steady(parse({}, CALL_FIELDS), keys, CALL_FIELDS, THEN) is found


@pytest.mark.parametrize("kept", past_tables.KEPT.values(), ids=lambda kept: kept.now.name)
def test_the_past_says_what_it_has_in_no_order(kept: past_tables.Versioned) -> None:
    def orders(table: Table) -> set[str]:
        indexes = [table.primary_key.columns, *(index.columns for index in table.indexes)]
        first = {name for columns in indexes for name in columns.keys()[:2]}
        return {name.removesuffix("_rising").removesuffix("_falling") for name in first}

    lost = orders(kept.now) - orders(kept.versions)
    assert lost & {*CALL_FIELDS.sortable} == (THEN.unordered if kept.now is calls else set())


@pytest.mark.parametrize(
    "sort", [None, [desc("created_at")], [desc("created_at"), desc("user_id")]]
)
def test_those_of_one_declared_value_stand_together_as_they_came(
    sort: Sequence[SortKey] | None,
) -> None:
    assert steady({"custom.color": "red"}, sort)


@pytest.mark.parametrize(
    "said",
    [
        {"role": "host"},
        {"role": "host", "custom.color": "red"},
        {"custom.color": "red", "custom.age": 41},
        {"custom.color": 7},
        {"custom.color": {"$ne": "red"}},
        {"custom.color": {"$in": ["red", "blue"]}},
        {"custom.color": {"$gt": "red"}},
        {"custom.shape": "round"},
        {"user_id": None},
        {"user_id": {"$ne": "alice"}},
        {"user_id": {"$in": ["alice", "charlie"]}},
        {"user_id": {"$autocomplete": "a"}},
        {"user.name": "Alice"},
        {"created_at": {"$gt": "2026-01-01T00:00:00Z"}},
        {"$or": [{"user_id": "alice"}, {"role": "host"}]},
        {"$nor": [{"user_id": "alice"}]},
    ],
)
def test_of_what_may_be_common_or_rare_the_value_is_looked_at(said: dict[str, Any]) -> None:
    assert not steady(said)


@pytest.mark.parametrize(
    "sort", [[asc("user_id")], [asc("created_at"), desc("user_id")], [desc("user_id")]]
)
def test_those_of_one_declared_value_in_another_order_may_be_many(sort: Sequence[SortKey]) -> None:
    assert not steady({"custom.color": "red"}, sort)


def test_calls_of_a_declared_value_stand_together_the_youngest_first() -> None:
    tree = parse({"custom.color": "red"}, CALL_FIELDS, COLOR)
    for sort, found in ((None, True), ([asc("created_at")], True), ([asc("starts_at")], False)):
        assert is_steady(tree, parse_sort(sort, CALL_FIELDS), CALL_FIELDS) is found


def test_room_is_made_for_the_page_and_one_more() -> None:
    for limit in range(1, 1001):
        assert limit < room(limit) <= max(11, 3 * limit)
        assert room(limit) in ROOM
    assert (room(25), room(100), room(1000)) == (26, 101, 1001)
