"""Who sees what when things have changed meanwhile: in another room, or since they looked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from greenroom import Greenroom, Member, errors
from greenroom.projections.views import Views
from greenroom.testing.notifier import RecordingNotifier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Rooms

    from greenroom.domain.message import StreamId
    from greenroom.domain.turn import Folded
    from greenroom.testing.clock import VirtualClock


def test_calls_are_listed_by_the_teams_that_another_room_has_told_of(
    rooms: Rooms, file_url: str
) -> None:
    one, other = (rooms.open(file_url, timers=False) for _ in range(2))
    one.users.upsert("eve", teams=["red"])
    one.as_user("thierry", teams=["red"]).call("default", "123").create(team="red")
    eve = one.as_user("eve")
    assert [item.id for item in eve.query_calls().items] == ["123"]
    other.users.upsert("eve", teams=[])
    assert eve.query_calls().items == ()


def test_calls_are_listed_by_the_grants_that_another_room_has_changed(
    rooms: Rooms, file_url: str
) -> None:
    one, other = (rooms.open(file_url, timers=False) for _ in range(2))
    one.as_user("thierry").call("default", "123").create()
    eve = one.as_user("eve")
    assert len(eve.query_calls().items) == 1
    other.call_types.revoke("default", role="user", capability="read-call")
    assert eve.query_calls().items == ()


def test_a_call_that_was_looked_at_shows_nobody_to_whom_it_is_closed_now(room: Greenroom) -> None:
    room.as_user("thierry").call("default", "123").create()
    looked = room.as_user("eve").call("default", "123").get()
    room.as_user("thierry").call("default", "123").join()
    room.call_types.revoke("default", role="user", capability="read-call")
    for look in (lambda: looked.session, lambda: looked.members, lambda: looked.member_count):
        with pytest.raises(errors.NotAllowed):
            look()


def test_the_session_of_another_team_is_behind_the_wall(room: Greenroom) -> None:
    room.as_user("thierry", teams=["red"]).call("default", "123").create(team="red")
    room.as_user("thierry", teams=["red"]).call("default", "123").join()
    with pytest.raises(errors.WrongTeam):
        room.as_user("eve").call("default", "123").current_session(at_least=0)


def test_an_explanation_tells_a_stranger_nothing_of_a_deleted_call(room: Greenroom) -> None:
    room.as_user("thierry", teams=["red"]).call("default", "123").create(team="red")
    room.system("registry").call("default", "123").delete()
    eve = room.as_user("eve").call("default", "123")
    for operation in ("get", "end"):
        explanation = eve.explain(operation)
        assert explanation.code == "call_not_found"
        assert "red" not in explanation.model_dump_json()


def test_who_is_in_may_leave_whatever_team_they_are_in_by_then(room: Greenroom) -> None:
    room.users.upsert("eve", teams=["red"])
    room.as_user("thierry", teams=["red"]).call("default", "123").create(team="red")
    eve = room.as_user("eve").call("default", "123")
    eve.join()
    room.users.upsert("eve", teams=[])
    assert eve.leave().recorded == ("session.left",)
    with pytest.raises(errors.WrongTeam):
        eve.leave()


def test_nobody_is_refused_on_states_that_never_stood_together(
    rooms: Rooms, file_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (rooms.open(file_url, timers=False) for _ in range(2))
    one.as_user("thierry").call("default", "123").create(max_participants=1)
    thierry = other.as_user("thierry").call("default", "123")
    one.as_user("alice").call("default", "123").join()
    one.as_user("alice").call("default", "123").leave()
    load = one._core._states.load
    meanwhile: list[Callable[[], object]] = [
        lambda: thierry.update(max_participants=5),
        thierry.join,
    ]

    def interrupted(stream: StreamId) -> Folded[Any]:
        if stream.startswith("session-"):
            while meanwhile:
                meanwhile.pop(0)()
            one._core._states._kept.pop(stream, None)  # as where it had to make room for others
        return load(stream)

    monkeypatch.setattr(one._core._states, "load", interrupted)
    entry = one.as_user("charlie").call("default", "123").join()
    assert entry.user_id == "charlie"


def test_an_explanation_of_the_very_beginning_rests_on_the_very_beginning(
    room: Greenroom,
) -> None:
    room.as_user("thierry").call("default", "123").create()
    with room.at(0) as past:
        explanation = past.system("registry").call("default", "123").explain("join")
    assert (explanation.position, explanation.code) == (0, "call_not_found")


def test_one_listener_who_watches_twice_ends_one_of_the_two(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["thierry"])
    heard: list[str] = []

    def listener(sender: str, _: object) -> None:
        heard.append(sender)

    first, _second = call.watch(listener), call.watch(listener)
    first()
    first()
    call.send_event({"hand": "up"})
    assert heard == ["thierry"]


def test_nobody_is_told_of_a_call_that_is_gone(rooms: Rooms, url: str, clock: VirtualClock) -> None:
    class FirstFailing(RecordingNotifier):
        tried = False

        def notify(self, notification: Any) -> None:
            if not self.tried:
                self.tried = True
                raise ConnectionError("no network yet")
            super().notify(notification)

    notifier = FirstFailing()
    room = rooms.open(url, notifier=notifier)
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice"], custom={"topic": "results"}, notify=True)
    call.delete()
    clock.advance(timedelta(minutes=5))
    assert notifier.sent == []
    assert [entry.status for entry in room.outbox.entries()] == ["switched_off"]


def test_views_ahead_of_a_room_that_is_just_opening_are_not_thrown_away(
    rooms: Rooms, file_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = rooms.open(file_url, timers=False)
    call = one.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice"])
    call.query_members()
    opening = Views.open.__func__  # type: ignore[attr-defined]  # a classmethod's function

    def slowly(kind: type[Views], *args: Any, **options: Any) -> Views:
        call.add_members([Member("charlie")])
        call.query_members()
        return opening(kind, *args, **options)  # type: ignore[no-any-return]  # as above

    monkeypatch.setattr(Views, "open", classmethod(slowly))
    rooms.open(file_url, timers=False)
    assert [item.user_id for item in call.query_members().items] == ["alice", "charlie"]


def test_whoever_may_not_read_a_call_any_more_hears_nothing_of_it(room: Greenroom) -> None:
    thierry = room.as_user("thierry").call("default", "123")
    thierry.create(member_ids=["thierry"])
    heard: list[str] = []
    room.as_user("eve").call("default", "123").watch(lambda sender, _: heard.append(sender))
    thierry.send_event({"hand": "up"})
    room.call_types.revoke("default", role="user", capability="read-call")
    thierry.send_event({"hand": "down"})
    assert heard == ["thierry"]
