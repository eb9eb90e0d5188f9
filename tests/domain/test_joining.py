"""Who may join, when, and what a join leaves behind (semantics 3)."""

from __future__ import annotations

import pytest
from tests.domain.story import SYSTEM, Story, anonymous, at, guest, limited, names, of_team, story

from greenroom.domain.access import Capability
from greenroom.domain.call_events import (
    CallCreated,
    CallEnded,
    EndReason,
    SessionEnded,
    SessionEndReason,
    SessionStarted,
)
from greenroom.domain.errors import (
    Blocked,
    CallFull,
    CallNotFound,
    CallTypeNotFound,
    EntryNotFound,
    NotAllowed,
    NotLiveYet,
    WrongTeam,
)
from greenroom.domain.errors import (
    CallEnded as AlreadyEnded,
)
from greenroom.domain.message import Role, UserId
from greenroom.domain.operations import life, people, policy, presence
from greenroom.domain.operations.life import Backstage
from greenroom.domain.operations.members import Member
from greenroom.domain.session_events import Joined
from greenroom.domain.turn import Claim
from greenroom.testing.history import EMBEDDER


def test_nobody_joins_a_call_that_does_not_exist() -> None:
    assert Story("default:123").refused_join(CallNotFound, "thierry").cid == "default:123"


def test_a_join_may_create_the_call_and_both_happen_at_once() -> None:
    told = Story("default:123")
    joined = told.ask(presence.join(told.entry(), create=life.new_call()), by="thierry")
    assert names(joined) == ["call.created", "session.started", "session.joined"]
    assert told.last(CallCreated).created_by == "thierry"


def test_whoever_may_not_create_a_call_does_not_create_it_by_joining() -> None:
    told = Story("default:123")
    wish = presence.join(told.entry(), create=life.new_call())
    told.refused(CallNotFound, wish, by=guest("jaewoong"))


def test_a_call_of_a_type_that_nobody_defined_is_not_created_by_joining() -> None:
    told = Story("unheard-of:123")
    told.refused(CallTypeNotFound, presence.join(told.entry(), create=life.new_call()))


def test_creating_by_joining_leaves_an_existing_call_as_it_is() -> None:
    told = story(custom={"color": "red"})
    joined = told.ask(presence.join(told.entry(), create=life.new_call()), by="alice")
    assert names(joined) == ["session.started", "session.joined"]


@pytest.mark.parametrize("hard", [False, True])
def test_nobody_joins_a_deleted_call_not_even_the_system(hard: bool) -> None:  # noqa: FBT001 - a case
    told = story()
    told.ask(life.delete(hard=hard), by=SYSTEM)
    told.refused_join(CallNotFound, "thierry")
    told.refused_join(CallNotFound, SYSTEM)
    creating = presence.join(told.entry(), create=life.new_call())
    told.refused(CallNotFound, creating, by="thierry")


def test_a_call_of_a_team_admits_that_team_alone_and_the_system() -> None:
    told = Story()
    told.create(of_team("thierry", "blue"), team="blue")
    assert told.refused_join(WrongTeam, of_team("alice", "red")).team == "blue"
    told.join(of_team("alice", "red", "blue"))
    told.join(SYSTEM)


def test_the_team_of_the_call_holds_for_its_members_and_its_creator_too() -> None:
    told = Story()
    told.create(of_team("thierry", "blue"), team="blue", member_ids=["alice"])
    told.refused_join(WrongTeam, "alice")
    told.refused_join(WrongTeam, "thierry")


def test_the_team_may_stand_in_the_user_record() -> None:
    told = Story()
    told.create(of_team("thierry", "blue"), team="blue")
    told.upsert("alice", teams=["blue"])
    told.join("alice")


def test_who_was_blocked_does_not_join_until_unblocked() -> None:
    told = story()
    told.ask(people.block("alice"), by="thierry")
    assert told.refused_join(Blocked, "alice").user_id == "alice"
    told.ask(people.unblock("alice"), by="thierry")
    told.join("alice")


def test_who_lacks_join_call_does_not_join() -> None:
    refusal = story().refused_join(NotAllowed, anonymous("charlie"))
    assert refusal.capability == Capability.JOIN_CALL


def test_an_ended_call_admits_only_whoever_may_join_ended_calls() -> None:
    told = story()
    told.ask(life.end(), by="thierry", at=60)
    assert told.refused_join(AlreadyEnded, "alice", at=70).ended_at == at(60)
    told.join("thierry", at=70)
    assert told.last(Joined).evidence.grants == (Capability.JOIN_ENDED_CALL,)


def test_joining_an_ended_call_opens_a_session_and_leaves_it_ended() -> None:
    told = story()
    told.ask(life.end(), by="thierry", at=60)
    told.join("thierry", at=70)
    assert told.call.session == 1
    assert told.call.ended_at == at(60)
    told.refused_join(AlreadyEnded, "alice")


def test_every_special_grant_that_was_needed_is_cited() -> None:
    told = story("livestream:123")
    told.ask(life.end(), by="thierry")
    told.join("thierry")
    assert told.last(Joined).evidence.grants == (
        Capability.JOIN_ENDED_CALL,
        Capability.JOIN_BACKSTAGE,
    )


def test_backstage_admits_only_whoever_may_be_there() -> None:
    told = story("livestream:123", members=[Member("tommaso", role="host")])
    assert told.refused_join(NotLiveYet, "alice").opens_at is None
    told.join("tommaso")
    assert told.last(Joined).evidence.grants == (Capability.JOIN_BACKSTAGE,)
    told.ask(life.go_live(), by="tommaso")
    told.join("alice")
    assert told.last(Joined).evidence.grants == ()


def test_a_regular_user_may_enter_once_the_join_ahead_window_opens() -> None:
    """The seed's example: starts in 500 s, open 300 s ahead, so from 200 s on; to the second."""
    told = story(starts_at=at(500), backstage=Backstage(enabled=True, join_ahead_time_seconds=300))
    for second in (0, 1, 199, 199.999999):
        assert told.refused_join(NotLiveYet, "alice", at=second).opens_at == at(200)
    told.join("alice", at=200)
    told.join("charlie", at=501)


@pytest.mark.parametrize(
    ("starts", "ahead"), [(None, 300), (500, 0)], ids=["no start is planned", "not ahead of it"]
)
def test_without_a_start_or_a_window_only_going_live_opens_a_call(
    starts: float | None, ahead: int
) -> None:
    told = story(
        starts_at=None if starts is None else at(starts),
        backstage=Backstage(enabled=True, join_ahead_time_seconds=ahead),
    )
    assert told.refused_join(NotLiveYet, "alice", at=10_000).opens_at is None


def test_moving_the_start_later_puts_nobody_out() -> None:
    told = story(starts_at=at(500), backstage=Backstage(enabled=True, join_ahead_time_seconds=300))
    told.join("alice", at=250)
    told.ask(life.update(starts_at=at(5000)), by="thierry")
    assert told.present == ["alice"]
    assert told.refused_join(NotLiveYet, "charlie").opens_at == at(4700)


# Capacity


def test_a_full_call_refuses_and_admits_again_when_somebody_has_left() -> None:
    told = story(max_participants=2)
    told.join("alice")
    charlie = told.join("charlie")
    assert told.refused_join(CallFull, "jaewoong").limit == 2
    told.leave("charlie", charlie)
    told.join("jaewoong")


def test_capacity_counts_people_and_not_connections() -> None:
    told = story(max_participants=2)
    first = told.join("alice")
    told.join("alice")
    told.join("charlie")
    told.join("charlie")  # who is in already is not refused
    told.leave("alice", first)
    told.refused_join(CallFull, "jaewoong")


def test_excluded_roles_do_not_count_and_are_not_refused() -> None:
    told = story(
        settings=limited(1, max_participants_exclude_roles=["host", "guest"]),
        members=[Member("tommaso", role="host")],
    )
    told.join("tommaso")
    told.join("alice")
    told.join(guest("jaewoong"))
    told.refused_join(CallFull, "charlie")
    assert told.session.counted == 1


def test_the_owner_counts_unless_excluded() -> None:
    told = story(settings=limited(1))
    told.join("alice")
    told.refused_join(CallFull, "thierry")
    told.ask(
        life.update(settings={"limits": {"max_participants_exclude_owner": True}}), by="thierry"
    )
    told.join("thierry")
    assert told.session.counted == 1


def test_whoever_does_not_count_frees_no_place_by_leaving() -> None:
    told = story(
        settings=limited(1, max_participants_exclude_roles=["host"]),
        members=[Member("tommaso", role="host")],
    )
    told.join("tommaso")
    told.join("alice")
    told.leave("tommaso")
    assert told.session.counted == 1
    told.refused_join(CallFull, "charlie")


def test_the_system_does_not_pass_the_limit_either() -> None:
    told = story(max_participants=1)
    told.join("alice")
    told.refused_join(CallFull, SYSTEM)


def test_lowering_the_limit_puts_nobody_out() -> None:
    told = story(max_participants=3)
    for who in ("alice", "charlie", "jaewoong"):
        told.join(who)
    told.ask(life.update(max_participants=1), by="thierry")
    assert told.present == ["alice", "charlie", "jaewoong"]
    told.refused_join(CallFull, "tommaso")


def test_the_first_rule_that_refuses_names_the_reason() -> None:
    told = Story()
    told.create(
        of_team("thierry", "blue"), team="blue", max_participants=1, backstage=Backstage(True)
    )
    told.join(of_team("thierry", "blue"))
    told.ask(people.block("alice"), by=SYSTEM)
    told.ask(life.end(), by=SYSTEM, at=10)
    told.join(of_team("thierry", "blue"), at=10)
    blue = of_team("alice", "blue")
    told.refused_join(WrongTeam, "alice")
    told.refused_join(Blocked, blue)
    told.ask(people.unblock("alice"), by=SYSTEM)
    told.ask(policy.revoke("default", "user", "join-call"), by=EMBEDDER)
    told.refused_join(NotAllowed, blue)
    told.ask(policy.grant("default", "user", "join-call"), by=EMBEDDER)
    told.refused_join(AlreadyEnded, blue)
    told.ask(policy.grant("default", "user", "join-ended-call"), by=EMBEDDER)
    told.refused_join(NotLiveYet, blue)
    told.ask(policy.grant("default", "user", "join-backstage"), by=EMBEDDER)
    told.refused_join(CallFull, blue)


# Sessions


def test_the_first_join_opens_a_session_and_the_next_ones_find_it() -> None:
    told = story()
    told.join("alice")
    told.join("charlie")
    assert [step.event.name for step in told.steps].count("session.started") == 1
    assert told.last(SessionStarted).started_by == "alice"


def test_an_empty_session_closes_after_the_inactivity_timeout() -> None:
    told = story()
    told.join("alice")
    told.leave("alice", at=100)
    assert told.session.closes_at == at(130)
    assert told.settle(at=129) == ()
    assert names(told.settle(at=130)) == ["session.ended"]
    assert told.last(SessionEnded).reason is SessionEndReason.EMPTY


def test_coming_back_in_time_keeps_the_session() -> None:
    told = story()
    told.join("alice")
    told.leave("alice", at=100)
    told.join("charlie", at=129)
    assert told.settle(at=500) == ()
    assert told.call.session == 1


def test_coming_back_too_late_opens_another_even_if_no_timer_was_heard() -> None:
    told = story()
    told.join("alice")
    told.leave("alice", at=100)
    told.ask(presence.join(told.entry()), by="charlie", at=130)
    assert told.call.session == 2
    assert told.call.sessions == 2


def test_with_no_timeout_the_session_closes_with_the_last_to_leave() -> None:
    told = story(settings={"session": {"inactivity_timeout_seconds": 0}})
    told.join("alice")
    assert names(told.leave("alice")) == ["session.left", "session.ended"]


def test_the_maximum_duration_ends_the_call_counted_from_the_sessions_start() -> None:
    told = story(max_duration=60)
    told.join("alice", at=100)
    assert told.settle(at=159) == ()
    over = told.settle(at=160)
    assert names(over) == ["session.left", "call.ended", "session.ended"]
    assert told.last(CallEnded).reason is EndReason.MAX_DURATION
    assert told.left() == [("alice", "max_duration")]


def test_changing_the_maximum_duration_moves_the_end() -> None:
    told = story(max_duration=60)
    told.join("alice", at=100)
    told.ask(life.update(max_duration=120), by="thierry", at=150)
    assert told.settle(at=219) == ()
    assert "call.ended" in names(told.settle(at=220))


def test_taking_the_maximum_duration_away_lets_the_session_last() -> None:
    told = story(max_duration=60)
    told.join("alice")
    told.ask(life.update(settings={"limits": {"max_duration_seconds": None}}), by="thierry")
    assert told.settle(at=10_000) == ()


def test_a_join_after_the_maximum_duration_meets_an_ended_call_even_if_no_timer_was_heard() -> None:
    told = story(max_duration=60)
    told.join("alice")
    told.refused_join(AlreadyEnded, "charlie", at=60)


def test_the_maximum_duration_of_a_session_in_an_ended_call_ends_that_session() -> None:
    told = story(max_duration=60)
    told.ask(life.end(), by="thierry", at=10)
    told.join("thierry", at=20)
    assert names(told.settle(at=80)) == ["session.left", "session.ended"]
    assert told.call.ended_at == at(10)


def test_each_admission_records_what_it_rests_on() -> None:
    told = story(members=[Member("tommaso", role="host")])
    told.upsert("tommaso", role="guest")
    told.join("tommaso")
    evidence = told.last(Joined).evidence
    assert (evidence.call, evidence.call_type, evidence.membership, evidence.user) == (2, 1, 1, 1)
    assert evidence.member_role == "host"
    assert told.last(Joined).role == "guest"
    assert not evidence.owner
    told.join("thierry")
    assert told.last(Joined).evidence.owner


# Leaving


def test_leaving_twice_records_nothing_the_second_time() -> None:
    told = story()
    entry = told.join("alice")
    assert names(told.leave("alice", entry)) == ["session.left"]
    assert told.leave("alice", entry) == ()
    assert told.left() == [("alice", "left")]


def test_nobody_leaves_for_somebody_else_but_the_system() -> None:
    told = story()
    entry = told.join("alice")
    told.refused(EntryNotFound, presence.leave(entry), by="charlie")
    assert names(told.leave(SYSTEM, entry)) == ["session.left"]


def test_leaving_without_an_entry_closes_all_of_ones_own() -> None:
    told = story()
    told.join("alice")
    told.join("alice")
    told.join("charlie")
    told.leave("alice")
    assert told.present == ["charlie"]


def test_a_late_leave_of_an_old_entry_does_not_remove_the_new_one() -> None:
    told = story()
    old = told.join("alice")
    new = told.join("alice")
    told.leave("alice", old)
    assert told.leave("alice", old) == ()
    assert list(told.session.entries) == [new]


def test_a_late_leave_from_an_earlier_session_does_not_touch_the_present_one() -> None:
    told = story(settings={"session": {"inactivity_timeout_seconds": 0}})
    old = told.join("alice")
    told.leave("alice")
    told.join("alice")
    assert told.leave("alice", old) == ()
    assert told.present == ["alice"]


def test_whoever_is_in_may_go_though_the_call_is_closed_to_them_by_now() -> None:
    told = story(team="blue")
    told.join(of_team("alice", "blue"))
    assert names(told.leave(of_team("alice", "red")))[0] == "session.left"
    with pytest.raises(WrongTeam):
        told.leave(of_team("alice", "red"))


def test_a_role_that_was_claimed_is_that_of_the_last_admission_whichever_entry_is_left() -> None:
    told = story()
    first = told.join(guest("alice"))
    told.join(Claim("alice", Role("user"), ()))
    assert told.session.occupants[UserId("alice")].claimed == "user"
    told.leave("alice", first)
    assert told.session.occupants[UserId("alice")].claimed == "user"


@pytest.mark.parametrize(
    ("told", "because"),
    [(Story(), "the call is created with this join"), (story(), "the call was created")],
)
def test_why_somebody_would_be_let_in_says_whether_the_call_is_there(
    told: Story, because: str
) -> None:
    turn = told.rehearse(people.glance(), by="thierry")
    assert presence.admission(turn, create=True).reasons[0].because == because
