"""What a filter finds in SQL is what it means in Python, for any filter over any rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Text, create_engine, literal, select
from tests.projections.history import CID, START, History
from tests.projections.places import Refill

from greenroom.domain import call_events as call
from greenroom.domain.message import CallId
from greenroom.projections.columns import micros
from greenroom.projections.dialect import Slot
from greenroom.projections.parse import parse
from greenroom.projections.query import Fields, Kind, Row, holds
from greenroom.projections.questions import CALL_FIELDS, MEMBER_FIELDS, SESSION_FIELDS
from greenroom.projections.sql import behind, starts_with
from greenroom.projections.views import Views

NASTY = (
    "",
    "a",
    "A",
    "ab",
    "ß",
    "ss",
    "é",
    "e\u0301",
    "İ",
    "%",
    "_",
    "\\",
    "'",
    '"',
    "$",
    "true",
    "null",
    "1",
    "\ud7ff",
    "\ue000",
    "a\U0010ffff",
    "\U0010ffff\U0010ffff",
    "\x01",
    "a\x01b",
    "\\u0000",
)
TEXTS = st.sampled_from(NASTY) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=3
)
NUMBERS = (
    st.sampled_from([0, -0.0, 1, 1.0, -1, 2**53, -(2**53), 0.1, 1e300, 5e-324])
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
KEYS = st.sampled_from(["a", "b", "a-b", "_", "type", "length"])
BIG = st.sampled_from([2**53 + 1, 2**63, -(2**64), 10**400])
UNASKED = st.sampled_from(["\x00", "a\x00b", "\\\x00", "\x01\x00", "\x00\x01\x01"])
"""Nothing lets them in, no filter can name them; a document that has them is read all the same."""
JSON = st.recursive(
    SCALARS | BIG | UNASKED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
CUSTOM = st.dictionaries(KEYS, JSON, max_size=4)
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(".".join)
SECONDS = st.integers(0, 3)
INSTANTS = SECONDS.map(lambda seconds: START + timedelta(seconds=seconds))
IDS = st.sampled_from(["thierry", "tommaso", "Alice", "alice", "ålice", "charlie", "jae_woong"])

VALUES: Mapping[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: IDS
    | TEXTS
    | st.sampled_from(["host", "user", "call_member", "default", "default:1"]),
    Kind.INSTANT: INSTANTS | INSTANTS.map(lambda at: at.isoformat()),
    Kind.NUMBER: st.sampled_from([0, 1, 2.0, 3, 0.5]) | NUMBERS,
    Kind.BOOLEAN: st.booleans(),
    Kind.NAMES: IDS,
    Kind.JSON: SCALARS,
}


def conditions(kind: Kind) -> st.SearchStrategy[Any]:
    """What can be said of a field of `kind`."""
    value = VALUES[kind]
    some = st.lists(value, min_size=1, max_size=3)
    exists = st.booleans().map(lambda there: {"$exists": there})
    among = st.builds(lambda op, of: {op: of}, st.sampled_from(["$in", "$nin"]), some)
    if kind is Kind.NAMES:
        return exists | among | value.map(lambda one: {"$contains": one})
    maybe = value if kind is Kind.JSON else st.none() | value
    equals = maybe | st.builds(lambda op, one: {op: one}, st.sampled_from(["$eq", "$ne"]), maybe)
    if kind is Kind.BOOLEAN:
        return exists | among | equals
    ordered = NUMBERS | TEXTS if kind is Kind.JSON else value
    ranges = st.dictionaries(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), ordered, min_size=1, max_size=2
    )
    found = exists | among | equals | ranges
    if kind in {Kind.TEXT, Kind.JSON}:
        texts = (IDS | TEXTS).flatmap(lambda text: st.sampled_from([text[:1], text[:2], text]))
        found |= texts.filter(bool).map(lambda text: {"$autocomplete": text})
    if kind is Kind.JSON:
        found |= value.map(lambda one: {"$contains": one})
    return found


def filters(fields: Fields) -> st.SearchStrategy[dict[str, Any]]:
    """Filters over `fields`, three deep at most."""

    def said(item: tuple[str, Kind]) -> st.SearchStrategy[dict[str, Any]]:
        name, kind = item
        names = PATHS.map(lambda path: f"{name}.{path}") if kind is Kind.JSON else st.just(name)
        return st.dictionaries(names, conditions(kind), min_size=1, max_size=1)

    one = st.sampled_from(sorted(fields.kinds.items())).flatmap(said)
    several = st.lists(one, min_size=1, max_size=3).map(
        lambda parts: {name: value for part in parts for name, value in part.items()}
    )
    return st.recursive(
        several,
        lambda inner: st.dictionaries(
            st.sampled_from(["$and", "$or", "$nor"]),
            st.lists(inner, min_size=1, max_size=2),
            min_size=1,
            max_size=1,
        ),
        max_leaves=4,
    )


def _user_id(row: dict[str, Any]) -> str:
    return str(row["user_id"])


MEMBER: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "user_id": IDS | TEXTS,
        "role": st.sampled_from(["host", "call_member", "HOST"]),
        "at": SECONDS,
        "custom": CUSTOM,
    }
)
USER: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"user_id": IDS, "name": TEXTS, "custom": CUSTOM}
)


@given(
    st.lists(MEMBER, max_size=8, unique_by=_user_id),
    st.lists(USER, max_size=4, unique_by=_user_id),
    st.lists(filters(MEMBER_FIELDS), min_size=1, max_size=3),
)
@example([], [], [{}])
@example(
    [{"user_id": "alice", "role": "host", "at": 0, "custom": {"a": 0.1 + 0.2, "b": 2**53 + 1}}],
    [],
    [{"custom.a": 0.1 + 0.2}, {"custom.b": 2**53}, {"custom.b": {"$gt": 2**53}}],
)
def test_members(
    refilled: Refill,
    members: list[dict[str, Any]],
    users: list[dict[str, Any]],
    asked: list[dict[str, Any]],
) -> None:
    history = History()
    history.created()
    known = {user["user_id"]: user for user in users}
    rows: dict[str, Row] = {}
    for user in users:
        history.upserted(user["user_id"], name=user["name"], custom=user["custom"], role="guest")
    for member in members:
        at = START + timedelta(seconds=member["at"])
        user_id, role, custom = member["user_id"], member["role"], member["custom"]
        history.added(user_id, role, custom=custom, at=at)
        one = known.get(user_id)
        rows[user_id] = {
            "user_id": user_id,
            "role": role,
            "created_at": micros(at),
            "updated_at": micros(at),
            "custom": custom,
            "user.name": (one["name"] or None) if one else None,
            "user.role": "guest" if one else "user",
            "user.custom": one["custom"] if one else None,
        }
    agree(
        refilled(history),
        rows,
        asked,
        MEMBER_FIELDS,
        lambda views, said: {
            item.user_id for item in views.queries.members(CID, filters=said, limit=1000).items
        },
    )


CALL: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["default", "livestream"]),
        "team": st.none() | st.sampled_from(["red", "RED", ""]),
        "by": IDS,
        "at": SECONDS,
        "starts": st.none() | SECONDS,
        "ends": st.none() | SECONDS,
        "backstage": st.booleans(),
        "ongoing": st.booleans(),
        "members": st.sets(IDS, max_size=2),
        "custom": CUSTOM,
    }
)


@given(st.lists(CALL, max_size=6), st.lists(filters(CALL_FIELDS), min_size=1, max_size=3))
def test_calls(refilled: Refill, calls: list[dict[str, Any]], asked: list[dict[str, Any]]) -> None:
    history = History()
    rows: dict[str, Row] = {}
    for number, said in enumerate(calls):
        cid = CallId(f"{said['type']}:{number}")
        at = START + timedelta(seconds=said["at"])
        starts = None if said["starts"] is None else START + timedelta(seconds=said["starts"])
        ends = None if said["ends"] is None else START + timedelta(seconds=said["ends"])
        history.created(
            cid,
            by=said["by"],
            at=at,
            team=said["team"],
            starts_at=starts,
            custom=said["custom"],
            backstage=said["backstage"],
        )
        for user_id in said["members"]:
            history.added(user_id, cid=cid)
        if said["ongoing"]:
            history.session_started(1, cid)
        if ends:
            history.in_call(call.CallEnded, cid, reason="ended", at=ends)
        rows[cid] = {
            "cid": cid,
            "type": said["type"],
            "id": str(number),
            "team": said["team"],
            "created_by": said["by"],
            "created_at": micros(at),
            "updated_at": micros(ends or at),
            "starts_at": starts and micros(starts),
            "ended_at": ends and micros(ends),
            "backstage": said["backstage"],
            "ongoing": said["ongoing"],
            "members": said["members"] or None,
            "custom": said["custom"],
        }
    agree(
        refilled(history),
        rows,
        asked,
        CALL_FIELDS,
        lambda views, said: {
            item.cid for item in views.queries.calls(filters=said, limit=1000).items
        },
    )


@given(
    st.lists(st.tuples(SECONDS, st.none() | SECONDS), max_size=5),
    st.lists(filters(SESSION_FIELDS), min_size=1, max_size=3),
)
@example([(0, 0)], [{"duration": {"$in": [0, 2**53]}}])
def test_sessions(
    refilled: Refill, sessions: list[tuple[int, int | None]], asked: list[dict[str, Any]]
) -> None:
    history = History()
    history.created()
    rows: dict[int, Row] = {}
    for number, (start, length) in enumerate(sessions, 1):
        at = START + timedelta(seconds=start)
        ends = None if length is None else at + timedelta(seconds=length)
        history.session_started(number, at=at)
        if ends:
            history.session_ended(number, at=ends)
        rows[number] = {
            "started_at": micros(at),
            "ended_at": ends and micros(ends),
            "duration": None if length is None else float(length),
        }
    agree(
        refilled(history),
        rows,
        asked,
        SESSION_FIELDS,
        lambda views, said: {
            item.number for item in views.queries.sessions(CID, filters=said, limit=1000).items
        },
    )


def agree(
    views: Views,
    rows: Mapping[Any, Row],
    asked: Sequence[dict[str, Any]],
    fields: Fields,
    found: Callable[[Views, dict[str, Any]], set[Any]],
) -> None:
    for said in asked:
        tree = parse(said, fields)
        meant = {key for key, row in rows.items() if holds(tree, row)}
        assert found(views, said) == meant, said


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
