"""Processes that live in a room until they are killed: what they do there, and how they die."""

from __future__ import annotations

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from random import Random
from typing import Final, Self

import pytest
from tests.engine.deeds import act, look

from greenroom import Greenroom
from greenroom.projections.runner import Records, Runner
from greenroom.projections.standing import standing

LONGEST: Final = 200.0
"""Seconds after which a process ends by itself, should nobody kill it."""
PATIENCE: Final = 60.0
"""Seconds that anything of this may take."""

_PROCESSES: Final = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.engine.mortals"])

Life = Callable[[Greenroom, Random, Callable[[], None]], None]
"""Done again and again, as the lots say; to be told: that views will now be written."""
Fault = Callable[[Runner, Records, int], int]
"""What takes the place of `Runner.apply`."""


class Mortal:
    """A process with a room of its own, in which it leads its life."""

    def __init__(self, url: str, life: Life, seed: str, fault: Fault | None = None) -> None:
        self._heard, said = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=_live, args=(url, life, seed, fault, said))
        self._process.start()
        said.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join(PATIENCE)
        self._heard.close()

    def wait(self) -> None:
        """Until it is about to write views, once more."""
        while self._heard.poll():
            self._hear()
        assert self._heard.poll(PATIENCE), "it does nothing"
        self._hear()

    def die(self) -> None:
        """SIGKILL, whatever it is doing."""
        self._process.kill()
        self._process.join(PATIENCE)
        assert self._process.exitcode == -signal.SIGKILL, "it had ended before"

    def _hear(self) -> None:
        try:
            died_of = self._heard.recv()
        except EOFError:
            self._process.join(PATIENCE)
            died_of = f"it died by itself, exit code {self._process.exitcode}"
        assert not died_of, died_of


def _live(url: str, life: Life, seed: str, fault: Fault | None, said: Connection) -> None:
    if fault is not None:
        pytest.MonkeyPatch().setattr(Runner, "apply", fault)  # in this process, until it dies
    until, lots = time.monotonic() + LONGEST, Random(seed)
    try:
        with Greenroom.open(url, create=False) as room:
            while time.monotonic() < until:
                life(room, lots, lambda: said.send(""))
    except Exception:  # noqa: BLE001 - told to the test, which fails
        said.send(traceback.format_exc())


def act_and_look(room: Greenroom, lots: Random, tell: Callable[[], None]) -> None:
    """Do a few things, and look at something: the views catch up with all of it at once."""
    for _ in range(lots.choice([1, 3, 10])):
        act(room, lots)
    tell()
    look(room, lots)


def look_on(room: Greenroom, lots: Random, tell: Callable[[], None]) -> None:
    """Look again and again at what others do."""
    tell()
    look(room, lots)


def keep_past(room: Greenroom, lots: Random, tell: Callable[[], None]) -> None:
    """`act_and_look` where the past is kept; whoever comes first begins with it."""
    kept = room.kept_past()
    if kept is None or not kept.whole:
        tell()
        room.keep_past()
    act_and_look(room, lots, tell)


def rebuild(room: Greenroom, lots: Random, tell: Callable[[], None]) -> None:
    """Make the views anew, batch by batch."""
    tell()
    room.rebuild(lambda _: tell())


def position_first(runner: Runner, batch: Records, after: int) -> int:
    """Fault: the position has a transaction of its own, before that of the rows."""
    last = batch[-1][0]
    with runner._database.write() as connection:
        found = standing(connection, runner._projections)
        if found.least < after:
            return found.least
        connection.execute(runner._move, {"last": last})
    with runner._database.write() as connection:
        runner._at_once(connection, found, batch)
    return max(last, found.least)
