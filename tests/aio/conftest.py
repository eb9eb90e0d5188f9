"""Rooms for tasks; tests are coroutines, and none may hang or leave a thread behind."""

from __future__ import annotations

import asyncio
import inspect
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from greenroom import aio
from greenroom.testing.clock import VirtualClock

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONGEST: Final = 200
"""Seconds for one test; whatever waits for ever fails then."""
POSTGRES: Final = pytest.param("postgres", marks=pytest.mark.slow)


class Rooms:
    """Opens rooms, and closes those that are open still when the test is over."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.opened: list[aio.Greenroom] = []

    async def open(self, url: str, **options: Any) -> aio.Greenroom:
        said: dict[str, Any] = {"clock": self.clock, **options}
        self.opened.append(await aio.Greenroom.open(url, **said))
        return self.opened[-1]

    async def close(self) -> None:
        for room in self.opened:
            await room.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run what is a coroutine on a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    told = inspect.signature(pyfuncitem.obj).parameters
    given = {name: value for name, value in pyfuncitem.funcargs.items() if name in told}
    before = set(threading.enumerate())
    rooms: Any = pyfuncitem.funcargs.get("rooms")
    asyncio.run(_test(pyfuncitem.obj(**given), rooms))
    left = [one.name for one in threading.enumerate() if one not in before]
    assert [name for name in left if name.startswith("greenroom")] == []
    return True


async def _test(test: Any, rooms: Rooms | None) -> None:
    async with asyncio.timeout(LONGEST):
        try:
            await test
        finally:
            if rooms is not None:
                await rooms.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def rooms(clock: VirtualClock) -> Rooms:
    return Rooms(clock)


@pytest.fixture(params=["memory", pytest.param("sqlite", marks=pytest.mark.slow), POSTGRES])
def url(request: pytest.FixtureRequest) -> str:
    return _place(request)


@pytest.fixture(params=["sqlite", POSTGRES])
def file_url(request: pytest.FixtureRequest) -> str:
    """Of a store that outlives the room, and that several may open."""
    return _place(request)


def _place(request: pytest.FixtureRequest) -> str:
    match request.param:
        case "sqlite":
            directory: Path = request.getfixturevalue("tmp_path")
            return f"sqlite:///{directory / 'calls.db'}"
        case "postgres":
            url: str = request.getfixturevalue("postgres_url")
            return url
        case _:
            return "memory://"
