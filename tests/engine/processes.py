"""Other processes: each has a room of its own, and does in it what it is told."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

from greenroom import Greenroom

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE: Final = 120.0
"""Seconds that anything may take which another process is told to do."""

_rooms: list[Greenroom] = []
"""Of this process, where it is one of those that are told what to do."""


class Process:
    """A process that begins with nothing of ours: it opens the room for itself."""

    def __init__(self) -> None:
        self._executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self.pid = self._executor.submit(os.getpid).result(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # it was killed
            self._executor.submit(_close).result(PATIENCE)
        self._executor.shutdown()

    def open(self, url: str, *, timers: bool = False) -> None:
        """Leave the room it was in, and open the one at `url`."""
        self._executor.submit(_open, url, timers=timers).result(PATIENCE)

    def leave(self) -> None:
        """Leave the room it is in."""
        self._executor.submit(_close).result(PATIENCE)

    def begin(
        self, do: Callable[Concatenate[Greenroom, P], R], *arguments: P.args, **named: P.kwargs
    ) -> Future[R]:
        """Let it do something in its room, beside whatever else is going on."""
        return self._executor.submit(_do, do, arguments, named)

    def ask(
        self, do: Callable[Concatenate[Greenroom, P], R], *arguments: P.args, **named: P.kwargs
    ) -> R:
        """Let it do something in its room, and wait until it is done."""
        return self.begin(do, *arguments, **named).result(PATIENCE)

    def kill(self) -> None:
        """SIGKILL, whatever it is doing."""
        os.kill(self.pid, signal.SIGKILL)
        with suppress(Exception):
            self._executor.submit(os.getpid).result(PATIENCE)  # fails once it is gone


def _open(url: str, *, timers: bool) -> None:
    _close()
    patient = timedelta(minutes=1)  # a query of a busy machine is not a slow query
    _rooms.append(Greenroom.open(url, create=False, timers=timers, query_limit=patient))


def _close() -> None:
    while _rooms:
        _rooms.pop().close()


def _do(do: Callable[..., R], arguments: tuple[object, ...], named: dict[str, object]) -> R:
    return do(_rooms[-1], *arguments, **named)
