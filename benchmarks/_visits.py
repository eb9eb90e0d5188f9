"""The load: visitors join a session in which 20 others are, and leave it again.

A visit is two commands. Everybody who visits comes for the first time: greenroom has to know
whether they are members, are blocked or were erased; the library's aggregate is not asked that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from time import perf_counter
from typing import Final, TypeVar
from uuid import UUID

from benchmarks._stock import EVIDENCE, PRESENT, StockApplication, open_session

from greenroom import Greenroom, Member, aio

T = TypeVar("T")

COMMANDS: Final = 2
"""Of one visit."""
TYPE: Final = "development"
"""Of the calls that are visited: everybody may do everything."""


class StockVisits:
    """As a careful user of the library writes it: get, command, save; a session a thread.

    Every round has new sessions: else the library would replay more with every round.

    Args:
        application: where they are recorded.
        threads: so many visitors at the same time.
        visits: in a thread and round.
    """

    def __init__(self, application: StockApplication, threads: int, visits: int) -> None:
        self._application = application
        self._threads = threads
        self._visits = visits
        self._sessions: Sequence[UUID] = ()

    def prepare(self) -> None:
        """Open the sessions of the next round."""
        self._sessions = [open_session(self._application) for _ in range(self._threads)]

    def run(self) -> Sequence[float]:
        """One round; the seconds each command took."""
        return in_threads(self._visit, self._sessions)

    def _visit(self, session_id: UUID) -> Sequence[float]:
        application, taken = self._application, []
        for number in range(self._visits):
            entry, user = f"entry-{number}", f"visitor-{number}"
            began = perf_counter()
            session = application.session(session_id)
            session.join(entry, user, "user", counts=True, evidence=EVIDENCE)
            application.save(session)
            joined = perf_counter()
            session = application.session(session_id)
            session.leave(entry, user, "left")
            application.save(session)
            taken += [joined - began, perf_counter() - joined]
        return taken


class ThreadedVisits:
    """The same through `greenroom.Greenroom`, a call a thread.

    Args:
        room: where the calls are made.
        threads: so many visitors at the same time.
        visits: in a thread and round.
    """

    def __init__(self, room: Greenroom, threads: int, visits: int) -> None:
        self._room = room
        self._visits = visits
        self._numbers = count()
        self._calls = [f"threaded-{threads}-{number}" for number in range(threads)]
        in_threads(self._open, self._calls)

    def run(self) -> Sequence[float]:
        """One round; the seconds each command took."""
        return in_threads(self._visit, self._calls)

    def run_here(self) -> Sequence[float]:
        """The same in the calling thread, one visitor after the other."""
        return [one for call_id in self._calls for one in self._visit(call_id)]

    def _open(self, call_id: str) -> Sequence[float]:
        self._room.as_user("thierry").call(TYPE, call_id).create()
        for number in range(PRESENT):
            self._room.as_user(f"user-{number}").call(TYPE, call_id).join()
        return ()

    def _visit(self, call_id: str) -> Sequence[float]:
        taken = []
        for _ in range(self._visits):
            call = self._room.as_user(f"visitor-{next(self._numbers)}").call(TYPE, call_id)
            began = perf_counter()
            call.join()
            joined = perf_counter()
            call.leave()
            taken += [joined - began, perf_counter() - joined]
        return taken


class FlyingVisits:
    """The same through `greenroom.aio.Greenroom`, a call a task, all on one loop.

    Args:
        runner: of the loop that the room was opened on.
        room: where the calls are made.
        flying: so many visitors at the same time.
        visits: in a task and round.
        requests: whether every command has a request id.
        elsewhere: another room on the same store, as of another process, that makes all visitors
            of a round members before it; without, they are strangers to the call.
    """

    def __init__(
        self,
        runner: asyncio.Runner,
        room: aio.Greenroom,
        flying: int,
        visits: int,
        *,
        requests: bool = False,
        elsewhere: Greenroom | None = None,
    ) -> None:
        self._runner = runner
        self._room = room
        self._visits = visits
        self._requests = requests
        self._elsewhere = elsewhere
        self._round = 0
        self._calls = [f"flying-{number}" for number in range(flying)]
        runner.run(self._at_once(self._open))

    def prepare(self) -> None:
        """Let other visitors come in the next round."""
        self._round += 1
        if self._elsewhere is not None:
            in_threads(self._invite, self._calls, at_once=8)

    def run(self) -> Sequence[float]:
        """One round; the seconds each command took."""
        return self._runner.run(self._at_once(self._visit))

    async def _at_once(
        self, work: Callable[[str], Coroutine[None, None, Sequence[float]]]
    ) -> Sequence[float]:
        taken = await asyncio.gather(*map(work, self._calls))
        return [one for some in taken for one in some]

    async def _open(self, call_id: str) -> Sequence[float]:
        await self._room.as_user("thierry").call(TYPE, call_id).create()
        for number in range(PRESENT):
            await self._room.as_user(f"user-{number}").call(TYPE, call_id).join()
        return ()

    def _invite(self, call_id: str) -> Sequence[float]:
        assert self._elsewhere is not None
        call = self._elsewhere.as_user("thierry").call(TYPE, call_id)
        call.add_members(map(Member, self._visitors(call_id)))
        return ()

    async def _visit(self, call_id: str) -> Sequence[float]:
        taken = []
        for visitor in self._visitors(call_id):
            call = self._room.as_user(visitor).call(TYPE, call_id)
            began = perf_counter()
            await call.join(request_id=f"{visitor}-in" if self._requests else None)
            joined = perf_counter()
            await call.leave(request_id=f"{visitor}-out" if self._requests else None)
            taken += [joined - began, perf_counter() - joined]
        return taken

    def _visitors(self, call_id: str) -> Sequence[str]:
        """Of this round."""
        return [f"{call_id}-{self._round}-{number}" for number in range(self._visits)]


@contextmanager
def flying_room(url: str) -> Iterator[tuple[asyncio.Runner, aio.Greenroom]]:
    """A room at `url`, with the runner of the loop that it lives on."""

    async def opened() -> aio.Greenroom:
        return await aio.Greenroom.open(url, timers=False)

    with asyncio.Runner() as runner:
        room = runner.run(opened())
        try:
            yield runner, room
        finally:
            runner.run(room.close())


def in_threads(
    work: Callable[[T], Sequence[float]], each: Sequence[T], at_once: int | None = None
) -> Sequence[float]:
    """What `work` gives for each, so many at the same time; all of them where nothing is said."""
    with ThreadPoolExecutor(at_once or len(each)) as pool:
        return [one for taken in pool.map(work, each) for one in taken]
