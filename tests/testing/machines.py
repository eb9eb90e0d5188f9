"""Machines with a fault in what they drive, for the exam of the harness."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar, Final, TypeVar

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
    RoomDriver,
    Wish,
    asked,
    wish,
)

T = TypeVar("T")

FAULTS: Final = tuple(one for one in Fault if one not in {Fault.SLOW, Fault.OVERTAKEN})


class ForgetfulDoor(RoomDriver):
    """Somebody who was kicked is kept out, as if they had been blocked."""

    def carry_out(self, wish: Wish) -> Outcome:
        if wish.name == "kick":
            wish = Wish(wish.name, wish.by, wish.after, {**wish.arguments, "block": True})
        return super().carry_out(wish)


class ForgetfulMachine(CallMachine):
    cids = ("default:123",)
    asks: ClassVar[Collection[str]] = ("join", "kick")

    def driver(self) -> Driver:
        return ForgetfulDoor()


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
