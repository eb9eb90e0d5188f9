"""Tables of the past answer as a replay of the log does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import RowMapping, select
from tests.projections.histories import CIDS, histories
from tests.projections.history import CID, SECRET, History
from tests.projections.places import Where
from tests.projections.test_as_of import of_call, of_house, recorded, seen_up_to
from tests.projections.test_parking import PickyMembers, about_alice, content, with_

from greenroom.domain.call_events import CallDeleted, WentLive
from greenroom.domain.membership import MemberUpdated, RingAccepted
from greenroom.domain.message import Event, Recorded
from greenroom.domain.ports import EventStore
from greenroom.domain.session_events import MediaConnected
from greenroom.projections import past_tables
from greenroom.projections.as_of import Kept, Replayed, Seen
from greenroom.projections.keeping import KeptPast
from greenroom.projections.past import Past
from greenroom.projections.tables import NOW
from greenroom.projections.users import Users
from greenroom.projections.versions import Versions
from greenroom.projections.views import Views


class Feeds(Protocol):
    """A log, as far as it is needed here."""

    def feed(
        self, after: int = 0, *, until: int | None = None
    ) -> Iterator[tuple[int, Recorded[Event]]]: ...


Take = Callable[[Views, Feeds, Sequence[int]], None]
FEWER = settings(max_examples=max(settings().max_examples // 3, 1))
"""Each looks at several moments of a history, and all there is to see then."""


class Telling:
    """A log that tells what was erased nevertheless, as those do that were read before it was."""

    def __init__(self, history: History) -> None:
        self._pairs = history.pairs

    def feed(
        self, after: int = 0, *, until: int | None = None
    ) -> Iterator[tuple[int, Recorded[Event]]]:
        """See `EventStore`."""
        return (pair for pair in self._pairs if after < pair[0] <= (until or pair[0]))


def fill(views: Views, store: Feeds, batches: Sequence[int]) -> None:
    """Take the tables of the past to the last of these positions, batch by batch, afterwards."""
    views.catch_up(store.feed, until=batches[-1])
    for after, until in pairwise([0, *batches]):
        with views._database.write() as connection:
            if not after:
                past_tables.metadata.create_all(connection)
            records = list(store.feed(after, until=until))
            Past().fill(views._database, connection, after, records)


def go_along(views: Views, store: Feeds, batches: Sequence[int]) -> None:
    """Take views and past there together."""
    views.past.want()
    for until in batches:
        views.catch_up(store.feed, until=until)
        assert views.past.kept() == KeptPast(until, whole=True)


WAYS = pytest.mark.parametrize("take", [fill, go_along], ids=["afterwards", "along"])


def agree(views: Views, store: EventStore, position: int) -> None:
    """What the tables say of a position is what a replay says."""
    then = seen_up_to(store, position)
    assert everything(Kept(views, position)) == everything(then)
    then.close()


def kept_in(views: Views) -> Mapping[str, object]:
    """What was, by table: the values of rows, and the positions from and before which they held.

    What was erased leaves versions that say the same; those that follow each other count as one.
    """
    with views._database.snapshot() as connection:
        return {
            one.name: _merged(connection.execute(select(one)).mappings())
            for one in past_tables.TABLES
        }


def _merged(versions: Iterable[RowMapping]) -> object:
    found: defaultdict[tuple[Any, ...], list[tuple[int, int]]] = defaultdict(list)
    for version in sorted(versions, key=lambda one: one.get("since", 0)):
        held = tuple(value for name, value in version.items() if name not in {"since", "until"})
        since, until = version.get("since", 0), version.get("until", 0)
        if found[held] and found[held][-1][1] == since:
            since, _ = found[held].pop()
        found[held].append((since, until))
    return dict(found)


def some_batches(head: int, data: st.DataObject) -> list[int]:
    cuts = data.draw(st.sets(st.integers(1, head), max_size=4)) if head > 1 else set()
    return sorted(cuts | {head})


@pytest.mark.slow
@WAYS
@FEWER
@given(histories(), st.data())
def test_kept_is_as_it_was(take: Take, history: History, data: st.DataObject) -> None:
    store = recorded(history)
    head = store.position()
    views = Views.open(None, secret=store.secret)
    take(views, store, some_batches(head, data))
    for position in data.draw(st.lists(st.integers(0, head), min_size=3, max_size=3)):
        agree(views, store, position)
    views.close()


@pytest.mark.slow
@FEWER
@given(histories(), st.data())
def test_going_along_or_afterwards_in_any_batches_the_same_is_kept(
    history: History, data: st.DataObject
) -> None:
    store = recorded(history)
    one, other = (Views.open(None, secret=store.secret) for _ in range(2))
    go_along(one, store, some_batches(store.position(), data))
    fill(other, store, some_batches(store.position(), data))
    assert kept_in(one) == kept_in(other)
    for views in (one, other):
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
@WAYS
def test_at_every_position_of_a_day_full_of_everything(
    where: Where, take: Take, step: int, told: tuple[EventStore, list[Any]]
) -> None:
    store, said = told
    views = Views.open(where, secret=store.secret)
    take(views, store, [*range(step, store.position(), step), store.position()])
    for position, then in enumerate(said):
        assert everything(Kept(views, position)) == then, position
        if step == 1:
            replayed = Replayed(store, lambda: views.index, position)
            assert everything(replayed.of_house()) == then, position
            replayed.close()
    views.close()


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("step", [1, 7])
def test_however_it_is_cut_into_batches_the_same_is_kept(take: Take, step: int) -> None:
    store = recorded(eventful())
    one, other = (Views.open(None, secret=store.secret) for _ in range(2))
    go_along(one, store, [store.position()])
    take(other, store, [*range(step, store.position(), step), store.position()])
    assert kept_in(one) == kept_in(other)
    for views in (one, other):
        views.close()


def test_nothing_is_missing_from_it_of_what_is_parked(where: Where, history: History) -> None:
    picky = PickyMembers(about_alice)
    views = Views.open(where, secret=SECRET, projections=with_(picky))
    views.past.want()

    def go_on() -> None:
        views.catch_up(history.feed, until=history.head)
        assert views.past.kept() == KeptPast(history.head, whole=True)

    go_on()
    history.added("alice")
    history.added("charlie")
    go_on()
    history.of_member(MemberUpdated, "alice", role="host")
    go_on()
    assert views.parked()
    picky.dislikes = content
    views.retry(history.feed)
    assert not views.parked()
    history.of_member(MemberUpdated, "alice", role="guest")
    history.removed("charlie")
    go_on()
    others = Views.open(None, secret=SECRET)
    go_along(others, Telling(history), [history.head])
    assert kept_in(views) == kept_in(others)
    for each in (views, others):
        each.close()


@WAYS
@pytest.mark.parametrize("at_once", [True, False])
def test_nothing_of_what_was_erased_stands_in_any_version(
    take: Take, history: History, *, at_once: bool
) -> None:
    history.upserted("member-5", name="Charlie")
    history.added("member-99", custom={"secret": 1})
    history.of_member(MemberUpdated, "member-99", role="host", custom={"secret": 2})
    history.created(CIDS[1])
    history.added("member-5", cid=CIDS[1], custom={"secret": 3})
    history.of_member(MemberUpdated, "member-5", cid=CIDS[1], role="host", custom={"secret": 4})
    before = history.head
    history.forgotten("member-5")
    history.in_call(CallDeleted, hard=True)
    views = Views.open(None, secret=SECRET)
    take(views, Telling(history), [history.head] if at_once else [before, history.head])
    with views._database.read() as connection:
        for table in past_tables.TABLES:
            rows = str(connection.execute(select(table)).all())
            assert "secret" not in rows
            assert "Charlie" not in rows
    views.close()


@WAYS
def test_somebody_added_to_a_call_that_was_erased_holds_nothing_up(
    take: Take, history: History
) -> None:
    before = history.head
    history.in_call(CallDeleted, hard=True)
    history.added("member-5")
    views = Views.open(None, secret=SECRET)
    take(views, Telling(history), [before, history.head])
    assert Kept(views, before).lookups.call(CID) is not None
    views.close()


def test_changes_at_one_position_leave_one_version() -> None:
    made = History()
    made.upserted("alice", name="Alice")
    made.upserted("alice", name="Alice the Second")
    views = Views.open(None, secret=SECRET)
    views.past.want()
    with views._database.write() as connection:
        versions = Versions()
        rows = versions.workspace(views._database.bulk(connection))
        for _, record in made.pairs:
            versions.position = 1
            Users().apply(record, rows)
        rows.flush()
        found = connection.execute(select(past_tables.USERS.versions)).mappings().all()
    assert [(one["since"], one["name"]) for one in found] == [(1, "Alice the Second")]
    views.close()
