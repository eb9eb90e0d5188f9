"""Members, and what is done to people in a call (semantics 2)."""

from __future__ import annotations

import pytest
from tests.domain.story import SYSTEM, at, guest, names, story

from greenroom.domain.access import Capability
from greenroom.domain.errors import (
    InvalidInput,
    NotAllowed,
    NotPresent,
    RequestsDisabled,
)
from greenroom.domain.membership import PermissionRequested
from greenroom.domain.message import UserId
from greenroom.domain.operations import life, people, policy
from greenroom.domain.operations.members import Member
from greenroom.domain.session_events import Track, UsersMuted
from greenroom.testing.history import EMBEDDER

# Members


def test_adding_is_an_upsert_that_keeps_the_role_it_is_not_told() -> None:
    told = story()
    told.add(Member("alice", role="host", custom={"seat": 1, "row": 2}))
    assert names(told.add(Member("alice", custom={"seat": 7, "row": None}))) == ["member.updated"]
    assert (told.member("alice").role, told.member("alice").custom) == ("host", {"seat": 7})
    told.add("charlie")
    assert told.member("charlie").role == "call_member"


def test_adding_who_is_there_already_as_they_are_records_nothing() -> None:
    told = story()
    told.add(Member("alice", role="host", custom={"seat": 1}))
    assert told.add(Member("alice", role="host", custom={"seat": 1})) == ()
    assert told.add(Member("alice")) == ()


def test_true_is_not_one_in_what_a_member_carries() -> None:
    told = story()
    told.add(Member("alice", custom={"paid": 1}))
    assert names(told.add(Member("alice", custom={"paid": True}))) == ["member.updated"]


def test_the_system_alone_takes_in_from_elsewhere_and_is_told_where_a_fault_stands() -> None:
    told = story()
    fields = {"members": {"seat": "number"}}
    told.ask(policy.change_type("default", indexed_custom=fields), by=EMBEDDER)
    odd = people.take_in([(UserId("alice"), None, {"seat": "7"})], ["line 4"])
    assert str(told.refused(InvalidInput, odd, by=SYSTEM)).startswith("line 4.custom.seat: ")
    told.refused(NotAllowed, odd)


def test_what_a_member_carries_does_not_grow_past_its_limit_patch_by_patch() -> None:
    told = story()
    told.add(Member("alice", custom={"a": "x" * 5000}))
    put = people.put([Member("alice", custom={"b": "x" * 5000})])
    assert str(told.refused(InvalidInput, put)).startswith("members[0].custom: expected at most")


def test_a_member_keeps_the_instant_of_their_adding_until_removed() -> None:
    told = story()
    told.add("alice")
    told.ask(people.put([Member("alice", role="host")]), by="thierry", at=50)
    assert (told.member("alice").added_at, told.member("alice").updated_at) == (at(0), at(50))
    told.ask(people.remove(["alice"]), by="thierry")
    told.ask(people.put([Member("alice")]), by="thierry", at=90)
    assert told.member("alice").added_at == at(90)
    assert told.member("alice").role == "call_member"


def test_changing_a_role_needs_more_than_changing_a_member() -> None:
    told = story()
    told.ask(policy.grant("default", "user", "update-call-member"), by=EMBEDDER)
    told.add(Member("alice", role="call_member"), by="charlie")
    told.add(Member("alice", custom={"seat": 1}), by="charlie")
    refusal = told.refused(NotAllowed, people.put([Member("alice", role="host")]), by="charlie")
    assert refusal.capability == Capability.UPDATE_CALL_MEMBER_ROLE


def test_removing_somebody_who_is_no_member_records_nothing() -> None:
    told = story()
    assert told.ask(people.remove(["alice"]), by="thierry") == ()


def test_whoever_is_removed_and_may_still_join_stays_in() -> None:
    told = story(member_ids=["alice"])
    told.join("alice")
    told.ask(people.remove(["alice"]), by="thierry")
    assert told.present == ["alice"]


def test_whoever_is_removed_and_may_no_longer_join_is_put_out() -> None:
    told = story(member_ids=["alice", "charlie"])
    told.ask(policy.revoke("default", "user", "join-call"), by=EMBEDDER)
    told.join("alice")
    told.join("alice")
    told.join("charlie")
    told.ask(people.remove(["alice"]), by="thierry")
    assert told.present == ["charlie"]
    assert told.left() == [("alice", "removed")] * 2


def test_at_most_a_hundred_members_are_changed_at_once() -> None:
    hundred = [f"user-{n}" for n in range(100)]
    told = story()
    assert len(told.add(*hundred)) == 100
    assert len(told.ask(people.remove(hundred), by="thierry")) == 100
    with pytest.raises(InvalidInput, match="at most 100"):
        people.put([Member(user) for user in [*hundred, "alice"]])
    with pytest.raises(InvalidInput, match="at most 100"):
        people.remove([*hundred, "alice"])


def test_a_refused_member_leaves_the_others_untouched() -> None:
    told = story()
    long = {"text": "x" * 9_000}
    with pytest.raises(InvalidInput, match=r"members\[1\].custom"):
        told.add(Member("alice"), Member("charlie", custom=long))
    assert told.member("alice").role is None


# Block, kick


def test_who_is_blocked_is_put_out_and_stays_a_member() -> None:
    told = story(member_ids=["alice"])
    told.join("alice")
    blocked = told.ask(people.block("alice"), by="thierry")
    assert names(blocked) == ["call.user_blocked", "session.left"]
    assert told.left() == [("alice", "blocked")]
    assert told.member("alice").role == "call_member"
    assert told.ask(people.block("alice"), by="thierry") == ()


def test_unblocking_somebody_who_is_not_blocked_records_nothing() -> None:
    assert story().ask(people.unblock("alice"), by="thierry") == ()


def test_a_kick_closes_every_entry_of_a_user_who_may_come_back() -> None:
    told = story()
    told.join("alice")
    told.join("alice")
    told.join("charlie")
    assert names(told.ask(people.kick("alice"), by="thierry")) == ["session.left"] * 2
    assert told.left() == [("alice", "kicked")] * 2
    assert told.ask(people.kick("alice"), by="thierry") == ()
    told.join("alice")


def test_a_kick_with_a_block_sticks() -> None:
    told = story()
    told.join("alice")
    told.ask(people.kick("alice", block=True), by="thierry")
    assert told.present == []
    assert "alice" in told.call.blocked


def test_a_kick_that_blocks_needs_both_capabilities() -> None:
    told = story()
    told.ask(policy.grant("default", "user", "kick-user"), by=EMBEDDER)
    told.ask(people.kick("alice"), by="charlie")
    refusal = told.refused(NotAllowed, people.kick("alice", block=True), by="charlie")
    assert refusal.capability == Capability.BLOCK_USERS


# Mute, pin, custom events


def test_muting_some_leaves_the_others_as_loud_as_they_were() -> None:
    told = story()
    for who in ("alice", "charlie"):
        told.join(who)
    told.ask(people.mute(["alice"], video=True), by="thierry")
    assert told.last(UsersMuted).user_ids == ("alice",)
    muted = {entry.user_id: entry.media.muted for entry in told.session.entries.values()}
    assert muted == {"alice": (Track.VIDEO,), "charlie": ()}


def test_muting_names_those_who_are_in_and_holds_until_they_unmute() -> None:
    told = story()
    told.join("alice")
    mute = people.mute(["alice", "charlie"], audio=True, screenshare_audio=True)
    assert names(told.ask(mute, by="thierry")) == ["session.muted"]
    assert told.ask(mute, by="thierry") == ()
    muted = told.last(UsersMuted)
    assert muted.user_ids == ("alice",)
    assert muted.tracks == (Track.AUDIO, Track.SCREENSHARE_AUDIO)
    told.ask(people.unmute(muted.entry_ids[0], audio=True), by="alice")
    assert names(told.ask(mute, by="thierry")) == ["session.muted"]


def test_muting_all_means_everybody_else() -> None:
    told = story()
    for who in ("thierry", "alice", "charlie"):
        told.join(who)
    told.ask(people.mute(None, video=True), by="thierry")
    assert told.last(UsersMuted).user_ids == ("alice", "charlie")


def test_muting_nobody_records_nothing_and_muting_nothing_is_refused() -> None:
    told = story()
    assert told.ask(people.mute(["alice"], audio=True), by="thierry") == ()
    with pytest.raises(InvalidInput, match="at least one of"):
        people.mute(["alice"])


def test_who_is_pinned_is_pinned_until_unpinned_or_gone() -> None:
    told = story()
    told.join("alice")
    assert names(told.ask(people.pin("alice"), by="thierry")) == ["session.pinned"]
    assert told.ask(people.pin("alice"), by="thierry") == ()
    assert names(told.ask(people.unpin("alice"), by="thierry")) == ["session.unpinned"]
    assert told.ask(people.unpin("alice"), by="thierry") == ()
    told.ask(people.pin("alice"), by="thierry")
    told.leave("alice")
    assert told.session.pinned == frozenset()
    told.refused(NotPresent, people.pin("alice"))


def test_a_custom_event_is_allowed_or_not_and_never_recorded() -> None:
    told = story()
    assert told.ask(people.send_event({"wave": True}), by="alice") == ()
    told.refused(NotAllowed, people.send_event({"wave": True}), by=guest("jaewoong"))


# Permissions


def test_a_permission_is_asked_for_granted_and_taken_back() -> None:
    told = story("audio_room:123")
    asked = told.ask(people.request_permissions(["send-audio"]), by="alice")
    assert names(asked) == ["member.permission_requested"]
    assert told.last(PermissionRequested).permissions == (Capability.SEND_AUDIO,)
    assert told.ask(people.request_permissions(["send-audio"]), by="alice") == ()
    told.refused(NotAllowed, people.grant_permissions("alice", ["send-audio"]), by="alice")
    told.ask(people.grant_permissions("alice", ["send-audio"]), by="thierry")
    assert told.ask(people.grant_permissions("alice", ["send-audio"]), by="thierry") == ()
    assert told.member("alice").granted == {Capability.SEND_AUDIO}
    assert told.member("alice").requested == frozenset()
    told.ask(people.revoke_permissions("alice", ["send-audio"]), by="thierry")
    assert told.ask(people.revoke_permissions("alice", ["send-audio"]), by="thierry") == ()
    assert told.member("alice").granted == frozenset()
    assert told.member("alice").revoked == {Capability.SEND_AUDIO}


def test_what_was_revoked_can_be_granted_again() -> None:
    told = story()
    told.ask(people.revoke_permissions("alice", ["send-audio", "send-video"]), by="thierry")
    told.ask(people.grant_permissions("alice", ["send-audio"]), by="thierry")
    assert told.member("alice").revoked == {Capability.SEND_VIDEO}


@pytest.mark.parametrize(
    ("cid", "refused"),
    [
        ("default:123", []),
        ("audio_room:123", ["send-video", "screenshare"]),
        ("livestream:123", ["send-audio", "send-video", "screenshare"]),
    ],
)
def test_a_type_says_what_may_be_asked_for(cid: str, refused: list[str]) -> None:
    told = story(cid)
    for permission in ("send-audio", "send-video", "screenshare"):
        ask = people.request_permissions([permission])
        if permission in refused:
            assert told.refused(RequestsDisabled, ask, by="alice").permission == permission
        else:
            told.ask(ask, by="alice")


def test_a_host_grants_what_could_not_be_asked_for() -> None:
    told = story("livestream:123")
    told.ask(people.grant_permissions("alice", ["send-video"]), by="thierry")
    assert told.member("alice").granted == {Capability.SEND_VIDEO}


def test_only_sending_can_be_granted_to_one_user() -> None:
    with pytest.raises(InvalidInput) as fault:
        people.grant_permissions("alice", ["end-call"])
    assert fault.value.path == "permissions[0]"


def test_permissions_hold_for_users_who_are_no_members_and_outlive_membership() -> None:
    told = story(member_ids=["alice"])
    told.ask(people.grant_permissions("alice", ["screenshare"]), by="thierry")
    told.ask(people.remove(["alice"]), by="thierry")
    assert told.member("alice").granted == {Capability.SCREENSHARE}


def test_the_system_may_do_all_of_it() -> None:
    told = story()
    told.join("alice")
    for operation in (
        people.put([Member("alice", role="host")]),
        people.pin("alice"),
        people.mute(["alice"], audio=True),
        people.kick("alice", block=True),
        people.unblock("alice"),
        people.grant_permissions("alice", ["send-audio"]),
        people.remove(["alice"]),
        life.end(),
    ):
        assert told.ask(operation, by=SYSTEM) != ()
