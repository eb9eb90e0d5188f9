"""A command that is cancelled has happened as a whole or not at all; its request id tells which."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from tests.aio.cancelling import CancelledAt, When
from tests.aio.inside import check_idle, desk, forget, plain, scripted, until

from greenroom import Member, aio

if TYPE_CHECKING:
    from tests.aio.conftest import Rooms

    from greenroom.domain.ports import Append

MOMENTS = pytest.mark.parametrize("when", When, ids=lambda when: when.name.lower())


async def cancelled(command: Awaitable[Any], number: int, when: When) -> tuple[bool, int]:
    """Whether it was cancelled in its n-th wait, and how often it waited."""
    cancelling = CancelledAt(command, number, when)

    async def run() -> None:
        await cancelling

    try:
        await asyncio.create_task(run())
    except asyncio.CancelledError:
        return True, cancelling.waits
    return False, cancelling.waits


Attempt = Callable[[aio.Greenroom, int], Awaitable[Any]]
"""A command that asks under the request id `attempt-<n>`."""


async def cancel_everywhere(
    room: aio.Greenroom, attempt: Attempt, when: When, *, cold: bool = False
) -> int:
    """Cancel it in its first wait, in its second, ... until it has no more waits; how many."""
    number = waits = 0
    for number in range(1, 100):
        if cold:
            forget(room)
        was_cancelled, waits = await cancelled(attempt(room, number), number, when)
        if waits < number:
            assert not was_cancelled
            return waits
        again = await attempt(room, number)
        assert plain(await attempt(room, number)) == plain(again)
        check_idle(room)
    raise AssertionError("it never ended")


def of_request(history: Sequence[Any], number: int) -> list[str]:
    return [event.name for event in history if event.request_id == f"attempt-{number}"]


def join(room: aio.Greenroom, number: int) -> Awaitable[Any]:
    return room.as_user("alice").call("default", "123").join(request_id=f"attempt-{number}")


def create(room: aio.Greenroom, number: int) -> Awaitable[Any]:
    """Its own call, so that it is new every time; two streams more than the call's own."""
    call = room.as_user("thierry").call("default", f"call-{number}")
    return call.create(
        members=[Member("alice", custom={"n": number}), Member("tommaso")],
        ring=True,
        request_id=f"attempt-{number}",
    )


@MOMENTS
@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
async def test_a_join_is_cancelled_wherever_it_waits(
    when: When,
    cold: bool,  # noqa: FBT001 - a table
    url: str,
    rooms: Rooms,
) -> None:
    room = await rooms.open(url, timers=False)
    thierry = room.as_user("thierry").call("default", "123")
    await thierry.create()
    waits = await cancel_everywhere(room, join, when, cold=cold)
    assert waits >= (2 if cold else 1)
    joins = [event for event in await thierry.history() if event.name == "session.joined"]
    assert [event.request_id for event in joins] == [f"attempt-{n + 1}" for n in range(waits + 1)]


@MOMENTS
async def test_a_creation_with_members_is_whole_or_not_there(
    when: When, url: str, rooms: Rooms
) -> None:
    room = await rooms.open(url, timers=False)
    system = room.system("auditor")
    number = waits = 0
    for number in range(1, 100):
        was_cancelled, waits = await cancelled(create(room, number), number, when)
        if not was_cancelled:
            break
        call = system.call("default", f"call-{number}")
        await create(room, number)
        expected = ["call.created", "member.added", "member.added", "call.rung"]
        assert [event.name for event in await call.history()] == expected
        assert of_request(await call.history(), number) == expected
        check_idle(room)
    assert waits >= 1


@MOMENTS
async def test_whoever_waits_in_a_lane_is_cancelled_there_and_the_next_goes_on(
    when: When, url: str, rooms: Rooms
) -> None:
    room = await rooms.open(url, timers=False)
    await room.as_user("thierry").call("default", "123").create()
    lanes = desk(room).lanes
    assert lanes.take("default:123")
    waiting = asyncio.create_task(cancelled(join(room, 1), 1, when))
    behind = asyncio.create_task(room.as_user("charlie").call("default", "123").join())
    count = 1 if when is When.AT_ONCE else 2
    await until(lambda: len(lanes._lanes["default:123"]) == count)
    lanes.leave("default:123")
    assert (await waiting)[0]
    assert (await behind).user_id == "charlie"
    check_idle(room)
    assert (await join(room, 1)).user_id == "alice"


@MOMENTS
async def test_whoever_waits_to_be_let_in_is_cancelled_there_and_the_next_goes_on(
    when: When, url: str, rooms: Rooms
) -> None:
    room = await rooms.open(url, timers=False, in_flight=1)
    await room.as_user("thierry").call("default", "123").create()
    intake = desk(room).intake
    assert intake.take()
    waiting = asyncio.create_task(cancelled(join(room, 1), 1, when))
    behind = asyncio.create_task(room.as_user("charlie").call("default", "123").join())
    count = 1 if when is When.AT_ONCE else 2
    await until(lambda: len(intake._waiting) == count)
    intake.leave()
    assert (await waiting)[0]
    assert (await behind).user_id == "charlie"
    check_idle(room)


async def test_what_is_in_the_store_already_is_recorded_all_the_same(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await rooms.open(url, timers=False)
    thierry = room.as_user("thierry").call("default", "123")
    await thierry.create()
    script, loop = scripted(room, monkeypatch), asyncio.get_running_loop()
    joining = asyncio.create_task(room.as_user("alice").call("default", "123").join(request_id="1"))
    gone = threading.Event()
    joining.add_done_callback(lambda _: gone.set())

    def cancel(_: Sequence[Append]) -> None:
        if len(script.batches) == 1:
            loop.call_soon_threadsafe(joining.cancel)
            assert gone.wait(120)

    script.meanwhile = cancel
    with pytest.raises(asyncio.CancelledError):
        await joining
    entry = await room.as_user("alice").call("default", "123").join(request_id="1")
    (joined,) = [event for event in await thierry.history() if event.name == "session.joined"]
    assert (joined.request_id, joined.event["entry_id"]) == ("1", entry.entry_id)
    check_idle(room)


async def test_what_waits_for_the_store_is_taken_back_with_all_that_rests_on_it(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that rested on it are decided again, and nobody hears of it."""
    room = await rooms.open(url, timers=False)
    call = room.as_user("thierry").call("default", "123")
    await call.create(max_participants=1)
    script, going_on = scripted(room, monkeypatch), threading.Event()
    script.meanwhile = lambda _: going_on.wait(120)
    first = asyncio.create_task(room.as_user("thierry").call("default", "other").create())
    await until(lambda: script.batches)
    joining = asyncio.create_task(room.as_user("alice").call("default", "123").join())
    turned_away = asyncio.create_task(room.as_user("charlie").call("default", "123").join())
    await until(lambda: len(desk(room).pipeline._waiting) == 2)
    joining.cancel()
    await asyncio.wait([joining])
    going_on.set()
    await first
    assert (await turned_away).user_id == "charlie", "the place was free again"
    assert joining.cancelled()
    present = (await call.query_participants()).items
    assert [item.user_id for item in present] == ["charlie"]
    check_idle(room)
