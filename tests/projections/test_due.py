"""What is due when, as each event leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from tests.projections.histories import histories
from tests.projections.history import CID, History, at
from tests.projections.places import Refill

from greenroom.domain import call_events as call
from greenroom.domain import membership
from greenroom.domain.message import UserId
from greenroom.domain.session_events import MediaConnected, MediaLost, MediaMeasured
from greenroom.projections.due import (
    Answered,
    Await,
    Clear,
    Close,
    Deadline,
    DeadlineKind,
    Drop,
    Open,
    Plan,
    Retime,
    deadline_changes,
)
from greenroom.projections.views import Views

DURATION = f"duration/{CID}/1"
EMPTY = f"empty/{CID}/1"
CANCEL = f"cancel/{CID}/1"
MISSED = f"missed/{CID}/1"


@pytest.fixture
def history() -> History:
    made = History()
    made.created()
    return made


Planned = Callable[[History], dict[str, datetime]]


@pytest.fixture
def planned(refilled: Refill) -> Planned:
    """Keys and instants of all deadlines after a history."""

    def ask(history: History) -> dict[str, datetime]:
        views = refilled(history)
        due = views.lookups.due(at(10**9))
        earliest = views.lookups.next_due()
        assert [one.due_at for one in due] == sorted(one.due_at for one in due)
        assert earliest == (due[0].due_at if due else None)
        return {one.key: one.due_at for one in due}

    return ask


def last_changes(history: History) -> list[object]:
    return list(deadline_changes(history.pairs[-1][1].event))


def test_a_session_with_a_limit_ends_when_it_is_reached(history: History, planned: Planned) -> None:
    history.session_started(timer_ends_at=at(3600))
    assert last_changes(history) == [
        Open(CID, 1),
        Plan(Deadline(DeadlineKind.MAX_DURATION, CID, 1, at(3600))),
    ]
    assert planned(history) == {DURATION: at(3600)}


def test_a_session_without_a_limit_plans_nothing(history: History, planned: Planned) -> None:
    history.session_started()
    assert last_changes(history) == [Open(CID, 1)]
    assert planned(history) == {}


@pytest.mark.parametrize("before", [None, at(3600)])
def test_changing_the_limit_moves_the_end_of_the_session(
    history: History, planned: Planned, before: datetime | None
) -> None:
    history.session_started(timer_ends_at=before)
    history.updated(timer_ends_at=at(60))
    assert last_changes(history) == [Retime(CID, at(60))]
    assert planned(history) == {DURATION: at(60)}


def test_lifting_the_limit_drops_the_end_of_the_session(history: History, planned: Planned) -> None:
    history.session_started(timer_ends_at=at(3600))
    history.updated(timer_ends_at=None)
    assert planned(history) == {}


def test_changing_the_limit_between_sessions_plans_nothing(
    history: History, planned: Planned
) -> None:
    history.session_started(timer_ends_at=at(3600))
    history.session_ended()
    history.updated(timer_ends_at=at(60))
    assert planned(history) == {}


def test_the_last_to_leave_starts_the_wait_for_somebody_to_come(
    history: History, planned: Planned
) -> None:
    history.session_started()
    history.joined("alice", "a")
    history.left("alice", "a", closes_at=at(33))
    assert Plan(Deadline(DeadlineKind.INACTIVITY, CID, 1, at(33))) in last_changes(history)
    assert planned(history) == {EMPTY: at(33)}


def test_leaving_others_behind_plans_nothing(history: History, planned: Planned) -> None:
    history.session_started()
    history.joined("alice", "a")
    history.left("alice", "a", closes_at=None)
    assert planned(history) == {}


def test_each_entry_that_was_lost_has_a_time_of_its_own_until_it_is_back_or_gone(
    history: History, planned: Planned
) -> None:
    history.session_started()
    for entry, seconds in (("a", 15), ("b", 16), ("c", 15)):
        history.joined("alice", entry)
        history.in_session(MediaLost, entry_id=entry, leaves_at=at(seconds))
    a, b, c = (f"lost/{CID}/1/{entry}" for entry in "abc")
    assert planned(history) == {a: at(15), b: at(16), c: at(15)}
    history.in_session(MediaConnected, entry_id="a", epoch=2, fingerprint="aa")
    history.left("alice", "b", awaited=True)
    assert planned(history) == {c: at(15)}
    history.in_session(MediaMeasured, entry_id="a", epoch=2, statistics={}, leaves_at=at(60))
    assert planned(history) == {a: at(60), c: at(15)}


def test_whoever_comes_ends_the_wait(history: History, planned: Planned) -> None:
    history.session_started()
    history.left("alice", "a", closes_at=at(33))
    history.joined("charlie", "c")
    assert last_changes(history) == [Drop(DeadlineKind.INACTIVITY, CID, 1)]
    assert planned(history) == {}


def test_a_closed_session_has_nothing_due(history: History, planned: Planned) -> None:
    history.session_started(timer_ends_at=at(3600))
    history.left("alice", "a", closes_at=at(33))
    history.session_ended()
    assert last_changes(history) == [
        Close(CID),
        Drop(DeadlineKind.MAX_DURATION, CID, 1),
        Drop(DeadlineKind.INACTIVITY, CID, 1),
    ]
    assert planned(history) == {}


def test_the_next_session_has_deadlines_of_its_own(history: History, planned: Planned) -> None:
    history.session_started(1, timer_ends_at=at(3600))
    history.session_ended(1)
    history.session_started(2, timer_ends_at=at(7200))
    assert planned(history) == {f"duration/{CID}/2": at(7200)}


def test_a_ring_is_cancelled_and_missed_in_its_time(history: History, planned: Planned) -> None:
    history.rung(1, ["alice", "charlie"], auto_cancel_at=at(16), missed_at=at(21))
    assert last_changes(history) == [
        Await(CID, 1, (UserId("alice"), UserId("charlie"))),
        Plan(Deadline(DeadlineKind.AUTO_CANCEL, CID, 1, at(16))),
        Plan(Deadline(DeadlineKind.MISSED, CID, 1, at(21))),
    ]
    assert planned(history) == {CANCEL: at(16), MISSED: at(21)}


def test_one_who_accepts_keeps_the_ring_but_others_may_miss_it(
    history: History, planned: Planned
) -> None:
    history.rung(1, ["alice", "charlie"], missed_at=at(21))
    history.of_member(membership.RingAccepted, "alice", ring=1)
    assert last_changes(history) == [
        Drop(DeadlineKind.AUTO_CANCEL, CID, 1),
        Answered(CID, 1, UserId("alice")),
    ]
    assert planned(history) == {MISSED: at(21)}


@pytest.mark.parametrize(
    "answer", [membership.RingAccepted, membership.RingRejected, membership.RingMissed]
)
def test_after_the_last_answer_nobody_can_miss_the_ring(
    history: History, planned: Planned, answer: type[membership.RingMissed]
) -> None:
    history.rung(1, ["alice", "charlie"])
    history.of_member(membership.RingAccepted, "alice", ring=1)
    history.of_member(answer, "charlie", ring=1)
    assert planned(history) == {}


def test_an_answer_to_an_earlier_ring_does_not_settle_the_later(
    history: History, planned: Planned
) -> None:
    history.rung(1, ["alice"])
    history.rung(2, ["alice"], auto_cancel_at=at(50), missed_at=at(60))
    history.of_member(membership.RingAccepted, "alice", ring=1)
    assert planned(history) == {f"cancel/{CID}/2": at(50), f"missed/{CID}/2": at(60)}


def test_a_cancelled_ring_has_nothing_due(history: History, planned: Planned) -> None:
    history.rung(1, ["alice"])
    history.in_call(call.RingCancelled, ring=1, reason="cancelled")
    assert last_changes(history) == [
        Drop(DeadlineKind.AUTO_CANCEL, CID, 1),
        Drop(DeadlineKind.MISSED, CID, 1),
        Await(CID, 1, ()),
    ]
    assert planned(history) == {}


def test_a_call_deleted_for_good_has_nothing_due(history: History, planned: Planned) -> None:
    history.session_started(timer_ends_at=at(3600))
    history.rung(1, ["alice"])
    history.in_call(call.CallDeleted, hard=True)
    assert last_changes(history) == [Clear(CID)]
    assert planned(history) == {}


def test_what_is_due_comes_in_the_order_of_its_instants_and_no_earlier(
    history: History, views: Views
) -> None:
    history.session_started(timer_ends_at=at(100))
    history.rung(1, ["alice"], auto_cancel_at=at(50), missed_at=at(60))
    views.catch_up(history.feed, until=history.head)
    due = views.lookups.due
    assert due(at(50) - timedelta(microseconds=1)) == []
    assert [one.key for one in due(at(50))] == [CANCEL]
    assert [one.key for one in due(at(100))] == [CANCEL, MISSED, DURATION]
    assert [one.key for one in due(at(100), limit=2)] == [CANCEL, MISSED]


@given(histories())
def test_every_deadline_is_of_a_session_that_is_on_or_a_ring_that_is_open(
    refilled: Refill, history: History
) -> None:
    views = refilled(history)
    running = set(sessions_that_are_on(history))
    open_rings = dict(rings_with_answers_missing(history))
    for one in views.lookups.due(at(10**9), limit=1000):
        if one.kind in {DeadlineKind.MAX_DURATION, DeadlineKind.INACTIVITY}:
            assert (one.cid, one.number) in running
        elif one.kind is DeadlineKind.RECONNECTION:
            assert one.entry_id is not None
            assert views.lookups.entry(one.cid, one.entry_id) is not None
        else:
            assert (one.cid, one.number) in open_rings


def sessions_that_are_on(history: History) -> Iterable[tuple[str, int]]:
    on: set[tuple[str, int]] = set()
    for _, recorded in history.pairs:
        match recorded.event:
            case call.SessionStarted(cid=cid, session=number):
                on.add((cid, number))
            case call.SessionEnded(cid=cid, session=number):
                on.discard((cid, number))
            case _:
                pass
    return on


def rings_with_answers_missing(history: History) -> Iterator[tuple[tuple[str, int], set[str]]]:
    missing: dict[tuple[str, int], set[str]] = {}
    for _, recorded in history.pairs:
        match recorded.event:
            case call.CallRung(cid=cid, ring=ring, user_ids=rung):
                missing[cid, ring] = set(rung)
            case call.RingCancelled(cid=cid, ring=ring):
                missing.pop((cid, ring), None)
            case (
                membership.RingAccepted(cid=cid, ring=ring, user_id=user_id)
                | membership.RingRejected(cid=cid, ring=ring, user_id=user_id)
                | membership.RingMissed(cid=cid, ring=ring, user_id=user_id)
            ):
                missing.get((cid, ring), set()).discard(user_id)
            case _:
                pass
    return ((ring, users) for ring, users in missing.items() if users)
