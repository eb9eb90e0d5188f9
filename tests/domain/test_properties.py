"""Laws that hold for whatever anybody asks for, in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.domain.access import Capability
from greenroom.domain.call_events import (
    CallDeleted,
    CallEnded,
    CallRung,
    SessionEnded,
    SessionStarted,
)
from greenroom.domain.errors import Refused
from greenroom.domain.membership import RingAccepted, RingMissed, RingRejected
from greenroom.domain.message import EntryId, UserId
from greenroom.domain.session_events import Joined, Left
from greenroom.domain.streams import DECIDERS, call_of, call_stream, type_stream
from greenroom.domain.turn import Step
from greenroom.testing.history import History, Wish
from greenroom.testing.strategies import cids, courses

ONE_OFF = {
    "join": "each is a connection of its own",
    "notify": "each is a message of its own",
    "timers": "not a wish: what falls due at one instant may lead to more that falls due",
}
"""What records something each time it is asked for, and why."""
NOTIFYING = ("create", "get")
"""One-off with `notify=True`, for the reason of `notify`."""


def lived(
    cid: str, course: Sequence[Wish], then: Callable[[History], None] | None = None
) -> History:
    """The history of a course; refused wishes leave nothing behind."""
    history = History(cid)
    for wish in course:
        attempted(history, wish)
        if then is not None:
            then(history)
    return history


def attempted(history: History, wish: Wish) -> Refused | None:
    """The refusal; None where the wish was carried out."""
    try:
        history.carry_out(wish)
    except Refused as refused:
        return refused
    return None


def asking_twice_records_nothing(cid: str, course: Sequence[Wish]) -> None:
    history = History(cid)
    for wish in course:
        first = attempted(history, wish)
        if first is None and is_one_off(wish):
            continue
        before = len(history.steps)
        second = attempted(history, replace(wish, after=0))
        assert history.steps[before:] == []
        if first is not None:
            assert second is not None, f"{wish} was refused ({first}), then not"
            assert second.code == first.code
        elif second is not None:
            assert gave_up_their_own(wish), f"{wish} was allowed, then not: {second}"


def is_one_off(wish: Wish) -> bool:
    return wish.name in ONE_OFF or (wish.name in NOTIFYING and bool(wish.arguments.get("notify")))


def gave_up_their_own(wish: Wish) -> bool:
    """Whether somebody took from themselves what they acted by."""
    said = wish.arguments
    named = {*said.get("user_ids", ()), *(one.user_id for one in said.get("members", ()))}
    return wish.by.name in named


def replay_equals_state(cid: str, course: Sequence[Wish]) -> None:
    history = lived(cid, course)
    for stream, folded in history.states.items():
        own = [step for step in history.steps if step.stream == stream]
        assert [step.version for step in own] == list(range(1, folded.version + 1))
        assert history.replayed(stream) == folded.state


def nobody_is_in_whom_the_evidence_does_not_admit(cid: str, course: Sequence[Wish]) -> None:
    history = lived(cid, course)
    for step in history.steps:
        if isinstance(step.event, Joined):
            verdict = history.admitted_again(step)
            assert verdict.admitted, verdict.reasons
            assert verdict.grants == step.event.evidence.grants


def the_limit_is_never_passed(cid: str, course: Sequence[Wish]) -> None:
    history = lived(cid, course)
    counted: dict[UserId, int] = {}
    entries: dict[EntryId, UserId] = {}
    for step in history.steps:
        match step.event:
            case SessionStarted():
                counted, entries = {}, {}
            case Joined(user_id=user_id) as joined:
                newcomer = user_id not in entries.values()
                entries[joined.entry_id] = user_id
                if not newcomer or not joined.counts:
                    continue
                limit = limit_at(history, joined)
                assert limit is None or len(counted) < limit
                counted[user_id] = 1
            case Left(user_id=user_id, entry_id=entry_id):
                del entries[entry_id]
                if user_id not in entries.values():
                    counted.pop(user_id, None)
    assert history.session.counted == len(counted)


def limit_at(history: History, joined: Joined) -> int | None:
    evidence = joined.evidence
    call = history.replayed(call_stream(history.cid), evidence.call)
    call_type = history.replayed(type_stream(call.call_type), evidence.call_type)
    limit: int | None = call_type.settings.overridden(call.settings).limits.max_participants
    return limit


def nothing_happens_after_a_hard_deletion(cid: str, course: Sequence[Wish]) -> None:
    history = lived(cid, course)
    of_call = [step.event for step in history.steps if call_of(step.stream) == history.cid]
    final = [n for n, event in enumerate(of_call) if isinstance(event, CallDeleted) and event.hard]
    assert final in ([], [len(of_call) - 1])


def equal_wishes_lead_to_equal_events(cid: str, course: Sequence[Wish]) -> None:
    assert lived(cid, course).steps == lived(cid, course).steps


def sessions_follow_one_another_and_entries_come_and_go_once(
    cid: str, course: Sequence[Wish]
) -> None:
    history = lived(cid, course)
    on = 0
    numbers: list[int] = []
    present: dict[EntryId, UserId] = {}
    known: Counter[EntryId] = Counter()
    for step in history.steps:
        match step.event:
            case SessionStarted(session=number):
                assert on == 0
                on = number
                numbers.append(number)
            case SessionEnded(session=number):
                assert on == number
                assert present == {}
                on = 0
            case Joined(session=number, entry_id=entry_id, user_id=user_id):
                assert on == number
                known[entry_id] += 1
                present[entry_id] = user_id
            case Left(session=number, entry_id=entry_id, user_id=user_id):
                assert on == number
                assert present.pop(entry_id) == user_id
    assert numbers == list(range(1, len(numbers) + 1))
    assert set(known.values()) <= {1}
    assert {one: entry.user_id for one, entry in history.session.entries.items()} == present
    by_user = {
        user: set(occupant.entry_ids) for user, occupant in history.session.occupants.items()
    }
    assert by_user == {
        user: {one for one, whose in present.items() if whose == user} for user in present.values()
    }


def whoever_is_in_may_be_in(cid: str, course: Sequence[Wish]) -> None:
    def look(history: History) -> None:
        call = history.call
        assert not call.blocked & set(history.session.occupants)
        if call.ended_at is None or not history.session.entries:
            return
        for step in since(history.steps, CallEnded):
            if isinstance(step.event, Joined):
                again = history.admitted_again(step)
                ended = next(reason for reason in again.reasons if reason.rule == "not_ended")
                assert Capability.JOIN_ENDED_CALL in ended.because or step.by.system

    lived(cid, course, look)


def since(steps: Sequence[Step], kind: type) -> Sequence[Step]:
    """The steps after the last one of this kind."""
    last = max((n for n, step in enumerate(steps) if isinstance(step.event, kind)), default=-1)
    return steps[last + 1 :]


def a_ring_is_missed_only_without_an_answer(cid: str, course: Sequence[Wish]) -> None:
    history = lived(cid, course)
    history.now = history.now.replace(year=history.now.year + 1)
    list(history.fire_timers())
    rung: set[tuple[int, UserId]] = set()
    answered: set[tuple[int, UserId]] = set()
    missed: set[tuple[int, UserId]] = set()
    for step in history.steps:
        match step.event:
            case CallRung(ring=ring, user_ids=users):
                rung |= {(ring, user) for user in users}
            case RingAccepted(ring=ring, user_id=user) | RingRejected(ring=ring, user_id=user):
                assert (ring, user) in rung
                answered.add((ring, user))
            case RingMissed(ring=ring, user_id=user):
                assert (ring, user) in rung - answered - missed
                missed.add((ring, user))
    assert rung == answered | missed, "somebody was rung and nothing came of it"


LAWS = [
    asking_twice_records_nothing,
    replay_equals_state,
    nobody_is_in_whom_the_evidence_does_not_admit,
    the_limit_is_never_passed,
    nothing_happens_after_a_hard_deletion,
    equal_wishes_lead_to_equal_events,
    sessions_follow_one_another_and_entries_come_and_go_once,
    whoever_is_in_may_be_in,
    a_ring_is_missed_only_without_an_answer,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(law: Callable[[str, Sequence[Wish]], None]) -> None:
    given(cids(), courses())(law)()


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law_in_long_courses(law: Callable[[str, Sequence[Wish]], None]) -> None:
    given(cids(), courses(shortest=25, longest=60))(law)()


@given(cids(), courses(), st.randoms(use_true_random=False))
def test_evolving_never_refuses_whatever_the_order_of_events(
    cid: str, course: list[Wish], dice: Random
) -> None:
    steps = lived(cid, course).steps
    for kind, decider in DECIDERS.items():
        events = [step.event for step in steps if step.stream.startswith(f"{kind}-")]
        dice.shuffle(events)
        decider.fold(events)
        assert decider.fold(events) == decider.fold(events[1:], decider.fold(events[:1]))
