"""What an operation is known by, so that a repeat is recognised; and where a fault of it is.

Stores keep both the name and what was asked: neither may change, or a repeat under the same
request id would be taken for another command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from tests.domain.story import SYSTEM as SCHEDULER
from tests.domain.story import Story, at, names, story

from greenroom.domain.access import Capability
from greenroom.domain.call_turn import participant
from greenroom.domain.errors import CallFull, CallNotFound, InvalidInput, NoSession, NotAllowed
from greenroom.domain.message import Actor, EntryId, Role, Team, UserId
from greenroom.domain.operations import (
    life,
    media,
    people,
    policy,
    presence,
    recording,
    rings,
    timers,
)
from greenroom.domain.operations.members import Member
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_events import Left, MediaStatistics, RecordedFile, Track

E1: Final = EntryId("entry-1")
ALICE: Final = UserId("alice")
NOBODY: Final = "alice the great"
"""No id of anybody."""
WRONG: Final[Any] = object()
"""Of no type that anybody asked for."""
CUSTOM: Final = {"topic": "blood pressure"}
SEND: Final = (Capability.SEND_AUDIO,)
FILE: Final = RecordedFile(
    name="1.ogg", codec="opus", starts_after=0.0, seconds=2.5, bytes=7, sha256="ab"
)
FLOWED: Final = MediaStatistics(seconds=1.5, packets_received=2, round_trip=0.5, jitter=0.25)
CONNECTION: Final = {"entry_id": E1, "epoch": 2}

KNOWN_BY: Final[dict[str, Callable[[], tuple[Operation[Any], dict[str, Any]]]]] = {
    "create": lambda: (
        life.create(life.new_call(custom=CUSTOM), ring=True),
        {"call": life.new_call(custom=CUSTOM), "ring": True, "notify": False, "video": True},
    ),
    "get": lambda: (life.get(notify=True), {"ring": False, "notify": True, "video": True}),
    "update": lambda: (
        life.update(custom=CUSTOM, starts_at=at(60), max_duration=90),
        {
            "custom": CUSTOM,
            "starts_at": at(60),
            "moves_start": True,
            "settings": {"limits": {"max_duration_seconds": 90}},
        },
    ),
    "go_live": lambda: (life.go_live(), {}),
    "stop_live": lambda: (life.stop_live(), {}),
    "end": lambda: (life.end(), {}),
    "delete": lambda: (life.delete(hard=True), {"hard": True}),
    "restore": lambda: (life.restore(), {}),
    "join": lambda: (
        presence.join(E1, video=False),
        {"create": None, "ring": False, "notify": False, "video": False},
    ),
    "leave": lambda: (presence.leave(E1), {"entry_id": E1}),
    "put_members": lambda: (
        people.put([Member("alice", "host", CUSTOM)]),
        {"members": ((ALICE, "host", CUSTOM),)},
    ),
    "import_members": lambda: (
        people.take_in([(ALICE, None, {})], ["line 1"]),
        {"members": [(ALICE, None, {})]},
    ),
    "remove_members": lambda: (people.remove(["alice"]), {"user_ids": (ALICE,)}),
    "block": lambda: (people.block("alice"), {"user_id": ALICE}),
    "unblock": lambda: (people.unblock("alice"), {"user_id": ALICE}),
    "kick": lambda: (people.kick("alice", block=True), {"user_id": ALICE, "block": True}),
    "mute": lambda: (
        people.mute(["charlie", "alice"], audio=True),
        {"user_ids": ["alice", "charlie"], "tracks": (Track.AUDIO,)},
    ),
    "unmute": lambda: (people.unmute(E1, video=True), {"entry_id": E1, "tracks": (Track.VIDEO,)}),
    "pin": lambda: (people.pin("alice"), {"user_id": ALICE}),
    "unpin": lambda: (people.unpin("alice"), {"user_id": ALICE}),
    "request_permissions": lambda: (people.request_permissions(SEND), {"permissions": SEND}),
    "grant_permissions": lambda: (
        people.grant_permissions("alice", SEND),
        {"user_id": ALICE, "permissions": SEND},
    ),
    "revoke_permissions": lambda: (
        people.revoke_permissions("alice", SEND),
        {"user_id": ALICE, "permissions": SEND},
    ),
    "send_event": lambda: (people.send_event(CUSTOM), {"custom": CUSTOM}),
    "read": lambda: (people.read(), {}),
    "see_attempts": lambda: (people.see_attempts(), {}),
    "glance": lambda: (people.glance(), {}),
    "define_type": lambda: (
        policy.define_type("class", based_on="default", indexed_custom={"calls": {"a": "number"}}),
        {
            "name": "class",
            "based_on": "default",
            "settings": {},
            "indexed_custom": {"calls": {"a": "number"}},
        },
    ),
    "change_type": lambda: (
        policy.change_type("class", indexed_custom={"members": {"a": None}}),
        {"name": "class", "settings": {}, "indexed_custom": {"members": {"a": None}}},
    ),
    "grant": lambda: (
        policy.grant("class", "user", "send-audio"),
        {"name": "class", "role": "user", "capability": Capability.SEND_AUDIO},
    ),
    "revoke": lambda: (
        policy.revoke("class", "user", "send-audio"),
        {"name": "class", "role": "user", "capability": Capability.SEND_AUDIO},
    ),
    "upsert_user": lambda: (
        policy.upsert_user("alice", name="Alice", role="host", teams=["b", "a"], custom=CUSTOM),
        {
            "user_id": ALICE,
            "role": "host",
            "teams": ("a", "b"),
            "display_name": "Alice",
            "custom": CUSTOM,
        },
    ),
    "erase_user": lambda: (policy.erase_user("alice"), {"user_id": ALICE}),
    "look_at_type": lambda: (policy.look_at_type("class"), {"name": "class"}),
    "look_at_user": lambda: (policy.look_at_user("alice"), {"user_id": "alice"}),
    "define_built_in_types": lambda: (policy.define_built_in_types(), {}),
    "ring": lambda: (rings.ring(["alice"], video=False), {"member_ids": (ALICE,), "video": False}),
    "notify": lambda: (rings.notify(["alice"]), {"member_ids": (ALICE,)}),
    "cancel_ring": lambda: (rings.cancel_ring(), {}),
    "accept": lambda: (rings.accept(), {}),
    "reject": lambda: (rings.reject(), {"reason": "decline"}),
    "connected": lambda: (
        media.connected(E1, 2, "sha-256 AB"),
        {**CONNECTION, "fingerprint": "sha-256 AB"},
    ),
    "published": lambda: (media.published(E1, 2, Track.AUDIO), {**CONNECTION, "kind": Track.AUDIO}),
    "unpublished": lambda: (
        media.unpublished(E1, 2, Track.AUDIO),
        {**CONNECTION, "kind": Track.AUDIO},
    ),
    "lost": lambda: (media.lost(E1, 2), CONNECTION),
    "measured": lambda: (
        media.measured(E1, 1, 2, FLOWED),
        {"entry_id": E1, "session": 1, "epoch": 2, "statistics": FLOWED},
    ),
    "start_recording": lambda: (recording.start(obstacle="the disk is full"), {}),
    "stop_recording": lambda: (recording.stop(), {}),
    "recording_resumed": lambda: (recording.resumed(1, 2), {"session": 1, "recording": 2}),
    "recording_failed": lambda: (
        recording.failed(1, 2, "no\nspace"),
        {"session": 1, "recording": 2, "because": "no space"},
    ),
    "recorded": lambda: (
        recording.recorded(1, 2, FILE, entry_id=E1, user_id=ALICE, epoch=3, kind=Track.AUDIO),
        {
            "session": 1,
            "recording": 2,
            "entry_id": E1,
            "user_id": ALICE,
            "epoch": 3,
            "kind": Track.AUDIO,
            "file": FILE,
        },
    ),
    "max_duration": lambda: (timers.max_duration(3), {"session": 3}),
    "inactivity": lambda: (timers.inactivity(3), {"session": 3}),
    "reconnection": lambda: (timers.reconnection(3), {"session": 3}),
    "auto_cancel": lambda: (timers.auto_cancel(4), {"ring": 4}),
    "missed": lambda: (timers.missed(4), {"ring": 4}),
}
"""By its name: an operation, made when it is looked at, and all that was asked with it."""


@pytest.mark.parametrize("name", KNOWN_BY)
def test_an_operation_is_known_by_its_name_and_by_all_that_was_asked(name: str) -> None:
    operation, asked = KNOWN_BY[name]()
    assert operation.name == name
    assert dict(operation.arguments) == asked


def test_every_operation_there_is_is_known() -> None:
    modules = (life, media, people, policy, presence, recording, rings, timers)
    made = {known()[0].decide.__qualname__.partition(".")[0] for known in KNOWN_BY.values()} - {
        "_told"
    }
    told = {"connected", "published", "unpublished", "lost"}
    assert made | told == {
        name
        for module in modules
        for name, found in vars(module).items()
        if not name.startswith("_")
        and getattr(found, "__module__", "") == module.__name__
        and str(getattr(found, "__annotations__", {}).get("return", "")).startswith("Operation")
    }


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        (lambda: people.remove([NOBODY]), "user_ids[0]"),
        (lambda: people.block(NOBODY), "user_id"),
        (lambda: people.unblock(NOBODY), "user_id"),
        (lambda: people.kick(NOBODY), "user_id"),
        (lambda: people.kick("alice", block=WRONG), "block"),
        (lambda: people.mute([NOBODY], audio=True), "user_ids[0]"),
        (lambda: people.mute(None), "audio"),
        (lambda: people.mute(None, audio=WRONG), "audio"),
        (lambda: people.unmute(E1, screenshare_audio=WRONG), "screenshare_audio"),
        (lambda: people.pin(NOBODY), "user_id"),
        (lambda: people.unpin(NOBODY), "user_id"),
        (lambda: people.request_permissions([]), "permissions"),
        (lambda: people.grant_permissions(NOBODY, SEND), "user_id"),
        (lambda: people.grant_permissions("alice", ["kick"]), "permissions[0]"),
        (lambda: people.revoke_permissions(NOBODY, SEND), "user_id"),
        (lambda: people.revoke_permissions("alice", []), "permissions"),
        (lambda: people.send_event(WRONG), "custom"),
        (lambda: policy.define_type("a b", based_on="default"), "name"),
        (lambda: policy.define_type("class", based_on="a b"), "based_on"),
        (lambda: policy.define_type("class", based_on="default", settings=WRONG), "settings"),
        (lambda: policy.change_type("a b"), "name"),
        (lambda: policy.change_type("class", WRONG), "settings"),
        (lambda: policy.grant("a b", "user", "kick-user"), "name"),
        (lambda: policy.grant("class", "a b", "kick-user"), "role"),
        (lambda: policy.grant("class", "user", "kick"), "capability"),
        (lambda: policy.revoke("a b", "user", "kick-user"), "name"),
        (lambda: policy.revoke("class", "a b", "kick-user"), "role"),
        (lambda: policy.revoke("class", "user", "kick"), "capability"),
        (lambda: policy.upsert_user(NOBODY), "user_id"),
        (lambda: policy.upsert_user("alice", role="a b"), "role"),
        (lambda: policy.upsert_user("alice", teams=["a b"]), "teams[0]"),
        (lambda: policy.upsert_user("alice", name="n" * 201), "name"),
        (lambda: policy.upsert_user("alice", custom=WRONG), "custom"),
        (lambda: policy.erase_user(NOBODY), "user_id"),
        (lambda: rings.ring([]), "member_ids"),
        (lambda: rings.ring([NOBODY]), "member_ids[0]"),
        (lambda: rings.ring(["alice"], video=WRONG), "video"),
        (lambda: rings.notify([NOBODY]), "member_ids[0]"),
        (lambda: rings.reject("r" * 201), "reason"),
        (lambda: presence.join(E1, ring=WRONG), "ring"),
        (lambda: life.create(life.NewCall(), notify=WRONG), "notify"),
        (lambda: life.get(video=WRONG), "video"),
        (lambda: life.delete(hard=WRONG), "hard"),
        (lambda: life.update(custom=WRONG), "custom"),
        (lambda: life.update(starts_at=WRONG), "starts_at"),
        (lambda: life.update(max_duration=0), "max_duration"),
        (lambda: life.update(max_participants=0), "max_participants"),
        (lambda: life.update(backstage=WRONG), "backstage"),
        (lambda: life.update(backstage=life.Backstage(enabled=WRONG)), "backstage.enabled"),
        (
            lambda: life.update(backstage=life.Backstage(join_ahead_time_seconds=-1)),
            "backstage.join_ahead_time_seconds",
        ),
        (lambda: life.new_call(team="a b"), "team"),
        (lambda: life.new_call(starts_at=WRONG), "starts_at"),
        (lambda: life.new_call(custom=WRONG), "custom"),
        (lambda: life.new_call(member_ids=[NOBODY]), "member_ids[0]"),
        (lambda: life.new_call(members=[Member(NOBODY)]), "members[0].user_id"),
        (lambda: life.new_call(members=[Member("alice", "a b")]), "members[0].role"),
        (lambda: life.new_call(members=[Member("alice")] * 2), "members[1].user_id"),
        (lambda: media.connected(E1, 0, "sha-256 AB"), "epoch"),
        (lambda: media.connected(E1, 1, "f" * 201), "fingerprint"),
    ],
)
def test_a_fault_is_told_by_the_name_that_was_used(wish: Callable[[], object], path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        wish()
    assert refused.value.path == path
    assert str(refused.value).startswith(f"{path}: expected ")


@pytest.mark.parametrize(
    ("declared", "path", "expected", "nearest"),
    [
        ({"call": {}}, "indexed_custom.call", "members or calls", "calls"),
        ({"member": {}}, "indexed_custom.member", "members or calls", "members"),
        ({"calls": []}, "indexed_custom.calls", "an object of fields and their kinds", None),
        (
            {"calls": {"a": "nummer"}},
            "indexed_custom.calls.a",
            "one of string, number, boolean, instant",
            "number",
        ),
        ({"calls": {"a": None}}, "indexed_custom.calls.a", "one of string", None),
        (
            {"calls": {"a.b": "number"}},
            "indexed_custom.calls.a.b",
            "a letter or _, and up to 63 more of A-Z a-z 0-9 _ -",
            None,
        ),
        (
            {"calls": dict.fromkeys(map("a{}".format, range(17)), "number")},
            "indexed_custom.calls",
            "at most 16 fields",
            None,
        ),
    ],
)
def test_fields_are_declared_of_members_or_calls_each_with_its_kind(
    declared: Any, path: str, expected: str, nearest: str | None
) -> None:
    with pytest.raises(InvalidInput) as refused:
        policy.define_type("class", based_on="default", indexed_custom=declared)
    assert refused.value.path == path
    assert refused.value.expected.startswith(expected)
    assert refused.value.nearest == nearest


def test_whoever_undeclares_a_field_may_declare_others_with_it() -> None:
    changes: dict[str, str | None] = {"a": None, "b": "nummer"}
    with pytest.raises(InvalidInput, match=r"indexed_custom\.calls\.b: expected one of"):
        policy.change_type("class", indexed_custom={"calls": changes})


def _counted(**figures: Any) -> MediaStatistics:
    operation = media.measured(E1, 1, 1, MediaStatistics(**figures))
    said: MediaStatistics = operation.arguments["statistics"]
    return said


def test_figures_that_cannot_be_written_down_stop_no_report() -> None:
    assert _counted(seconds=float("inf"), round_trip=float("nan")) == MediaStatistics()
    assert _counted(seconds=-1.0, jitter=-0.5, packets_lost=-1) == MediaStatistics()
    assert _counted(bytes_sent=2**70) == MediaStatistics(bytes_sent=2**63 - 1)
    whole = MediaStatistics(
        seconds=1.0,
        packets_received=1,
        bytes_received=2,
        packets_sent=3,
        bytes_sent=4,
        packets_lost=5,
        key_frame_requests=6,
        round_trip=0.0,
        jitter=0.5,
    )
    assert media.measured(E1, 1, 1, whole).arguments["statistics"] == whole


def test_what_a_machine_says_of_a_failure_is_made_fit_to_be_kept() -> None:
    operation = recording.failed(1, 1, "disk\x00" + "x" * 600)
    assert operation.arguments["because"] == "disk " + "x" * 495


def test_a_timer_of_an_earlier_session_is_heard_for_nothing() -> None:
    call = story()
    entry = call.join("alice")
    call.leave("alice", entry, at=10)
    assert call.ask(timers.inactivity(2), by=SCHEDULER, at=9_000) == ()
    assert call.ask(timers.max_duration(2), by=SCHEDULER, at=9_000) == ()
    assert call.ask(timers.reconnection(2), by=SCHEDULER, at=9_000) == ()
    closed = call.ask(timers.inactivity(1), by=SCHEDULER, at=9_000)
    assert names(closed) == ["session.ended"]


def test_who_was_turned_away_is_seen_by_whoever_may_block_them_and_always_by_the_system() -> None:
    call = story()
    assert call.ask(people.see_attempts(), by="thierry") == ()
    assert call.refused(NotAllowed, people.see_attempts(), by="charlie").capability == "block-users"
    nowhere = Story("default:nowhere")
    nowhere.refused(CallNotFound, people.see_attempts(), by="thierry")
    assert nowhere.ask(people.see_attempts(), by=SCHEDULER) == ()


def test_the_time_that_a_session_had_is_over_with_it() -> None:
    call = story()
    call.ask(life.update(max_duration=3_600), by=SCHEDULER)
    call.leave("alice", call.join("alice"), at=10)
    call.settle(at=600)
    call.join("charlie", at=9_000)
    assert call.present == ["charlie"]


def test_a_session_of_a_call_that_has_ended_closes_at_its_limit_and_waits_for_nobody() -> None:
    call = story()
    call.ask(life.update(max_duration=3_600), by=SCHEDULER)
    call.ask(life.end(), by=SCHEDULER)
    call.join(SCHEDULER, at=10)
    closed = call.settle(at=9_000)
    assert names(closed).count("session.ended") == 1
    assert call.last(Left).closes_at is None


def test_whoever_is_put_out_of_a_deleted_call_leaves_its_session_closed() -> None:
    call = story()
    call.join("alice")
    deleted = call.ask(life.delete(), by=SCHEDULER)
    assert "session.left" in names(deleted)
    assert names(deleted).count("session.ended") == 1


def test_asking_whether_one_might_join_creates_no_call_unless_that_is_meant() -> None:
    nowhere = Story("default:nowhere")
    glance = nowhere.rehearse(people.glance(), by="thierry")
    assert presence.admission(glance, create=True).admitted
    glance = nowhere.rehearse(people.glance(), by="thierry")
    refusal = presence.admission(glance, create=False).refusal
    assert isinstance(refusal, CallNotFound)


def test_whoever_grants_what_is_no_permission_is_told_the_permissions() -> None:
    with pytest.raises(InvalidInput) as refused:
        people.grant_permissions("alice", ["kick-user"])
    assert "screenshare, send-audio, send-video" in refused.value.expected


def test_whether_one_might_join_is_answered_by_whom_is_in_the_call() -> None:
    call = story()
    call.join("alice")
    call.ask(life.update(max_participants=1), by=SCHEDULER)
    again = call.rehearse(people.glance(), by="alice")
    assert presence.admission(again, create=False).admitted  # they take up nobody's place
    another = call.rehearse(people.glance(), by="charlie")
    assert isinstance(presence.admission(another, create=False).refusal, CallFull)


def test_a_recording_needs_a_session() -> None:
    refusal = story().refused(NoSession, recording.start(), by=SCHEDULER)
    assert str(refusal) == "no session of default:123 is on; somebody has to join first"


def test_the_system_alone_imports_members_and_restores() -> None:
    call = story()
    imported = people.take_in([(ALICE, None, {})], ["line 1"])
    assert call.refused(NotAllowed, imported).capability == "import_members (the system only)"
    assert names(call.ask(imported, by=SCHEDULER)) == ["member.added"]
    call.ask(life.delete(), by=SCHEDULER)
    refusal = call.refused(NotAllowed, life.restore())
    assert refusal.capability == "restore (the system only)"


@pytest.mark.parametrize(
    ("user_id", "actor"),
    [
        ("alice", Actor(name="alice", role=Role("host"), teams=(Team("ward-7"),))),
        ("system:clerk", Actor(name="clerk", role=Role("host"), system=True)),
        ("system:of:old", Actor(name="of:old", role=Role("host"), system=True)),
    ],
)
def test_whoever_is_in_a_call_is_an_actor_by_their_id(user_id: str, actor: Actor) -> None:
    assert participant(UserId(user_id), Role("host"), (Team("ward-7"),)) == actor
