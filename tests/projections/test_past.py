"""Tables of the past answer as a replay of the log does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.projections.histories import CIDS, histories
from tests.projections.history import History
from tests.projections.places import Where
from tests.projections.test_as_of import of_call, of_house, recorded, seen_up_to

from greenroom.domain.call_events import CallDeleted, WentLive
from greenroom.domain.membership import MemberUpdated, RingAccepted
from greenroom.domain.ports import EventStore
from greenroom.domain.session_events import MediaConnected
from greenroom.projections import past_tables
from greenroom.projections.as_of import Kept, Replayed, Seen
from greenroom.projections.past import Past
from greenroom.projections.projecting import project
from greenroom.projections.tables import NOW
from greenroom.projections.views import Views


def fill(views: Views, store: EventStore, batches: Sequence[int]) -> None:
    """Take the tables of the past to the last of these positions, batch by batch."""
    for after, until in pairwise([0, *batches]):
        with views._database.write() as connection:
            if not after:
                past_tables.metadata.create_all(connection)
            records = list(store.feed(after, until=until))
            project(views._database, connection, {Past(): after}, records)


def agree(views: Views, store: EventStore, position: int) -> None:
    """What the tables say of a position is what a replay says."""
    then = seen_up_to(store, position)
    assert everything(Kept(views, position)) == everything(then)
    then.close()


@pytest.mark.slow
@given(histories(), st.data())
def test_kept_is_as_it_was(history: History, data: st.DataObject) -> None:
    store = recorded(history)
    head = store.position()
    views = seen_up_to(store, head)
    cuts = data.draw(st.sets(st.integers(1, head), max_size=4)) if head > 1 else set()
    fill(views, store, sorted(cuts | {head}) or [0])
    for position in data.draw(st.lists(st.integers(0, head), min_size=3, max_size=3)):
        agree(views, store, position)
    views.close()


def eventful() -> History:
    """A bit of everything: rings and answers, a session that ends with people in it, erasures."""
    made = History()
    made.upserted("alice", name="Alice")
    made.created()
    made.created(CIDS[1])
    for who in ("alice", "tommaso"):
        made.added(who, custom={"n": 1})
        made.added(who, cid=CIDS[1])
    made.rung(1, ["alice"])
    made.of_member(RingAccepted, "alice", ring=1)
    made.session_started()
    made.joined("alice", "a1")
    made.joined("tommaso", "t1")
    made.joined("alice", "a2")
    made.left("alice", "a1")
    made.in_session(MediaConnected, entry_id="t1", fingerprint="00")
    made.session_ended()
    made.upserted("alice", name="Alice the Second")
    made.of_member(MemberUpdated, "alice", role="host", custom={"n": 2})
    made.removed("tommaso")
    made.added("tommaso", custom={"n": 3})
    made.in_call(WentLive, backstage=True)
    made.forgotten("alice")
    made.upserted("alice", name="Alice anew")
    made.session_started(2)
    made.joined("alice", "a3", 2)
    made.in_call(CallDeleted, hard=True)
    made.added("charlie", cid=CIDS[1])
    return made


def everything(seen: Seen) -> list[Any]:
    """All that can be asked."""
    return [*(list(of_call(seen, cid)) for cid in CIDS), list(of_house(seen))]


@pytest.fixture(scope="module")
def told() -> tuple[EventStore, list[Any]]:
    """A store, and what views said at each of its positions."""
    store = recorded(eventful())
    views = Views.open(None, secret=store.secret)
    queries, said = views.queries, []
    for position in range(store.position() + 1):
        views.catch_up(store.feed, until=position)
        views.queries = queries.over(NOW, position=position)
        said.append(everything(views))
    views.close()
    return store, said


@pytest.mark.parametrize("step", [7, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 100))])
def test_at_every_position_of_a_day_full_of_everything(
    where: Where, step: int, told: tuple[EventStore, list[Any]]
) -> None:
    store, said = told
    views = Views.open(where, secret=store.secret)
    views.catch_up(store.feed, until=store.position())
    fill(views, store, [*range(step, store.position(), step), store.position()])
    for position, then in enumerate(said):
        assert everything(Kept(views, position)) == then, position
        if step == 1:
            replayed = Replayed(store, lambda: views.index, position)
            assert everything(replayed.of_house()) == then, position
            replayed.close()
    views.close()


def test_nothing_of_what_was_erased_stands_in_any_version(history: History) -> None:
    history.upserted("member-5", name="Charlie")
    history.added("member-99", custom={"secret": 1})
    views = seen_up_to(recorded(history), 0)
    fill(views, recorded(history), [history.head])
    history.forgotten("member-5")
    history.in_call(CallDeleted, hard=True)
    erasures = history.pairs[-2:]
    with views._database.write() as connection:
        project(views._database, connection, {Past(): history.head - 10}, erasures)
    with views._database.read() as connection:
        for table in past_tables.TABLES:
            rows = str(connection.execute(select(table)).all())
            assert "secret" not in rows
            assert "Charlie" not in rows
    views.close()
