"""Rooms to test: in memory, and on a real file that can be opened again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from greenroom import Greenroom
from greenroom.testing.clock import VirtualClock

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'calls.db'}"


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'calls.db'}"


class Rooms:
    """Opens rooms, and closes those that are open still when the test is over."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._opened = ExitStack()

    def open(self, url: str, **options: Any) -> Greenroom:
        said: dict[str, Any] = {"clock": self.clock, **options}
        return self._opened.enter_context(Greenroom.open(url, **said))

    def close(self) -> None:
        self._opened.close()


@pytest.fixture
def rooms(clock: VirtualClock) -> Iterator[Rooms]:
    rooms = Rooms(clock)
    yield rooms
    rooms.close()


@pytest.fixture
def room(rooms: Rooms, url: str) -> Greenroom:
    return rooms.open(url)
