"""Machines with a fault in what they drive, for the exam of the harness."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from greenroom import errors
from greenroom.testing import (
    CallMachine,
    Claim,
    Driver,
    Fault,
    FaultStore,
    Outcome,
    ProcessDriver,
    RoomDriver,
    ThreadedDriver,
    Wish,
    Workers,
    asked,
    wish,
)

T = TypeVar("T")

FAULTS: Final = tuple(one for one in Fault if one not in {Fault.SLOW, Fault.OVERTAKEN})


# How many histories, of 25 wishes each, are tried of what: in a build, and at `deep`.
EXAMPLES: Final[Mapping[str, tuple[int, int]]] = {
    "a room in memory": (10, 100),
    "a room whose media reports": (6, 100),
    "a room in a file": (2, 40),
    "threads": (2, 40),
    "processes": (2, 40),
    "processes on PostgreSQL": (2, 40),
    "HTTP": (3, 40),
}


def tried(what: str) -> settings:
    in_a_build, deep = EXAMPLES[what]
    return settings(
        max_examples=deep if settings().max_examples >= 2_000 else in_a_build,
        stateful_step_count=25,
        suppress_health_check=[HealthCheck.too_slow],
    )


def as_if_blocked(wish: Wish) -> Wish:
    """Somebody who is kicked is kept out, as if they had been blocked."""
    if wish.name != "kick":
        return wish
    return replace(wish, arguments={**wish.arguments, "block": True})


class ForgetfulDoor(RoomDriver):
    def carry_out(self, wish: Wish) -> Outcome:
        return super().carry_out(as_if_blocked(wish))


class ForgetfulProcesses(ProcessDriver):
    """The same in processes of its own."""

    def __init__(self) -> None:
        self._ends = ExitStack()
        folder = self._ends.enter_context(TemporaryDirectory())
        workers = self._ends.enter_context(Workers(2))
        super().__init__(f"sqlite:///{folder}/calls.db", workers)

    def carry_out(self, wish: Wish) -> Outcome:
        return super().carry_out(as_if_blocked(wish))

    def close(self) -> None:
        super().close()
        self._ends.close()


class ForgetfulMachine(CallMachine):
    cids = ("default:123",)
    asks: ClassVar[Collection[str]] = ("join", "kick")

    def driver(self) -> Driver:
        return ForgetfulDoor()


class ForgetfulThreadsMachine(ForgetfulMachine):
    def driver(self) -> Driver:
        return ThreadedDriver(ForgetfulDoor())


class ForgetfulProcessesMachine(ForgetfulMachine):
    def driver(self) -> Driver:
        return ForgetfulProcesses()


class SmallForgetfulMachine(ForgetfulMachine):
    """The same with few ways to ask, so that the shortest is soon found."""

    asks = ()

    @initialize()
    def found(self) -> None:
        self.begin("default:123")
        self.ask(wish("thierry", "create"))

    join = asked("join", st.builds(wish, st.sampled_from(("alice", "charlie")), st.just("join")))
    kick = asked(
        "kick",
        st.builds(
            lambda who: wish("thierry", "kick", user_id=who), st.sampled_from(("alice", "charlie"))
        ),
    )


class BrokenDoor(RoomDriver):
    """Cannot bear that anybody mutes."""

    def carry_out(self, wish: Wish) -> Outcome:
        if wish.name == "mute":
            raise ZeroDivisionError("nobody can be muted")
        return super().carry_out(wish)


class BrokenMachine(CallMachine):
    def driver(self) -> Driver:
        return BrokenDoor()


class CountingDoor(RoomDriver):
    """Keeps `true` as 1, as a table may."""

    def seen(self) -> Mapping[str, Any]:
        seen = super().seen()
        kept = {key: 1 if one is True else one for key, one in seen.get("custom", {}).items()}
        return {**seen, "custom": kept}


class CountingMachine(CallMachine):
    def driver(self) -> Driver:
        return CountingDoor()


class FaultyDriver(RoomDriver):
    """A room whose commits fail in every way; whoever is not told what became of theirs insists."""

    under_the_same_id = True

    def open(self, cid: str, now: datetime) -> None:
        super().open(cid, now)
        self.faults = FaultStore(self.room)
        self._lot = Random(cid)
        self._asked = 0

    def advance(self, seconds: float) -> None:
        until = self.clock.now() + timedelta(seconds=seconds)
        self._insist(lambda: self.clock.set(until))

    def asked(self, wish: Wish) -> Any:
        self._asked += 1
        unrecorded = wish.name in {"timers", "send_event"} or wish.name.startswith("query_")
        if self.under_the_same_id and not unrecorded:
            wish = replace(wish, arguments={**wish.arguments, "request_id": f"ask-{self._asked}"})
        faults = [self._lot.choice(FAULTS) for _ in range(self._lot.randrange(3))]
        self.faults.next(*faults)
        ask = super().asked
        return self._insist(lambda: ask(wish))

    def seen(self) -> Mapping[str, Any]:
        return self._insist(super().seen)

    def allowed(self, by: Claim) -> list[str] | str | None:
        return self._insist(lambda: super(FaultyDriver, self).allowed(by))

    def _insist(self, do: Callable[[], T]) -> T:
        while True:
            try:
                return do()
            except errors.StoreError:
                continue  # each fault is there once


class FaultyMachine(CallMachine):
    def driver(self) -> Driver:
        return FaultyDriver()


class AskingAnewMachine(CallMachine):
    """Whoever is not told what became of theirs asks as if for the first time."""

    cids = ("default:123",)
    asks = ("join", "kick")

    def driver(self) -> Driver:
        driver = FaultyDriver()
        driver.under_the_same_id = False
        return driver
