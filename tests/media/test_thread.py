from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from greenroom.domain.errors import MediaError
from greenroom.media.thread import MediaThread


@pytest.fixture
def thread() -> Iterator[MediaThread]:
    thread = MediaThread("media-under-test", timeout=60)
    yield thread
    thread.stop(nothing)


async def nothing() -> None:
    return None


async def where() -> str:
    return threading.current_thread().name


async def refuse() -> None:
    raise MediaError("no")


def test_work_is_done_on_the_thread_and_answered_here(thread: MediaThread) -> None:
    assert not thread.runs
    assert thread.run(where()) == "media-under-test"
    assert thread.runs


def test_what_work_raises_is_raised_here(thread: MediaThread) -> None:
    with pytest.raises(MediaError, match="no"):
        thread.run(refuse())
    assert thread.run(where()) == "media-under-test"


@pytest.mark.slow
def test_what_takes_too_long_is_given_up_and_cancelled() -> None:
    thread = MediaThread("media-under-test", timeout=0.5)
    cancelled = threading.Event()

    async def dawdle() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            cancelled.set()

    with pytest.raises(MediaError, match=r"0\.5 s"):
        thread.run(dawdle())
    assert cancelled.wait(60)
    thread._timeout = 60  # for the stop
    thread.stop(nothing)


def test_a_stop_waits_for_what_is_under_way_and_lets_nothing_else_begin() -> None:
    thread, done = MediaThread("media-under-test", timeout=60), []

    async def work() -> None:
        await asyncio.sleep(0.1)
        done.append("work")

    async def last() -> None:
        done.append("last")

    asking = threading.Thread(target=thread.run, args=(work(),))
    asking.start()
    while not thread.runs:
        time.sleep(0.001)
    time.sleep(0.02)
    thread.stop(last)
    thread.stop(last)
    asking.join()
    assert done == ["last", "work", "last"]
    assert not thread.runs
    assert "media-under-test" not in {one.name for one in threading.enumerate()}
    with pytest.raises(MediaError, match="stopped"):
        thread.run(where())


def test_what_never_began_is_stopped_at_once() -> None:
    thread = MediaThread("media-under-test", timeout=60)
    thread.stop(nothing)
    with pytest.raises(MediaError, match="stopped"):
        thread.run(where())
