"""Who uses a file while the process forks, and who waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from greenroom.projections.forks import _Gate

SOON, LATE = 0.05, 30
"""Seconds in which nothing happens that must not, and everything that must."""
Other = Callable[[Callable[[], object]], Future[object]]


@pytest.fixture
def other() -> Iterator[Other]:
    """Lets another thread do something, always the same one."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


@contextmanager
def forking(gate: _Gate) -> Iterator[Callable[[], bool]]:
    """Some other thread forks, and says whether nobody is inside any more."""
    at_rest, over = threading.Event(), threading.Event()

    def fork() -> None:
        gate.close()
        at_rest.set()
        over.wait(LATE)
        gate.open()

    thread = threading.Thread(target=fork)
    thread.start()
    try:
        yield lambda: at_rest.wait(SOON)
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_who_is_inside_is_waited_for_and_may_use_another_file_as_well() -> None:
    gate = _Gate()
    gate.__enter__()
    with forking(gate) as at_rest:
        assert not at_rest()
        with gate:
            assert not at_rest()
        assert not at_rest()
        gate.__exit__()
        assert at_rest()


def test_nobody_comes_in_until_the_fork_is_over(other: Other) -> None:
    gate = _Gate()

    def use() -> str:
        with gate:
            return "used"

    with forking(gate) as at_rest:
        assert at_rest()
        coming = other(use)
        with pytest.raises(TimeoutError):
            coming.result(SOON)
    assert coming.result(LATE) == "used"


def test_another_thread_may_end_what_one_has_begun(other: Other) -> None:
    """As where a generator is collected that was suspended inside."""
    gate = _Gate()
    gate.__enter__()
    other(gate.__exit__).result(LATE)
    with forking(gate) as at_rest:
        assert at_rest()


def test_who_forks_in_the_middle_of_something_does_not_wait_for_themselves() -> None:
    gate = _Gate()
    with gate:
        gate.close()
        gate.open_anew()
    with forking(gate) as at_rest:
        assert at_rest()
