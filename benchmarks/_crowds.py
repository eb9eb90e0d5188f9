"""The rush: more users than may be in want into one call, as many at a time as there are workers.

Every crowd sees to it that exactly as many get in as may.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from time import perf_counter, sleep
from typing import Final

from benchmarks._report import Latencies
from benchmarks._stock import Full, StockApplication, open_session
from benchmarks._visits import TYPE
from eventsourcing.persistence import IntegrityError

from greenroom import Greenroom, aio, errors

USERS: Final = 1000
LIMIT: Final = 500
WORKERS: Final = 8
LONGEST_PAUSE: Final = 0.05
"""Seconds between two attempts of the baseline; faster than without, and fairer."""


def users() -> list[str]:
    return [f"user-{number}" for number in range(USERS)]


class StockCrowd:
    """Users who enter a session of the library's, until they are in or it is full."""

    def __init__(self, application: StockApplication) -> None:
        self._application = application

    def run(self) -> Latencies:
        """A crowd in front of a new session; the seconds each of them took."""
        session_id = open_session(self._application, present=0)

        def enter(user_id: str) -> tuple[bool, float]:
            began = perf_counter()
            for attempt in count():
                session = self._application.session(session_id)
                try:
                    session.enter(user_id, LIMIT)
                    self._application.save(session)
                except Full:
                    return False, perf_counter() - began
                except IntegrityError:
                    sleep(random.uniform(0, min(0.001 * 2**attempt, LONGEST_PAUSE)))
                else:
                    break
            return True, perf_counter() - began

        return admitted(enter)


class Crowd:
    """Users who join a call of greenroom's."""

    def __init__(self, room: Greenroom) -> None:
        self._room = room
        self._numbers = count()

    def run(self) -> Latencies:
        """A crowd in front of a new call; the seconds each of them took."""
        call_id = f"hot-{next(self._numbers)}"
        self._room.as_user("thierry").call(TYPE, call_id).create(max_participants=LIMIT)
        return admitted(lambda user_id: join(self._room, call_id, user_id))


class FlyingCrowd:
    """The same users, as many tasks on one loop as there are workers."""

    def __init__(self, runner: asyncio.Runner, room: aio.Greenroom) -> None:
        self._runner = runner
        self._room = room
        self._numbers = count()

    def run(self) -> Latencies:
        """A crowd in front of a new call; the seconds each of them took."""
        answers = self._runner.run(self._all(f"hot-{next(self._numbers)}"))
        assert sum(inside for inside, _ in answers) == LIMIT
        return [seconds for _, seconds in answers]

    async def _all(self, call_id: str) -> Sequence[tuple[bool, float]]:
        await self._room.as_user("thierry").call(TYPE, call_id).create(max_participants=LIMIT)
        waiting = iter(users())
        workers = (self._worker(call_id, waiting) for _ in range(WORKERS))
        return [answer for answers in await asyncio.gather(*workers) for answer in answers]

    async def _worker(self, call_id: str, waiting: Iterator[str]) -> list[tuple[bool, float]]:
        answers = []
        for user_id in waiting:
            began = perf_counter()
            try:
                await self._room.as_user(user_id).call(TYPE, call_id).join()
            except errors.CallFull:
                answers.append((False, perf_counter() - began))
            else:
                answers.append((True, perf_counter() - began))
        return answers


def join(room: Greenroom, call_id: str, user_id: str) -> tuple[bool, float]:
    """Whether they got in, and the seconds it took."""
    began = perf_counter()
    try:
        room.as_user(user_id).call(TYPE, call_id).join()
    except errors.CallFull:
        return False, perf_counter() - began
    return True, perf_counter() - began


def admitted(enter: Callable[[str], tuple[bool, float]]) -> Latencies:
    """The seconds each user took, by the workers; exactly as many as may be are in."""
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(enter, users()))
    assert sum(inside for inside, _ in answers) == LIMIT
    return [seconds for _, seconds in answers]
