"""Statements are put together once for a shape, and connections lent for one statement each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.exc import TimeoutError as PoolExhausted
from tests.projections.history import CID, History

from greenroom.projections import lending, statements
from greenroom.projections.lending import Lender
from greenroom.projections.parse import parse
from greenroom.projections.questions import MEMBER_FIELDS
from greenroom.projections.shapes import rounded, shape
from greenroom.projections.statements import Statement, Statements
from greenroom.projections.views import Views


def looks(said: dict[str, Any]) -> Any:
    return shape(parse(said, MEMBER_FIELDS), [])


def test_filters_that_differ_in_their_values_share_a_shape() -> None:
    assert looks({"user_id": "alice"}) == looks({"user_id": "charlie"})
    assert looks({"custom.color": "red"}) == looks({"custom.size": "large"})
    assert looks({"custom.n": 1}) == looks({"custom.n": 2.5})
    assert looks({"role": {"$in": ["a", "b", "c"]}}) == looks({"role": {"$in": ["a"] * 4}})


def test_filters_whose_sql_differs_do_not() -> None:
    different: list[dict[str, Any]] = [
        {"user_id": "alice"},
        {"role": "alice"},
        {"role": None},
        {"role": {"$ne": "alice"}},
        {"role": {"$gt": "alice"}},
        {"role": {"$in": ["a", "b"]}},
        {"role": {"$in": ["a", None]}},
        {"role": {"$autocomplete": "a"}},
        {"role": {"$autocomplete": "\U0010ffff"}},
        {"custom.a": 1},
        {"custom.a": "1"},
        {"custom.a": True},
        {"custom.a": False},
        {"custom.a": None},
        {"$or": [{"role": "a"}, {"user_id": "b"}]},
        {"$and": [{"role": "a"}, {"user_id": "b"}]},
    ]
    assert len({looks(said) for said in different}) == len(different)


@pytest.mark.parametrize(("length", "room"), [(0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (100, 128)])
def test_lists_are_rounded_up_with_what_is_in_them(length: int, room: int) -> None:
    found = rounded([*range(length)])
    assert len(found) == room
    assert set(found) == set(range(length))


def test_a_query_is_compiled_once_for_all_its_values(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History()
    history.created()
    people = ["thierry", "tommaso", "alice", "charlie", "jaewoong"]
    for user_id in people:
        history.added(user_id)
    views.catch_up(history.feed, until=history.head)
    asked: list[str] = []
    fetch = views._database.fetch

    def noted(sql: str, arguments: Sequence[Any], **how: bool) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return fetch(sql, arguments, **how)

    monkeypatch.setattr(views._database, "fetch", noted)
    for user_id in people:
        [item] = views.queries.members(CID, filters={"user_id": user_id}).items
        assert item.user_id == user_id
    assert len({id(sql) for sql in asked}) == 1


def test_of_many_shapes_the_latest_used_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MAX_STATEMENTS", 2)
    made: list[str] = []

    def statement(shape: str) -> Statement:
        def make() -> Statement:
            made.append(shape)
            return Statement(shape, (), ())

        return kept.get(shape, make)

    kept = Statements()
    for one in ("a", "b", "a", "c", "a", "b"):
        assert statement(one).sql == one
    assert made == ["a", "b", "c", "b"]


class Line:
    """A connection that knows whether it is open."""

    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


def test_no_more_connections_are_lent_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "PATIENCE", 0.01)
    lender = Lender(Line, 2)
    one, other = lender.take(), lender.take()
    assert one is not other
    with pytest.raises(PoolExhausted):
        lender.take()
    lender.give_back(other)
    assert lender.take() is other
    lender.drop(one)
    assert not one.is_open
    assert lender.take() not in {one, other}


def test_who_waits_for_a_connection_gets_the_next_that_comes_back() -> None:
    lender = Lender(Line, 1)
    line = lender.take()
    got: list[Line] = []
    waiting = threading.Thread(target=lambda: got.append(lender.take()))
    waiting.start()
    lender.give_back(line)
    waiting.join(timeout=60)
    assert got == [line]


def test_a_closed_lender_closes_what_comes_back() -> None:
    lender = Lender(Line, 2)
    idle, lent = lender.take(), lender.take()
    lender.give_back(idle)
    lender.close()
    assert (idle.is_open, lent.is_open) == (False, True)
    lender.give_back(lent)
    assert not lent.is_open


def test_a_connection_that_cannot_be_made_takes_nobody_s_place() -> None:
    failing = [True]

    def connect() -> Line:
        if failing.pop():
            raise OSError("not now")
        return Line()

    lender = Lender(connect, 1)
    with pytest.raises(OSError, match="not now"):
        lender.take()
    failing.append(False)
    assert lender.take().is_open
