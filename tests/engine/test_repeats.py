"""The same request id asked again is answered again, and not done again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from greenroom import Greenroom, Member, errors

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms


def test_a_repeat_gets_the_first_answer_with_its_position(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    first = call.create(custom={"color": "red"}, request_id="create-1")
    room.as_user("tommaso").call("default", "other").create()
    call.update(custom={"color": "blue"})
    again = call.create(custom={"color": "red"}, request_id="create-1")
    assert again == first
    assert (again.created, again.custom, again.position) == (True, {"color": "red"}, first.position)


def test_a_repeated_join_is_the_same_entry(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    first = call.join(create=True, request_id="join-1")
    again = room.as_user("thierry").call("default", "123").join(create=True, request_id="join-1")
    assert again.state == first.state
    assert len(call.query_participants().items) == 1


def test_what_recorded_nothing_is_answered_the_same_too(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create()
    first = call.go_live(request_id="live-1")
    assert first.recorded == ()
    call.update(custom={"a": 1})
    again = call.go_live(request_id="live-1")
    assert again == first
    assert again.position == first.position > 0


def test_a_repeat_after_reopening_gets_the_first_answer(rooms: Rooms, file_url: str) -> None:
    with rooms.open(file_url) as room:
        call = room.as_user("thierry").call("default", "123")
        created = call.create(members=[Member("alice")], request_id="create-1")
        joined = call.join(request_id="join-1")
        nothing = call.unblock("alice", request_id="unblock-1")
        user = room.users.upsert("alice", name="Alice", request_id="upsert-1")
    with rooms.open(file_url) as room:
        before = room.position
        call = room.as_user("thierry").call("default", "123")
        again = call.create(members=[Member("alice")], request_id="create-1")
        assert again.model_dump() == created.model_dump()
        assert call.join(request_id="join-1").state == joined.state
        assert call.unblock("alice", request_id="unblock-1") == nothing
        assert room.users.upsert("alice", name="Alice", request_id="upsert-1") == user
        assert room.position == before


def test_another_command_under_the_same_id_is_refused(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(custom={"color": "red"}, request_id="one")
    with pytest.raises(errors.RequestMismatch):
        call.get(request_id="one")
    with pytest.raises(errors.RequestMismatch):
        call.create(custom={"color": "blue"}, request_id="one")
    for who, id_ in (
        (room.as_user("thierry"), "456"),
        (room.as_user("alice"), "123"),
        (room.as_user("thierry", role="admin"), "123"),
        (room.system("thierry"), "123"),
    ):
        with pytest.raises(errors.RequestMismatch):
            who.call("default", id_).create(custom={"color": "red"}, request_id="one")


def test_a_refusal_is_not_remembered(room: Greenroom) -> None:
    call = room.as_user("alice").call("default", "123")
    with pytest.raises(errors.CallNotFound):
        call.join(request_id="join-1")
    room.as_user("thierry").call("default", "123").create()
    assert call.join(request_id="join-1").user_id == "alice"


def test_of_many_repeats_at_once_one_is_done(room: Greenroom) -> None:
    room.as_user("thierry").call("default", "123").create()

    def join(_: int) -> str:
        return room.as_user("alice").call("default", "123").join(request_id="join-1").entry_id

    with ThreadPoolExecutor(8) as pool:
        entries = set(pool.map(join, range(32)))
    assert len(entries) == 1
    assert len(room.as_user("thierry").call("default", "123").query_participants().items) == 1


def test_of_repeats_in_two_rooms_at_once_one_is_done(rooms: Rooms, file_url: str) -> None:
    both = [rooms.open(file_url), rooms.open(file_url, timers=False)]
    both[0].as_user("thierry").call("default", "123").create()

    def join(n: int) -> str:
        call = both[n % 2].as_user("alice").call("default", "123")
        return call.join(request_id=f"join-{n // 2}").entry_id

    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(join, range(32)))
    assert entries[::2] == entries[1::2]
    assert len(set(entries)) == 16
