from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from greenroom.media.load import LATE, LOOK, MEMORY, Load


class ByHand:
    """A loop whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due: tuple[float, Callable[..., None], tuple[Any, ...]]

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[..., None], *arguments: Any) -> None:
        self._due = (self.now + delay, call, arguments)

    def go_on(self, late: float = 0.0) -> None:
        """Until the next call is due, and so much longer."""
        due, call, arguments = self._due
        self.now = due + late
        call(*arguments)


def looking(cpu: Callable[[], float]) -> tuple[Load, ByHand]:
    measured, loop = Load(cpu), ByHand()
    measured._look_later(cast("asyncio.AbstractEventLoop", loop))
    return measured, loop


def test_the_share_of_the_time_that_is_computed_is_measured() -> None:
    used = iter(number * 0.1 for number in range(1_000))  # asked after a look, and before the next
    measured, loop = looking(lambda: next(used))
    for _ in range(MEMORY):
        loop.go_on()
    assert measured.share == pytest.approx(0.1 / LOOK)


def test_a_loop_that_comes_late_is_full() -> None:
    measured, loop = looking(lambda: 0.0)
    loop.go_on(late=LATE / 2)
    assert measured.share == 0
    loop.go_on(late=LATE + 0.01)
    assert measured.share == pytest.approx(1 / MEMORY)
    for _ in range(MEMORY):
        loop.go_on()
    assert measured.share == 0


def test_a_thread_that_waits_is_idle_until_it_is_measured_no_more() -> None:
    async def story() -> Load:
        measured = Load()
        measured.start()
        await asyncio.sleep(0)
        measured.stop()
        measured.stop()
        return measured

    assert asyncio.run(story()).share == 0
