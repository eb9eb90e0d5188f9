"""A call's life: created, changed, live and not, ended, deleted (semantics 2)."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from tests.domain.story import SYSTEM, Story, at, names, of_team, story

from greenroom.domain.access import OWNER
from greenroom.domain.call_events import (
    CallCreated,
    CallEnded,
    CallRung,
    CallUpdated,
    EndReason,
    SessionEnded,
    SessionEndReason,
    WentLive,
)
from greenroom.domain.call_state import Existence
from greenroom.domain.errors import CallNotFound, InvalidInput, NotAllowed, NotLiveYet, WrongTeam
from greenroom.domain.message import Role
from greenroom.domain.operations import life, people, policy, presence
from greenroom.domain.operations.life import Backstage, Unset
from greenroom.domain.operations.members import Member
from greenroom.domain.session_events import Joined
from greenroom.domain.turn import Claim
from greenroom.testing.history import EMBEDDER

# Create


def test_a_call_is_created_with_its_options() -> None:
    told = Story()
    told.create(
        members=[Member("tommaso", role="host", custom={"seat": 1})],
        member_ids=["alice", "tommaso"],
        custom={"color": "red"},
        starts_at=at(500),
        team="blue",
        max_duration=3600,
        max_participants=50,
        backstage=Backstage(enabled=True, join_ahead_time_seconds=300),
        settings={"audio": {"mic_default_on": False}},
    )
    created = told.last(CallCreated)
    assert (created.created_by, created.team, created.starts_at) == ("thierry", "blue", at(500))
    assert created.custom == {"color": "red"}
    assert created.backstage
    assert created.settings == {
        "limits": {"max_duration_seconds": 3600, "max_participants": 50},
        "backstage": {"enabled": True, "join_ahead_time_seconds": 300},
        "audio": {"mic_default_on": False},
    }
    assert (told.member("tommaso").role, told.member("tommaso").custom) == ("host", {"seat": 1})
    assert told.member("alice").role == "call_member"


def test_creating_what_exists_answers_it_as_it_is_and_records_nothing() -> None:
    told = story(custom={"color": "red"})
    assert told.create("alice", custom={"color": "blue"}, member_ids=["charlie"]) == ()
    assert told.call.custom == {"color": "red"}
    assert told.call.created_by == "thierry"


def test_whoever_creates_what_exists_must_be_able_to_read_it() -> None:
    told = Story()
    told.create(of_team("thierry", "blue"), team="blue")
    told.refused(WrongTeam, life.create(life.new_call()), by=of_team("alice", "red"))


def test_creating_may_ring_and_notify_whether_or_not_it_exists() -> None:
    told = Story()
    assert names(told.create(member_ids=["alice", "thierry"], ring=True, notify=True)) == [
        "call.created", "member.added", "member.added", "call.rung", "call.members_notified",
    ]  # fmt: skip  # in order
    assert names(told.create(notify=True)) == ["call.members_notified"]


def test_at_most_a_hundred_members_are_named_at_once() -> None:
    hundred = [f"user-{n}" for n in range(100)]
    told = story(member_ids=hundred)
    assert told.member("user-99").role == "call_member"
    with pytest.raises(InvalidInput, match="at most 100"):
        life.new_call(member_ids=[*hundred, "alice"])
    with pytest.raises(InvalidInput, match="at most 100"):
        life.new_call(member_ids=hundred, members=[Member("alice")])


def test_a_deleted_call_is_not_created_again() -> None:
    told = story()
    told.ask(life.delete(), by="thierry")
    told.refused(CallNotFound, life.create(life.new_call()))


def test_whoever_may_create_a_call_may_name_its_first_members_and_their_roles() -> None:
    told = Story()
    for role, capability in product(
        ["user", OWNER], ["update-call-member", "update-call-member-role"]
    ):
        told.ask(policy.revoke("default", role, capability), by=EMBEDDER)
    told.create(members=[Member("alice", role="host")])
    assert told.member("alice").role == "host"
    told.refused(NotAllowed, people.put([Member("charlie")]))


def test_nobody_is_rung_or_told_who_is_not_asked_for() -> None:
    told = Story()
    members = life.new_call(member_ids=["alice"])
    assert names(told.ask(life.create(members), by="thierry")) == ["call.created", "member.added"]
    assert told.ask(life.get(), by="thierry") == ()
    assert told.ask(presence.join(told.entry()), by="thierry")[-1].name == "session.joined"


def test_a_join_that_rings_rings_for_video_unless_it_says_otherwise() -> None:
    told = story(member_ids=["alice"])
    told.ask(presence.join(told.entry(), ring=True), by="thierry")
    assert (told.last(CallRung).user_ids, told.last(CallRung).video) == (("alice",), True)


def test_the_options_of_an_existing_call_are_ignored_even_where_they_would_be_wrong() -> None:
    told = story(backstage=Backstage(enabled=True))
    told.create(backstage=Backstage(enabled=False))
    assert told.call.backstage


# Get


def test_reading_records_nothing_but_may_ring_or_notify() -> None:
    told = story(member_ids=["alice"])
    assert told.ask(life.get(), by="alice") == ()
    assert names(told.ask(life.get(ring=True), by="thierry")) == ["call.rung"]
    assert names(told.ask(life.get(notify=True), by="thierry")) == ["call.members_notified"]


def test_what_was_never_created_cannot_be_read() -> None:
    Story("default:123").refused(CallNotFound, life.get())


def test_a_call_of_another_team_is_hidden_but_from_its_creator_and_its_members() -> None:
    told = Story()
    told.create(of_team("thierry", "blue"), team="blue", member_ids=["alice"])
    told.refused(WrongTeam, life.get(), by="charlie")
    for by in ("thierry", "alice", SYSTEM, of_team("charlie", "blue")):
        told.ask(life.get(), by=by)


# Update


def test_custom_data_is_patched_key_by_key_and_null_removes() -> None:
    told = story(custom={"color": "red", "plan": {"seats": 1, "size": "xl"}})
    told.ask(life.update(custom={"color": None, "plan": {"seats": 2}, "new": [1]}), by="thierry")
    assert told.call.custom == {"plan": {"seats": 2, "size": "xl"}, "new": [1]}


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (True, 1), ([0], [False])])
def test_true_is_not_one(before: Any, after: Any) -> None:
    told = story(custom={"paid": before})
    told.ask(life.update(custom={"paid": after}), by="thierry")
    assert repr(told.call.custom) == repr({"paid": after})


def test_the_start_can_be_moved_and_taken_away_and_is_kept_otherwise() -> None:
    told = story(starts_at=at(500))
    told.ask(life.update(custom={"a": 1}), by="thierry")
    assert told.call.starts_at == at(500)
    told.ask(life.update(starts_at=at(900)), by="thierry")
    assert told.call.starts_at == at(900)
    told.ask(life.update(starts_at=None), by="thierry")
    assert told.call.starts_at is None
    assert repr(Unset()) == "UNSET"


def test_the_same_update_again_records_nothing() -> None:
    told = story()
    update = life.update(custom={"a": 1}, starts_at=at(9), max_participants=3)
    assert names(told.ask(update, by="thierry")) == ["call.updated"]
    assert told.ask(update, by="thierry", at=5) == ()
    assert told.ask(life.update(), by="thierry", at=6) == ()


UPDATES = {
    "custom": ({"custom": {"color": "red"}}, {"update-call"}),
    "start": ({"starts_at": at(9)}, {"update-call"}),
    "nothing": ({}, {"update-call"}),
    "settings": ({"max_participants": 3}, {"update-call-settings"}),
    "duration": ({"max_duration": 60}, {"change-max-duration"}),
    "custom and settings": (
        {"custom": {"color": "red"}, "max_participants": 3},
        {"update-call", "update-call-settings"},
    ),
    "start and duration": (
        {"starts_at": None, "max_duration": 60},
        {"update-call", "change-max-duration"},
    ),
    "both limits": (
        {"max_participants": 3, "max_duration": 60},
        {"update-call-settings", "change-max-duration"},
    ),
}
"""What is updated, and the capabilities that it needs."""


@pytest.mark.parametrize(("said", "needed"), UPDATES.values(), ids=UPDATES.keys())
def test_each_part_of_an_update_needs_its_own_capability(said: Any, needed: set[str]) -> None:
    told = story()
    for capability in needed:
        told.ask(policy.grant("default", "updater", capability), by=EMBEDDER)
    updater = Claim("charlie", Role("updater"), ())
    told.rehearse(life.update(**said), by=updater)
    for missing in needed:
        told.ask(policy.revoke("default", "updater", missing), by=EMBEDDER)
        assert told.refused(NotAllowed, life.update(**said), by=updater).capability == missing
        told.ask(policy.grant("default", "updater", missing), by=EMBEDDER)


def test_an_update_of_nothing_minds_no_field_that_was_declared_since() -> None:
    told = story(custom={"seat": "7"})
    fields = {"calls": {"seat": "number"}}
    told.ask(policy.change_type("default", indexed_custom=fields), by=EMBEDDER)
    assert told.ask(life.update(custom={"seat": "7"}), by="thierry") == ()
    told.refused(InvalidInput, life.update(custom={"color": "red"}))


def test_custom_data_does_not_grow_past_its_limit_patch_by_patch() -> None:
    told = story(custom={"a": "x" * 40_000})
    with pytest.raises(InvalidInput, match="custom"):
        told.ask(life.update(custom={"b": "x" * 40_000}), by="thierry")
    assert list(told.call.custom) == ["a"]


def test_backstage_turned_on_by_settings_applies_at_once_when_nobody_is_in() -> None:
    told = story()
    told.ask(life.update(backstage=Backstage(enabled=True)), by="thierry")
    assert told.call.backstage
    told.refused_join(NotLiveYet, "alice")


def test_backstage_turned_on_with_people_in_waits_for_the_next_stop_live() -> None:
    told = story()
    told.join("alice")
    told.ask(life.update(backstage=Backstage(enabled=True)), by="thierry")
    assert not told.last(CallUpdated).backstage
    told.join("charlie")
    told.ask(life.stop_live(), by="thierry")
    assert told.call.backstage
    assert told.present == []


def test_backstage_turned_off_by_settings_opens_the_doors() -> None:
    told = story("livestream:123")
    told.ask(life.update(backstage=Backstage(enabled=False)), by="thierry")
    told.join("alice")


# Live


def test_going_live_leaves_backstage_and_a_second_time_records_nothing() -> None:
    told = story("livestream:123")
    assert names(told.ask(life.go_live(), by="thierry", at=5)) == ["call.went_live"]
    assert told.last(WentLive).backstage
    assert told.call.live_started_at == at(5)
    assert told.ask(life.go_live(), by="thierry") == ()


def test_stopping_puts_out_whoever_may_not_be_in_backstage() -> None:
    told = story("livestream:123", members=[Member("tommaso", role="host")])
    told.ask(life.go_live(), by="thierry")
    for who in ("tommaso", "alice", "charlie", "thierry"):
        told.join(who)
    told.ask(life.stop_live(), by="thierry")
    assert told.present == ["thierry", "tommaso"]
    assert told.left() == [("alice", "stopped_live"), ("charlie", "stopped_live")]
    assert told.ask(life.stop_live(), by="thierry") == ()


def test_stopping_what_is_stopped_puts_nobody_out_who_came_ahead_of_its_start() -> None:
    ahead = Backstage(enabled=True, join_ahead_time_seconds=60)
    told = story(starts_at=at(60), backstage=ahead)
    told.join("alice")
    assert told.ask(life.stop_live(), by="thierry") == ()
    assert told.present == ["alice"]


def test_a_call_that_never_went_live_is_stopped_already() -> None:
    assert story("livestream:123").ask(life.stop_live(), by="thierry") == ()


# End


def test_ending_closes_every_entry_and_says_who_and_why() -> None:
    told = story()
    for who in ("alice", "alice", "charlie"):
        told.join(who)
    ended = told.ask(life.end(), by="thierry", at=60)
    assert names(ended) == [
        "session.left", "session.left", "session.left", "call.ended", "session.ended",
    ]  # fmt: skip  # in order
    assert {reason for _, reason in told.left()} == {"ended"}
    assert told.last(CallEnded).reason is EndReason.ENDED
    assert told.last(SessionEnded).reason is SessionEndReason.ENDED
    assert told.call.ended_at == at(60)
    assert {step.by.name for step in told.steps[-5:]} == {"thierry"}


def test_ending_an_ended_call_records_nothing_whoever_is_in() -> None:
    told = story()
    told.ask(life.end(), by="thierry")
    told.join("thierry")
    assert told.ask(life.end(), by="thierry") == ()
    assert told.present == ["thierry"]


def test_going_live_reopens_an_ended_call() -> None:
    told = story()
    told.ask(life.end(), by="thierry")
    told.ask(life.go_live(), by="thierry")
    assert told.call.ended_at is None
    assert not told.last(WentLive).backstage
    told.join("alice")


# Delete and restore


def test_a_soft_deletion_makes_a_call_unreachable_and_the_system_takes_it_back() -> None:
    told = story(member_ids=["alice"], custom={"color": "red"})
    told.join("alice")
    assert names(told.ask(life.delete(), by="thierry")) == [
        "session.left", "session.ended", "call.deleted",
    ]  # fmt: skip  # in order
    for operation in (life.get(), life.go_live(), life.update(custom={}), presence.leave()):
        told.refused(CallNotFound, operation)
    told.refused(NotAllowed, life.restore(), by="thierry")
    assert names(told.ask(life.restore(), by=SYSTEM)) == ["call.restored"]
    assert told.ask(life.restore(), by=SYSTEM) == ()
    assert told.call.custom == {"color": "red"}
    assert told.member("alice").role == "call_member"
    told.join("alice")


def test_deleting_twice_records_nothing_the_second_time() -> None:
    told = story()
    told.ask(life.delete(), by="thierry")
    assert told.ask(life.delete(), by="thierry") == ()


def test_a_hard_deletion_is_the_systems_alone_and_for_good() -> None:
    told = story(custom={"color": "red"})
    assert "hard" in told.refused(NotAllowed, life.delete(hard=True), by="thierry").capability
    told.ask(life.delete(hard=True), by=SYSTEM)
    assert told.call.existence is Existence.ERASED
    assert told.call.custom == {}
    assert told.ask(life.delete(hard=True), by=SYSTEM) == ()
    told.refused(CallNotFound, life.restore(), by=SYSTEM)


def test_a_soft_deletion_can_be_made_hard() -> None:
    told = story()
    told.ask(life.delete(), by="thierry")
    assert names(told.ask(life.delete(hard=True), by=SYSTEM)) == ["call.deleted"]


def test_what_was_never_created_can_be_neither_deleted_nor_restored() -> None:
    told = Story("default:123")
    told.refused(CallNotFound, life.delete(), by=SYSTEM)
    told.refused(CallNotFound, life.restore(), by=SYSTEM)


def test_every_leaving_says_its_reason() -> None:
    told = story(max_duration=60)
    told.join("alice")
    joined = told.last(Joined)
    told.leave("alice")
    told.join("charlie", at=10)
    told.ask(life.delete(), by="thierry")
    assert told.left() == [(joined.user_id, "left"), ("charlie", "deleted")]


def test_stopping_goes_by_the_role_that_the_user_record_says_now() -> None:
    told = story("livestream:123")
    told.upsert("tommaso", role="admin")
    told.join("tommaso")
    told.join(Claim("charlie", Role("admin"), ()))
    told.ask(life.go_live(), by="thierry")
    told.upsert("tommaso", role="user")
    told.upsert("charlie", role="user")
    told.ask(life.stop_live(), by="thierry")
    assert told.left() == [("tommaso", "stopped_live")]
    assert told.present == ["charlie"], "whose role was said by whoever asked"
