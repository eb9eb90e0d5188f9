"""Finding calls, members, participants and sessions among many (semantics 1 and 6)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from tests.stories.conftest import MORNING, Stage

from greenroom import CallHandle, Member, asc, desc, errors


@pytest.fixture
def busy(stage: Stage) -> Stage:
    """Five shows, two without a date, with tommaso in the even ones; and a crowd in the first."""
    stage.room.call_types.create(
        "show", indexed_custom={"members": {"seat": "number"}, "calls": {"color": "string"}}
    )
    for number in range(5):
        stage.wait(seconds=1)
        stage.call("thierry", "show", f"{number}").create(
            starts_at=MORNING + timedelta(days=5 - number) if number < 3 else None,
            custom={"color": "red" if number else "blue", "number": number},
            member_ids=["tommaso"] if number % 2 == 0 else ["alice"],
        )
    first(stage).add_members(
        Member(f"fan-{n:02}", role="fan" if n % 3 else "host", custom={"seat": n, "vip": n > 7})
        for n in range(10)
    )
    return stage


def first(stage: Stage) -> CallHandle:
    return stage.call("thierry", "show", "0")


def shows(stage: Stage, filters: dict[str, Any] | None = None, **query: Any) -> list[str]:
    page = stage.user("thierry").query_calls(filters, **query)
    return [call.id for call in page.items]


def fans(stage: Stage, filters: dict[str, Any]) -> list[str]:
    page = first(stage).query_members(filters, [asc("user_id")], limit=100)
    return [member.user_id for member in page.items]


def test_an_empty_filter_answers_all_the_youngest_first(busy: Stage) -> None:
    assert shows(busy) == shows(busy, {}) == ["4", "3", "2", "1", "0"]


def test_fields_of_one_object_and_its_combinations_add_up(busy: Stage) -> None:
    assert fans(busy, {"role": "host", "custom.seat": {"$gte": 3}}) == [
        "fan-03",
        "fan-06",
        "fan-09",
    ]
    assert fans(busy, {"$or": [{"custom.vip": True}, {"custom.seat": {"$in": [1, 2]}}]}) == [
        "fan-01",
        "fan-02",
        "fan-08",
        "fan-09",
    ]
    assert fans(busy, {"$nor": [{"role": "fan"}, {"role": "host"}]}) == ["tommaso"]
    assert fans(busy, {"custom.seat": {"$exists": False}}) == ["tommaso"]
    assert fans(busy, {"user_id": {"$autocomplete": "FAN-0"}, "custom.seat": {"$lt": 2}}) == [
        "fan-00",
        "fan-01",
    ]


def test_pages_say_how_many_there_are_in_all_where_somebody_asks(busy: Stage) -> None:
    page = busy.user("thierry").query_calls({"custom.color": "red"}, limit=1, count=True)
    assert str(page.count) == "4"
    hosts = first(busy).query_members({"role": "host"}, limit=1, count=True)
    assert hosts.count is not None
    assert hosts.count.number == 4
    assert first(busy).query_sessions(count=True).count is not None
    assert first(busy).query_participants().count is None


def test_calls_are_found_by_their_members_and_what_they_carry(busy: Stage) -> None:
    assert shows(busy, {"members": {"$in": ["tommaso", "nobody"]}}) == ["4", "2", "0"]
    assert shows(busy, {"members": {"$contains": "alice"}, "custom.color": "red"}) == ["3", "1"]
    assert shows(busy, {"starts_at": {"$gt": MORNING + timedelta(days=3, hours=1)}}) == ["1", "0"]
    first(busy).join()
    assert shows(busy, {"ongoing": True}) == ["0"]


def test_what_has_no_date_comes_last_either_way(busy: Stage) -> None:
    assert shows(busy, sort=[asc("starts_at"), asc("id")]) == ["2", "1", "0", "3", "4"]
    assert shows(busy, sort=[desc("starts_at"), asc("id")]) == ["0", "1", "2", "3", "4"]


def test_pages_lead_there_and_back_while_others_come(busy: Stage) -> None:
    def page(cursor: str | None = None) -> Any:
        return first(busy).query_members(sort=[asc("user_id")], limit=4, cursor=cursor)

    one = page()
    first(busy).add_members([Member("fan-00a")])  # between two rows already shown
    two = page(one.next)
    three = page(two.next)
    assert three.next is None
    seen = [member.user_id for part in (one, two, three) for member in part.items]
    assert seen == [*(f"fan-{n:02}" for n in range(10)), "tommaso"]
    assert [m.user_id for m in page(three.prev).items] == [m.user_id for m in two.items]


@pytest.mark.slow
def test_a_page_shows_only_calls_that_the_asker_may_read(busy: Stage) -> None:
    busy.room.call_types.revoke("show", role="user", capability="read-call")
    alice = busy.user("alice")
    assert [call.id for call in alice.query_calls().items] == ["3", "1"]  # as a member
    assert busy.user("jaewoong").query_calls().items == ()
    assert shows(busy) == ["4", "3", "2", "1", "0"]  # as their creator
    assert len(busy.room.system("audit").query_calls().items) == 5


def test_declared_fields_are_checked_and_undeclared_ones_are_found_too(busy: Stage) -> None:
    with pytest.raises(errors.InvalidInput) as refusal:
        first(busy).add_members([Member("charlie", custom={"seat": "front"})])
    assert refusal.value.path == "members[0].custom.seat"
    first(busy).add_members([Member("charlie", custom={"diet": {"fish": [1, 2]}})])
    assert fans(busy, {"custom.diet.fish": {"$contains": 2}}) == ["charlie"]
    assert shows(busy, {"custom.number": {"$gte": 3}}) == ["4", "3"]


def test_participants_are_one_row_a_connection_of_the_session_that_is_on(busy: Stage) -> None:
    phone, laptop = first(busy).join(), first(busy).join()
    busy.call("tommaso", "show", "0").join()
    page = first(busy).query_participants({"user_id": "thierry"})
    assert {one.entry_id for one in page.items} == {phone.entry_id, laptop.entry_id}
    assert {one.session_id for one in page.items} == {"show:0/1"}
    session = first(busy).get().session
    assert session is not None
    assert session.participants_count_by_role == {"user": 2}  # people, not connections


def test_sessions_are_found_by_how_long_they_took(busy: Stage) -> None:
    for minutes in (5, 50):
        first(busy).join()
        busy.wait(minutes=minutes)
        first(busy).leave()
        busy.wait(hours=1)
    page = first(busy).query_sessions({"duration": {"$gt": 600}})
    assert [session.number for session in page.items] == [2]
    assert [session.number for session in first(busy).query_sessions().items] == [2, 1]


def test_without_an_id_one_is_made_that_nobody_else_has(busy: Stage) -> None:
    made = {busy.user("thierry").call("show").id for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", one) for one in made)
