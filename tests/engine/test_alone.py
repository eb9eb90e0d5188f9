"""Who is always too late decides, in the end, while nobody else can record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from greenroom import Greenroom, aio

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

    from greenroom.domain.ports import Append, Commit, EventStore


class Quicker:
    """Another room that joins the call whenever somebody is about to record something in it."""

    def __init__(
        self, store: EventStore, other: Greenroom, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.joins = 0
        self._alone = False
        record, alone = store.record, store.alone

        def slowly(batch: Sequence[Append]) -> Commit:
            if not self._alone and any(one.events for one in batch):
                self.joins += 1
                other.as_user(f"eve-{self.joins}").call("default", "123").join()
            return record(batch)

        @contextmanager
        def noted() -> Iterator[None]:
            with alone():
                self._alone = True
                try:
                    yield
                finally:
                    self._alone = False

        monkeypatch.setattr(store, "record", slowly)
        monkeypatch.setattr(store, "alone", noted)


def test_a_command_that_is_always_too_late_comes_through(
    rooms: Rooms, file_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, other = (rooms.open(file_url, timers=False) for _ in range(2))
    call = room.as_user("thierry").call("default", "123")
    call.create()
    quicker = Quicker(room._store, other, monkeypatch)
    assert call.join().user_id == "thierry"
    assert quicker.joins == 2
    present = {item.user_id for item in call.query_participants(limit=100).items}
    assert present == {"thierry", "eve-1", "eve-2"}


def test_so_it_does_for_tasks(rooms: Rooms, file_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = rooms.open(file_url, timers=False)
    other.as_user("thierry").call("default", "123").create()

    async def join() -> None:
        async with aio.Greenroom.open(file_url, timers=False) as room:
            quicker = Quicker(room.reading._store, other, monkeypatch)
            entry = await room.as_user("thierry").call("default", "123").join()
            assert entry.user_id == "thierry"
            assert quicker.joins == 2

    asyncio.run(join())
