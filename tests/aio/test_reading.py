"""What follows from commands has happened when they are answered, and reads see it; typed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, assert_type

import pytest
from tests.aio.inside import until

from greenroom import Member, aio, answers, errors
from greenroom.adapters.clock import SystemClock
from greenroom.testing.notifier import RecordingNotifier

if TYPE_CHECKING:
    from tests.aio.conftest import Rooms

    from greenroom.testing.clock import VirtualClock


# Time


async def test_what_fell_due_has_happened_when_the_command_is_answered(
    url: str, rooms: Rooms, clock: VirtualClock
) -> None:
    room = await rooms.open(url)
    call = room.as_user("thierry").call("default", "123")
    await call.create(max_duration=100)
    await call.join()
    await asyncio.to_thread(clock.advance, seconds=50)
    await call.update(max_duration=10)
    assert (await call.get()).ended_at == clock.now()


async def test_whoever_is_notified_has_heard_of_it_when_the_command_is_answered(
    url: str, rooms: Rooms
) -> None:
    notifier = RecordingNotifier()
    room = await rooms.open(url, notifier=notifier)
    thierry = room.as_user("thierry")

    async def notify(number: int) -> None:
        await thierry.call("default", str(number)).create(member_ids=["alice"], notify=True)
        assert f"default:{number}" in {sent.cid for sent in notifier.sent}

    await asyncio.gather(*(notify(number) for number in range(30)))
    assert len(notifier.sent) == 30


async def test_what_fails_in_what_follows_is_told_and_the_next_goes_on(
    url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await rooms.open(url)
    call = room.as_user("thierry").call("default", "123")
    wake, failing = room.reading._core.wake, [RuntimeError("no ticker")]

    def woken() -> None:
        if failing:
            raise failing.pop()
        wake()

    monkeypatch.setattr(room.reading._core, "wake", woken)
    with pytest.raises(RuntimeError, match="no ticker"):
        await call.create()
    assert (await call.join()).user_id == "thierry"


async def test_on_the_real_clock_it_happens_by_itself(url: str, rooms: Rooms) -> None:
    notifier = RecordingNotifier()
    room = await rooms.open(url, notifier=notifier, clock=SystemClock())
    call = room.as_user("thierry").call("default", "123")
    await call.create(member_ids=["alice"], notify=True)
    async with asyncio.timeout(60):
        await until(lambda: notifier.sent)


# Reads


async def test_what_an_answer_leads_to_is_awaited(url: str, rooms: Rooms) -> None:
    room = await rooms.open(url)
    call = room.as_user("thierry").call("default", "123")
    state = await call.create(members=[Member("alice", custom={"n": 1})])
    assert await state.session is None
    entry = await call.join()
    joined = await call.get()
    session = await joined.session
    assert session is not None
    assert [item.entry_id for item in session.participants] == [entry.entry_id]
    assert [member.user_id for member in await joined.members] == ["alice"]
    assert await joined.member_count == 1


async def test_whoever_watches_hears_until_they_stop(url: str, rooms: Rooms) -> None:
    room = await rooms.open(url)
    call = room.as_user("thierry").call("default", "123")
    await call.create(member_ids=["thierry"])
    heard: list[tuple[str, Mapping[str, Any]]] = []
    stop = (
        await room.as_user("alice")
        .call("default", "123")
        .watch(lambda sender, custom: heard.append((sender, custom)))
    )
    await call.send_event({"hand": "up"})
    stop()
    await call.send_event({"hand": "down"})
    assert heard == [("thierry", {"hand": "up"})]


async def test_the_past_is_read_and_takes_no_commands(url: str, rooms: Rooms) -> None:
    room = await rooms.open(url)
    call = room.as_user("thierry").call("default", "123")
    created = await call.create(custom={"n": 0})
    await call.update(custom={"n": 1})
    async with await room.at(created.position) as past:
        then = past.as_user("thierry").call("default", "123")
        assert past.position == created.position
        assert (await then.get()).custom == {"n": 0}
        assert len(await then.history()) == 1
        with pytest.raises(errors.ReadOnly):
            await then.update(custom={"n": 2})
    assert (await call.get()).custom == {"n": 1}
    with pytest.raises(errors.InvalidInput):
        await room.at(10_000)


async def test_whoever_wrote_reads_it_and_so_does_another_room(file_url: str, rooms: Rooms) -> None:
    one, other = [await rooms.open(file_url, timers=False) for _ in range(2)]
    mine, theirs = (room.as_user("thierry").call("default", "123") for room in (one, other))
    await mine.create()
    for number in range(5):
        answer = await mine.add_members([Member(f"user-{number}")])
        page = await theirs.query_members(at_least=answer.position)
        assert len(page.items) == number + 1


# Types: what mypy and pyright make of it is what it is


async def test_what_is_awaited_has_its_type(url: str, rooms: Rooms) -> None:
    room = await rooms.open(url)
    call = room.as_user("thierry").call("default", "123")
    assert_type(call, aio.CallHandle)
    state, entry, left = await call.create(), await call.join(), await call.leave()
    assert_type(state, aio.CallState)
    assert_type(entry, aio.Entry)
    assert_type(left, answers.Done)
    assert (type(state), type(entry), type(left)) == (aio.CallState, aio.Entry, answers.Done)
    assert_type(await call.history(), list[answers.HistoryEvent])
    assert_type(await state.session, answers.SessionState | None)
    assert_type(await room.position(), int)
    with pytest.raises(TypeError):
        await call.join(1)  # type: ignore[arg-type, call-arg]  # that is the point
    with pytest.raises(TypeError):
        await call.update(colour="red")  # type: ignore[call-arg]  # that is the point
