from __future__ import annotations

import asyncio
import time

import pytest

from greenroom.media import load
from greenroom.media.load import Load


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "LOOK", 0.01)


async def after(seconds: float, measured: Load) -> float:
    measured.start()
    await asyncio.sleep(seconds)
    measured.stop()
    return measured.share


def test_the_share_of_the_time_that_is_computed_is_measured() -> None:
    used = iter(number * 0.004 for number in range(1_000))
    share = asyncio.run(after(0.15, Load(lambda: next(used))))
    assert 0.2 < share < 0.45  # 4 ms in what takes 10, or a little more


def test_a_loop_that_comes_late_is_full() -> None:
    async def blocked() -> float:
        measured = Load(lambda: 0.0)
        measured.start()
        await asyncio.sleep(0.03)
        time.sleep(0.3)  # noqa: ASYNC251 - the point
        await asyncio.sleep(0.012)
        measured.stop()
        return measured.share

    assert asyncio.run(blocked()) == pytest.approx(1 / load.MEMORY)


def test_a_thread_that_waits_is_idle() -> None:
    assert asyncio.run(after(0.1, Load())) < 0.5
