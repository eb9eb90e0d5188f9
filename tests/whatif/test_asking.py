"""What may be supposed, and over what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.whatif.conftest import START, call_of

from greenroom import Greenroom, errors, whatif
from greenroom.testing.clock import VirtualClock
from greenroom.whatif import Comparison, JoinFacts, Kind, Mode, Occupancy, Outcome


@pytest.fixture
def evening(room: Greenroom, clock: VirtualClock) -> Greenroom:
    """Thierry's call, which his member alice and the strangers tommaso and charlie come to."""
    thierry = call_of(room, "thierry")
    thierry.create(member_ids=["alice"])
    for user_id in ("thierry", "alice", "tommaso", "charlie"):
        clock.advance(seconds=10)
        call_of(room, user_id).join()
    call_of(room, "charlie").leave()
    return room


NO_STRANGERS = whatif.revoke("default", role="user", capability="join-call")


def told(found: Comparison) -> list[tuple[str, str, str | None]]:
    return [(one.user_id, one.operation, one.code) for one in found.differences]


def test_had_strangers_not_been_allowed_to_join_they_would_have_been_refused(
    evening: Greenroom,
) -> None:
    found = evening.what_if(NO_STRANGERS).over()
    assert told(found) == [
        ("tommaso", "join", "not_allowed"),
        ("charlie", "join", "not_allowed"),
    ]
    assert found.counts == {Kind.NEWLY_REFUSED: 2}
    assert found.by_user == {"tommaso": 1, "charlie": 1}
    assert found.by_call == {"default:123": 2}
    assert found.by_code == {"not_allowed": 2}
    assert found.decided == 6  # the creation, four joins, and charlie's leave


def test_a_difference_names_the_rule_that_makes_it(evening: Greenroom) -> None:
    reason = evening.what_if(NO_STRANGERS).over().differences[0].reason
    assert reason is not None
    assert (reason.rule, reason.passed, reason.code) == ("join_call", False, "not_allowed")
    assert [fact.says for fact in reason.facts] == [
        "user role user",
        "role user does not grant join-call",
    ]


def test_each_difference_stands_where_the_decision_stands_in_the_log(evening: Greenroom) -> None:
    history = call_of(evening, "thierry").history()
    for one in evening.what_if(NO_STRANGERS).over().differences:
        event = next(event for event in history if event.position == one.position)
        assert (event.by, event.at) == (one.user_id, one.at)
        assert event.name == "session.joined"


def test_asking_changes_nothing(evening: Greenroom) -> None:
    before = evening.position
    evening.what_if(NO_STRANGERS).over(mode="cascading")
    assert evening.position == before
    assert call_of(evening, "alice").explain("join", user="tommaso").allowed


def test_a_comparison_is_json(evening: Greenroom) -> None:
    said = json.loads(evening.what_if(NO_STRANGERS).over().model_dump_json())
    assert said["counts"] == {"newly_refused": 2}
    assert said["differences"][0]["user_id"] == "tommaso"


def test_calls_and_periods_limit_what_is_decided_again(
    evening: Greenroom, clock: VirtualClock
) -> None:
    other = call_of(evening, "jaewoong", "default:124")
    other.create()
    other.join()
    asked = evening.what_if(NO_STRANGERS)
    assert asked.over(["default:124"]).decided == 2
    joined = [one.position for one in asked.over().differences]
    assert told(asked.over(period=(joined[0], None))) == [("charlie", "join", "not_allowed")]
    assert told(asked.over(period=(None, joined[0]))) == [("tommaso", "join", "not_allowed")]
    until = START.replace(second=35)
    assert told(asked.over(period=(None, until))) == [("tommaso", "join", "not_allowed")]
    assert told(asked.over(period=(until, clock.now()))) == [("charlie", "join", "not_allowed")]


def test_no_more_differences_are_told_than_asked_for_and_all_are_counted(
    evening: Greenroom,
) -> None:
    found = evening.what_if(NO_STRANGERS).over(shown=1)
    assert told(found) == [("tommaso", "join", "not_allowed")]
    assert found.counts == {Kind.NEWLY_REFUSED: 2}


def test_progress_rises_to_the_end_of_the_log(evening: Greenroom) -> None:
    heard: list[tuple[int, int]] = []
    evening.what_if().over(progress=lambda done, of: heard.append((done, of)))
    assert heard == sorted(heard)
    assert heard[-1] == (evening.position, evening.position)


def test_what_cannot_be_supposed_is_refused_with_its_path(evening: Greenroom) -> None:
    for wrong, path in (
        (lambda: whatif.revoke("default", role="user", capability="join"), "capability"),
        (lambda: whatif.settings("default", {"limits": {"max": 1}}), "settings.limits.max"),
        (lambda: whatif.rule("teams", lambda _facts, _there, as_it_is: as_it_is), "name"),
        (lambda: whatif.without([0]), "positions"),
        (lambda: evening.what_if("revoke"), "changes[0]"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: evening.what_if().over(mode="pined"), "mode"),
        (lambda: evening.what_if().over(shown=-1), "shown"),
        (lambda: evening.what_if().over(processes=0), "processes"),
        (lambda: evening.what_if().over(period=(0, evening.position + 1)), "moment"),
        (lambda: evening.what_if().over(calls="default:123"), "calls"),
        (lambda: evening.what_if().over(calls=["nonsense"]), "calls[0]"),
        (lambda: evening.what_if().over(period=3), "period"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: evening.what_if().over(progress=3), "progress"),  # type: ignore[arg-type]  # wrong on purpose
    ):
        with pytest.raises(errors.InvalidInput) as fault:
            wrong()
        assert fault.value.path == path


# Who was refused


def test_whoever_was_turned_away_might_have_been_let_in(
    evening: Greenroom, clock: VirtualClock
) -> None:
    call_of(evening, "thierry").end()
    clock.advance(seconds=10)
    with pytest.raises(errors.CallEnded):
        call_of(evening, "alice").join()
    assert evening.what_if().over().same
    ended_too = whatif.grant("default", role="user", capability="join-ended-call")
    for mode in Mode:
        (one,) = evening.what_if(ended_too).over(mode=mode).differences
        assert (one.kind, one.user_id, one.code) == ("newly_admitted", "alice", "call_ended")
        assert (one.at, one.position) == (clock.now(), evening.position)
        assert one.would_record == ("session.started", "session.joined")
        assert one.reason is not None
        assert (one.reason.rule, one.reason.passed) == ("not_ended", True)
        assert one.reason.because.endswith("join-ended-call held")


def test_a_seat_that_would_have_been_free_goes_to_whoever_was_refused_it(room: Greenroom) -> None:
    call_of(room, "thierry").create(member_ids=["thierry", "jaewoong"], max_participants=2)
    call_of(room, "thierry").join()
    call_of(room, "tommaso").join()
    for user_id in ("jaewoong", "charlie"):
        with pytest.raises(errors.CallFull):
            call_of(room, user_id).join()
    found = room.what_if(NO_STRANGERS).over(mode="cascading")
    assert [(one.user_id, one.kind) for one in found.differences] == [
        ("tommaso", Kind.NEWLY_REFUSED),
        ("jaewoong", Kind.NEWLY_ADMITTED),
    ]
    assert [one.reason and one.reason.because for one in found.differences] == [
        "join-call: no role grants it",
        "1 of 2 participants",
    ]
    pinned = room.what_if(NO_STRANGERS).over()
    assert [one.user_id for one in pinned.differences] == ["tommaso"]


def test_what_refused_somebody_is_named_as_it_would_not_have(room: Greenroom) -> None:
    call_of(room, "thierry").create(member_ids=["thierry"])
    with pytest.raises(errors.NotAllowed):
        call_of(room, "tommaso").end()
    may_end = whatif.grant("default", role="user", capability="end-call")
    (one,) = room.what_if(may_end).over().differences
    assert one.reason is not None
    assert (one.reason.rule, one.reason.because) == ("end-call", "end-call: role user")


# Several kinds of changes


def test_a_smaller_house_would_have_been_full(evening: Greenroom) -> None:
    smaller = whatif.settings("default", {"limits": {"max_participants": 2}})
    assert told(evening.what_if(smaller).over()) == [
        ("tommaso", "join", "call_full"),
        ("charlie", "join", "call_full"),
    ]


def test_without_an_event_what_rested_on_it_falls(evening: Greenroom) -> None:
    added = next(e for e in call_of(evening, "thierry").history() if e.name == "member.added")
    asked = evening.what_if(NO_STRANGERS, whatif.without([added.position]))
    assert [who for who, _, _ in told(asked.over())] == ["alice", "tommaso", "charlie"]


def test_a_rule_of_ones_own_decides_in_place_of_the_one_there_is(evening: Greenroom) -> None:
    def but_for_charlie(facts: JoinFacts, _: Occupancy, as_it_is: Outcome) -> Outcome:
        if facts.by.user_id == "charlie":
            return "charlie is never let in", errors.Blocked("charlie"), None
        return as_it_is

    found = evening.what_if(whatif.rule("not_blocked", but_for_charlie)).over()
    assert told(found) == [("charlie", "join", "blocked")]


def everybody_is_let_in(facts: JoinFacts, _: Occupancy, __: Outcome) -> Outcome:
    return f"{facts.by.user_id} is let in", None, None


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pinned", "cascading"])
def test_several_processes_come_to_what_one_comes_to(
    tmp_path: Path, clock: VirtualClock, mode: str
) -> None:
    heard: list[tuple[int, int]] = []
    with Greenroom.open(f"sqlite:///{tmp_path}/calls.db", clock=clock) as room:
        for number in range(6):
            call_of(room, "thierry", f"default:{number}").create()
            for user_id in ("alice", "tommaso"):
                call_of(room, user_id, f"default:{number}").join()
        smaller = whatif.settings("default", {"limits": {"max_participants": 1}})
        for asked in (
            room.what_if(NO_STRANGERS),
            room.what_if(smaller, whatif.rule("team", everybody_is_let_in)),
        ):
            alone = asked.over(mode=mode)
            assert not alone.same
            shared = asked.over(
                mode=mode, processes=2, progress=lambda done, of: heard.append((done, of))
            )
            assert shared == alone
        assert heard[-1] == (room.position, room.position)
