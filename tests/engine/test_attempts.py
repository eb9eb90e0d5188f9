"""Who tried and was turned away is known, and costs neither the refusal nor the log anything."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from greenroom import Greenroom, Refusals, aio, errors
from greenroom.domain.errors import StoreError
from greenroom.testing.clock import VirtualClock

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

    from greenroom import CallHandle


def call_of(room: Greenroom, user_id: str) -> CallHandle:
    return room.as_user(user_id).call("default", "123")


def turned_away(room: Greenroom, user_id: str, times: int = 1, **said: Any) -> None:
    for _ in range(times):
        with pytest.raises(errors.Refused):
            call_of(room, user_id).join(**said)


@pytest.fixture
def call(room: Greenroom) -> CallHandle:
    """Thierry's, in which eve is blocked."""
    call = call_of(room, "thierry")
    call.create()
    call.block("eve")
    return call


def test_an_attempt_says_who_asked_for_what_and_why_it_was_refused(
    room: Greenroom, call: CallHandle, clock: VirtualClock
) -> None:
    clock.advance(seconds=5)
    turned_away(room, "eve", request_id="knock-1")
    with pytest.raises(errors.NotAllowed):
        room.as_user("alice", role="guest", teams=["blue"]).call("default", "123").end()
    ended, joined = call.attempts().verbatim
    assert (joined.user_id, joined.operation, joined.code) == ("eve", "join", "blocked")
    assert (joined.at, joined.request_id) == (clock.now(), "knock-1")
    assert joined.position == room.position
    assert (ended.operation, ended.code, ended.rule) == ("end", "not_allowed", "end-call")
    assert (ended.role, ended.teams) == ("guest", ("blue",))


def test_what_was_refused_can_be_explained_where_it_was(room: Greenroom, call: CallHandle) -> None:
    turned_away(room, "eve")
    call.unblock("eve")
    (attempt,) = call.attempts().verbatim
    with room.at(attempt.position) as then:
        why = then.system("audit").call("default", "123").explain("join", user=attempt.user_id)
    assert why.code == attempt.code


def test_the_first_of_a_user_and_minute_are_kept_and_all_are_counted(
    room: Greenroom, call: CallHandle, clock: VirtualClock
) -> None:
    turned_away(room, "eve", 12)
    clock.advance(seconds=60)
    turned_away(room, "eve", 2)
    turned_away(room, "alice", 0)
    found = call.attempts()
    assert len(found.verbatim) == 5 + 2
    assert [one.count for one in found.counts] == [2, 12]
    assert found.total == 14
    assert call.attempts(user="alice").total == 0


@pytest.mark.slow
def test_a_flood_of_refusals_does_not_grow_the_log(room: Greenroom, call: CallHandle) -> None:
    before = room.position
    turned_away(room, "eve", 200)
    assert room.position == before
    assert call.attempts().total == 200


def test_whoever_may_block_may_see_who_was_turned_away(room: Greenroom, call: CallHandle) -> None:
    turned_away(room, "eve")
    with pytest.raises(errors.NotAllowed):
        call_of(room, "alice").attempts()
    assert room.system("audit").call("default", "123").attempts().total == 1
    assert room.system("audit").call("default", "never-was").attempts().total == 0


def test_an_attempt_at_a_call_that_never_was_is_known_too(room: Greenroom) -> None:
    turned_away(room, "eve")
    (attempt,) = room.system("audit").call("default", "123").attempts().verbatim
    assert attempt.code == "call_not_found"


def test_attempts_outlive_the_process_and_are_seen_by_others(rooms: Rooms, file_url: str) -> None:
    room = rooms.open(file_url)
    call_of(room, "thierry").create()
    call_of(room, "thierry").block("eve")
    turned_away(room, "eve", 7)
    room.close()
    again = rooms.open(file_url)
    turned_away(again, "eve", 3)
    found = call_of(again, "thierry").attempts()
    assert (found.total, len(found.verbatim)) == (10, 5)


@pytest.mark.slow
def test_they_are_written_by_themselves_within_a_moment(rooms: Rooms, file_url: str) -> None:
    room, other = rooms.open(file_url), rooms.open(file_url)
    call_of(room, "thierry").create()
    call_of(room, "thierry").block("eve")
    turned_away(room, "eve")
    deadline = time.monotonic() + 60
    while not call_of(other, "thierry").attempts().total:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_whoever_is_erased_was_never_turned_away(room: Greenroom, call: CallHandle) -> None:
    turned_away(room, "eve", 3)
    call.block("charlie")
    turned_away(room, "charlie")
    room.users.erase("eve")
    assert call.attempts().total == 1
    room.system("registry").call("default", "123").delete(hard=True)
    assert room.system("audit").call("default", "123").attempts().total == 0


def test_they_can_be_switched_off(rooms: Rooms) -> None:
    room = rooms.open("memory://", refusals=None)
    call_of(room, "thierry").create()
    call_of(room, "thierry").block("eve")
    turned_away(room, "eve")
    assert call_of(room, "thierry").attempts().total == 0


def test_old_ones_are_forgotten(rooms: Rooms, file_url: str) -> None:
    kept = Refusals(kept=timedelta(days=1))
    room = rooms.open(file_url, refusals=kept)
    call_of(room, "thierry").create()
    call_of(room, "thierry").block("eve")
    turned_away(room, "eve")
    room.close()
    rooms.clock.advance(seconds=2 * 86400)
    again = rooms.open(file_url, refusals=kept)
    assert call_of(again, "thierry").attempts().total == 0
    turned_away(again, "eve")
    assert call_of(again, "thierry").attempts().total == 1


def test_a_store_that_cannot_be_written_fails_no_refusal(
    room: Greenroom, call: CallHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = room._core.doorkeeper

    def broken(*_: object) -> None:
        raise StoreError("the disk is full")

    turned_away(room, "eve")
    call.attempts()
    monkeypatch.setattr(door._store, "write", broken)
    turned_away(room, "eve")
    room.close()


def test_in_the_past_only_what_had_been_tried_by_then_is_told(
    room: Greenroom, call: CallHandle, clock: VirtualClock
) -> None:
    turned_away(room, "eve")
    then = clock.now()
    clock.advance(seconds=120)
    turned_away(room, "eve", 2)
    with room.at(then) as past:
        assert past.as_user("thierry").call("default", "123").attempts().total == 1


def test_tasks_are_turned_away_in_the_same_way(clock: VirtualClock) -> None:
    async def evening() -> int:
        async with aio.Greenroom.open("memory://", clock=clock) as room:
            call = room.as_user("thierry").call("default", "123")
            await call.create()
            await call.block("eve")
            for _ in range(3):
                with pytest.raises(errors.Blocked):
                    await room.as_user("eve").call("default", "123").join()
            return (await call.attempts()).total

    assert asyncio.run(evening()) == 3


@pytest.mark.parametrize("said", [{"verbatim": -1}, {"kept": timedelta(0)}, {"kept": 3}])
def test_what_cannot_be_meant_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidInput):
        Refusals(**said)
