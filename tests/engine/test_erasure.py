"""What was erased is in no file any more, and reads back empty."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from greenroom import Greenroom, Member, errors
from greenroom.domain.message import CallId
from greenroom.tickers import DeliveryTicker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Rooms

    from greenroom.domain.ports import Notification

HEALTH = "hypertension-and-a-peanut-allergy"
KEPT = "what-another-call-says"


def files_that_say(text: str, directory: Path) -> list[str]:
    return sorted(
        file.name
        for file in directory.rglob("*")
        if file.is_file() and text.encode() in file.read_bytes()
    )


def fill(room: Greenroom) -> None:
    """Personal text wherever it can stand in a call, and some in another call."""
    call = room.as_user("thierry").call("default", "123")
    call.create(
        custom={"notes": HEALTH},
        members=[Member("alice", custom={"notes": HEALTH})],
        ring=True,
        request_id="create-1",
    )
    call.update(custom={"more": HEALTH}, request_id="update-1")
    alice = room.as_user("alice").call("default", "123")
    alice.reject(HEALTH, request_id="reject-1")
    alice.join(request_id="join-1")
    alice.get(request_id="get-1")
    call.add_members([Member("charlie", custom={"notes": HEALTH})], request_id="add-1")
    other = room.as_user("thierry").call("default", "other")
    other.create(custom={"notes": KEPT}, members=[Member("charlie", custom={"notes": KEPT})])


def test_after_a_hard_deletion_nothing_personal_of_the_call_is_in_any_file(
    rooms: Rooms, file_url: str, tmp_path: Path
) -> None:
    with rooms.open(file_url) as room:
        fill(room)
        room.system("registry").call("default", "123").delete(hard=True)
        assert files_that_say(HEALTH, tmp_path) == []
    assert files_that_say(HEALTH, tmp_path) == []
    room = rooms.open(file_url)
    room.rebuild()
    assert files_that_say(HEALTH, tmp_path) == []
    assert room.as_user("thierry").call("default", "other").get().custom == {"notes": KEPT}


def test_after_the_erasure_of_a_user_nothing_personal_of_theirs_is_in_any_file(
    rooms: Rooms, file_url: str, tmp_path: Path
) -> None:
    theirs = "what-alice-said-of-herself"
    with rooms.open(file_url) as room:
        call = room.as_user("thierry").call("default", "123")
        call.create(members=[Member("alice", custom={"notes": theirs})], ring=True)
        room.users.upsert("alice", name=theirs, custom={"notes": theirs}, request_id="upsert-1")
        alice = room.as_user("alice").call("default", "123")
        alice.reject(theirs)
        alice.get(request_id="get-1")
        alice.join()
        room.users.erase("alice")
        assert files_that_say(theirs, tmp_path) == []
        assert not room.users.get("alice").known
        assert call.query_members(filters={"user_id": "alice"}).items[0].custom == {}
        rejected = next(event for event in call.history() if event.name == "member.rejected")
        assert rejected.event["reason"] == "decline"
    assert files_that_say(theirs, tmp_path) == []


def test_somebody_known_only_as_a_member_is_erased_too(
    rooms: Rooms, file_url: str, tmp_path: Path
) -> None:
    room = rooms.open(file_url)
    call = room.as_user("thierry").call("default", "123")
    call.create()
    for _ in range(2):
        call.add_members([Member("alice", custom={"notes": HEALTH})])
        assert files_that_say(HEALTH, tmp_path) != []
        room.users.erase("alice")
        assert call.query_members().items[0].custom == {}
        assert files_that_say(HEALTH, tmp_path) == []


def test_a_repeat_after_the_erasure_is_no_way_around_it(room: Greenroom) -> None:
    fill(room)
    room.system("registry").call("default", "123").delete(hard=True)
    alice = room.as_user("alice").call("default", "123")
    assert HEALTH not in alice.get(request_id="get-1").model_dump_json()


def test_the_keys_go_with_the_commit_even_if_nothing_after_it_happens(
    rooms: Rooms, file_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = rooms.open(file_url)
    fill(room)
    then = room.position

    def died(_: object) -> None:
        raise errors.StoreError("the process died here")

    monkeypatch.setattr(room._store, "erase", died)
    room.system("registry").call("default", "123").delete(hard=True)
    room.users.erase("charlie")
    room.close()
    assert files_that_say(HEALTH, tmp_path) == []
    with rooms.open(file_url) as reopened, reopened.at(then) as past:
        assert past.as_user("thierry").call("default", "123").get().custom == {}
        other = past.as_user("thierry").call("default", "other")
        assert other.get().custom == {"notes": KEPT}
        assert other.query_members().items[0].custom == {}


def test_what_is_told_of_a_user_right_after_their_erasure_stays(
    room: Greenroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.users.upsert("alice", name="Alice of old")
    scrub = room._core.scrub

    def told_anew(events: Any) -> None:
        room.users.upsert("alice", name="Alice anew")
        scrub(events)

    monkeypatch.setattr(room._core, "scrub", told_anew)
    room.users.erase("alice")
    room.rebuild()
    room._core._states._forget_everything()
    assert room.users.get("alice").name == "Alice anew"


def test_a_command_under_way_does_not_remember_what_is_erased_meanwhile(
    room: Greenroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(members=[Member("alice", custom={"notes": HEALTH})])
    enter, erasures = room._core.desk.pipeline.enter, [lambda: room.users.erase("alice")]

    def slowly(*args: Any) -> bool:
        if erasures:
            erasures.pop()()
        return enter(*args)

    monkeypatch.setattr(room._core.desk.pipeline, "enter", slowly)
    alice = room.as_user("alice", role="user", teams=[]).call("default", "123")
    alice.join()
    member = alice.get().membership
    assert member is not None
    assert member.custom == {}


def test_a_room_of_the_past_that_is_open_shows_nothing_that_is_erased_meanwhile(
    room: Greenroom,
) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(members=[Member("alice", custom={"notes": HEALTH})], custom={"notes": HEALTH})
    with room.at(room.position) as past:
        then = past.as_user("alice").call("default", "123")
        assert then.get().custom == {"notes": HEALTH}
        assert then.query_members().items[0].custom == {"notes": HEALTH}
        room.users.erase("alice")
        assert then.query_members().items[0].custom == {}
        member = then.get().membership
        assert member is not None
        assert member.custom == {}
        room.system("registry").call("default", "123").delete(hard=True)
        assert then.get().custom == {}


def test_without_timers_as_well_nothing_erased_stays_in_any_file(
    rooms: Rooms, file_url: str, tmp_path: Path
) -> None:
    room = rooms.open(file_url, timers=False)
    fill(room)
    room.as_user("thierry").call("default", "123").query_members()
    room.system("registry").call("default", "123").delete(hard=True)
    assert files_that_say(HEALTH, tmp_path) == []


def test_whoever_erases_again_finishes_what_a_dead_process_has_left(
    rooms: Rooms, file_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = rooms.open(file_url, timers=False)
    room.as_user("thierry").call("default", "123").create()
    with suppress(errors.Refused):
        room.as_user("alice").call("default", "123").update(custom={"notes": "no"})
    registry = room.system("registry").call("default", "123")
    with monkeypatch.context() as patch:
        patch.setattr(room._core, "scrub", lambda _: None)  # died before it
        room.users.erase("alice", request_id="erase-alice")
        assert registry.attempts().total == 1
    room.users.upsert("alice", name="Alice anew")
    room.users.erase("alice", request_id="erase-alice")
    assert registry.attempts().total == 0
    assert room.users.get("alice").name == "Alice anew", "whom nobody has erased since"


@pytest.mark.parametrize("request_id", [None, "delete-123"])
def test_whoever_deletes_again_finishes_what_a_dead_process_has_left(
    room: Greenroom, monkeypatch: pytest.MonkeyPatch, request_id: str | None
) -> None:
    room.as_user("thierry").call("default", "123").create()
    with suppress(errors.Refused):
        room.as_user("alice").call("default", "123").update(custom={"notes": "no"})
    registry = room.system("registry").call("default", "123")
    kept = room._core.doorkeeper
    with monkeypatch.context() as patch:
        patch.setattr(room._core, "scrub", lambda _: None)  # died before it
        registry.delete(hard=True, request_id=request_id)
        assert kept.told(CallId(registry.cid), None, None, 10).total == 1
    position = room.position
    registry.delete(hard=True, request_id=request_id)
    assert kept.told(CallId(registry.cid), None, None, 10).total == 0
    assert room.position == position


def test_a_soft_deletion_asked_for_twice_does_away_with_nothing(room: Greenroom) -> None:
    room.as_user("thierry").call("default", "123").create()
    with suppress(errors.Refused):
        room.as_user("alice").call("default", "123").update(custom={"notes": "no"})
    registry = room.system("registry").call("default", "123")
    for _ in "twice":
        registry.delete(request_id="soft")
        registry.delete()
    assert room._core.doorkeeper.told(CallId(registry.cid), None, None, 10).total == 1


def test_what_a_notifier_says_of_somebody_goes_with_them(
    rooms: Rooms, file_url: str, tmp_path: Path
) -> None:
    """What it says of somebody who is erased while it is at it."""
    room = rooms.open(file_url, timers=False)
    room.users.upsert("alice", name=HEALTH)
    room.as_user("alice").call("default", "123").create(member_ids=["charlie"], ring=True)
    room.as_user("thierry").call("default", "other").create(member_ids=["jaewoong"], ring=True)
    core, attempts = room._core, []

    class Slow:
        def notify(self, notification: Notification) -> None:
            attempts.append(notification.title)
            if len(attempts) == 1:
                room.users.erase("alice")
            raise ConnectionError(f"not told: {notification.title}")

    ticker = DeliveryTicker(core, room._store, room.outbox, Slow())
    ticker.fire_due()
    assert len(attempts) == 2
    room.close()
    assert files_that_say(HEALTH, tmp_path) == []
    room = rooms.open(file_url, timers=False)
    told = {str(one.cid): one.last_error for one in room.outbox.entries()}
    assert told["default:123"] == ""
    assert "thierry" in (told["default:other"] or "")
