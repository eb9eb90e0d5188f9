"""Histories followed by tasks: any number of them, and one thread that waits."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing

import pytest

from greenroom import aio, errors
from greenroom.answers import HistoryEvent


def meeting(room: aio.Greenroom, user: str = "thierry") -> aio.CallHandle:
    return room.as_user(user).call("default", "meeting")


async def heard(room: aio.Greenroom, many: int) -> list[HistoryEvent]:
    """The first so many events that a follower hears of."""
    events = []
    async with aclosing(meeting(room).follow_history(seconds=120)) as following:
        async for event in following:
            events.append(event)
            if len(events) == many:
                break
    return events


@pytest.mark.slow
async def test_a_hundred_tasks_hear_the_same_and_cost_no_threads() -> None:
    async with aio.Greenroom.open("memory://") as room:
        await meeting(room).create()
        followers = [asyncio.create_task(heard(room, 5)) for _ in range(100)]
        await asyncio.sleep(0.2)
        threads = threading.active_count()
        for user in ("alice", "tommaso"):
            await (await meeting(room, user).join()).leave()
        told = await asyncio.gather(*followers)
        assert threading.active_count() <= threads + 2
        history = await meeting(room).history()
        assert all(events == history[:5] for events in told)


@pytest.mark.slow
async def test_following_ends_when_nothing_comes_for_so_long() -> None:
    async with aio.Greenroom.open("memory://") as room:
        await meeting(room).create()
        told = [event.name async for event in meeting(room).follow_history(seconds=1)]
        assert told == ["call.created"]


async def test_a_room_as_it_was_ends_it_by_itself() -> None:
    async with aio.Greenroom.open("memory://") as room:
        await meeting(room).create()
        position = await room.position()
        await meeting(room).join()
        async with await room.at(position) as then:
            call = then.as_user("thierry").call("default", "meeting")
            assert [event.name async for event in call.follow_history()] == ["call.created"]


async def test_closing_the_room_is_told_to_who_follows() -> None:
    async with aio.Greenroom.open("memory://") as room:
        await meeting(room).create()
        follower = asyncio.create_task(heard(room, 2))
        await asyncio.sleep(0.1)
    with pytest.raises(errors.StoreClosed):
        await follower
