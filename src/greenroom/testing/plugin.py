"""Fixtures for pytest: a room on every store, its clock, its media, its notifier, its faults.

They are there where the extra `test` is installed. What a test of yours asks for is opened for it
alone, and closed after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from greenroom import Greenroom, aio
    from greenroom.testing import FakeMedia, RecordingNotifier, VirtualClock
    from greenroom.testing.faults import FaultStore
    from greenroom.testing.postgres import PrivatePostgres

# Nothing of greenroom is imported before it is used: the plugin is loaded in every run of pytest.

STORES: Final = ("memory", "sqlite", "postgres")


def pytest_addoption(parser: pytest.Parser) -> None:
    """On which stores the fixture `greenroom` opens its rooms."""
    about = f"stores for the fixture `greenroom`, of {','.join(STORES)} (all)"
    parser.addini("greenroom_stores", about, type="args", default=list(STORES))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of a room is one on each store."""
    if "greenroom_url" in metafunc.fixturenames:
        stores = metafunc.config.getini("greenroom_stores")
        unknown = [store for store in stores if store not in STORES]
        if unknown:
            raise pytest.UsageError(f"greenroom_stores: {unknown[0]!r} is none of {STORES}")
        metafunc.parametrize("greenroom_url", stores, indirect=True)


@pytest.fixture
def clock() -> VirtualClock:
    """It stands at noon of 2026-01-01, UTC, until it is moved."""
    from greenroom.testing import VirtualClock  # noqa: PLC0415 - see above

    return VirtualClock(datetime(2026, 1, 1, 12, tzinfo=UTC))


@pytest.fixture
def notifier() -> RecordingNotifier:
    """What the room has told whom."""
    from greenroom.testing import RecordingNotifier  # noqa: PLC0415 - see above

    return RecordingNotifier()


@pytest.fixture
def fake_media() -> FakeMedia:
    """Media that opens nothing, and reports what it is told to."""
    from greenroom.testing import FakeMedia  # noqa: PLC0415 - see above

    return FakeMedia()


@pytest.fixture
def greenroom_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of an empty store: in memory, in a file, on PostgreSQL."""
    match request.param:
        case "sqlite":
            yield f"sqlite:///{tmp_path / 'calls.db'}"
        case "postgres":
            server: PrivatePostgres = request.getfixturevalue("greenroom_postgres")
            with server.database() as url:
                yield url
        case _:
            yield "memory://"


@pytest.fixture(scope="session")
def greenroom_postgres() -> Iterator[PrivatePostgres]:
    """A server of one's own for the run; skips, and says so, where PostgreSQL is not installed."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    from greenroom.testing.postgres import PrivatePostgres, find_programs  # noqa: PLC0415 - see above

    try:
        find_programs()
    except FileNotFoundError as missing:
        pytest.skip(f"no PostgreSQL here: {missing}")
    with PrivatePostgres(fsync=False) as server:
        yield server


@pytest.fixture
def greenroom(
    greenroom_url: str, clock: VirtualClock, notifier: RecordingNotifier, fake_media: FakeMedia
) -> Iterator[Greenroom]:
    """A room on an empty store, with the other fixtures in it; its timers fire as time moves."""
    from greenroom import Greenroom  # noqa: PLC0415 - see above

    with Greenroom.open(greenroom_url, clock=clock, notifier=notifier, media=fake_media) as room:
        yield room


@pytest.fixture
def aio_greenroom(
    greenroom_url: str, clock: VirtualClock, notifier: RecordingNotifier, fake_media: FakeMedia
) -> AbstractAsyncContextManager[aio.Greenroom]:
    """The same for tasks: `async with aio_greenroom as room`, on whichever loop the test runs."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[aio.Greenroom]:
        from greenroom import aio  # noqa: PLC0415 - see above

        room = await aio.Greenroom.open(
            greenroom_url, clock=clock, notifier=notifier, media=fake_media
        )
        async with room:
            yield room

    return opened()


@pytest.fixture
def fault_store(greenroom: Greenroom) -> FaultStore:
    """What lets the next commits of the room fail."""
    from greenroom.testing.faults import FaultStore  # noqa: PLC0415 - see above

    return FaultStore(greenroom)
