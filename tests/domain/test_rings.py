"""Ringing, answering, missing, notifying (semantics 7)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.domain.story import SYSTEM, Story, at, names, story

from greenroom.domain.call_events import CallRung, MembersNotified, RingCancelled, RingEndReason
from greenroom.domain.errors import (
    AnswerFinal,
    CallEnded,
    InvalidInput,
    MemberNotFound,
    NotRung,
    RingingDisabled,
)
from greenroom.domain.membership import Answer, RingMissed, RingRejected
from greenroom.domain.operations import life, people, presence, rings
from greenroom.domain.operations.members import Member

MEMBERS = ["alice", "charlie", "tommaso"]


def rung(*users: str, **settings: Any) -> Story:
    """thierry rings these members at second 0."""
    told = story(member_ids=MEMBERS, settings={"ring": settings} if settings else None)
    told.ring(*(users or MEMBERS))
    return told


def answer(told: Story, user: str, ring: int = 1) -> Answer | None:
    return told.member(user).answer_to(ring)


def test_a_ring_names_its_caller_those_called_and_its_deadlines() -> None:
    told = rung("alice", auto_cancel_timeout_ms=20_000, missed_call_timeout_ms=40_000)
    ring = told.last(CallRung)
    assert (ring.ring, ring.caller, ring.user_ids, ring.video) == (1, "thierry", ("alice",), True)
    assert (ring.auto_cancel_at, ring.missed_at) == (at(20), at(40))


def test_a_call_rings_with_video_or_without() -> None:
    told = story(member_ids=["alice"])
    told.ask(rings.ring(["alice"], video=False), by="thierry")
    assert not told.last(CallRung).video


def test_whoever_is_in_is_blocked_rings_already_or_calls_is_not_rung() -> None:
    told = story(member_ids=[*MEMBERS, "thierry", "jaewoong"])
    told.join("alice")
    told.ask(people.block("charlie"), by="thierry")
    told.ring("tommaso")
    told.ring("alice", "charlie", "tommaso", "thierry", "jaewoong")
    assert told.last(CallRung).user_ids == ("jaewoong",)
    assert told.ring("alice", "charlie", "tommaso", "jaewoong") == ()


def test_only_members_are_rung_and_at_most_25_are_named_at_once() -> None:
    assert rung().refused(MemberNotFound, rings.ring(["jaewoong"])).user_id == "jaewoong"
    many = [f"user-{n}" for n in range(25)]
    assert len(story(member_ids=many).ring(*many)) == 1
    with pytest.raises(InvalidInput, match="at most 25"):
        rings.ring([*many, "alice"])
    with pytest.raises(InvalidInput, match="at least one"):
        rings.ring([])


@pytest.mark.parametrize("make", [life.get, lambda **out: presence.join(Story().entry(), **out)])
def test_get_and_join_may_ring_all_members(make: Any) -> None:
    told = story(member_ids=MEMBERS)
    told.ask(make(ring=True), by="thierry")
    assert told.last(CallRung).user_ids == ("alice", "charlie", "tommaso")


def test_more_than_a_hundred_members_are_rung_by_name_only() -> None:
    told = story(member_ids=[f"user-{n}" for n in range(100)])
    told.add("alice")
    with pytest.raises(InvalidInput, match="name them"):
        told.ask(life.get(ring=True), by="thierry")


def test_calls_of_a_type_without_ringing_do_not_ring() -> None:
    told = story("livestream:123", member_ids=["alice"])
    told.refused(RingingDisabled, rings.ring(["alice"]))
    ring = {"ring": {"auto_cancel_timeout_ms": 5_000, "missed_call_timeout_ms": 5_000}}
    told.ask(life.update(settings=ring), by="thierry")
    told.ring("alice")


def test_an_ended_call_does_not_ring() -> None:
    told = story(member_ids=["alice"])
    told.ask(life.end(), by="thierry")
    told.refused(CallEnded, rings.ring(["alice"]))


# Answers


def test_answers_are_recorded_once_and_may_change() -> None:
    told = rung()
    assert names(told.ask(rings.accept(), by="alice")) == ["member.accepted"]
    assert told.ask(rings.accept(), by="alice") == ()
    assert names(told.ask(rings.reject("busy"), by="alice")) == ["member.rejected"]
    assert told.ask(rings.reject("busy"), by="alice") == ()
    assert told.last(RingRejected).reason == "busy"
    told.ask(rings.accept(), by="alice")
    assert answer(told, "alice") is Answer.ACCEPTED


def test_whoever_has_joined_cannot_reject_any_more() -> None:
    told = rung()
    told.join("alice")
    told.refused(AnswerFinal, rings.reject(), by="alice")


def test_whoever_joined_on_a_ring_and_left_cannot_reject_it_any_more() -> None:
    told = rung()
    told.ask(rings.accept(), by="alice")
    entry = told.join("alice")
    told.leave("alice", entry)
    told.refused(AnswerFinal, rings.reject(), by="alice")
    assert answer(told, "alice") is Answer.ACCEPTED


def test_a_new_ring_can_be_rejected_by_whoever_had_joined_on_the_one_before() -> None:
    told = rung("alice")
    told.leave("alice", told.join("alice"))
    told.ring("alice", at=20)
    told.ask(rings.reject(), by="alice")
    assert answer(told, "alice", ring=2) is Answer.REJECTED


def test_a_ring_does_not_outlast_the_time_to_answer_it() -> None:
    told = rung("alice", auto_cancel_timeout_ms=60_000, missed_call_timeout_ms=20_000)
    assert told.last(CallRung).auto_cancel_at == at(20)
    told.settle(at=20)
    assert told.last(RingCancelled).reason is RingEndReason.TIMEOUT
    assert answer(told, "alice") is Answer.MISSED


def test_joining_on_a_ring_accepts_it() -> None:
    told = rung()
    joined = told.ask(presence.join(told.entry()), by="alice")
    assert names(joined) == ["session.started", "session.joined", "member.accepted"]
    again = told.ask(presence.join(told.entry()), by="alice")
    assert names(again) == ["session.joined"]


def test_joining_after_a_rejection_accepts_while_it_rings() -> None:
    told = rung()
    told.ask(rings.reject(), by="alice")
    told.join("alice")
    assert answer(told, "alice") is Answer.ACCEPTED


def test_joining_when_the_ring_is_over_is_no_answer() -> None:
    told = rung("alice")
    told.settle(at=15)
    told.join("alice")
    assert answer(told, "alice") is Answer.MISSED


def test_who_was_not_rung_has_nothing_to_answer() -> None:
    told = rung("alice")
    told.refused(NotRung, rings.accept(), by="charlie")
    told.refused(NotRung, rings.reject(), by="charlie")


def test_an_answer_after_the_end_of_the_ring_counts_while_the_call_is_not_ended() -> None:
    told = rung("alice")
    told.settle(at=15)
    assert names(told.ask(rings.accept(), by="alice", at=60)) == ["member.accepted"]
    assert names(told.ask(rings.reject(), by="alice")) == ["member.rejected"]
    told.ask(life.end(), by="thierry")
    told.refused(CallEnded, rings.accept(), by="alice")


# The ring's end


def test_the_caller_withdraws_and_whoever_had_not_answered_has_missed_it() -> None:
    told = rung()
    told.ask(rings.accept(), by="alice")
    told.ask(rings.reject(), by="charlie")
    assert names(told.ask(rings.cancel_ring(), by="thierry")) == [
        "call.ring_cancelled", "member.missed",
    ]  # fmt: skip  # in order
    assert told.last(RingCancelled).reason is RingEndReason.CANCELLED
    assert told.last(RingMissed).user_id == "tommaso"
    assert told.ask(rings.cancel_ring(), by="thierry") == ()


def test_the_callers_reject_with_cancel_withdraws_too_and_again_records_nothing() -> None:
    told = rung("alice")
    told.ask(rings.reject("cancel"), by="thierry")
    assert told.last(RingCancelled).reason is RingEndReason.CANCELLED
    assert told.ask(rings.reject("cancel"), by="thierry") == ()


def test_cancel_is_a_plain_answer_of_somebody_who_was_called() -> None:
    told = rung("alice", "charlie")
    assert names(told.ask(rings.reject("cancel"), by="alice")) == ["member.rejected"]


def test_cancel_of_somebody_who_was_called_and_calls_withdraws_and_again_answers_nothing() -> None:
    told = rung("tommaso")
    told.ring("alice", by="tommaso")
    assert names(told.ask(rings.reject("cancel"), by="tommaso")) == [
        "call.ring_cancelled", "member.missed",
    ]  # fmt: skip  # in order
    assert told.ask(rings.reject("cancel"), by="tommaso") == ()
    assert answer(told, "tommaso") is None
    assert [ring.caller for ring in told.call.rings] == ["thierry"]


def test_cancel_of_somebody_who_called_and_is_in_withdraws_and_again_is_no_refusal() -> None:
    told = rung("tommaso")
    told.join("tommaso")
    told.ring("alice", by="tommaso")
    assert "call.ring_cancelled" in names(told.ask(rings.reject("cancel"), by="tommaso"))
    assert told.ask(rings.reject("cancel"), by="tommaso") == ()


def test_cancel_of_a_caller_who_was_called_meanwhile_withdraws_and_again_answers_nothing() -> None:
    told = rung("alice", "charlie")
    told.ring("tommaso", by="alice")
    told.ring("alice", by="tommaso")
    assert names(told.ask(rings.reject("cancel"), by="alice"))[0] == "call.ring_cancelled"
    assert told.last(RingCancelled).ring == 2
    assert told.ask(rings.reject("cancel"), by="alice") == ()
    assert names(told.ask(rings.reject(), by="alice"))[0] == "member.rejected"


def test_cancel_of_a_caller_who_was_called_when_their_own_was_over_declines() -> None:
    told = story(member_ids=MEMBERS)
    told.ring("alice", by="tommaso")
    told.ask(rings.cancel_ring(), by="tommaso")
    told.ring("tommaso")
    assert names(told.ask(rings.reject("cancel"), by="tommaso")) == [
        "member.rejected", "call.ring_cancelled",
    ]  # fmt: skip  # in order
    assert told.last(RingCancelled).reason is RingEndReason.ALL_REJECTED
    assert told.ask(rings.reject("cancel"), by="tommaso") == ()


def test_nobody_withdraws_the_ring_of_another_but_the_system() -> None:
    told = rung("alice")
    assert told.ask(rings.cancel_ring(), by="tommaso") == ()
    assert names(told.ask(rings.cancel_ring(), by=SYSTEM)) == [
        "call.ring_cancelled", "member.missed",
    ]  # fmt: skip  # in order


def test_when_all_have_rejected_the_ring_is_over() -> None:
    told = rung("alice", "charlie")
    assert names(told.ask(rings.reject(), by="alice")) == ["member.rejected"]
    assert names(told.ask(rings.reject(), by="charlie")) == [
        "member.rejected", "call.ring_cancelled",
    ]  # fmt: skip  # in order
    assert told.last(RingCancelled).reason is RingEndReason.ALL_REJECTED


def test_a_ring_that_nobody_accepts_is_cancelled_in_time() -> None:
    told = rung("alice", "charlie", auto_cancel_timeout_ms=20_000, missed_call_timeout_ms=40_000)
    told.ask(rings.reject(), by="charlie")
    assert told.settle(at=19.9) == ()
    assert names(told.settle(at=20)) == ["call.ring_cancelled", "member.missed"]
    assert told.last(RingCancelled).reason is RingEndReason.TIMEOUT
    assert answer(told, "charlie") is Answer.REJECTED


def test_a_ring_that_somebody_accepted_goes_on_for_the_others_until_they_missed_it() -> None:
    told = rung("alice", "charlie", auto_cancel_timeout_ms=20_000, missed_call_timeout_ms=40_000)
    told.ask(rings.accept(), by="alice")
    assert told.settle(at=39.9) == ()
    assert names(told.settle(at=40)) == ["member.missed"]
    assert told.last(RingMissed).user_id == "charlie"
    assert told.settle(at=90) == ()


def test_timers_act_in_the_name_of_the_timers() -> None:
    told = rung("alice")
    told.settle(at=15)
    assert told.steps[-1].by.user_id == "system:timers"


@pytest.mark.parametrize("finish", [life.end, life.delete])
def test_when_the_call_is_over_whoever_was_rung_has_missed_it(finish: Any) -> None:
    told = rung("alice", "charlie")
    told.ask(rings.accept(), by="charlie")
    told.ask(finish(), by="thierry")
    assert answer(told, "alice") is Answer.MISSED
    assert answer(told, "charlie") is Answer.ACCEPTED
    assert told.call.rings == ()


# Ringing again


def test_whoever_answered_can_be_rung_again() -> None:
    told = rung("alice")
    told.ask(rings.reject(), by="alice")
    told.ring("alice")
    assert told.last(CallRung).ring == 2
    assert answer(told, "alice", ring=2) is None
    told.ask(rings.accept(), by="alice")
    assert answer(told, "alice", ring=2) is Answer.ACCEPTED


def test_withdrawing_an_earlier_ring_does_not_touch_the_answer_to_a_later_one() -> None:
    told = rung("alice", "charlie")
    told.ask(rings.accept(), by="alice")
    told.ring("alice", by="tommaso")
    told.ask(rings.accept(), by="alice")
    told.ask(rings.cancel_ring(), by="thierry")
    assert answer(told, "alice", ring=2) is Answer.ACCEPTED
    assert answer(told, "charlie", ring=1) is Answer.MISSED


@pytest.mark.parametrize("then", ["another ring", "a deletion"])
def test_a_missed_ring_is_recorded_even_if_no_timer_was_heard(then: str) -> None:
    told = rung("alice")
    told.now = at(100)
    if then == "another ring":
        told.ring("charlie")
    else:
        told.ask(life.delete(hard=True), by=SYSTEM)
    assert told.last(RingMissed).user_id == "alice"


def test_several_rings_ring_side_by_side() -> None:
    told = story(member_ids=MEMBERS)
    told.ring("alice", at=0)
    told.ring("charlie", by="tommaso", at=10)
    told.ask(rings.cancel_ring(), by="thierry")
    assert answer(told, "alice") is Answer.MISSED
    assert answer(told, "charlie", ring=2) is None
    assert names(told.settle(at=25)) == ["call.ring_cancelled", "member.missed"]


# Notifying


def test_notifying_names_members_who_are_not_in_and_is_done_anew_each_time() -> None:
    told = story(members=[Member(user) for user in MEMBERS])
    told.join("alice")
    for _ in range(2):
        told.ask(rings.notify(["alice", "charlie"]), by="tommaso")
        assert told.last(MembersNotified).user_ids == ("charlie",)
    told.refused(MemberNotFound, rings.notify(["jaewoong"]))
    assert told.ask(rings.notify(["alice"]), by="thierry") == ()
