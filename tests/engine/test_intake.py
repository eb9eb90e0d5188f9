"""So many commands are on their way, and no more: others wait in order, or are turned away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.clerk import Script

from greenroom import Greenroom, errors
from greenroom import intake as intake_module
from greenroom.intake import Intake

if TYPE_CHECKING:
    from tests.engine.conftest import Rooms

    from greenroom.domain.ports import Append


class Door:
    """Callers who note when they are let in."""

    def __init__(self, most: int) -> None:
        self.intake = Intake(most)
        self.admitted: list[str] = []

    def enter(self, name: str) -> Callable[[], None]:
        def admit() -> None:
            self.admitted.append(name)

        if self.intake.enter(admit):
            admit()
        return admit


def test_as_many_as_may_are_let_in_and_the_others_in_their_order() -> None:
    door = Door(2)
    for name in ("thierry", "tommaso", "alice", "charlie", "jaewoong"):
        door.enter(name)
    assert door.admitted == ["thierry", "tommaso"]
    door.intake.leave()
    assert door.admitted == ["thierry", "tommaso", "alice"]
    door.intake.leave()
    door.intake.leave()
    assert door.admitted == ["thierry", "tommaso", "alice", "charlie", "jaewoong"]


def test_whoever_waits_no_longer_takes_no_place() -> None:
    door = Door(1)
    door.enter("thierry")
    admits = {name: door.enter(name) for name in ("tommaso", "alice")}
    door.intake.withdraw(admits["tommaso"])
    door.intake.leave()
    assert door.admitted == ["thierry", "alice"]


def test_whoever_was_let_in_too_late_gives_the_place_to_the_next() -> None:
    door = Door(1)
    door.enter("thierry")
    admits = {name: door.enter(name) for name in ("tommaso", "alice")}
    door.intake.leave()
    door.intake.withdraw(admits["tommaso"])
    assert door.admitted == ["thierry", "tommaso", "alice"]


@given(
    st.integers(1, 3),
    st.lists(
        st.tuples(st.sampled_from(("enter", "enter", "leave", "withdraw")), st.integers(0, 9)),
        max_size=40,
    ),
)
def test_an_intake_is_a_queue_with_several_places(most: int, course: list[tuple[str, int]]) -> None:
    door, numbers = Door(most), iter(range(100))
    line: list[str] = []
    came: list[str] = []
    admits: dict[str, Callable[[], None]] = {}
    for step, number in course:
        if step == "enter":
            name = f"user-{next(numbers)}"
            line.append(name)
            admits[name] = door.enter(name)
        elif line and step == "leave":
            del line[number % min(most, len(line))]
            door.intake.leave()
        elif line:
            door.intake.withdraw(admits[line.pop(number % len(line))])
        came += [name for name in line[:most] if name not in came]
        assert door.admitted == came


def test_of_many_threads_no_more_are_in_than_may() -> None:
    intake, inside, most = Intake(3), [0], [0]
    counting = threading.Lock()

    def visit(_: int) -> None:
        with intake.hold():
            with counting:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            sleep(0)
            with counting:
                inside[0] -= 1

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(visit, range(400)))
    assert 1 < most[0] <= 3
    assert inside[0] == 0


# In a room


class Held:
    """A room whose store holds a batch until it is let go."""

    def __init__(self, room: Greenroom, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = room
        self.in_store, self.let_go = threading.Event(), threading.Event()
        self.script = Script(room._core.desk.store)
        self.script.meanwhile = self._hold
        monkeypatch.setattr(room._core.desk.store, "record", self.script)

    def _hold(self, _: Sequence[Append]) -> None:
        self.in_store.set()
        assert self.let_go.wait(60)

    def create(self, id_: str) -> int:
        return self.room.as_user("thierry").call("default", id_).create().position

    def waiting(self, count: int) -> None:
        """Until so many wait to be let in."""
        until(lambda: len(self.room._core.desk.intake._waiting) == count)


def until(reached: Callable[[], bool]) -> None:
    """Wait for what other threads are about to do."""
    deadline = monotonic() + 60
    while not reached():
        assert monotonic() < deadline
        sleep(0.001)


@pytest.mark.slow
def test_whoever_waits_for_too_long_is_turned_away_and_nothing_was_recorded(
    rooms: Rooms, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "LONGEST_WAIT", 0.05)
    held = Held(rooms.open(url, in_flight=1, timers=False), monkeypatch)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(held.create, "first")
        assert held.in_store.wait(60)
        began = monotonic()
        with pytest.raises(errors.Overloaded, match="in_flight") as refusal:
            held.create("second")
        assert monotonic() - began >= 0.05
        held.let_go.set()
        first.result(60)
    assert isinstance(refusal.value, errors.StoreError)
    history = held.room.system("registry").call("default", "second")
    with pytest.raises(errors.CallNotFound):
        history.get()
    assert held.create("second") == held.room.position


def test_whoever_waits_is_let_in_the_order_they_came(
    rooms: Rooms, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(rooms.open(url, in_flight=1, timers=False), monkeypatch)
    coming: list[Future[int]] = []
    with ThreadPoolExecutor(9) as threads:
        coming.append(threads.submit(held.create, "0"))
        assert held.in_store.wait(60)
        for number in range(1, 9):
            coming.append(threads.submit(held.create, str(number)))
            held.waiting(number)
        held.let_go.set()
        positions = [one.result(60) for one in coming]
    assert positions == sorted(positions)
    assert [len(batch) for batch in held.script.batches] == [1] * 9


def test_no_more_are_on_their_way_than_may(
    rooms: Rooms, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(rooms.open(url, in_flight=4, timers=False), monkeypatch)
    with ThreadPoolExecutor(12) as threads:
        coming = [threads.submit(held.create, str(number)) for number in range(12)]
        held.waiting(8)
        until(lambda: len(held.room._core.desk.pipeline.ahead) == 4)
        held.let_go.set()
        assert len({one.result(60) for one in coming}) == 12
    assert max(len(batch) for batch in held.script.batches) <= 4


def test_with_one_on_its_way_at_a_time_all_that_follows_happens_all_the_same(
    rooms: Rooms, url: str
) -> None:
    """What falls due is carried out by commands as well, while nobody is in the way."""
    room = rooms.open(url, in_flight=1)
    call = room.as_user("thierry").call("default", "123")
    call.create(settings={"session": {"inactivity_timeout_seconds": 5}}, max_duration=60)
    call.join().leave()
    rooms.clock.advance(seconds=5)
    assert call.get().current_session is None
    call.join()
    rooms.clock.advance(seconds=60)
    assert call.get().ended_at is not None


@pytest.mark.parametrize("value", [0, -1, 1.5, "many", None, True])
def test_a_room_lets_in_one_at_least(value: object) -> None:
    with pytest.raises(errors.InvalidInput) as refusal:
        Greenroom.open("memory://", in_flight=value)  # type: ignore[arg-type]  # that is the point
    assert refusal.value.path == "in_flight"
