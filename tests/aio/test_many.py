"""Thousands on their way at once, in order, fair and bounded; tasks, threads, several rooms."""

from __future__ import annotations

import asyncio
import threading
from random import Random
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest
from tests.aio.inside import check_idle, desk, scripted, until
from tests.engine.crowd import LIMIT, PEOPLE, Crowd, at_random, settles

from greenroom import Member, aio, errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.aio.conftest import Rooms

pytestmark = pytest.mark.slow


async def admitted(joining: Awaitable[aio.Entry]) -> bool:
    """Whether somebody got in."""
    try:
        await joining
    except errors.CallFull:
        return False
    return True


async def test_of_a_thousand_at_the_door_exactly_as_many_get_in_as_may(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await rooms.open(url, timers=False)
    call = room.as_user("thierry").call("default", "123")
    await call.create(max_participants=200)
    script = scripted(room, monkeypatch)
    script.meanwhile = lambda _: sleep(0.002)  # as a disk takes
    coming = (room.as_user(f"user-{n}").call("default", "123").join() for n in range(1_000))
    answers = await asyncio.gather(*(admitted(one) for one in coming))
    assert answers.count(True) == 200
    assert len((await call.query_participants(limit=1000)).items) == 200
    assert len(script.batches) < 500, "many share a commit"
    check_idle(room)


async def test_commands_of_one_call_are_carried_out_in_the_order_they_were_given(
    url: str, rooms: Rooms
) -> None:
    room = await rooms.open(url, timers=False)
    call = room.as_user("thierry").call("default", "123")
    await call.create()
    answers = await asyncio.gather(*(call.update(custom={"n": n}) for n in range(100)))
    assert [answer.custom["n"] for answer in answers] == list(range(100))
    positions = [answer.position for answer in answers]
    assert positions == sorted(positions)


async def test_a_busy_call_holds_up_no_other(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.pipeline.BATCH", 4)
    room = await rooms.open(url, timers=False)
    thierry = room.as_user("thierry")
    busy, quiet = thierry.call("default", "busy"), thierry.call("default", "quiet")
    await asyncio.gather(busy.create(), quiet.create())
    crowd = [asyncio.create_task(busy.update(custom={"n": n})) for n in range(200)]
    beside = await quiet.update(custom={"n": 1})
    last = (await asyncio.gather(*crowd))[-1]
    assert beside.position < last.position - 100


async def test_whoever_waits_outside_for_too_long_is_turned_away(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.aio.desk.LONGEST_WAIT", 0.02)
    room = await rooms.open(url, timers=False, in_flight=3)
    thierry = room.as_user("thierry")
    script, going_on = scripted(room, monkeypatch), threading.Event()
    script.meanwhile = lambda _: going_on.wait(120)
    inside = [asyncio.create_task(thierry.call("default", f"in-{n}").create()) for n in range(3)]
    await until(lambda: script.batches)
    with pytest.raises(errors.Overloaded, match="3 commands are on their way"):
        await thierry.call("default", "outside").create()
    going_on.set()
    await asyncio.gather(*inside)
    with pytest.raises(errors.CallNotFound):
        await thierry.call("default", "outside").get()
    check_idle(room)


async def test_memory_that_is_far_too_small_changes_nothing_but_speed(
    url: str, rooms: Rooms
) -> None:
    room = await rooms.open(url, timers=False, cache=1)
    thierry = room.as_user("thierry").call("default", "123")
    await thierry.create(member_ids=[f"user-{n}" for n in range(20)], max_participants=5)
    coming = (room.as_user(f"user-{n}").call("default", "123").join() for n in range(20))
    assert (await asyncio.gather(*(admitted(one) for one in coming))).count(True) == 5
    assert (await thierry.get(ring=True)).recorded == ("call.rung",)


# The same request


async def test_of_many_repeats_at_once_one_is_done(file_url: str, rooms: Rooms) -> None:
    """By tasks and threads of one room, and tasks of another."""
    room, other = [await rooms.open(file_url, timers=False) for _ in range(2)]
    await room.as_user("thierry").call("default", "123").create()

    def by_thread() -> str:
        call = room.reading.as_user("alice").call("default", "123")
        return call.join(request_id="join-1").entry_id

    async def by_task(where: aio.Greenroom) -> str:
        call = where.as_user("alice").call("default", "123")
        return (await call.join(request_id="join-1")).entry_id

    answers = await asyncio.gather(
        *(by_task(where) for where in (room, other) * 20),
        *(asyncio.to_thread(by_thread) for _ in range(10)),
    )
    assert len({*answers}) == 1
    history = await room.as_user("thierry").call("default", "123").history()
    assert [event.name for event in history].count("session.joined") == 1


# Tasks, threads and several rooms together


async def test_threads_and_tasks_of_one_room_stand_in_the_same_queues(
    url: str, rooms: Rooms
) -> None:
    room = await rooms.open(url, timers=False, in_flight=20)
    await room.as_user("thierry").call("default", "123").create(max_participants=30)

    def by_thread(number: int) -> bool:
        try:
            room.reading.as_user(f"thread-{number}").call("default", "123").join()
        except errors.CallFull:
            return False
        return True

    answers = await asyncio.gather(
        *(asyncio.to_thread(by_thread, n) for n in range(50)),
        *(admitted(room.as_user(f"task-{n}").call("default", "123").join()) for n in range(50)),
    )
    assert answers.count(True) == 30
    check_idle(room)


async def test_rooms_on_two_loops_admit_exactly_as_many_as_the_call_takes(
    file_url: str, rooms: Rooms
) -> None:
    room = await rooms.open(file_url, timers=False)
    thierry = room.as_user("thierry").call("default", "123")
    await thierry.create(max_participants=10)

    async def crowd(where: aio.Greenroom, name: str) -> int:
        coming = (where.as_user(f"{name}-{n}").call("default", "123").join() for n in range(30))
        return (await asyncio.gather(*(admitted(one) for one in coming))).count(True)

    async def elsewhere() -> int:
        async with aio.Greenroom.open(file_url, timers=False) as other:
            return await crowd(other, "there")

    there, here = await asyncio.gather(
        asyncio.to_thread(lambda: asyncio.run(elsewhere())), crowd(room, "here")
    )
    assert there + here == 10
    assert len((await thierry.query_participants()).items) == 10


async def test_whoever_was_just_added_is_rung_with_all_others(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are on their way in when members are looked up, and recorded when it is decided."""
    room = await rooms.open(url, timers=False)
    call = room.as_user("thierry").call("default", "123")
    await call.create(member_ids=["alice"])
    script, looked_up = scripted(room, monkeypatch), threading.Event()
    script.meanwhile = lambda _: looked_up.wait(120)
    members = desk(room).members

    def slowly(cid: Any) -> Any:
        found = [*members(cid)]
        looked_up.set()
        while desk(room).pipeline.ahead:
            pass
        return found

    monkeypatch.setattr(desk(room), "members", slowly)
    adding = asyncio.create_task(call.add_members([Member("charlie")]))
    await until(lambda: script.batches)
    await call.get(ring=True)
    await adding
    (rung,) = [event for event in await call.history() if event.name == "call.rung"]
    assert [*rung.event["user_ids"]] == ["alice", "charlie"]


@pytest.mark.parametrize("seed", range(3))
async def test_a_crowd_before_a_store_that_fails_at_random_is_told_the_truth(
    seed: int, url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await rooms.open(url, timers=False)
    await room.as_user("thierry").call("default", "123").create(max_participants=LIMIT)
    scripted(room, monkeypatch).fault = at_random(seed)
    crowd, keys = Crowd(), iter(range(100_000))

    async def settled(ask: Callable[[str], Awaitable[Any]]) -> Any:
        key = f"request-{next(keys)}"
        while True:
            try:
                return await ask(key)
            except Exception as error:
                if settles(error):
                    raise

    async def visit(number: int) -> None:
        lot = Random(seed * 100 + number)
        for _ in range(4):
            user = lot.choice(PEOPLE)
            call, before = room.as_user(user).call("default", "123"), room.reading.position
            try:
                entry = await settled(lambda key: call.join(request_id=key))  # noqa: B023 - awaited at once
            except errors.CallFull:
                crowd.full.append((before, room.reading.position))
                continue
            crowd.joined.append((user, entry.entry_id))
            if lot.random() < 0.7:
                await settled(lambda key: entry.leave(request_id=key))  # noqa: B023 - awaited at once
                crowd.left.append(entry.entry_id)

    await asyncio.gather(*(visit(number) for number in range(20)))
    crowd.check(await room.system("auditor").call("default", "123").history())
    check_idle(room)
