"""What holds at the very moment, and at the very number, that a rule names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.domain.story import SYSTEM, Story, at, limited, names, story

from greenroom.domain import checks
from greenroom.domain.call_events import CallEnded, RingCancelled, SessionEnded
from greenroom.domain.errors import InvalidInput
from greenroom.domain.membership import Answer, RingMissed
from greenroom.domain.operations import life, people, policy, presence, rings
from greenroom.domain.operations.life import Backstage
from greenroom.domain.operations.members import Member
from greenroom.domain.session_events import Left
from greenroom.domain.settings import Settings

OVER = 20


def rung(*members: str) -> Story:
    """thierry rings them at second 0; at second 20 they have missed it, if nobody saw to it."""
    limits = {"auto_cancel_timeout_ms": OVER * 1000, "missed_call_timeout_ms": OVER * 1000}
    told = story(member_ids=["thierry", *members], settings={"ring": limits})
    told.ring(*members)
    return told


def doers(told: Story, kind: type[Any]) -> list[str]:
    """Who did what is of this kind, in order."""
    return [step.by.name for step in told.steps if isinstance(step.event, kind)]


# The moment that a ring is over


def test_at_that_moment_there_is_nothing_to_cancel() -> None:
    assert rung("alice").ask(rings.cancel_ring(), by="thierry", at=OVER) == ()
    assert names(rung("alice").ask(rings.cancel_ring(), by="thierry", at=OVER - 1)) == [
        "call.ring_cancelled",
        "member.missed",
    ]


def test_at_that_moment_a_rejection_by_all_withdraws_nothing() -> None:
    assert names(rung("alice").ask(rings.reject(), by="alice", at=OVER)) == ["member.rejected"]
    assert names(rung("alice").ask(rings.reject(), by="alice", at=OVER - 1)) == [
        "member.rejected",
        "call.ring_cancelled",
    ]


def test_at_that_moment_ringing_again_tells_first_who_has_missed_it() -> None:
    assert names(rung("alice").ring("alice", at=OVER)) == ["member.missed", "call.rung"]
    assert rung("alice").ring("alice", at=OVER - 1) == ()


@pytest.mark.parametrize("over", [life.end, life.delete])
def test_whoever_ends_the_call_silences_what_rings_and_no_more(over: Any) -> None:
    before, then = rung("alice"), rung("alice")
    before.ask(over(), by="thierry", at=OVER - 1)
    then.ask(over(), by="thierry", at=OVER)
    assert doers(before, RingCancelled) == doers(before, RingMissed) == ["thierry"]
    assert (doers(then, RingCancelled), doers(then, RingMissed)) == ([], ["timers"])


def test_at_that_moment_who_joins_has_not_taken_it() -> None:
    told = rung("alice")
    told.ask(presence.join(told.entry()), by="alice", at=OVER)
    assert told.member("alice").answer is None
    told.settle(at=OVER)
    assert told.member("alice").answer is Answer.MISSED
    told = rung("alice")
    told.ask(presence.join(told.entry()), by="alice", at=OVER - 1)
    assert told.member("alice").answer is Answer.ACCEPTED


def test_who_calls_and_is_called_withdraws_their_own_ring_and_again_answers_nothing() -> None:
    told = rung("alice", "charlie")
    told.ring("thierry", by="alice", at=5)
    cancelled = told.ask(rings.reject("cancel"), by="thierry", at=6)
    assert names(cancelled)[0] == "call.ring_cancelled"
    assert told.last(RingCancelled).ring == 1
    assert told.ask(rings.reject("cancel"), by="thierry", at=7) == ()


# Limits


def test_all_of_a_hundred_members_may_be_rung_and_of_more_it_is_said_what_was_asked() -> None:
    told = story(member_ids=[f"user-{n}" for n in range(checks.MAX_MEMBERS)])
    assert names(told.ask(life.get(ring=True), by="thierry")) == ["call.rung"]
    told.add("alice")
    with pytest.raises(InvalidInput, match=r"^ring: expected a call of at most 100 members"):
        told.ask(life.get(ring=True, notify=True), by="thierry")
    with pytest.raises(InvalidInput, match=r"^notify: expected a call of at most 100 members"):
        told.ask(life.get(notify=True), by="thierry")


@pytest.mark.parametrize(
    ("check", "most", "fault"),
    [
        (lambda n: checks.teams([f"team-{i}" for i in range(n)], "teams"), 1000, "teams: "),
        (lambda n: checks.text("x" * n, "reason", 200), 200, "reason: "),
        (lambda n: checks.integer(n, "limit", 1, 100), 100, "limit: "),
        (lambda n: checks.permissions(["send-audio"] * n, "permissions"), 10, "permissions: "),
        (lambda n: checks.custom({"n": n}, "custom", 100), 2**53, r"custom\.n: "),
        (lambda n: checks.custom({"n": "x" * n}, "custom", 100), 92, "custom: "),
        (lambda n: checks.custom({"n": [1] * n}, "custom", 100), 46, "custom: "),
        (lambda n: checks.custom({"n": [None] * n}, "custom", 100), 18, "custom: "),
        (lambda n: checks.custom({"x" * n: 1}, "custom", 100), 94, "custom: "),
        (
            lambda n: life.update(backstage=Backstage(join_ahead_time_seconds=n)),
            366 * 86400,
            r"backstage\.join_ahead_time_seconds: ",
        ),
        (lambda n: life.update(max_duration=n), 366 * 86400, "max_duration: "),
        (lambda n: life.update(max_participants=n), 1_000_000, "max_participants: "),
    ],
)
def test_so_much_is_taken_and_no_more(check: Callable[[int], Any], most: int, fault: str) -> None:
    check(most)
    with pytest.raises(InvalidInput, match=f"^{fault}expected "):
        check(most + 1)


@pytest.mark.parametrize("seconds", [0, 5, 900])
def test_a_session_waits_no_time_or_five_seconds_and_more(seconds: int) -> None:
    session = {"session": {"inactivity_timeout_seconds": seconds}}
    waits = Settings().overridden(checks.settings(session)).session
    assert waits.inactivity_timeout_seconds == seconds


@pytest.mark.parametrize("seconds", [-1, 1, 4, 901])
def test_it_waits_no_other_time(seconds: int) -> None:
    with pytest.raises(InvalidInput):
        checks.settings({"session": {"inactivity_timeout_seconds": seconds}})


def test_as_many_custom_fields_as_may_be_declared_are() -> None:
    fields = {f"field-{n}": "string" for n in range(16)}
    policy.change_type("default", indexed_custom={"members": fields})
    with pytest.raises(InvalidInput, match=r"^indexed_custom\.members: expected at most 16 fields"):
        policy.change_type("default", indexed_custom={"members": {**fields, "another": "string"}})


# Over by the clock


def test_who_comes_when_time_is_up_finds_the_call_ended_by_the_timers() -> None:
    told = story(settings={"limits": {"max_duration_seconds": 60}})
    told.join("alice")
    told.ask(presence.join(told.entry(), create=life.new_call()), by=SYSTEM, at=60)
    assert doers(told, Left) == doers(told, CallEnded) == doers(told, SessionEnded) == ["timers"]


def test_a_session_of_an_ended_call_is_over_by_the_timers_too() -> None:
    told = story(settings={"limits": {"max_duration_seconds": 60}})
    told.ask(life.end(), by="thierry")
    told.join(SYSTEM)
    told.ask(presence.join(told.entry()), by=SYSTEM, at=60)
    assert doers(told, Left) == doers(told, SessionEnded) == ["timers"]
    assert told.last(Left).closes_at is None


@pytest.mark.parametrize("over", [life.end, life.delete])
def test_a_session_that_ends_with_its_call_waits_for_nobody(over: Any) -> None:
    told = story()
    told.join("alice")
    told.ask(over(), by="thierry")
    assert told.last(Left).closes_at is None


@pytest.mark.parametrize("put_out", [people.kick, people.block])
def test_a_session_whose_last_was_put_out_waits_as_if_they_had_left(put_out: Any) -> None:
    told = story()
    for _ in range(2):
        told.join("alice")
    told.ask(put_out("alice"), by="thierry", at=5)
    closes = [step.event.closes_at for step in told.steps if isinstance(step.event, Left)]
    assert closes == [None, at(35)]


def test_in_a_full_call_whoever_may_stay_does() -> None:
    told = story(settings=limited(1))
    told.add("alice", Member("charlie"))
    told.join("alice")
    assert names(told.ask(people.remove(["alice"]), by="thierry")) == ["member.removed"]
    assert told.present == ["alice"]
