"""One at a time per lane, in the order they came; other lanes do not wait."""

from __future__ import annotations

import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.lanes import Lanes


@pytest.fixture
def lanes() -> Lanes:
    return Lanes()


class Queue:
    """Callers of a lane who note when they are let in."""

    def __init__(self, lanes: Lanes, key: str = "default:123") -> None:
        self.lanes, self.key = lanes, key
        self.admitted: list[str] = []

    def enter(self, name: str) -> Callable[[], None]:
        def admit() -> None:
            self.admitted.append(name)

        if self.lanes.enter(self.key, admit):
            admit()
        return admit

    def leave(self) -> None:
        self.lanes.leave(self.key)


def test_whoever_comes_first_is_let_in_first(lanes: Lanes) -> None:
    queue = Queue(lanes)
    people = ["thierry", "tommaso", "alice", "charlie"]
    for name in people:
        queue.enter(name)
    for gone in range(4):
        assert queue.admitted == people[: gone + 1]
        queue.leave()
    assert queue.admitted == people


def test_lanes_do_not_wait_for_each_other(lanes: Lanes) -> None:
    one, other = Queue(lanes, "default:1"), Queue(lanes, "default:2")
    one.enter("thierry")
    other.enter("alice")
    assert (one.admitted, other.admitted) == (["thierry"], ["alice"])


def test_a_lane_that_nobody_uses_is_forgotten(lanes: Lanes) -> None:
    for number in range(100):
        queue = Queue(lanes, f"default:{number}")
        queue.enter("thierry")
        queue.enter("alice")
        queue.leave()
        queue.leave()
    assert lanes._lanes == {}


def test_whoever_waits_no_longer_is_passed_over(lanes: Lanes) -> None:
    queue = Queue(lanes)
    queue.enter("thierry")
    admits = {name: queue.enter(name) for name in ("tommaso", "alice")}
    lanes.withdraw(queue.key, admits["tommaso"])
    queue.leave()
    assert queue.admitted == ["thierry", "alice"]


def test_whoever_was_let_in_and_does_not_come_leaves_the_lane_to_the_next(lanes: Lanes) -> None:
    queue = Queue(lanes)
    queue.enter("thierry")
    admits = {name: queue.enter(name) for name in ("tommaso", "alice")}
    queue.leave()
    assert queue.admitted == ["thierry", "tommaso"]
    lanes.withdraw(queue.key, admits["tommaso"])
    assert queue.admitted == ["thierry", "tommaso", "alice"]
    queue.leave()
    assert lanes._lanes == {}


def test_of_many_threads_one_is_in_at_a_time(lanes: Lanes) -> None:
    inside: Counter[str] = Counter()
    most: Counter[str] = Counter()
    done: Counter[str] = Counter()

    def visit(number: int) -> None:
        key = f"default:{number % 3}"
        with lanes.hold(key):
            inside[key] += 1
            most[key] = max(most[key], inside[key])
            sleep(0)
            done[key] += 1
            inside[key] -= 1

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(visit, range(600)))
    assert {*most.values()} == {1}
    assert sum(done.values()) == 600
    assert lanes._lanes == {}


def test_what_is_raised_in_a_lane_leaves_it(lanes: Lanes) -> None:
    with pytest.raises(RuntimeError), lanes.hold("default:123"):
        raise RuntimeError
    assert lanes._lanes == {}


class ControlCError(Exception):
    """Stands for Control-C."""


@contextmanager
def interrupted_when(ready: Callable[[], bool]) -> Iterator[None]:
    """Interrupt this thread, the main one, in what it waits for."""

    def interrupt(*_: object) -> None:
        raise ControlCError

    def watch() -> None:
        while not ready():
            sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        watching.join()
        signal.signal(signal.SIGUSR1, before)


def test_whoever_is_interrupted_while_waiting_holds_up_nobody(lanes: Lanes) -> None:
    queue = Queue(lanes)
    queue.enter("thierry")
    waits = lambda: len(lanes._lanes[queue.key]) == 1  # noqa: E731 - one look
    with interrupted_when(waits), pytest.raises(ControlCError), lanes.hold(queue.key):
        pytest.fail("it was thierry's turn")
    queue.enter("alice")
    queue.leave()
    assert queue.admitted == ["thierry", "alice"]


# As a queue on paper

steps = st.tuples(
    st.sampled_from(("enter", "enter", "leave", "withdraw")),
    st.sampled_from(("default:1", "default:2")),
    st.integers(0, 5),
)


@given(st.lists(steps, max_size=40))
def test_a_lane_is_a_queue(course: list[tuple[str, str, int]]) -> None:
    lanes, numbers = Lanes(), iter(range(100))
    queues = {key: Queue(lanes, key) for key in ("default:1", "default:2")}
    paper: dict[str, list[str]] = defaultdict(list)
    admits: dict[str, Callable[[], None]] = {}
    came: dict[str, list[str]] = defaultdict(list)
    for step, key, number in course:
        queue, line = queues[key], paper[key]
        if step == "enter":
            name = f"user-{next(numbers)}"
            line.append(name)
            admits[name] = queue.enter(name)
        elif line and step == "leave":
            line.pop(0)
            queue.leave()
        elif line:
            name = line.pop(number % len(line))
            lanes.withdraw(key, admits[name])
        if line and line[0] not in came[key]:
            came[key].append(line[0])
        assert queue.admitted == came[key]
        assert (key in lanes._lanes) == bool(line)
