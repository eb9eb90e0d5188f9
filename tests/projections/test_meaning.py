"""What is asked in SQL is what it means in Python, for any question about any rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Text, create_engine, literal, select
from tests.projections.history import CID, START, History
from tests.projections.places import Refill
from tests.projections.worlds import (
    CALL,
    CALLS,
    IDS,
    MEMBER,
    MEMBERS,
    PARTICIPANTS,
    SECONDS,
    SESSIONS,
    TEXTS,
    USER,
    Asked,
    agree,
    askings,
    call_world,
    member_world,
    participant_world,
    session_world,
)

from greenroom.domain.instants import micros
from greenroom.projections import narrowing
from greenroom.projections.dialect import Slot
from greenroom.projections.parse import parse
from greenroom.projections.query import holds
from greenroom.projections.questions import MEMBER_FIELDS
from greenroom.projections.sql import starts_with
from greenroom.projections.statements import behind


def user_id(row: dict[str, Any]) -> str:
    return str(row["user_id"])


@given(
    st.lists(MEMBER, max_size=8, unique_by=user_id),
    st.lists(USER, max_size=4, unique_by=user_id),
    askings(MEMBERS.fields),
)
@example([], [], [Asked({})])
@example(
    [{"user_id": "alice", "role": "host", "at": 0, "custom": {"a": 0.1 + 0.2, "b": 2**53 + 1}}],
    [],
    [
        Asked({"custom.a": 0.1 + 0.2}),
        Asked({"custom.b": 2**53}),
        Asked({"custom.b": {"$gt": 2**53}}),
    ],
)
def test_members(
    refilled: Refill,
    members: list[dict[str, Any]],
    users: list[dict[str, Any]],
    asked: list[Asked],
) -> None:
    world = member_world(members, users)
    agree(refilled(world.history), world, asked, MEMBERS)


BEGINNINGS = st.sampled_from(["a", "al", "s", "ß", "\U0010ffff", "İ"])


@given(
    st.lists(MEMBER, max_size=8, unique_by=user_id),
    st.lists(USER, max_size=6, unique_by=user_id),
    BEGINNINGS.map(lambda text: {"$autocomplete": text}) | TEXTS | IDS,
    st.sampled_from([0, 1, narrowing.FEW]),
)
def test_whoever_has_a_name_is_found_wherever_the_search_starts(
    refilled: Refill,
    members: list[dict[str, Any]],
    users: list[dict[str, Any]],
    name: Any,
    few: int,
) -> None:
    world = member_world(members, users)
    named = {"user.name": name}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(narrowing, "FEW", few)
        asked = [Asked(named), Asked({**named, "role": "host"}), Asked({"$nor": [named]})]
        agree(refilled(world.history), world, asked, MEMBERS)


@given(st.lists(CALL, max_size=6), askings(CALLS.fields))
def test_calls(refilled: Refill, calls: list[dict[str, Any]], asked: list[Asked]) -> None:
    world = call_world(calls)
    agree(refilled(world.history), world, asked, CALLS)


@given(
    st.lists(st.tuples(SECONDS, st.none() | SECONDS), max_size=5),
    askings(SESSIONS.fields),
)
@example([(0, 0)], [Asked({"duration": {"$in": [0, 2**53]}})])
def test_sessions(
    refilled: Refill, sessions: list[tuple[int, int | None]], asked: list[Asked]
) -> None:
    world = session_world(sessions)
    agree(refilled(world.history), world, asked, SESSIONS)


@given(
    st.lists(st.tuples(IDS, st.sampled_from(["user", "host"]), SECONDS), max_size=6),
    askings(PARTICIPANTS.fields),
)
def test_participants(
    refilled: Refill, entries: list[tuple[str, str, int]], asked: list[Asked]
) -> None:
    world = participant_world(entries)
    agree(refilled(world.history), world, asked, PARTICIPANTS)


ROW: dict[str, Any] = {
    "custom": {
        "street": "Straße",
        "true": True,
        "one": 1,
        "one_point_nought": 1.0,
        "text": "1",
        "null": None,
        "tags": ["x", 1, True, None],
        "deep": {"er": "yes"},
    },
    "role": "host",
    "user.name": None,
    "created_at": micros(datetime(2026, 1, 1, tzinfo=UTC)),
}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"custom.true": True}, True),
        ({"custom.true": 1}, False),
        ({"custom.one": True}, False),
        ({"custom.one": 1.0}, True),
        ({"custom.one_point_nought": 1}, True),
        ({"custom.one": "1"}, False),
        ({"custom.text": "1"}, True),
        ({"custom.null": None}, True),
        ({"custom.nothing": None}, False),
        ({"custom.null": {"$exists": True}}, True),
        ({"custom.nothing": {"$exists": True}}, False),
        ({"custom.nothing": {"$exists": False}}, True),
        ({"custom.nothing": {"$ne": 1}}, True),
        ({"custom.nothing": {"$nin": [1, None]}}, True),
        ({"$nor": [{"custom.nothing": 1}]}, True),
        ({"custom.nothing": {"$gt": 0}}, False),
        ({"custom.text": {"$gt": 0}}, False),
        ({"custom.one": {"$gt": "0"}}, False),
        ({"custom.true": {"$gte": 0}}, False),
        ({"custom.one": {"$gte": 1, "$lte": 1.0}}, True),
        ({"custom.tags": "x"}, False),
        ({"custom.tags": {"$contains": "x"}}, True),
        ({"custom.tags": {"$contains": 1}}, True),
        ({"custom.tags": {"$contains": None}}, True),
        ({"custom.tags": {"$contains": False}}, False),
        ({"custom.text": {"$contains": "1"}}, False),
        ({"custom.deep.er": {"$autocomplete": "YE"}}, True),
        ({"custom.street": {"$autocomplete": "STRASS"}}, True),
        ({"custom.street": {"$autocomplete": "trass"}}, False),
        ({"custom.one": {"$lt": "a"}}, False),
        ({"custom.true": {"$lt": "a"}}, False),
        ({"custom.tags": {"$gt": "a"}}, False),
        ({"custom.one": {"$autocomplete": "1"}}, False),
        ({"custom.deep": {"$exists": True}}, True),
        ({"custom.deep.er.est": {"$exists": True}}, False),
        ({"user.name": None}, True),
        ({"user.name": {"$in": ["x", None]}}, True),
        ({"user.name": {"$ne": "alice"}}, True),
        ({"user.name": {"$exists": True}}, False),
        ({"role": {"$exists": True}, "created_at": {"$gte": "2026-01-01T00:00:00Z"}}, True),
        ({"created_at": {"$lt": "2026-01-01T00:00:00Z"}}, False),
        ({}, True),
    ],
)
def test_one_meaning_in_words(refilled: Refill, said: dict[str, Any], *, meant: bool) -> None:
    assert holds(parse(said, MEMBER_FIELDS), ROW) is meant
    history = History()
    history.created()
    history.added("alice", "host", custom=ROW["custom"], at=START)
    views = refilled(history)
    assert bool(views.queries.members(CID, filters=said).items) is meant


@given(TEXTS, TEXTS.filter(bool))
@example("a\U0010ffffb", "a")
@example("\U0010ffff", "\U0010ffff")
@example("\ue000", "\ud7ff")
def test_a_prefix_is_a_range(text: str, prefix: str) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for whole in (text, prefix + text):
            found = connection.execute(
                select(starts_with(literal(whole, Text()), Slot(prefix, "v0")).label("found")),
                {"v0": prefix, "v0__behind": behind(prefix)},
            ).scalar_one()
            assert bool(found) == whole.startswith(prefix)
    engine.dispose()
