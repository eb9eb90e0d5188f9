"""Where others keep writing first, a command waits for its turn among the processes."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.aio.cancelling import When
from tests.aio.inside import check_idle, desk, forget, scripted, until
from tests.aio.test_cancelling import MOMENTS, cancelled

from greenroom import Greenroom, aio

if TYPE_CHECKING:
    from tests.aio.conftest import Rooms

    from greenroom.domain.ports import Append


class Turns:
    """Notes who takes a turn and who gives it back; nobody gets one while it is shut."""

    def __init__(self) -> None:
        self.waiting = 0
        self.taken: Counter[str] = Counter()
        self.given_back: Counter[str] = Counter()
        self._open = threading.Event()
        self._open.set()

    def of(self, key: str) -> Turn:
        return Turn(self, key)

    def take(self, key: str) -> None:
        self.waiting += 1
        assert self._open.wait(20)
        self.taken[key] += 1

    @contextmanager
    def shut(self) -> Iterator[None]:
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()


@dataclass
class Turn(AbstractContextManager[None]):
    """One turn; one that is merely forgotten is not given back."""

    turns: Turns
    key: str

    def __enter__(self) -> None:
        self.turns.take(self.key)

    def __exit__(self, *_: object) -> None:
        self.turns.given_back[self.key] += 1


class Contest:
    """A room, and another on the same store that is quicker whenever it is told to."""

    def __init__(
        self, room: aio.Greenroom, other: Greenroom, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.room, self.other, self.turns = room, other, Turns()
        self.lost: Counter[str] = Counter()
        """How often others are quicker yet, in each call."""
        monkeypatch.setattr(desk(room).store, "turn_of", self.turns.of)
        scripted(room, monkeypatch).meanwhile = self._meanwhile

    def _meanwhile(self, batch: Sequence[Append]) -> None:
        written = {event.stream for one in batch for event in one.events}
        for cid in [cid for cid, left in self.lost.items() if left]:
            if any(cid in stream for stream in written):
                self.lost[cid] -= 1
                self.other.as_user("eve").call(*cid.split(":")).join()


@asynccontextmanager
async def contest(
    rooms: Rooms, file_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Contest]:
    room = await rooms.open(file_url, timers=False)
    with await asyncio.to_thread(lambda: Greenroom.open(file_url, timers=False)) as other:
        yield Contest(room, other, monkeypatch)


async def test_whoever_lost_twice_takes_their_turn(
    file_url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with contest(rooms, file_url, monkeypatch) as held:
        call = held.room.as_user("thierry").call("default", "123")
        await call.create()
        held.lost["default:123"] = 3
        assert (await call.join()).user_id == "thierry"
        assert held.turns.taken == held.turns.given_back == {"default:123": 2}
        assert held.lost["default:123"] == 0
        check_idle(held.room)


async def test_whoever_is_cancelled_while_waiting_for_a_turn_gives_it_back(
    file_url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with contest(rooms, file_url, monkeypatch) as held:
        call = held.room.as_user("thierry").call("default", "123")
        await call.create()
        held.lost["default:123"] = 2
        with held.turns.shut():
            joining = asyncio.create_task(call.join())
            await until(lambda: held.turns.waiting)
            joining.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await joining
        assert (await call.join()).user_id == "thierry"
        assert held.turns.taken == held.turns.given_back
        check_idle(held.room)


@MOMENTS
async def test_whoever_is_cancelled_anywhere_gives_back_what_they_took(
    when: When, file_url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with contest(rooms, file_url, monkeypatch) as held:
        await held.room.as_user("thierry").call("default", "123").create()
        alice = held.room.as_user("alice").call("default", "123")
        for number in range(1, 100):
            held.lost["default:123"] = 3
            forget(held.room)
            attempt = alice.join(request_id=f"attempt-{number}")
            was_cancelled, waits = await cancelled(attempt, number, when)
            if not was_cancelled:
                break
            held.lost["default:123"] = 0
            await alice.join(request_id=f"attempt-{number}")
            assert held.turns.taken == held.turns.given_back
            check_idle(held.room)
        assert waits > 5
        history = await alice.history()
        mine = [e.request_id for e in history if e.name == "session.joined" and e.by == "alice"]
        assert mine == [f"attempt-{n + 1}" for n in range(number)]


async def test_waiting_for_a_turn_takes_no_thread_from_anybody(
    file_url: str, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = 40
    async with contest(rooms, file_url, monkeypatch) as held:
        thierry = held.room.as_user("thierry")
        calls = [thierry.call("default", str(number)) for number in range(lanes)]
        await asyncio.gather(*(call.create() for call in calls))
        for call in calls:
            held.lost[call.cid] = 2
        with held.turns.shut():
            joining = [asyncio.create_task(call.join()) for call in calls]
            await until(lambda: held.turns.waiting and not any(held.lost.values()))
            other = thierry.call("default", "other")
            async with asyncio.timeout(10):
                await other.create()
                assert (await other.query_participants()).items == ()
        assert len({entry.entry_id for entry in await asyncio.gather(*joining)}) == lanes
        assert held.turns.taken == held.turns.given_back
