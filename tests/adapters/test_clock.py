"""Clocks: the contract for both, and what each promises beyond it."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.clock import SystemClock
from greenroom.domain.ports import Clock, Drive
from greenroom.testing.clock import VirtualClock
from greenroom.testing.clock_contract import Alarms, ClockContract, driven, eventually

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NEW_YEAR + timedelta(seconds=seconds)


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()

    def let_pass(self, clock: Clock, delta: timedelta) -> None:
        end = clock.now() + delta
        while clock.now() < end:
            time.sleep(delta.total_seconds())

    @pytest.mark.slow
    def test_a_ticker_that_raises_is_logged_and_tried_again(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Flaky(Alarms):
            failures = 2

            def fire_due(self) -> None:
                if self.failures:
                    self.failures -= 1
                    raise OSError("the store is on fire")
                super().fire_due()

        alarms = Flaky(clock, clock.now())
        with caplog.at_level(logging.ERROR), driven(clock, alarms) as drive:
            drive.wake()  # does not shorten the pause after a failure
            assert alarms.have_rung(1)
        assert len(alarms.rung) == 1
        assert [record.message for record in caplog.records] == [
            "greenroom-Flaky failed; again in 0:00:00.100000",
            "greenroom-Flaky failed; again in 0:00:00.200000",
        ]

    @pytest.mark.slow
    def test_plans_that_nobody_announced_are_seen(self, clock: Clock) -> None:
        alarms = Alarms(clock)
        with driven(clock, alarms):
            time.sleep(0.05)  # it sleeps by now
            alarms.plan(clock.now())
            assert alarms.have_rung(1)
        assert len(alarms.rung) == 1

    def test_a_ticker_that_stays_due_takes_no_whole_core(self, clock: Clock) -> None:
        class Stuck(Alarms):
            fired = 0

            def fire_due(self) -> None:
                self.fired += 1

        alarms, began = Stuck(clock, clock.now()), time.monotonic()
        with driven(clock, alarms):
            assert eventually(lambda: alarms.fired >= 6)
            fired, took = alarms.fired, time.monotonic() - began
        assert took > 0.015 * (fired - 1)


class TestVirtualClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return VirtualClock(NEW_YEAR)

    def let_pass(self, clock: Clock, delta: timedelta) -> None:
        assert isinstance(clock, VirtualClock)
        clock.advance(delta)


@given(
    plans=st.lists(st.lists(st.integers(0, 100), max_size=10), max_size=4),
    steps=st.lists(st.integers(0, 60), max_size=6),
)
def test_whatever_fell_due_has_happened_at_its_own_instant_and_in_order(
    plans: list[list[int]], steps: list[int]
) -> None:
    clock = VirtualClock(NEW_YEAR)
    order: list[datetime] = []

    class Noted(Alarms):
        def fire_due(self) -> None:
            order.append(clock.now())
            super().fire_due()

    all_alarms = [Noted(clock, *map(at, instants)) for instants in plans]
    for alarms in all_alarms:
        clock.drive(alarms)
    for step in steps:
        clock.advance(seconds=step)

    for alarms, instants in zip(all_alarms, plans, strict=True):
        due = sorted(at(instant) for instant in instants if instant <= sum(steps))
        assert alarms.rung == [(instant, instant) for instant in due]
    assert order == sorted(order)
    assert clock.now() == at(sum(steps))


def test_time_stands_still_by_itself() -> None:
    clock = VirtualClock(NEW_YEAR)
    assert clock.now() == clock.now() == NEW_YEAR


def test_the_clock_can_be_set_but_not_back() -> None:
    clock = VirtualClock(NEW_YEAR)
    clock.set(at(10))
    clock.set(at(10))
    with pytest.raises(ValueError, match="cannot go back"):
        clock.set(at(9))
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(seconds=-1)
    assert clock.now() == at(10)


def test_any_zone_is_understood_and_no_zone_is_refused() -> None:
    clock = VirtualClock(NEW_YEAR.astimezone(timezone(timedelta(hours=5))))
    assert clock.now().tzinfo is UTC
    with pytest.raises(ValueError, match="naive"):
        VirtualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="naive"):
        clock.set(datetime(2027, 1, 1))  # noqa: DTZ001 - the point of the test


def test_advance_takes_a_timedelta_or_seconds() -> None:
    clock = VirtualClock(NEW_YEAR)
    clock.advance(timedelta(minutes=1))
    clock.advance(seconds=0.5)
    assert clock.now() == at(60.5)
    with pytest.raises(ValueError, match="either"):
        clock.advance()
    with pytest.raises(ValueError, match="either"):
        clock.advance(timedelta(1), seconds=1)


def test_what_a_ticker_plans_while_time_passes_happens_in_the_same_advance() -> None:
    clock = VirtualClock(NEW_YEAR)

    class EveryMinute(Alarms):
        def fire_due(self) -> None:
            super().fire_due()
            self.plan(clock.now() + timedelta(minutes=1))

    alarms = EveryMinute(clock, at(60))
    clock.drive(alarms)
    clock.advance(timedelta(hours=1))
    assert alarms.rung_for == [at(60 * minute) for minute in range(1, 61)]


def test_waking_does_at_once_what_is_due() -> None:
    clock = VirtualClock(NEW_YEAR)
    alarms = Alarms(clock)
    drive = clock.drive(alarms)
    alarms.plan(at(0))
    drive.wake()
    assert alarms.rung == [(at(0), at(0))]


def test_waking_while_another_thread_fires_returns_and_is_seen() -> None:
    clock = VirtualClock(NEW_YEAR)
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Alarms):
        def fire_due(self) -> None:
            super().fire_due()
            begun.set()
            go_on.wait(60)

    alarms = Slow(clock)
    drive = clock.drive(alarms)
    alarms.plan(at(0))
    thread = threading.Thread(target=drive.wake)
    thread.start()
    assert begun.wait(60)
    alarms.plan(at(0))
    drive.wake()  # would never return if it waited for the other
    assert len(alarms.rung) == 1
    go_on.set()
    thread.join()
    assert len(alarms.rung) == 2


def test_moving_the_clock_waits_for_a_firing_of_another_thread() -> None:
    clock = VirtualClock(NEW_YEAR)
    begun = threading.Event()

    class Slow(Alarms):
        def fire_due(self) -> None:
            begun.set()
            time.sleep(0.05)
            super().fire_due()

    alarms = Slow(clock)
    drive = clock.drive(alarms)
    alarms.plan(at(0))
    thread = threading.Thread(target=drive.wake)
    thread.start()
    assert begun.wait(60)
    clock.advance(seconds=1)
    assert len(alarms.rung) == 1
    thread.join()


def test_two_tickers_may_wake_each_other() -> None:
    clock = VirtualClock(NEW_YEAR)

    class Passing(Alarms):
        other: Passing
        drive: Drive

        def fire_due(self) -> None:
            super().fire_due()
            if len(self.rung) < 5:
                self.other.plan(clock.now())
                self.other.drive.wake()

    left, right = Passing(clock), Passing(clock)
    left.other, right.other = right, left
    left.drive, right.drive = clock.drive(left), clock.drive(right)
    left.plan(at(10))
    clock.advance(seconds=10)
    assert (len(left.rung), len(right.rung)) == (5, 4)


def test_what_a_ticker_raises_surfaces_and_stays_due() -> None:
    clock = VirtualClock(NEW_YEAR)

    class Flaky(Alarms):
        broken = True

        def fire_due(self) -> None:
            if self.broken:
                raise OSError("the store is on fire")
            super().fire_due()

    alarms = Flaky(clock, at(10))
    clock.drive(alarms)
    with pytest.raises(OSError, match="on fire"):
        clock.advance(seconds=20)
    assert clock.now() == at(10)
    alarms.broken = False
    clock.advance(seconds=10)
    assert alarms.rung == [(at(10), at(10))]


def test_a_ticker_that_stays_due_is_an_error() -> None:
    clock = VirtualClock(NEW_YEAR)

    class Stuck(Alarms):
        def fire_due(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="is due still"):
        clock.drive(Stuck(clock, at(0)))


def test_a_ticker_cannot_move_the_clock() -> None:
    clock = VirtualClock(NEW_YEAR)

    class Hasty(Alarms):
        def fire_due(self) -> None:
            clock.advance(seconds=1)

    alarms = Hasty(clock, at(5))
    drive = clock.drive(alarms)
    with pytest.raises(RuntimeError, match="cannot move the clock"):
        clock.advance(seconds=5)
    with pytest.raises(RuntimeError, match="cannot move the clock"):
        drive.wake()
