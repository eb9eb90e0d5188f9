"""What is said of a position is what views say that have seen the log up to there, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.projections.histories import CIDS, PEOPLE, histories
from tests.projections.history import History

from greenroom.adapters.stores import MemoryStore
from greenroom.domain.errors import InvalidCursor, StoreClosed
from greenroom.domain.message import CallId, Decided, UserId
from greenroom.domain.ports import EventStore
from greenroom.domain.streams import erased_by
from greenroom.projections.as_of import Replayed, Seen
from greenroom.projections.query import asc, desc
from greenroom.projections.tables import NOW
from greenroom.projections.views import Views


def recorded(history: History) -> MemoryStore:
    """A store that all of it was recorded in: what was erased cannot be read any more."""
    store = MemoryStore()
    for _, record in history.pairs:
        erased = erased_by(record.event)
        one = Decided(**{name: getattr(record, name) for name in Decided.__struct_fields__})
        store.append([one], erases=[] if erased is None else [erased])
    return store


def seen_up_to(store: EventStore, position: int) -> Views:
    """Views in memory that know the log up to `position`."""
    views = Views.open(None, secret=store.secret)
    views.catch_up(store.feed, until=position)
    # Cursors of the past are of its position alone.
    views.queries = views.queries.over(NOW, position=position)
    return views


def of_call(seen: Seen, cid: CallId) -> Iterator[Any]:
    """Everything that can be asked of one call."""
    queries, lookups = seen.queries, seen.lookups
    first = queries.members(cid, sort=[desc("user_id")], limit=2)
    yield first
    if first.next:
        yield queries.members(cid, sort=[desc("user_id")], limit=2, cursor=first.next)
    yield queries.members(cid, filters={"user.name": {"$autocomplete": "a"}})
    yield queries.members(cid, filters={"$nor": [{"custom.n": {"$gt": 2}}, {"role": "host"}]})
    yield queries.participants(cid, sort=[asc("user_id"), desc("joined_at")])
    yield queries.sessions(cid, filters={"duration": {"$exists": True}})
    yield queries.sessions(cid)
    yield lookups.call(cid)
    if lookups.call(cid) is None:
        return  # nobody is told anything of it
    yield list(lookups.member_ids(cid))
    yield lookups.current_session(cid)
    yield [lookups.session(cid, number) for number in (1, 2)]
    yield lookups.answers(cid)
    yield lookups.participants(cid)
    yield lookups.present_by_role(cid)


def of_house(seen: Seen) -> Iterator[Any]:
    """Everything that can be asked of all calls."""
    yield seen.queries.calls(sort=[asc("starts_at"), desc("cid")], limit=1)
    yield seen.queries.calls(filters={"members": {"$in": [*PEOPLE[:2]]}})
    yield seen.queries.calls(filters={"ongoing": False, "custom.n": {"$lt": 4}})


@pytest.mark.slow
@given(histories(), st.data())
def test_replayed_is_as_it_was(history: History, data: st.DataObject) -> None:
    store = recorded(history)
    views = seen_up_to(store, store.position())
    position = data.draw(st.integers(0, store.position()))
    then, past = seen_up_to(store, position), Replayed(store, lambda: views.index, position)
    for cid in data.draw(st.permutations(CIDS)):
        assert list(of_call(past.of_call(cid), cid)) == list(of_call(then, cid))
    assert list(of_house(past.of_house())) == list(of_house(then))
    past.anew()
    for cid in CIDS:
        assert list(of_call(past.of_call(cid), cid)) == list(of_call(then, cid))
    for one in (views, then, past):
        one.close()


@pytest.fixture
def store(history: History) -> MemoryStore:
    history.created(CallId("default:other"))
    history.added("thierry", cid=CallId("default:other"))
    return recorded(history)


@pytest.fixture
def past_of(store: MemoryStore) -> Iterator[Callable[[int], Replayed]]:
    views = seen_up_to(store, store.position())
    yield lambda position: Replayed(store, lambda: views.index, position)
    views.close()


def test_only_what_concerns_the_call_is_read(
    store: MemoryStore, past_of: Callable[[int], Replayed], monkeypatch: pytest.MonkeyPatch
) -> None:
    past = past_of(store.position())
    picked: list[str] = []
    pick = store.pick

    def noting(positions: Any) -> Iterator[Any]:
        for pair in pick(positions):
            picked.append(pair[1].stream)
            yield pair

    monkeypatch.setattr(store, "pick", noting)
    past.of_call(CallId("default:other"))
    assert picked == ["call-default:other", "member-default:other/thierry"]
    past.of_call(CallId("default:other"))
    assert len(picked) == 2


def test_a_cursor_of_the_past_is_good_for_its_position_alone(
    past_of: Callable[[int], Replayed], store: MemoryStore
) -> None:
    cid = CallId("livestream:123")
    earlier, later = (past_of(position).of_call(cid) for position in (10, 11))
    cursor = earlier.queries.members(cid, limit=2).next
    assert earlier.queries.members(cid, limit=2, cursor=cursor).items
    now = Views.open(None, secret=store.secret)
    for other in (later, now):
        with pytest.raises(InvalidCursor):
            other.queries.members(cid, limit=2, cursor=cursor)


def test_closed_it_answers_nothing(past_of: Callable[[int], Replayed]) -> None:
    past = past_of(3)
    past.close()
    past.close()
    with pytest.raises(StoreClosed):
        past.of_call(CallId("livestream:123"))


def test_somebody_who_was_erased_since_is_shown_without_what_is_theirs(history: History) -> None:
    history.upserted("member-5", name="Charlie")
    history.added("member-99", custom={"n": 1})
    history.forgotten("member-5")
    store = recorded(history)
    views = seen_up_to(store, store.position())
    past = Replayed(store, lambda: views.index, store.position() - 1)
    cid = CallId("livestream:123")
    (item,) = past.of_call(cid).queries.members(cid, filters={"user_id": "member-5"}).items
    assert (item.user.name, item.user_id) == (None, UserId("member-5"))
