"""The exam of every clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from greenroom.domain.ports import Clock, Drive

_TICK = timedelta(milliseconds=20)
_MANY = 8
_PATIENCE = 60.0
"""Seconds that a busy machine may take for what has fallen due."""


class Alarms:
    """A ticker that rings at given instants, and remembers when it did. Safe for many threads."""

    def __init__(self, clock: Clock, *plans: datetime) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._plans = sorted(plans)
        self._at_work = 0
        self.rung: list[tuple[datetime, datetime]] = []
        """(planned, rung) instants in the order of ringing."""
        self.most_at_work = 0
        """How many threads were firing it at the same time."""

    def plan(self, *instants: datetime) -> None:
        """Ring at these instants as well."""
        with self._lock:
            self._plans = sorted([*self._plans, *instants])

    def next_due(self) -> datetime | None:
        """The next instant to ring at."""
        with self._lock:
            return self._plans[0] if self._plans else None

    def fire_due(self) -> None:
        """Ring for every instant that has come."""
        with self._lock:
            self._at_work += 1
            self.most_at_work = max(self.most_at_work, self._at_work)
        now = self._clock.now()
        with self._lock:
            self.rung += [(planned, now) for planned in self._plans if planned <= now]
            self._plans = [planned for planned in self._plans if planned > now]
            self._at_work -= 1

    def have_rung(self, times: int) -> bool:
        """Wait until it has rung so often; False where it did not in a minute."""
        return eventually(lambda: len(self.rung) >= times)

    @property
    def rung_for(self) -> Sequence[datetime]:
        """The planned instants that it has rung for, in the order of ringing."""
        return [planned for planned, _ in self.rung]


def eventually(true: Callable[[], bool]) -> bool:
    """Wait until it is so; False where it did not come about in a minute."""
    ends = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > ends:
            return False
        time.sleep(0.001)
    return True


@contextmanager
def driven(clock: Clock, alarms: Alarms) -> Iterator[Drive]:
    """`alarms`, driven by `clock` for as long as the block lasts."""
    drive = clock.drive(alarms)
    try:
        yield drive
    finally:
        drive.stop()


class ClockContract:
    """What every `Clock` owes. Subclass it, give a `clock` fixture and say how time passes."""

    def let_pass(self, clock: Clock, delta: timedelta) -> None:
        """Return when at least `delta` has passed; what fell due may happen a moment later."""
        raise NotImplementedError

    def test_now_is_aware_in_utc_and_does_not_go_back(self, clock: Clock) -> None:
        earlier = clock.now()
        self.let_pass(clock, _TICK)
        assert earlier.tzinfo is UTC
        assert clock.now() >= earlier + _TICK

    def test_what_is_overdue_when_driven_happens_at_once(self, clock: Clock) -> None:
        alarms = Alarms(clock, clock.now() - timedelta(days=1))
        with driven(clock, alarms):
            self.let_pass(clock, _TICK)
            assert alarms.have_rung(1)
        assert len(alarms.rung) == 1

    def test_nothing_happens_before_its_time(self, clock: Clock) -> None:
        far = clock.now() + timedelta(hours=1)
        alarms = Alarms(clock, far)
        with driven(clock, alarms) as drive:
            drive.wake()
            self.let_pass(clock, _TICK)
        assert alarms.rung == []

    def test_everything_happens_once_in_order_and_not_early(self, clock: Clock) -> None:
        plans = [clock.now() + count * _TICK for count in (3, 1, 2)]
        alarms = Alarms(clock, *plans)
        with driven(clock, alarms):
            self.let_pass(clock, 4 * _TICK)
            assert alarms.have_rung(3)
        assert alarms.rung_for == sorted(plans)
        assert all(rung >= planned for planned, rung in alarms.rung)

    def test_a_new_plan_is_seen_when_the_drive_is_woken(self, clock: Clock) -> None:
        alarms = Alarms(clock)
        with driven(clock, alarms) as drive:
            soon = clock.now() + _TICK
            alarms.plan(soon)
            drive.wake()
            self.let_pass(clock, 2 * _TICK)
            assert alarms.have_rung(1)
        assert alarms.rung_for == [soon]

    def test_nothing_happens_once_stopped(self, clock: Clock) -> None:
        alarms = Alarms(clock)
        drive = clock.drive(alarms)
        drive.stop()
        drive.stop()
        alarms.plan(clock.now() + _TICK)
        drive.wake()
        self.let_pass(clock, 2 * _TICK)
        assert alarms.rung == []

    def test_stopping_waits_for_what_is_under_way(self, clock: Clock) -> None:
        begun = threading.Event()

        class Slow(Alarms):
            def fire_due(self) -> None:
                begun.set()
                time.sleep(0.1)
                super().fire_due()

        alarms = Slow(clock, clock.now())
        drive = clock.drive(alarms)
        self.let_pass(clock, _TICK)
        assert begun.wait(_PATIENCE)
        drive.stop()
        assert len(alarms.rung) == 1

    def test_a_ticker_may_stop_its_own_drive(self, clock: Clock) -> None:
        class OneShot(Alarms):
            drive: Drive

            def fire_due(self) -> None:
                super().fire_due()
                if self.rung:
                    self.plan(self._clock.now() + _TICK)
                    self.drive.stop()

        alarms = OneShot(clock)
        alarms.drive = clock.drive(alarms)
        alarms.plan(clock.now())
        alarms.drive.wake()
        assert alarms.have_rung(1)
        self.let_pass(clock, 2 * _TICK)
        alarms.drive.stop()
        assert len(alarms.rung) == 1

    def test_a_ticker_may_wake_its_own_drive(self, clock: Clock) -> None:
        class Chain(Alarms):
            drive: Drive

            def fire_due(self) -> None:
                super().fire_due()
                if len(self.rung) < 3:
                    self.plan(self._clock.now())
                    self.drive.wake()

        alarms = Chain(clock)
        with driven(clock, alarms) as alarms.drive:
            alarms.plan(clock.now())
            alarms.drive.wake()
            self.let_pass(clock, _TICK)
            assert alarms.have_rung(3)
        assert len(alarms.rung) == 3

    def test_many_wake_at_once_and_nothing_is_missed_or_done_in_parallel(
        self, clock: Clock
    ) -> None:
        alarms = Alarms(clock)
        together = threading.Barrier(_MANY)

        def plan_and_wake(drive: Drive) -> None:
            together.wait()
            for _ in range(20):
                alarms.plan(clock.now())
                drive.wake()

        with driven(clock, alarms) as drive:
            threads = [threading.Thread(target=plan_and_wake, args=[drive]) for _ in range(_MANY)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.let_pass(clock, _TICK)
            assert alarms.have_rung(_MANY * 20)
        assert len(alarms.rung) == _MANY * 20
        assert alarms.most_at_work == 1
