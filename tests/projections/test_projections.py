"""What each projection says after a history written by hand."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.projections.history import CID, History, at
from tests.projections.places import Where, execute, opened

from greenroom.domain import call_events as call
from greenroom.domain import membership, session_events
from greenroom.domain.membership import Answer
from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.domain.streams import call_of
from greenroom.projections.columns import json_text, metadata
from greenroom.projections.items import CallItem, SessionItem
from greenroom.projections.views import Views

ALICE, CHARLIE, THIERRY = UserId("alice"), UserId("charlie"), UserId("thierry")
OTHER = CallId("default:standup")


@pytest.fixture
def history() -> History:
    """A livestream of thierry's."""
    made = History()
    made.created(custom={"color": "red"}, starts_at=at(500), settings={"video": {"enabled": False}})
    return made


def call_after(history: History, views: Views, cid: CallId = CID) -> CallItem:
    views.catch_up(history.feed, until=history.head)
    found = views.lookups.call(cid)
    assert found is not None
    return found


def session_after(history: History, views: Views, number: int = 1) -> SessionItem:
    views.catch_up(history.feed, until=history.head)
    found = views.lookups.session(CID, number)
    assert found is not None
    return found


def test_a_new_call_is_as_it_was_created(history: History, views: Views) -> None:
    assert call_after(history, views) == CallItem(
        cid=CID,
        type="livestream",
        id="123",
        created_by=THIERRY,
        team=None,
        custom={"color": "red"},
        settings={"video": {"enabled": False}},
        created_at=at(0),
        updated_at=at(0),
        starts_at=at(500),
        ended_at=None,
        backstage=False,
        ongoing=False,
        session_id=None,
        member_count=0,
    )


def test_an_update_replaces_what_it_carries(history: History, views: Views) -> None:
    changed_at = history.updated(custom={"secret": "s"}, backstage=True)
    found = call_after(history, views)
    assert (found.custom, found.starts_at, found.settings) == ({"secret": "s"}, None, {})
    assert found.backstage
    assert (found.created_at, found.updated_at) == (at(0), changed_at)


def test_going_live_opens_the_doors_and_an_ended_call(history: History, views: Views) -> None:
    history.updated(backstage=True)
    ended_at = history.in_call(call.CallEnded, reason="ended")
    found = call_after(history, views)
    assert (found.ended_at, found.updated_at, found.backstage) == (ended_at, ended_at, True)
    live_at = history.in_call(call.WentLive, backstage=True)
    found = call_after(history, views)
    assert (found.ended_at, found.updated_at, found.backstage) == (None, live_at, False)
    stopped_at = history.in_call(call.StoppedLive)
    found = call_after(history, views)
    assert (found.updated_at, found.backstage) == (stopped_at, True)


def test_members_rings_and_sessions_do_not_touch_the_call(history: History, views: Views) -> None:
    history.added("alice")
    history.rung(1, ["alice"])
    history.session_started()
    history.joined("alice", "a")
    assert call_after(history, views).updated_at == at(0)


def test_a_session_that_is_on_shows_on_the_call(history: History, views: Views) -> None:
    history.session_started(1)
    found = call_after(history, views)
    assert (found.ongoing, found.session_id) == (True, f"{CID}/1")
    history.session_ended(1)
    found = call_after(history, views)
    assert (found.ongoing, found.session_id) == (False, None)


def test_blocked_users_are_listed_until_unblocked(history: History, views: Views) -> None:
    for user_id in ("alice", "charlie"):
        blocked_at = history.in_call(call.UserBlocked, user_id=user_id)
    assert call_after(history, views).updated_at == blocked_at
    assert views.lookups.blocked_user_ids(CID) == {"alice", "charlie"}
    unblocked_at = history.in_call(call.UserUnblocked, user_id="alice")
    assert call_after(history, views).updated_at == unblocked_at
    assert views.lookups.blocked_user_ids(CID) == {"charlie"}


def test_a_deleted_call_is_out_of_sight_until_restored(history: History, views: Views) -> None:
    history.added("alice")
    history.session_started()
    history.joined("alice", "a")
    history.in_call(call.CallDeleted, hard=False)
    views.catch_up(history.feed, until=history.head)
    assert views.lookups.call(CID) is None
    assert views.queries.calls().items == ()
    assert views.queries.members(CID).items == ()
    assert views.queries.participants(CID).items == ()
    assert views.queries.sessions(CID).items == ()
    restored_at = history.in_call(call.CallRestored)
    assert call_after(history, views).updated_at == restored_at
    assert [member.user_id for member in views.queries.members(CID).items] == ["alice"]


def test_of_a_call_deleted_for_good_nothing_about_anybody_is_left(
    history: History, durable: Where
) -> None:
    history.added("alice", custom={"diagnosis": "secret"})
    history.in_call(call.UserBlocked, user_id="charlie")
    history.rung(1, ["alice"])
    history.of_member(membership.RingAccepted, "alice", ring=1)
    history.session_started(1)
    history.joined("alice", "a")
    history.in_call(call.CallDeleted, hard=True)
    history.of_member(membership.RingMissed, "jaewoong", ring=1)
    history.removed("alice")
    views = opened(durable, history)
    assert views.lookups.call(CID) is None
    views.close()
    left = execute(durable, "SELECT cid, deleted, custom, member_count FROM calls")
    assert left == [(CID, 1, "{}", 0)]
    kept = {"timeline", "identity", "positions"}
    for table in sorted(set(metadata.tables) - kept):
        rows = json.dumps(execute(durable, f"SELECT * FROM {table}"))
        for word in ("alice", "charlie", "jaewoong", "thierry", "secret", "red"):
            assert word not in rows, table


def test_other_calls_do_not_mind_a_deletion(history: History, views: Views) -> None:
    history.created(OTHER)
    history.added("alice", cid=OTHER)
    history.in_call(call.CallDeleted, hard=True)
    assert call_after(history, views, OTHER).member_count == 1


def test_members_keep_the_instant_they_were_added(history: History, views: Views) -> None:
    added_at = history.added("alice", "host", custom={"seat": 1})
    changed_at = history.of_member(
        membership.MemberUpdated, "alice", role="moderator", custom={"seat": 2}
    )
    assert call_after(history, views).member_count == 1
    [alice] = views.queries.members(CID).items
    assert (alice.role, alice.custom) == ("moderator", {"seat": 2})
    assert (alice.created_at, alice.updated_at) == (added_at, changed_at)
    history.removed("alice")
    assert call_after(history, views).member_count == 0
    assert views.queries.members(CID).items == ()
    again_at = history.added("alice")
    assert call_after(history, views).member_count == 1
    [alice] = views.queries.members(CID).items
    assert (alice.created_at, alice.custom) == (again_at, {})


def test_members_come_with_what_is_known_of_the_user(history: History, views: Views) -> None:
    history.added("alice")
    history.upserted("alice", name="Alice", role="guest", custom={"plan": "gold"})
    views.catch_up(history.feed, until=history.head)
    [alice] = views.queries.members(CID).items
    assert (alice.user.name, alice.user.role) == ("Alice", "guest")
    assert alice.user.custom == {"plan": "gold"}


def test_an_erased_user_keeps_the_id_alone(history: History, views: Views) -> None:
    history.created(OTHER)
    for cid in (CID, OTHER):
        history.added("alice", "host", cid, custom={"seat": 1})
        history.added("charlie", "host", cid, custom={"seat": 2})
    history.upserted("alice", name="Alice", role="guest", custom={"plan": "gold"})
    history.forgotten("alice")
    views.catch_up(history.feed, until=history.head)
    for cid in (CID, OTHER):
        alice, charlie = views.queries.members(cid).items
        assert (alice.user_id, alice.role, alice.custom) == ("alice", "host", {})
        assert (alice.user.name, alice.user.role, alice.user.custom) == (None, "user", {})
        assert charlie.custom == {"seat": 2}


def test_every_connection_of_a_user_is_an_entry(history: History, views: Views) -> None:
    history.session_started()
    joined_at = history.joined("alice", "phone")
    history.joined("alice", "laptop", role="host")
    history.joined("charlie", "c")
    history.in_session(session_events.MediaConnected, entry_id="phone", fingerprint="aa")
    views.catch_up(history.feed, until=history.head)
    entries = {item.entry_id: item for item in views.queries.participants(CID).items}
    assert set(entries) == {"phone", "laptop", "c"}
    phone = entries[EntryId("phone")]
    assert (phone.user_id, phone.role, phone.session_id) == ("alice", "user", f"{CID}/1")
    assert (phone.joined_at, phone.connected) == (joined_at, True)
    assert not entries[EntryId("c")].connected
    assert views.lookups.present(CID) == {"alice", "charlie"}
    assert views.lookups.present_by_role(CID) == {"user": 2, "host": 1}
    assert views.lookups.entry(CID, EntryId("phone")) == phone
    assert [cid for cid, _ in views.lookups.entries_of(ALICE)] == [CID, CID]
    history.in_session(session_events.MediaLost, entry_id="phone")  # as it was told at first
    history.left("alice", "laptop")
    views.catch_up(history.feed, until=history.head)
    assert views.lookups.entry(CID, EntryId("laptop")) is None
    found = views.lookups.entry(CID, EntryId("phone"))
    assert found is not None
    assert not found.connected


def test_an_entry_says_what_it_publishes_and_what_is_muted(history: History, views: Views) -> None:
    audio, video = session_events.Track.AUDIO, session_events.Track.VIDEO
    history.session_started()
    history.joined("alice", "phone")
    history.joined("alice", "laptop", muted=(audio,))
    phone: dict[str, Any] = {"entry_id": "phone", "epoch": 1}
    history.in_session(session_events.MediaConnected, **phone, fingerprint="aa")
    for kind in (video, audio):
        history.in_session(session_events.MediaPublished, **phone, kind=kind)
    muted: dict[str, Any] = {"tracks": (audio, video), "entry_ids": ("phone", "gone")}
    history.in_session(session_events.UsersMuted, user_ids=("alice",), **muted)
    history.in_session(session_events.MediaUnpublished, **phone, kind=audio)

    def entries() -> dict[str, tuple[object, object]]:
        views.catch_up(history.feed, until=history.head)
        found = views.queries.participants(CID).items
        return {one.entry_id: (one.published, one.muted) for one in found}

    assert entries() == {"phone": ((video,), (audio, video)), "laptop": ((), (audio,))}
    unmuted: dict[str, Any] = {"tracks": (audio,), "entry_ids": ("phone", "laptop")}
    history.in_session(session_events.UserUnmuted, user_id="alice", **unmuted)
    assert entries() == {"phone": ((video,), (video,)), "laptop": ((), ())}


@pytest.mark.parametrize("stands", [True, False])
def test_an_entry_is_connected_while_any_connection_of_it_stands(
    history: History, views: Views, *, stands: bool
) -> None:
    history.session_started()
    history.joined("alice", "phone")
    for epoch in (1, 2):
        of_entry: dict[str, Any] = {"entry_id": "phone", "epoch": epoch}
        history.in_session(session_events.MediaConnected, **of_entry, fingerprint="aa")
    history.in_session(session_events.MediaLost, entry_id="phone", epoch=1, connected=stands)
    views.catch_up(history.feed, until=history.head)
    [phone] = views.queries.participants(CID).items
    assert phone.connected is stands


def test_a_late_leave_of_an_old_connection_does_not_remove_the_new(
    history: History, views: Views
) -> None:
    history.session_started()
    history.joined("alice", "old")
    history.left("alice", "old")
    history.joined("alice", "new")
    history.left("alice", "old")
    views.catch_up(history.feed, until=history.head)
    assert [item.entry_id for item in views.queries.participants(CID).items] == ["new"]


def test_a_session_counts_who_took_part(history: History, views: Views) -> None:
    started_at = history.session_started(timer_ends_at=at(3600))
    for entry, user_id in enumerate(["alice", "charlie", "alice"]):
        history.joined(user_id, f"entry-{entry}")
    ended_at = history.session_ended()
    assert session_after(history, views) == SessionItem(
        id=views.queries.sessions(CID).items[0].id,
        number=1,
        started_by=THIERRY,
        started_at=started_at,
        ended_at=ended_at,
        duration=4.0,
        end_reason="empty",
        live_started_at=started_at,
        live_ended_at=ended_at,
        timer_ends_at=at(3600),
        participant_count=2,
        entry_count=3,
    )


def test_a_session_is_live_from_when_the_doors_open(history: History, views: Views) -> None:
    history.session_started(backstage=True)
    found = session_after(history, views)
    assert (found.live_started_at, found.ended_at, found.duration) == (None, None, None)
    live_at = history.in_call(call.WentLive, backstage=True)
    found = session_after(history, views)
    assert (found.live_started_at, found.live_ended_at) == (live_at, None)
    history.in_call(call.WentLive, backstage=False)
    assert session_after(history, views).live_started_at == live_at
    stopped_at = history.in_call(call.StoppedLive)
    assert session_after(history, views).live_ended_at == stopped_at
    history.session_ended()
    assert session_after(history, views).live_ended_at == stopped_at
    history.in_call(call.WentLive, backstage=True)
    assert session_after(history, views).live_started_at == live_at, "the session is over"


def test_a_new_limit_moves_the_end_of_the_running_session_only(
    history: History, views: Views
) -> None:
    history.session_started(1, timer_ends_at=at(100))
    history.session_ended(1)
    history.session_started(2, timer_ends_at=at(200))
    history.updated(timer_ends_at=at(150))
    assert session_after(history, views, 1).timer_ends_at == at(100)
    assert session_after(history, views, 2).timer_ends_at == at(150)


def test_the_latest_answer_to_a_ring_stands(history: History, views: Views) -> None:
    history.rung(1, ["alice", "charlie"])
    history.of_member(membership.RingRejected, "alice", ring=1, reason="busy")
    missed_at = history.of_member(membership.RingMissed, "charlie", ring=1)
    history.rung(2, ["alice"])
    accepted_at = history.of_member(membership.RingAccepted, "alice", ring=2)
    views.catch_up(history.feed, until=history.head)
    answers = views.lookups.answers(CID)
    alice, charlie = answers[ALICE], answers[CHARLIE]
    assert (alice.answer, alice.ring, alice.at) == (Answer.ACCEPTED, 2, accepted_at)
    assert (charlie.answer, charlie.ring, charlie.at) == (Answer.MISSED, 1, missed_at)


def test_the_timeline_of_a_call_has_no_gaps_over_all_its_streams(
    history: History, views: Views
) -> None:
    history.upserted("alice")
    history.added("alice")
    history.created(OTHER)
    history.session_started()
    history.joined("alice", "a")
    views.catch_up(history.feed, until=history.head)
    found = views.lookups.timeline(CID)
    assert [(item.seq, item.name, item.version) for item in found] == [
        (1, "call.created", 1),
        (2, "member.added", 1),
        (3, "session.started", 2),
        (4, "session.joined", 1),
    ]
    assert [item.position for item in found] == [
        position for position, recorded in history.pairs if call_of(recorded.stream) == CID
    ]
    assert views.lookups.timeline(CID, after=1, limit=2) == found[1:3]
    assert [(item.stream, item.version) for item in views.lookups.streams(CID)] == [
        (f"call-{CID}", 2),
        (f"member-{CID}/alice", 1),
        (f"session-{CID}/1", 1),
    ]


def test_member_ids_are_read_in_pages_of_any_number(
    history: History, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.projections.lookups._PAGE", 3)
    names = sorted(f"member-{number}" for number in range(9))
    for name in reversed(names):
        history.added(name)
    views.catch_up(history.feed, until=history.head)
    assert list(views.lookups.member_ids(CID)) == names
    assert views.lookups.members_among(CID, [UserId("member-3"), ALICE]) == {
        "member-3": "call_member"
    }
    assert views.lookups.calls_with_member(UserId("member-3")) == [CID]


def test_of_a_call_that_never_was_everything_is_empty(views: Views) -> None:
    lookups = views.lookups
    assert lookups.call(CID) is None
    assert lookups.session(CID, 1) is None
    assert lookups.entry(CID, EntryId("a")) is None
    assert list(lookups.member_ids(CID)) == []
    assert not lookups.answers(CID)
    assert not lookups.present(CID)
    assert not lookups.timeline(CID)
    assert not lookups.streams(CID)
    assert views.queries.members(CID).items == ()


def test_instants_keep_their_microseconds(history: History, views: Views) -> None:
    starts_at = at(0) + timedelta(microseconds=1)
    history.created(OTHER, starts_at=starts_at)
    assert call_after(history, views, OTHER).starts_at == starts_at


def test_a_number_that_json_cannot_write_does_not_stop_the_queries(
    history: History, views: Views
) -> None:
    history.added("alice", custom={"n": float("nan"), "deep": [{"m": float("-inf")}], "k": 1})
    history.added("charlie", custom={"n": 1})
    views.catch_up(history.feed, until=history.head)
    [charlie] = views.queries.members(CID, filters={"custom.n": 1}).items
    assert charlie.user_id == "charlie"
    [alice] = views.queries.members(CID, filters={"custom.k": 1}).items
    assert alice.custom == {"n": None, "deep": [{"m": None}], "k": 1}


def test_json_is_written_the_same_whatever_the_order_of_its_keys() -> None:
    assert json_text({"b": 1, "a": "é"}) == json_text({"a": "é", "b": 1}) == '{"a":"é","b":1}'
