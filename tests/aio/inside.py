"""What tests of `greenroom.aio` look at inside of a room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.clerk import Script

from greenroom import aio
from greenroom.desk import Desk


def desk(room: aio.Greenroom) -> Desk:
    return room.reading._core.desk


def scripted(room: aio.Greenroom, monkeypatch: pytest.MonkeyPatch) -> Script:
    """From now on its store does as a script says."""
    script = Script(desk(room).store)
    monkeypatch.setattr(desk(room).store, "record", script)
    return script


def check_idle(room: aio.Greenroom) -> None:
    """Nobody is inside any more, and nothing is on its way."""
    assert desk(room).intake._inside == 0
    assert desk(room).lanes._lanes == {}
    assert desk(room).pipeline.ahead == {}


def forget(room: aio.Greenroom) -> None:
    """Let it be as though it had just been opened: nothing is in memory."""
    desk(room).states.forget_all()


async def until(reached: Callable[[], object]) -> None:
    """Let others go on until then; there is no event for what happens inside of a room."""
    while not reached():  # noqa: ASYNC110 - as it says
        await asyncio.sleep(0.0005)


def plain(answer: Any) -> Any:
    """An answer as it compares: without the handle it reads on by."""
    return (answer.state if isinstance(answer, aio.Entry) else answer).model_dump()
