"""What a filter and a sort may look like; everything else is refused with its place."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import IntEnum, StrEnum
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.domain.errors import InvalidFilter, InvalidSort
from greenroom.projections.parse import parse, parse_sort
from greenroom.projections.query import (
    EVERYTHING,
    All,
    Comparison,
    Fields,
    Kind,
    Not,
    Op,
    SortKey,
    asc,
    desc,
)
from greenroom.projections.query import (
    Any as Either,
)
from greenroom.projections.questions import CALL_FIELDS, MEMBER_FIELDS, SESSION_FIELDS


class Role(StrEnum):
    HOST = "host"


class Number(IntEnum):
    ONE = 1


def _explode(*_: object) -> NoReturn:
    raise RuntimeError


Liar: type = type("Liar", (), {"__class__": property(lambda _: dict), "__getattr__": _explode})
"""Says that it is a dict, until somebody looks closer."""

Bomb: type = type(
    "Bomb",
    (),
    {
        "__class__": property(_explode),
        "__repr__": _explode,
        "__eq__": _explode,
        "__hash__": lambda _: 1,
    },
)
"""Must not be looked at."""


class Nowhere(tzinfo):
    utcoffset = dst = tzname = _explode


class TrickyText(str):
    __slots__ = ()

    def __len__(self) -> NoReturn:
        raise RuntimeError

    def __bool__(self) -> NoReturn:
        raise RuntimeError

    def __str__(self) -> NoReturn:
        raise RuntimeError

    def startswith(self, *_: object) -> NoReturn:
        raise RuntimeError


class TrickyDict(dict[str, object]):
    def items(self) -> NoReturn:
        raise RuntimeError

    def __len__(self) -> NoReturn:
        raise RuntimeError


def nested(depth: int) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "host"}
    for _ in range(depth):
        said = {"$and": [said]}
    return said


def endless() -> dict[str, Any]:
    said: dict[str, Any] = {}
    said["$or"] = [said, said]
    return said


def comparison(field: str, op: Op, *values: Any, path: str = "", kind: Kind = Kind.TEXT) -> Any:
    return Comparison(field, tuple(path.split(".")) if path else (), kind, op, values)


HOST = comparison("role", Op.EQ, "host")
NOON = 1_767_268_800_000_000


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, EVERYTHING),
        ({}, EVERYTHING),
        ({"role": "host"}, HOST),
        ({"role": {"$eq": "host"}}, HOST),
        ({TrickyText("role"): TrickyText("host")}, HOST),
        ({"role": Role.HOST}, HOST),
        (OrderedDict(role="host"), HOST),
        (TrickyDict(role="host"), HOST),
        ({"role": {"$ne": "host"}}, Not(HOST)),
        ({"role": None}, comparison("role", Op.EQ, None)),
        ({"role": {"$in": ["host", None]}}, comparison("role", Op.IN, "host", None)),
        ({"role": {"$in": ("host",)}}, comparison("role", Op.IN, "host")),
        ({"role": {"$nin": ["host"]}}, Not(comparison("role", Op.IN, "host"))),
        ({"role": {"$exists": True}}, comparison("role", Op.EXISTS)),
        ({"role": {"$exists": False}}, Not(comparison("role", Op.EXISTS))),
        ({"user_id": {"$autocomplete": "THI"}}, comparison("user_id", Op.AUTOCOMPLETE, "thi")),
        (
            {"role": {"$gt": "a", "$lte": "z"}},
            All((comparison("role", Op.GT, "a"), comparison("role", Op.LTE, "z"))),
        ),
        (
            {"role": "host", "user_id": "alice"},
            All((HOST, comparison("user_id", Op.EQ, "alice"))),
        ),
        ({"$or": [{"role": "host"}, {}]}, Either((HOST, EVERYTHING))),
        ({"$nor": [{"role": "host"}]}, Not(Either((HOST,)))),
        ({"$and": [{"role": "host"}]}, All((HOST,))),
        (
            {"custom.a-b.c": 1},
            comparison("custom", Op.EQ, 1, path="a-b.c", kind=Kind.JSON),
        ),
        (
            {"user.custom.plan": {"$contains": Number.ONE}},
            comparison("user.custom", Op.CONTAINS, 1, path="plan", kind=Kind.JSON),
        ),
        ({"user.name": "Alice"}, comparison("user.name", Op.EQ, "Alice")),
        *(
            ({"created_at": noon}, comparison("created_at", Op.EQ, NOON, kind=Kind.INSTANT))
            for noon in (
                datetime(2026, 1, 1, 12, tzinfo=UTC),
                datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))),
                "2026-01-01T12:00:00Z",
                "2026-01-01 12:00:00.000000z",
                "2026-01-01t17:30:00+05:30",
            )
        ),
    ],
    ids=range(29),
)
def test_a_filter_becomes_a_tree(said: Any, meant: object) -> None:
    found = parse(said, MEMBER_FIELDS)
    assert found == meant
    assert repr(found) == repr(meant), "1 and true are equal, and differ"


REFUSED: list[tuple[Any, str, str, str | None]] = [
    # said, path, expected, nearest
    ("role", "filters", "an object", None),
    ([{"role": "host"}], "filters", "an object", None),
    (UserDict(role="host"), "filters", "an object", None),
    (Liar(), "filters", "an object", None),
    (Bomb(), "filters", "an object", None),
    (Mock(spec=dict), "filters", "an object", None),
    ({1: "host"}, "filters", "names of fields", None),
    ({Bomb(): "host"}, "filters", "names of fields", None),
    ({"roel": "host"}, "filters.roel", "one of user_id, role", "role"),
    ({"": "host"}, "filters.", "one of user_id", None),
    ({"\ud800": "host"}, "filters.\\ud800", "one of user_id", None),
    ({"r" * 1_000_000: 1}, "filters." + "r" * 80, "one of user_id", None),
    ({"custom": {"color": "red"}}, "filters.custom", "a key inside it, such as custom.color", None),
    ({"custom.": 1}, "filters.custom.", "keys joined by dots", None),
    ({"custom.a b": 1}, "filters.custom.a b", "keys joined by dots", None),
    ({"custom.$where": 1}, "filters.custom.$where", "keys joined by dots", None),
    ({"custom.a.0": 1}, "filters.custom.a.0", "keys joined by dots", None),
    ({'custom.a"': 1}, 'filters.custom.a"', "keys joined by dots", None),
    ({"custom.a\n": 1}, "filters.custom.a\n", "keys joined by dots", None),
    ({"custom." + "a" * 65: 1}, "filters.custom." + "a" * 65, "keys joined by dots", None),
    ({"custom." + "a." * 8 + "a": 1}, "filters.custom." + "a." * 8 + "a", "1 to 8 keys", None),
    ({"members": "alice"}, "filters.members", "one of user_id", None),
    ({"$where": "1"}, "filters.$where", "one of $and, $or, $nor", None),
    ({"$ro": []}, "filters.$ro", "one of $and, $or, $nor", "$or"),
    ({"$or": []}, "filters.$or", "a list of 1 to 32 filters", None),
    ({"$or": {"role": "host"}}, "filters.$or", "a list of 1 to 32 filters", None),
    ({"$or": [{}] * 33}, "filters.$or", "a list of 1 to 32 filters", None),
    ({"$or": ["role"]}, "filters.$or[0]", "an object", None),
    ({"$or": [{}, {"role": {"$gt": 1}}]}, "filters.$or[1].role.$gt", "a string", None),
    ({"role": {}}, "filters.role", "a value, or one of $eq", None),
    ({"role": {1: 2}}, "filters.role", "operators as keys", None),
    ({"role": {"$gtt": "a"}}, "filters.role.$gtt", "one of $eq", "$gt"),
    ({"role": {"name": "a"}}, "filters.role.name", "one of $eq", None),
    ({"role": {"$contains": "a"}}, "filters.role.$contains", "one of $eq", None),
    ({"role": ["host"]}, "filters.role", "a string", None),
    ({"role": 1}, "filters.role", "a string", None),
    ({"role": True}, "filters.role", "a string", None),
    ({"role": b"host"}, "filters.role", "a string", None),
    ({"role": Liar()}, "filters.role", "a string", None),
    ({"role": Bomb()}, "filters.role", "a string", None),
    ({"role": "a\x00b"}, "filters.role", "without NUL", None),
    ({"role": "\udc00"}, "filters.role", "lone surrogates", None),
    ({"role": "a" * 513}, "filters.role", "at most 512 characters", None),
    ({"role": {"$in": "host"}}, "filters.role.$in", "a list of 1 to 100 values", None),
    ({"role": {"$in": []}}, "filters.role.$in", "a list of 1 to 100 values", None),
    ({"role": {"$in": ["a"] * 101}}, "filters.role.$in", "a list of 1 to 100 values", None),
    ({"role": {"$in": ["a", 1]}}, "filters.role.$in[1]", "a string", None),
    ({"role": {"$in": iter("ab")}}, "filters.role.$in", "a list of 1 to 100 values", None),
    ({"role": {"$exists": 1}}, "filters.role.$exists", "true or false", None),
    ({"role": {"$exists": None}}, "filters.role.$exists", "true or false", None),
    ({"role": {"$gt": None}}, "filters.role.$gt", "a string", None),
    ({"role": {"$autocomplete": ""}}, "filters.role.$autocomplete", "not empty", None),
    ({"role": {"$autocomplete": 1}}, "filters.role.$autocomplete", "beginning of a string", None),
    ({"custom.n": 2**53 + 1}, "filters.custom.n", "from -2^53 to 2^53", None),
    ({"custom.n": -(10**5000)}, "filters.custom.n", "from -2^53 to 2^53", None),
    ({"custom.n": float("nan")}, "filters.custom.n", "a finite number", None),
    ({"custom.n": float("-inf")}, "filters.custom.n", "a finite number", None),
    ({"custom.n": {"$gt": True}}, "filters.custom.n.$gt", "a string or a number", None),
    ({"custom.n": {"$lt": None}}, "filters.custom.n.$lt", "a string or a number", None),
    ({"custom.n": [1]}, "filters.custom.n", "a string, a number, true, false or null", None),
    ({"custom.n": datetime.now(UTC)}, "filters.custom.n", "a string, a number", None),
    ({"custom.n": {"$contains": [1]}}, "filters.custom.n.$contains", "a string, a number", None),
    ({"created_at": datetime(2026, 1, 1)}, "filters.created_at", "an aware datetime", None),  # noqa: DTZ001 - the fault
    ({"created_at": "2026-01-01T12:00:00"}, "filters.created_at", "RFC 3339", None),
    ({"created_at": "2026-01-01"}, "filters.created_at", "RFC 3339", None),
    ({"created_at": "2026-13-01T12:00:00Z"}, "filters.created_at", "RFC 3339", None),
    ({"created_at": "2026-W01-1T12:00:00Z"}, "filters.created_at", "RFC 3339", None),
    ({"created_at": "\u0662026-01-01T12:00:00Z"}, "filters.created_at", "RFC 3339", None),
    ({"created_at": 1_767_268_800}, "filters.created_at", "an aware datetime", None),
    (
        {"created_at": datetime(2026, 1, 1, tzinfo=Nowhere())},
        "filters.created_at",
        "an aware datetime",
        None,
    ),
    (nested(6), "filters" + ".$and[0]" * 6, "at most 5 combinations", None),
    (nested(100_000), "filters" + ".$and[0]" * 6, "at most 5 combinations", None),
    ({f"custom.k{n}": n for n in range(33)}, "filters", "at most 32 comparisons", None),
    ({"role": {"$ne": "a"}, **{f"custom.k{n}": n for n in range(31)}}, "filters", "32", None),
]


@pytest.mark.parametrize(
    ("said", "path", "expected", "nearest"), REFUSED, ids=[path[:40] for _, path, _, _ in REFUSED]
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    said: Any, path: str, expected: str, nearest: str | None
) -> None:
    with pytest.raises(InvalidFilter) as refused:
        parse(said, MEMBER_FIELDS)
    assert refused.value.path == path
    assert expected in refused.value.expected
    assert refused.value.nearest == nearest
    str(refused.value).encode()


def test_a_filter_that_contains_itself_is_refused() -> None:
    with pytest.raises(InvalidFilter):
        parse(endless(), MEMBER_FIELDS)


KEYS = (
    *("$and", "$or", "$nor", "$eq", "$in", "$gt", "$exists", "$autocomplete"),
    *("role", "created_at", "custom.a", "user.name", "members", "duration", "x"),
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.datetimes()
    | st.sampled_from([object(), type, print, ..., 1j])
    | st.none().map(lambda _: Liar()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "$and",
                    "$or",
                    "$nor",
                    "$eq",
                    "$in",
                    "$gt",
                    "$exists",
                    "$autocomplete",
                    "role",
                    "created_at",
                    "custom.a",
                    "user.name",
                    "members",
                    "duration",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(ANYTHING, st.sampled_from([MEMBER_FIELDS, CALL_FIELDS, SESSION_FIELDS]))
def test_whatever_is_said_is_a_filter_or_refused(said: object, fields: Fields) -> None:
    with suppress(InvalidFilter):
        parse(said, fields)


def test_bounds_are_themselves_allowed() -> None:
    parse(nested(5), MEMBER_FIELDS)
    parse({f"custom.k{n}": n for n in range(32)}, MEMBER_FIELDS)
    parse({"role": {"$in": ["a" * 512] * 100}}, MEMBER_FIELDS)
    parse({"custom.n": {"$in": [2**53, -(2**53), 1e308]}}, MEMBER_FIELDS)
    parse({"custom." + ".".join("a" * 64 for _ in range(8)): 1}, MEMBER_FIELDS)


def test_members_of_a_call_are_asked_for_one_or_some() -> None:
    for said in ({"$contains": "alice"}, {"$in": ["alice"]}, {"$nin": ["a"]}, {"$exists": True}):
        parse({"members": said}, CALL_FIELDS)
    for wrong in ("alice", {"$gt": "alice"}, {"$contains": None}, {"$in": [None]}):
        with pytest.raises(InvalidFilter):
            parse({"members": wrong}, CALL_FIELDS)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, (asc("created_at"), asc("user_id"))),
        ([], (asc("created_at"), asc("user_id"))),
        ([desc("created_at")], (desc("created_at"), desc("user_id"))),
        ((asc("user_id"),), (asc("user_id"),)),
        ([desc("created_at"), asc("user_id")], (desc("created_at"), asc("user_id"))),
    ],
)
def test_every_sort_ends_in_a_field_that_no_two_rows_share(
    said: Any, meant: tuple[SortKey, ...]
) -> None:
    assert parse_sort(said, MEMBER_FIELDS) == meant


@pytest.mark.parametrize(
    ("said", "path", "expected", "nearest"),
    [
        (asc("created_at"), "sort", "a list of at most 2", None),
        ("created_at", "sort", "a list of at most 2", None),
        (Liar(), "sort", "a list of at most 2", None),
        ([asc("user_id")] * 3, "sort", "a list of at most 2", None),
        (["created_at"], "sort[0]", "asc(field) or desc(field)", None),
        ([{"field": "created_at", "direction": -1}], "sort[0]", "asc(field)", None),
        ([SortKey(1)], "sort[0]", "asc(field)", None),  # type: ignore[arg-type]  # the fault
        ([SortKey("user_id", "yes")], "sort[0]", "asc(field)", None),  # type: ignore[arg-type]  # the fault
        ([asc("user_id"), asc("create_at")], "sort[1]", "one of user_id, created_at", "created_at"),
        ([asc("role")], "sort[0]", "one of user_id, created_at", None),
        ([asc("user_id"), desc("user_id")], "sort[1]", "each field once", None),
    ],
    ids=range(11),
)
def test_a_sort_that_cannot_be_is_refused_with_its_place(
    said: Any, path: str, expected: str, nearest: str | None
) -> None:
    with pytest.raises(InvalidSort) as refused:
        parse_sort(said, MEMBER_FIELDS)
    assert (refused.value.path, refused.value.nearest) == (path, nearest)
    assert expected in refused.value.expected
