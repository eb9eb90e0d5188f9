"""Rooms to test: in memory, and on stores that can be opened again: a file, and PostgreSQL.

All on PostgreSQL is slow: it starts a server, which all tests of a run share. So is what holds
wherever a room stands, once it was seen in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from typing import Any, Final

import pytest

from greenroom import Greenroom
from greenroom.testing.clock import VirtualClock

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


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


POSTGRES: Final = pytest.param("postgres", marks=pytest.mark.slow)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whoever asks for `file_url` is on PostgreSQL, too, unless they look into the files."""
    if "file_url" in metafunc.fixturenames:
        looks_into_files = "tmp_path" in signature(metafunc.function).parameters
        places = ["sqlite"] if looks_into_files else ["sqlite", POSTGRES]
        metafunc.parametrize("file_url", places, indirect=True)


@pytest.fixture(params=["memory", pytest.param("sqlite", marks=pytest.mark.slow), POSTGRES])
def url(request: pytest.FixtureRequest, rooms: Rooms) -> Iterator[str]:
    yield _place(request)
    rooms.close()  # before their database is gone


@pytest.fixture
def file_url(request: pytest.FixtureRequest, rooms: Rooms) -> Iterator[str]:
    """Of a store that outlives the room, and that several may open."""
    yield _place(request)
    rooms.close()


@pytest.fixture
def room(rooms: Rooms, url: str) -> Greenroom:
    return rooms.open(url)


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
