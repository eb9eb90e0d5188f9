"""Who uses connections while the process forks, and who waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from greenroom.projections.forks import Gate, Turn
from greenroom.projections.lending import Lender

SOON, LATE = 0.05, 30
"""Seconds in which nothing happens that must not, and everything that must."""


@pytest.fixture
def other() -> Iterator[Callable[[Callable[[], object]], Future[object]]]:
    """Lets another thread do something, always the same one."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


@contextmanager
def forking(one: Gate | Lender[Connection]) -> Iterator[Callable[[], bool]]:
    """Some other thread forks, and says whether all is at rest."""
    at_rest, over = threading.Event(), threading.Event()

    def fork() -> None:
        one.before_fork()
        at_rest.set()
        over.wait(LATE)
        one.after_fork_in_parent()

    thread = threading.Thread(target=fork)
    thread.start()
    try:
        yield lambda: at_rest.wait(SOON)
    finally:
        over.set()
        thread.join()


class Connection:
    """Knows whether it was closed."""

    open = True

    def close(self) -> None:
        self.open = False


def test_who_is_inside_is_waited_for_and_may_go_in_again() -> None:
    closed: list[str] = []
    gate = Gate(lambda: closed.append("all"), Turn.VIEWS)
    gate.__enter__()
    with forking(gate) as at_rest:
        assert not at_rest()
        with gate:
            assert not at_rest()
        assert closed == []
        gate.__exit__()
        assert at_rest()
    assert closed == ["all"]


def test_nobody_comes_in_until_the_fork_is_over(
    other: Callable[[Callable[[], object]], Future[object]],
) -> None:
    gate = Gate(lambda: None, Turn.VIEWS)

    def use() -> str:
        with gate:
            return "used"

    with forking(gate) as at_rest:
        assert at_rest()
        coming = other(use)
        with pytest.raises(TimeoutError):
            coming.result(SOON)
    assert coming.result(LATE) == "used"


def test_another_thread_may_end_what_one_has_begun(
    other: Callable[[Callable[[], object]], Future[object]],
) -> None:
    """As where a generator is collected that was suspended inside."""
    gate = Gate(lambda: None, Turn.VIEWS)
    gate.__enter__()
    other(gate.__exit__).result(LATE)
    with forking(gate) as at_rest:
        assert at_rest()


def test_who_forks_in_the_middle_of_something_does_not_wait_for_themselves() -> None:
    gate = Gate(lambda: None, Turn.VIEWS)
    with gate:
        gate.before_fork()
        gate.after_fork_in_child()
    with forking(gate) as at_rest:
        assert at_rest()


def test_what_is_lent_is_waited_for_and_nothing_is_lent_meanwhile(
    other: Callable[[Callable[[], object]], Future[object]],
) -> None:
    lender = Lender(Connection, 2)
    lent, idle = lender.take(), lender.take()
    lender.give_back(idle)
    with forking(lender) as at_rest:
        assert not at_rest()
        assert not idle.open
        coming = other(lender.take)
        with pytest.raises(TimeoutError):
            coming.result(SOON)
        lender.give_back(lent)
        assert at_rest()
        assert not lent.open
        with pytest.raises(TimeoutError):
            coming.result(SOON)
    found = coming.result(LATE)
    assert isinstance(found, Connection)
    assert found.open
