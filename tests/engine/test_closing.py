"""Closing a room stops all of it; a room can be opened again."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from greenroom import Greenroom, errors
from greenroom.answers import Done, done
from greenroom.domain.operations import media as reports
from greenroom.domain.turn import Claim
from greenroom.media_link import MediaLink
from greenroom.testing.media import FakeMedia

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Rooms


def test_closing_leaves_no_thread_behind(url: str) -> None:
    before = set(threading.enumerate())
    with Greenroom.open(url) as room:
        room.as_user("thierry").call("default", "123").join(create=True)
        assert set(threading.enumerate()) - before
    assert set(threading.enumerate()) <= before


def test_a_closed_room_does_nothing_any_more_and_says_so(room: Greenroom) -> None:
    thierry = room.as_user("thierry")
    call = thierry.call("default", "123")
    call.create()
    room.close()
    for use in (
        call.get,
        call.join,
        call.history,
        call.query_members,
        thierry.query_calls,
        lambda: call.explain("join"),
        lambda: room.users.get("alice"),
        lambda: room.call_types.grant("default", role="user", capability="end-call"),
        lambda: room.position,
        lambda: room.at(1),
        room.rebuild,
    ):
        with pytest.raises(errors.StoreClosed):
            use()


def test_closing_twice_is_fine(room: Greenroom) -> None:
    room.close()
    room.close()


def test_what_was_done_is_there_after_reopening(rooms: Rooms, file_url: str) -> None:
    with rooms.open(file_url) as room:
        call = room.as_user("thierry").call("default", "123")
        call.create(custom={"color": "red"}, member_ids=["alice"])
        entry = call.join()
        history = call.history()
    room = rooms.open(file_url)
    call = room.as_user("thierry").call("default", "123")
    assert call.get().custom == {"color": "red"}
    assert [item.entry_id for item in call.query_participants().items] == [entry.entry_id]
    assert call.history() == history


def test_views_that_were_deleted_come_back(rooms: Rooms, file_url: str, tmp_path: Path) -> None:
    with rooms.open(file_url) as room:
        call = room.as_user("thierry").call("default", "123")
        call.create(member_ids=["alice", "charlie"])
        call.join()
        members, calls = call.query_members().items, room.as_user("thierry").query_calls().items
    for file in tmp_path.glob("calls.views.db*"):
        file.unlink()
    room = rooms.open(file_url)
    call = room.as_user("thierry").call("default", "123")
    assert call.query_members().items == members
    assert room.as_user("thierry").query_calls().items == calls


def test_views_made_anew_are_the_same(room: Greenroom) -> None:
    call = room.as_user("thierry").call("default", "123")
    call.create(member_ids=["alice", "charlie"])
    call.join()
    before = (call.query_members().items, call.query_sessions().items, call.get().session)
    told: list[int] = []
    assert room.rebuild(told.append).position == room.position
    assert told[-1] == room.position
    assert (call.query_members().items, call.query_sessions().items, call.get().session) == before


def test_a_room_that_does_not_run_timers_leaves_them_to_another(
    rooms: Rooms, file_url: str
) -> None:
    quiet = rooms.open(file_url, timers=False)
    call = quiet.as_user("thierry").call("default", "123")
    call.create(max_duration=60)
    call.join()
    rooms.clock.advance(timedelta(seconds=61))
    assert call.get().ended_at is None
    rooms.open(file_url)
    assert call.get().ended_at == rooms.clock.now()


class StubbornMedia(FakeMedia):
    """Media that can neither start nor stop, as where its device is gone."""

    def __init__(self, *, starts: bool) -> None:
        super().__init__()
        self._starts = starts

    def start(self, observer: Any) -> None:
        if not self._starts:
            raise errors.MediaError("no device")
        super().start(observer)

    def stop(self) -> None:
        raise errors.MediaError("no device any more")


def test_a_room_that_cannot_open_leaves_no_thread_behind(url: str) -> None:
    before = set(threading.enumerate())
    with pytest.raises(errors.MediaError):
        Greenroom.open(url, media=StubbornMedia(starts=False))
    assert set(threading.enumerate()) <= before


def test_what_cannot_be_stopped_keeps_nothing_else_open(url: str) -> None:
    before = set(threading.enumerate())
    room = Greenroom.open(url, media=StubbornMedia(starts=True))
    with pytest.raises(errors.MediaError):
        room.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(errors.StoreClosed):
        _ = room.position
    with pytest.raises(errors.StoreClosed):
        room.outbox.entries()


def test_media_that_has_started_is_stopped_where_the_room_cannot_open(
    rooms: Rooms, file_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rooms.open(file_url) as room:
        entry = room.as_user("thierry").call("default", "123").join(create=True)
        room._core.ask(
            entry._call.cid,
            Claim("media", system=True),
            reports.connected(entry.entry_id, 1, "aa:bb"),
            answer=done,
            kind=TypeAdapter(Done),
        )

    def broken(*_: object) -> None:
        raise errors.StoreError("the disk is gone")

    stopped: list[bool] = []
    media = FakeMedia()
    monkeypatch.setattr(media, "stop", lambda: stopped.append(True))
    monkeypatch.setattr(MediaLink, "lost", broken)
    with pytest.raises(errors.StoreError):
        Greenroom.open(file_url, media=media)
    assert stopped == [True]
