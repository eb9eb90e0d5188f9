"""A room that several processes have open, each asked in its turn."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from greenroom.domain.turn import Claim
from greenroom.testing.driver import RoomDriver
from greenroom.testing.history import Wish
from greenroom.testing.model import Outcome

P = ParamSpec("P")
R = TypeVar("R")

_PATIENCE: Final = 120.0
"""Seconds that anything may take which another process is told to do."""

_driven: list[RoomDriver] = []
"""Of this process, where it is one of those that are told what to do."""


class Workers:
    """Processes that begin with nothing of this one; starting one takes a second or two.

    Use it as a context manager; one set of them serves any number of drivers, one after another.
    """

    def __init__(self, count: int = 2) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pools = [ProcessPoolExecutor(1, mp_context=spawn) for _ in range(count)]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._pools)

    def __enter__(self) -> Self:
        """The workers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        for pool in self._pools:
            pool.shutdown()

    def ask(
        self,
        worker: int,
        do: Callable[Concatenate[RoomDriver, P], R],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> R:
        """Let one of them do something with its driver, and wait until it is done."""
        return self.begin(worker, do, *arguments, **named).result(_PATIENCE)

    def begin(
        self,
        worker: int,
        do: Callable[Concatenate[RoomDriver, P], R],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> Future[R]:
        """Let one of them do something with its driver, beside whatever else is going on."""
        return self._pools[worker].submit(_do, do, arguments, named)

    def open(self, worker: int, url: str, cid: str, now: datetime, *, timers: bool) -> None:
        """Let one of them open the room at `url`."""
        self._pools[worker].submit(_open, url, cid, now, timers=timers).result(_PATIENCE)

    def close(self, worker: int) -> None:
        """Let one of them close what it has open."""
        self._pools[worker].submit(_close).result(_PATIENCE)


class ProcessDriver:
    """Lets processes take turns on one store; timers run in the first of them.

    Args:
        url: of an empty store, in a file or on PostgreSQL.
        workers: the processes.
    """

    def __init__(self, url: str, workers: Workers) -> None:
        self._url = url
        self._workers = workers
        self._turn = 0
        self._joined_in: list[int] = []

    def open(self, cid: str, now: datetime) -> None:
        """Open the room in every process."""
        for worker in range(len(self._workers)):
            self._workers.open(worker, self._url, cid, now, timers=worker == 0)

    def advance(self, seconds: float) -> None:
        """Let time pass everywhere; first where the timers are."""
        for worker in range(len(self._workers)):
            self._workers.ask(worker, RoomDriver.advance, seconds)

    def carry_out(self, wish: Wish) -> Outcome:
        """Let the next process do it; what concerns an entry, the one that it was joined in."""
        self._turn = (self._turn + 1) % len(self._workers)
        worker, here = self._turn, wish
        if "entry" in wish.arguments:
            worker = self._joined_in[wish.arguments["entry"]]
            before = self._joined_in[: wish.arguments["entry"]]
            said = {**wish.arguments, "entry": before.count(worker)}
            here = Wish(wish.name, wish.by, wish.after, said)
        outcome = self._workers.ask(worker, RoomDriver.carry_out, here)
        if wish.name == "join" and outcome.code is None:
            self._joined_in.append(worker)
        self._workers.ask(0, RoomDriver.advance, 0)  # what is due at once, where the timers are
        return outcome

    def seen(self) -> Mapping[str, Any]:
        """What is seen from the process after the one that was asked."""
        return self._workers.ask((self._turn + 1) % len(self._workers), RoomDriver.seen)

    def allowed(self, by: Claim) -> list[str] | str | None:
        """What is told there."""
        return self._workers.ask((self._turn + 1) % len(self._workers), RoomDriver.allowed, by)

    def close(self) -> None:
        """Close the room everywhere."""
        for worker in range(len(self._workers)):
            self._workers.close(worker)


def _open(url: str, cid: str, now: datetime, *, timers: bool) -> None:
    _close()
    driver = RoomDriver(url, timers=timers)
    driver.open(cid, now)
    _driven.append(driver)


def _close() -> None:
    while _driven:
        _driven.pop().close()


def _do(do: Callable[..., R], arguments: tuple[object, ...], named: dict[str, object]) -> R:
    return do(_driven[-1], *arguments, **named)
