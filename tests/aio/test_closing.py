"""Closing: what was acknowledged is there, everything else was refused, and nobody hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest
from tests.aio.cancelling import When
from tests.aio.inside import desk, scripted, until
from tests.aio.test_cancelling import MOMENTS, cancelled

from greenroom import Greenroom, Member, aio, errors
from greenroom.adapters.clock import SystemClock
from greenroom.aio.room import Coming

if TYPE_CHECKING:
    from tests.aio.conftest import Rooms


async def answered(command: Awaitable[Any]) -> str:
    """`done`, or what it was refused with."""
    try:
        await command
    except errors.StoreClosed:
        return "closed"
    except errors.Refused as refusal:
        return refusal.code
    return "done"


@pytest.mark.slow
@pytest.mark.parametrize("real", [True, False], ids=["real clock", "virtual clock"])
@pytest.mark.parametrize("after", [0, 1, 3, 10])
async def test_what_was_acknowledged_is_there_and_nothing_else(
    real: bool,  # noqa: FBT001 - a table
    after: int,
    file_url: str,
    rooms: Rooms,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closed in the middle of 120 commands: some recorded, some on their way, some waiting."""
    room = await rooms.open(file_url, in_flight=60, **({"clock": SystemClock()} if real else {}))
    thierry = room.as_user("thierry")
    await asyncio.gather(*(thierry.call("default", f"lane-{n}").create() for n in range(4)))
    script = scripted(room, monkeypatch)
    script.meanwhile = lambda _: sleep(0.002)
    monkeypatch.setattr("greenroom.pipeline.BATCH", 8)
    asked = [
        asyncio.create_task(
            answered(thierry.call("default", f"lane-{n % 4}").add_members([Member(f"user-{n}")]))
        )
        for n in range(120)
    ]
    await until(lambda: len(script.batches) >= after)
    await room.close()
    answers = await asyncio.gather(*asked)
    assert {*answers} <= {"done", "closed"}
    assert after < 2 or "done" in answers
    with await asyncio.to_thread(lambda: Greenroom.open(file_url, timers=False)) as again:
        calls = [again.as_user("thierry").call("default", f"lane-{n}") for n in range(4)]
        there = {item.user_id for call in calls for item in call.query_members(limit=1000).items}
    assert there == {f"user-{n}" for n, answer in enumerate(answers) if answer == "done"}


async def test_an_erasure_that_was_recorded_is_not_said_to_be_refused(
    rooms: Rooms, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing begins right after the commit, before all that follows from it."""
    room = await rooms.open(url, clock=SystemClock(), timers=False)
    await room.users.upsert("alice", name="Alice")
    conclude, closing = desk(room).conclude, []

    def conclude_and_close(*args: Any) -> Any:
        done = conclude(*args)
        closing.append(asyncio.ensure_future(room.close()))
        room.desk._threads.shutdown(wait=False)  # as soon as may be
        return done

    monkeypatch.setattr(desk(room), "conclude", conclude_and_close)
    assert await answered(room.users.erase("alice")) == "done"
    await closing[0]


async def test_closing_waits_for_what_is_in_the_store(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await rooms.open(url, timers=False)
    script, going_on = scripted(room, monkeypatch), threading.Event()
    script.meanwhile = lambda _: going_on.wait(120)
    thierry = room.as_user("thierry")
    first = asyncio.create_task(answered(thierry.call("default", "1").create()))
    await until(lambda: script.batches)
    second = asyncio.create_task(answered(thierry.call("default", "2").create()))
    await until(lambda: desk(room).pipeline._waiting)
    closing = asyncio.create_task(room.close())
    await asyncio.sleep(0.02)
    assert not closing.done()
    going_on.set()
    await closing
    assert await first == "done"
    assert await second in ("done", "closed")  # whoever records may be quicker than who closes


async def test_whoever_waits_in_a_lane_or_outside_is_refused(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await rooms.open(url, timers=False, in_flight=5)
    thierry = room.as_user("thierry").call("default", "123")
    await thierry.create()
    script = scripted(room, monkeypatch)
    assert desk(room).lanes.take("default:123")
    waiting = [asyncio.create_task(answered(thierry.update(custom={"n": n}))) for n in range(12)]
    await until(lambda: len(desk(room).intake._waiting) == 7)
    await room.close()
    desk(room).lanes.leave("default:123")
    assert await asyncio.gather(*waiting) == ["closed"] * 12
    assert script.batches == []


async def test_whoever_waits_for_a_turn_is_refused(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are quicker all the time; the room closes between two attempts."""
    room = await rooms.open(url, timers=False)
    thierry = room.as_user("thierry").call("default", "123")
    await thierry.create()
    conclude = desk(room).conclude

    def overtaken(command: Any, decision: Any) -> None:
        conclude(command, decision)  # raises where the room is closed, else: again

    monkeypatch.setattr(desk(room), "conclude", overtaken)
    asking = asyncio.create_task(answered(thierry.get()))
    await asyncio.sleep(0.05)
    await room.close()
    assert await asking == "closed"


async def test_a_closed_room_says_so_whatever_is_asked(url: str, rooms: Rooms) -> None:
    room = await rooms.open(url)
    thierry = room.as_user("thierry")
    call = thierry.call("default", "123")
    state, entry = await call.create(), await call.join()
    past = await room.at(room.reading.position)
    await past.close()
    await room.close()
    await room.close()
    asks: Sequence[Callable[[], Awaitable[object]]] = [
        call.get,
        call.join,
        lambda: thierry.call("default", "other").create(),
        lambda: call.add_members([Member("alice")]),
        lambda: call.get(ring=True),
        entry.leave,
        call.history,
        call.query_members,
        call.query_participants,
        call.query_sessions,
        thierry.query_calls,
        lambda: call.explain("join"),
        lambda: call.send_event({"a": 1}),
        lambda: call.watch(lambda *_: None),
        lambda: state.members,
        lambda: state.session,
        lambda: state.member_count,
        lambda: room.users.get("alice"),
        lambda: room.users.upsert("alice"),
        lambda: room.users.erase("alice"),
        room.call_types.list,
        lambda: room.call_types.get("default"),
        lambda: room.call_types.grant("default", role="user", capability="end-call"),
        room.position,
        room.rebuild,
        lambda: room.at(1),
    ]
    for ask in asks:
        assert await answered(ask()) == "closed"


async def test_a_room_is_closed_whatever_is_raised_in_it(url: str) -> None:
    opened: list[aio.Greenroom] = []

    async def fail() -> None:
        async with aio.Greenroom.open(url, timers=False) as room:
            opened.append(room)
            raise RuntimeError("nothing to do with it")

    with pytest.raises(RuntimeError, match="nothing to do with it"):
        await fail()
    with pytest.raises(errors.StoreClosed):
        await opened[0].position()


@MOMENTS
async def test_closing_goes_on_to_the_end_whether_anybody_waits_for_it_or_not(
    when: When, file_url: str, rooms: Rooms
) -> None:
    number = waits = 0
    for number in range(1, 100):
        room = await rooms.open(file_url)
        was_cancelled, waits = await cancelled(room.close(), number, when)
        async with asyncio.timeout(60):
            await until(lambda: left() == [])
        if not was_cancelled:
            break
    assert 1 <= waits < number


@pytest.mark.slow
@MOMENTS
async def test_opening_that_is_cancelled_leaves_nothing_open(when: When, file_url: str) -> None:
    number, waits, opened = 0, 0, list[aio.Greenroom]()
    for number in range(1, 100):
        opened = []
        was_cancelled, waits = await cancelled(opening(file_url, opened), number, when)
        if not was_cancelled:
            break
        assert opened == []
        await until(lambda: left() == [])
    assert 1 <= waits < number
    await opened[0].close()


def test_a_loop_that_ends_while_a_room_opens_leaves_nothing_open(file_url: str) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def open_slowly() -> Greenroom:
        begun.set()
        assert goes_on.wait(60)
        return Greenroom.open(file_url)

    async def main() -> None:
        opening = asyncio.ensure_future(Coming(open_slowly).__aenter__())
        await asyncio.to_thread(begun.wait, 60)
        opening.cancel()
        threading.Timer(0.1, goes_on.set).start()

    asyncio.run(main())
    assert left() == []


def test_a_loop_that_ends_while_a_room_closes_leaves_nothing_open(file_url: str) -> None:
    async def main() -> None:
        room = await aio.Greenroom.open(file_url)
        closing = asyncio.ensure_future(room.close())
        await asyncio.sleep(0)
        assert not closing.done()

    asyncio.run(main())
    assert left() == []


async def opening(url: str, opened: list[aio.Greenroom]) -> None:
    opened.append(await aio.Greenroom.open(url))


async def test_a_room_that_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_bytes(b"hello" * 500)
    with pytest.raises(errors.NotOurStore):
        await aio.Greenroom.open(f"sqlite:///{tmp_path / 'calls.db'}")
    with pytest.raises(errors.InvalidInput):
        await aio.Greenroom.open("memroy://")
    assert left() == []


def left() -> list[str]:
    """The threads of rooms there are."""
    return [one.name for one in threading.enumerate() if one.name.startswith("greenroom")]
