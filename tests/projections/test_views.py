"""The views keep step with the log: exactly once, whoever applies it, and again from nothing."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws import times
from tests.projections.histories import histories
from tests.projections.history import CID, SECRET, History, Pair
from tests.projections.places import Refill, Where, digest_of, execute, members_of, opened, together

from greenroom.domain import errors
from greenroom.projections import views
from greenroom.projections.members import Members
from greenroom.projections.views import PROJECTIONS, Views


def test_the_views_stand_where_the_log_ends(where: Where, history: History) -> None:
    made = Views.open(where, secret=SECRET)
    assert made.position() == 0
    assert made.catch_up(history.feed, until=history.head) == history.head
    assert made.position() == history.head
    assert members_of(made) == 7
    made.close()


def test_catching_up_stops_where_it_was_told(where: Where, history: History) -> None:
    made = Views.open(where, secret=SECRET)
    middle = history.pairs[5][0]
    assert made.catch_up(history.feed, until=middle) == middle
    assert members_of(made) == 5
    made.close()


def test_records_that_come_again_count_once(history: History) -> None:
    made = Views.open(None, secret=SECRET)

    def everything_again(_: int) -> Iterator[Pair]:
        return iter(history.pairs)

    for position, _ in history.pairs:
        made.catch_up(everything_again, until=position)
    assert made.digest() == digest_of(history)
    made.close()


def test_views_that_are_up_to_date_do_not_read_the_log(history: History) -> None:
    made = opened(None, history)

    def unread(_: int) -> Iterator[Pair]:
        raise AssertionError("nothing new: no reason to read")

    assert made.catch_up(unread, until=history.head) == history.head
    made.close()


@given(histories(), st.lists(st.integers(0, 120), max_size=4), st.integers(1, 7))
def test_any_history_in_any_batches_gives_the_same_views(
    refilled: Refill, history: History, stops: list[int], size: int
) -> None:
    at_once = refilled(history).digest()
    made = Views.open(None, secret=SECRET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "BATCH", size)
        for stop in sorted(stops):
            made.catch_up(history.feed, until=min(stop, history.head))
        made.catch_up(history.feed, until=history.head)
    assert made.digest() == at_once
    made.close()


@settings(max_examples=times(5))
@given(histories())
def test_any_history_rebuilds_to_the_same_views(refilled: Refill, history: History) -> None:
    made = refilled(history)
    digest = made.digest()
    assert made.rebuild(history.feed, until=history.head).position == history.head
    assert made.digest() == digest


@given(histories())
def test_the_member_count_is_the_number_of_members(refilled: Refill, history: History) -> None:
    made = refilled(history)
    for call in made.queries.calls().items:
        assert call.member_count == len(made.queries.members(call.cid, limit=1000).items)
        assert call.ongoing == any(
            session.ended_at is None for session in made.queries.sessions(call.cid).items
        )


def test_threads_that_catch_up_at_once_apply_each_record_once(
    where: Where, history: History
) -> None:
    made = Views.open(where, secret=SECRET)
    together(*[lambda: made.catch_up(history.feed, until=history.head)] * 4)
    assert made.digest() == digest_of(history)
    made.close()


def test_rooms_on_the_same_views_apply_each_record_once(
    durable: Where, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "BATCH", 1)
    rooms = [Views.open(durable, secret=SECRET) for _ in range(3)]
    together(*(lambda room=room: room.catch_up(history.feed, until=history.head) for room in rooms))
    assert {room.digest() for room in rooms} == {digest_of(history)}
    for room in rooms:
        room.close()


@pytest.mark.slow
def test_two_processes_on_the_same_new_views_apply_each_record_once(
    durable: Where, history: History
) -> None:
    for _ in range(200):
        history.upserted("alice", name=str(len(history.pairs)))
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=catch_up_in_small_steps, args=(durable, history.pairs))
        for _ in range(2)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert [other.exitcode for other in others] == [0, 0]
    made = Views.open(durable, secret=SECRET)
    assert made.position() == history.head
    assert made.digest() == digest_of(history)
    made.close()


def catch_up_in_small_steps(where: Where, pairs: Sequence[Pair]) -> None:
    views.BATCH = 3  # many small transactions, so that the two meet
    made = Views.open(where, secret=SECRET)
    made.catch_up(lambda after: (pair for pair in pairs if pair[0] > after), until=pairs[-1][0])
    made.close()


def test_reopened_views_go_on_where_they_were(durable: Where, history: History) -> None:
    opened(durable, history).close()
    again = Views.open(durable, secret=SECRET)
    assert again.position() == history.head
    again.close()


def test_views_of_another_store_start_from_nothing(durable: Where, history: History) -> None:
    opened(durable, history).close()
    other = Views.open(durable, secret=b"o" * 32)
    assert other.position() == 0
    assert other.queries.calls().items == ()
    other.close()


def test_views_past_the_end_of_the_log_start_from_nothing(durable: Where, history: History) -> None:
    opened(durable, history).close()
    restored = Views.open(durable, secret=SECRET, head=history.head - 1)
    assert restored.position() == 0
    restored.close()
    kept = opened(durable, history)
    kept.close()
    assert Views.open(durable, secret=SECRET, head=history.head).position() == history.head


class NewerMembers(Members):
    version = Members.version + 1


def test_only_the_projection_that_changed_is_filled_again(durable: Where, history: History) -> None:
    opened(durable, history).close()
    changed = [NewerMembers() if each.name == "members" else each for each in PROJECTIONS]
    made = Views.open(durable, secret=SECRET, projections=changed)
    assert made.position() == 0
    assert members_of(made) == 7, "calls were not touched"
    assert made.queries.members(CID).items == ()
    made.catch_up(history.feed, until=history.head)
    assert made.digest() == digest_of(history)
    made.close()


def test_tables_of_a_newer_greenroom_are_left_to_it(durable: Where, history: History) -> None:
    running = opened(durable, history)
    newer = [NewerMembers() if each.name == "members" else each for each in PROJECTIONS]
    upgraded = opened(durable, history, projections=newer)
    digest = upgraded.digest()
    with pytest.raises(errors.WrongSchema):
        Views.open(durable, secret=SECRET)
    history.added("alice")
    with pytest.raises(errors.WrongSchema):
        running.catch_up(history.feed, until=history.head)
    assert upgraded.digest() == digest
    running.close()
    upgraded.close()


def test_tables_that_somebody_empties_meanwhile_are_filled_from_the_beginning(
    durable: Where, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "BATCH", 3)
    made = Views.open(durable, secret=SECRET)
    emptied: list[Pair] = []

    def feed(after: int) -> Iterator[Pair]:
        for number, pair in enumerate(history.feed(after)):
            if number == 4 and not emptied:
                emptied.append(pair)
                Views.open(durable, secret=b"o" * 32).close()
                Views.open(durable, secret=SECRET).close()
            yield pair

    assert made.catch_up(feed, until=history.head) == history.head
    assert emptied
    assert made.digest() == digest_of(history)
    made.close()


def test_closed_views_say_so(where: Where, history: History) -> None:
    made = opened(where, history)
    made.close()
    made.close()
    for ask in (
        made.position,
        made.digest,
        made.queries.calls,
        made.lookups.next_due,
        lambda: made.catch_up(history.feed, until=history.head + 1),
        lambda: made.rebuild(history.feed, until=history.head),
    ):
        with pytest.raises(errors.StoreClosed):
            ask()


def test_a_rebuild_tells_how_far_it_is_and_mends_the_rows(
    durable: Where, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(durable, history)
    digest = made.digest()
    monkeypatch.setattr(views, "BATCH", 5)
    told: list[int] = []
    execute(durable, "DELETE FROM members WHERE user_id = 'member-5'")
    assert made.digest() != digest
    made.rebuild(history.feed, until=history.head, progress=told.append)
    assert made.digest() == digest
    assert told == [history.pairs[4][0], history.head], "five, then up to ten"
    made.close()


def test_readers_see_the_old_rows_until_the_new_ones_are_complete(
    where: Where, history: History
) -> None:
    made = opened(where, history)
    seen: list[int] = []

    def feed(after: int) -> Iterator[Pair]:
        for pair in history.feed(after):
            seen.append(members_of(made))
            yield pair

    made.rebuild(feed, until=history.head)
    assert set(seen) == {7}
    made.close()


def test_a_rebuild_takes_along_what_happens_meanwhile(where: Where, history: History) -> None:
    made = opened(where, history)
    first = history.head

    def feed(after: int) -> Iterator[Pair]:
        yield from list(history.feed(after))
        if history.head == first:
            history.added("late")
            made.catch_up(history.feed, until=history.head)

    assert made.rebuild(feed, until=first).position == history.head
    assert made.digest() == digest_of(history)
    made.close()


def test_a_rebuild_forgets_what_the_log_no_longer_holds(where: Where, history: History) -> None:
    made = opened(where, history)
    del history.pairs[6:]
    assert made.rebuild(history.feed, until=history.head).position == history.head
    assert made.position() == history.head
    assert made.digest() == digest_of(history)
    made.close()
