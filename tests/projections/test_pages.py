"""Walking a query page by page: every row once, in order, there and back, whatever else moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.projections.history import CID, SECRET, START, History, at
from tests.projections.places import Refill, Where

from greenroom.domain import call_events as call
from greenroom.domain.errors import InvalidCursor, InvalidInput, QueryTooSlow
from greenroom.domain.message import CallId
from greenroom.projections import queries, questions
from greenroom.projections.items import CallItem, MemberItem
from greenroom.projections.pages import Count, Page
from greenroom.projections.query import Fields, SortKey, asc, desc
from greenroom.projections.views import Views

LIMITS = st.lists(st.integers(1, 4), min_size=1, max_size=5)
DIRECTIONS = st.booleans()


def sorts(*fields: str) -> st.SearchStrategy[list[SortKey]]:
    """Up to two keys, in any directions."""
    key = st.builds(SortKey, st.sampled_from(fields), DIRECTIONS)
    return st.lists(key, max_size=2, unique_by=lambda one: one.field)


def walked(
    ask: Callable[..., Page[Any]], limits: Sequence[int], start: str | None = None
) -> list[Page[Any]]:
    """All pages from `start` on, taking the limits in turn."""
    pages = [ask(limit=limits[0], cursor=start)]
    while pages[-1].next:
        pages.append(ask(limit=limits[len(pages) % len(limits)], cursor=pages[-1].next))
    return pages


def walked_back(ask: Callable[..., Page[Any]], limits: Sequence[int], last: Page[Any]) -> list[Any]:
    """All items before `last`, in order."""
    items: list[Any] = []
    page = last
    steps = 0
    while page.prev:
        page = ask(limit=limits[steps % len(limits)], cursor=page.prev)
        items[:0] = page.items
        steps += 1
    return items


def ordered(items: Sequence[Any], sort: Sequence[SortKey], fields: Fields) -> list[Any]:
    """`items` in the order of `sort`: null last, ties by the last key's direction."""
    keys = list(sort) or [fields.default]
    if fields.tiebreak not in [key.field for key in keys]:
        keys.append(SortKey(fields.tiebreak, descending=keys[-1].descending))
    found = list(items)
    for key in reversed(keys):
        there = [item for item in found if getattr(item, key.field) is not None]
        there.sort(key=lambda item: getattr(item, key.field), reverse=key.descending)
        found = there + [item for item in found if getattr(item, key.field) is None]
    return found


@given(
    st.lists(st.integers(0, 2), max_size=12),
    sorts("user_id", "created_at"),
    LIMITS,
)
def test_members_are_walked_there_and_back(
    refilled: Refill, ages: list[int], sort: list[SortKey], limits: list[int]
) -> None:
    history = History()
    history.created()
    for number, age in enumerate(ages):
        history.added(f"member-{number}", at=at(age))
    views = refilled(history)

    def ask(**how: Any) -> Page[MemberItem]:
        return views.queries.members(CID, sort=sort, **how)

    expected = ordered(ask(limit=1000).items, sort, questions.MEMBER_FIELDS)
    pages = walked(ask, limits)
    assert [item for page in pages for item in page.items] == expected
    assert len(expected) == len(ages)
    assert walked_back(ask, limits, pages[-1]) == expected[: len(expected) - len(pages[-1].items)]
    assert pages[0].prev is None


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.none() | st.integers(0, 2), st.none() | st.integers(0, 2)),
        max_size=10,
    ),
    sorts("starts_at", "created_at", "updated_at", "ended_at", "type", "id", "cid"),
    LIMITS,
)
@example([(0, n // 2 % 2, None) for n in range(8)], [asc("type"), desc("starts_at")], [1])
@example([(0, n // 2 % 2, None) for n in range(8)], [desc("type"), asc("starts_at")], [1])
@example([(0, n % 3 or None, None) for n in range(8)], [desc("starts_at"), asc("ended_at")], [2])
def test_calls_are_walked_there_and_back_with_null_last(
    refilled: Refill,
    said: list[tuple[int, int | None, int | None]],
    sort: list[SortKey],
    limits: list[int],
) -> None:
    history = History()
    for number, (created, starts, ends) in enumerate(said):
        cid = CallId(f"{'default' if number % 2 else 'livestream'}:{number // 2}")
        starts_at = None if starts is None else at(starts)
        history.created(cid, at=at(created), starts_at=starts_at)
        if ends is not None:
            history.in_call(call.CallEnded, cid, reason="ended", at=at(ends))
    views = refilled(history)

    def ask(**how: Any) -> Page[CallItem]:
        return views.queries.calls(sort=sort, **how)

    expected = ordered(ask(limit=1000).items, sort, questions.CALL_FIELDS)
    pages = walked(ask, limits)
    assert [item for page in pages for item in page.items] == expected
    assert len(expected) == len(said)
    assert walked_back(ask, limits, pages[-1]) == expected[: len(expected) - len(pages[-1].items)]


def test_participants_and_sessions_are_walked_there_and_back(views: Views) -> None:
    history = History()
    history.created()
    for number in range(1, 6):
        history.session_started(number, at=START)
        history.session_ended(number)
    history.session_started(6)
    for number in range(5):
        history.joined("alice", f"entry-{number}", 6, at=START)
    views.catch_up(history.feed, until=history.head)

    def participants(**how: Any) -> Page[Any]:
        return views.queries.participants(CID, **how)

    pages = walked(participants, [2])
    names = [item.entry_id for page in pages for item in page.items]
    assert names == [f"entry-{number}" for number in range(5)]
    back = walked_back(participants, [2], pages[-1])
    assert [item.entry_id for item in back] == names[:4]

    def sessions(**how: Any) -> Page[Any]:
        return views.queries.sessions(CID, **how)

    pages = walked(sessions, [4])
    assert [item.number for page in pages for item in page.items] == [6, 5, 4, 3, 2, 1]
    assert [item.number for item in walked_back(sessions, [4], pages[-1])] == [6, 5, 4, 3]


PEOPLE = [f"member-{number}" for number in range(12)]


@given(
    st.sets(st.sampled_from(PEOPLE)),
    st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(0, 2)), max_size=30),
    sorts("user_id", "created_at"),
    st.lists(st.booleans(), min_size=20, max_size=20),
    st.booleans(),
)
def test_whoever_is_there_all_along_is_seen_once_while_others_come_and_go(  # noqa: PLR0917 - drawn
    refilled: Refill,
    residents: set[str],
    moves: list[tuple[str, int]],
    sort: list[SortKey],
    pauses: list[bool],
    back: bool,  # noqa: FBT001 - given by position
) -> None:
    history = History()
    history.created()
    for number, user_id in enumerate(sorted(residents)):
        history.added(user_id, at=at(number % 3))
    views = refilled(history)
    visitors: set[str] = set()
    waiting = [(who, age) for who, age in moves if who not in residents]

    def move() -> None:
        who, age = waiting.pop()
        if who in visitors:
            visitors.remove(who)
            history.removed(who)
        else:
            visitors.add(who)
            history.added(who, at=at(age))
        views.catch_up(history.feed, until=history.head)

    def ask(cursor: str | None = None) -> Page[MemberItem]:
        return views.queries.members(CID, sort=sort, limit=2, cursor=cursor)

    page = ask()
    while back and page.next:
        page = ask(page.next)
    seen: list[MemberItem] = []
    onward: str | None = None
    for pause in pauses:
        seen = [*page.items, *seen] if back else [*seen, *page.items]
        onward = page.prev if back else page.next
        if onward is None:
            break
        if waiting and pause:
            move()
        page = ask(onward)
    there = [item.user_id for item in seen if item.user_id in residents]
    whole = [
        item.user_id
        for item in views.queries.members(CID, sort=sort, limit=1000).items
        if item.user_id in residents
    ]
    if onward is None:
        assert there == whole
    else:
        assert there == (whole[len(whole) - len(there) :] if back else whole[: len(there)])


def test_without_a_tiebreak_the_walk_would_lose_rows(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History()
    history.created()
    for user_id in PEOPLE:
        history.added(user_id, at=START)
    views.catch_up(history.feed, until=history.head)

    def ask(**how: Any) -> Page[MemberItem]:
        return views.queries.members(CID, sort=[asc("created_at")], **how)

    assert sum(len(page.items) for page in walked(ask, [5])) == 12
    monkeypatch.setattr(queries, "parse_sort", lambda sort, _: tuple(sort))
    assert sum(len(page.items) for page in walked(ask, [5])) == 5


def test_a_page_whose_rows_have_gone_still_leads_both_ways(views: Views) -> None:
    history = History()
    history.created()
    for user_id in PEOPLE:
        history.added(user_id)
    views.catch_up(history.feed, until=history.head)

    def ask(**how: Any) -> list[Any]:
        page = views.queries.members(CID, limit=4, **how)
        return [page, [item.user_id for item in page.items]]

    first, _ = ask()
    second, names = ask(cursor=first.next)
    assert names == PEOPLE[4:8]
    for user_id in PEOPLE[:4] + PEOPLE[8:]:
        history.removed(user_id)
    views.catch_up(history.feed, until=history.head)
    behind, names = ask(cursor=second.next)
    assert names == []
    assert ask(cursor=behind.prev)[1] == PEOPLE[4:8]
    before, names = ask(cursor=second.prev)
    assert names == []
    assert ask(cursor=before.next)[1] == PEOPLE[4:8], "the row it came from is not skipped"


def test_a_page_shows_25_rows_unless_asked_otherwise(views: Views) -> None:
    history = History()
    history.created()
    for number in range(30):
        history.added(f"member-{number}")
    views.catch_up(history.feed, until=history.head)
    page = views.queries.members(CID)
    assert len(page.items) == 25
    assert len(views.queries.members(CID, cursor=page.next, limit=1000).items) == 5


@pytest.mark.parametrize("limit", [0, -1, 1001, 2.0, "5", True, None])
def test_a_limit_out_of_bounds_is_refused(views: Views, limit: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        views.queries.calls(limit=limit)
    assert refused.value.path == "limit"


ASKED: dict[str, Any] = {
    "filters": {"role": "call_member", "user_id": {"$gt": "a"}},
    "sort": [desc("created_at")],
    "actor": "alice",
}


@pytest.fixture
def cursor(views: Views) -> str:
    history = History()
    for cid in (CID, CallId("default:other")):
        history.created(cid)
        for user_id in PEOPLE:
            history.added(user_id, cid=cid)
    views.catch_up(history.feed, until=history.head)
    found = views.queries.members(CID, limit=2, **ASKED).next
    assert found
    return found


def test_a_cursor_does_not_mind_the_limit_or_the_order_of_the_filter(
    views: Views, cursor: str
) -> None:
    turned: dict[str, Any] = {"filters": {"user_id": {"$gt": "a"}, "role": "call_member"}}
    page = views.queries.members(CID, **{**ASKED, **turned}, limit=3, cursor=cursor)
    assert [item.user_id for item in page.items] == PEOPLE[-3:-6:-1]


@pytest.mark.parametrize(
    "other",
    [
        {"filters": {"role": "call_member"}},
        {"filters": {"role": "call_member", "user_id": {"$gte": "a"}}},
        {"filters": None},
        {"sort": [asc("created_at")]},
        {"sort": [desc("created_at"), asc("user_id")]},
        {"actor": "charlie"},
        {"actor": ""},
    ],
)
def test_a_cursor_is_of_no_use_to_another_query(
    views: Views, cursor: str, other: dict[str, Any]
) -> None:
    with pytest.raises(InvalidCursor) as refused:
        views.queries.members(CID, **{**ASKED, **other}, cursor=cursor)
    assert refused.value.path == "cursor"


def test_a_cursor_is_of_no_use_to_another_call_kind_or_store(views: Views, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        views.queries.members(CallId("default:other"), **ASKED, cursor=cursor)
    with pytest.raises(InvalidCursor):
        views.queries.participants(CID, cursor=cursor)
    elsewhere = Views.open(None, secret=b"o" * 32)
    with pytest.raises(InvalidCursor):
        elsewhere.queries.members(CID, **ASKED, cursor=cursor)
    elsewhere.close()


@given(st.integers(0, 100), st.sampled_from("Aa0-_=+/ é\x00"), st.sampled_from("rid"))
def test_a_cursor_that_was_touched_is_refused(
    refilled: Refill, where: int, letter: str, how: str
) -> None:
    history = History()
    history.created()
    history.added("alice")
    history.added("charlie")
    views = refilled(history)
    real = views.queries.members(CID, limit=1).next
    assert real
    where %= len(real)
    skipped = {"r": 1, "i": 0, "d": 1}[how]
    forged = real[:where] + ("" if how == "d" else letter) + real[where + skipped :]
    try:
        found = views.queries.members(CID, limit=1, cursor=forged)
    except InvalidCursor:
        return
    # Base64 leaves a few bits of its last letter unused: another spelling of the same bytes.
    assert found == views.queries.members(CID, limit=1, cursor=real)
    assert forged.rstrip("=")[:-1] == real[:-1]


@pytest.mark.parametrize(
    "said", ["", "next", "=", "A" * 100_000, 5, b"x", ["x"], "\ud800", "ü", {"a": 1}]
)
def test_what_never_was_a_cursor_is_refused(views: Views, said: Any) -> None:
    with pytest.raises(InvalidCursor):
        views.queries.calls(cursor=said)


@pytest.mark.slow
def test_a_query_that_takes_too_long_says_what_would_help(where: Where) -> None:
    history = History()
    history.created()
    for number in range(6000):
        history.added(f"member-{number}", custom={"n": number})
    views = Views.open(where, secret=SECRET, time_limit=timedelta(0))
    views.catch_up(history.feed, until=history.head)
    declare = r"room.call_types.update\('livestream', indexed_custom={'members': {'n': 'number'}}\)"
    with pytest.raises(QueryTooSlow, match=declare) as refusal:
        views.queries.members(CID, filters={"$or": [{"role": "-"}, {"custom.n": -1}]})
    assert refusal.value.path == "filters.$or[1].custom.n"
    with pytest.raises(QueryTooSlow, match="a key of custom itself") as refusal:
        views.queries.members(CID, filters={"custom.n.o": -1})
    assert refusal.value.path == "filters.custom.n.o"
    with pytest.raises(QueryTooSlow, match="cannot be declared; ask for"):
        views.queries.members(CID, filters={"user.custom.n": -1})
    never = [{"updated_at": {"$lt": START - timedelta(days=n)}} for n in range(15)]
    with pytest.raises(QueryTooSlow, match="query_limit") as refusal:
        views.queries.members(CID, filters={"$or": never})
    assert refusal.value.path == "filters"
    views.close()


@pytest.mark.parametrize(("members", "said"), [(0, "0"), (1000, "1000"), (1001, "1000+")])
def test_a_page_says_how_many_there_are_in_all_if_asked(
    views: Views, members: int, said: str
) -> None:
    history = History()
    history.created()
    for number in range(members):
        history.added(f"member-{number}", "host" if number % 100 else "call_member")
    views.catch_up(history.feed, until=history.head)
    page = views.queries.members(CID, limit=1, count=True)
    assert str(page.count) == said
    assert views.queries.members(CID, limit=1).count is None, "nobody asked"
    if members:
        behind = views.queries.members(CID, limit=1, count=True, cursor=page.next)
        assert behind.count == page.count, "of all pages"
        few = views.queries.members(CID, filters={"role": "call_member"}, count=True).count
        assert few == Count((members + 99) // 100, exact=True)
