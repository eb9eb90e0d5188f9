"""Carrying commands out on an event loop: thousands at once, and none holds up another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, Final, TypeVar

from greenroom.aio.tail import Tail
from greenroom.answers import Answer
from greenroom.desk import ATTEMPTS, PATIENCE, Command, Decision, Done, pause
from greenroom.domain.errors import Conflict, GreenroomError, Repeated, StoreClosed
from greenroom.domain.message import CallId, StreamId, UserId
from greenroom.domain.turn import Folded, Turn
from greenroom.intake import LONGEST_WAIT
from greenroom.live import LiveCore
from greenroom.pipeline import Pipeline
from greenroom.proposal import Proposal
from greenroom.sight import Sight
from greenroom.states import States
from greenroom.telemetry import again

T = TypeVar("T", bound=Turn)
A = TypeVar("A", bound=Answer)
R = TypeVar("R")

_CLOSED: Final = "the room was closed; open it again"
_AHEAD: Final = 64
"""Decisions that recording begins with, while the loop is still busy deciding others."""
_THREADS: Final = 16
"""For what blocks: queries, and reading what is not in memory."""


class AsyncDesk:
    """Carries commands out for the tasks of one event loop.

    Deciding happens on the loop, on states in memory; recording in a thread, many at once.
    """

    def __init__(self, core: LiveCore) -> None:
        self._core = core
        self._desk = core.desk
        self._loop = asyncio.get_running_loop()
        self._recorder = _Recorder(core.desk.pipeline, self._loop)
        self._threads = ThreadPoolExecutor(_THREADS, "greenroom-blocking")
        self._patient = ThreadPoolExecutor(_THREADS, "greenroom-patient")
        self.tail: Final = Tail(self, core.awaits, core.follow)
        self._looking: asyncio.Task[None] | None = None
        self._next_look: asyncio.Future[None] | None = None

    async def in_thread(self, work: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """Do what blocks, in a thread."""
        return await self._done_by(self._threads, partial(work, *args, **kwargs))

    async def carry_out(self, command: Command[Any, A]) -> A:
        """Decide, record, answer: all of it or nothing.

        Cancelled, it leaves either the whole effect or none; the same request id tells which.
        """
        if command.watch is None and self._core.telemetry.looks:
            with self._core.telemetry.watching(command) as watched:
                return await self.carry_out(watched)
        if not self._desk.intake.take():
            await self._let_in()
        try:
            done = await self._carry_out(command)
        finally:
            self._desk.intake.leave()
        with suppress(StoreClosed):  # closed meanwhile; it is recorded all the same
            if done.erased:
                await self.in_thread(self._core.scrub, done.erased)
            if done.wakes and self._core.drives:
                await self._woken()
        return done.answer.placed(done.position)

    def close(self) -> None:
        """Leave no thread behind. It blocks: called in a thread."""
        self._recorder.stop()
        self._patient.shutdown()
        self._threads.shutdown()

    async def _done_by(self, threads: ThreadPoolExecutor, work: Callable[[], R]) -> R:
        call = partial(copy_context().run, work)
        try:
            doing = self._loop.run_in_executor(threads, call)
        except RuntimeError:  # they were shut down
            raise StoreClosed(_CLOSED) from None
        return await doing

    async def _carry_out(self, command: Command[Any, A]) -> Done[A]:
        for attempt in range(ATTEMPTS):
            decision = await self._settled(command, attempt)
            looks_up = (
                command.deletes
                or isinstance(decision.proposal.outcome, Repeated)
                or (command.request_id is not None and isinstance(decision.answer, GreenroomError))
            )
            done = (
                await self.in_thread(self._desk.conclude, command, decision)
                if looks_up
                else self._desk.conclude(command, decision)
            )
            if done is not None:
                return done
            again(command, attempt + 1)
            await asyncio.sleep(pause(attempt))
        raise Conflict(f"{command.operation.name}: others wrote first {ATTEMPTS} times in a row")

    async def _settled(self, command: Command[Any, A], attempt: int) -> Decision[A]:
        """What was decided, once it is settled."""
        settled: asyncio.Future[None] = self._loop.create_future()
        if not self._desk.lanes.take(command.lane):
            await self._enter_lane(command.lane)
        try:
            if attempt >= PATIENCE:
                return await self._decided_alone(command)
            decision = await self._decide(command, settled)
        finally:
            self._desk.lanes.leave(command.lane)
        await self._settle(decision, settled)
        return decision

    async def _decide(self, command: Command[T, A], settled: asyncio.Future[None]) -> Decision[A]:
        """Decide on what is in memory; fetch what is not, and decide again."""
        desk = self._desk
        fetched: dict[StreamId, Folded[Any]] = {}
        members: dict[CallId, Iterable[UserId]] = {}
        wake = partial(self._recorder.hear, settled)
        while True:
            sight = Sight(desk.pipeline.ahead, desk.states, fetched.get, members.get)
            decision = desk.decide(command, sight, wake)
            if decision is not None:
                self._recorder.go_on()
                return decision
            if sight.missing:
                fetched = await self.in_thread(_fetched, desk.states, sight.missing, fetched)
            elif sight.missing_members is not None:
                # Who is on the way in now may be recorded, and on the way no longer, by then.
                recorded = await self.in_thread(desk.members, sight.missing_members)
                members[sight.missing_members] = {*sight.soon_members, *recorded}
            else:
                fetched, members = {}, {}  # outdated

    async def _settle(self, decision: Decision[A], settled: asyncio.Future[None]) -> None:
        try:
            await settled
        except asyncio.CancelledError:
            self._desk.pipeline.withdraw(decision.proposal)
            raise

    async def _let_in(self) -> None:
        intake = self._desk.intake
        admitted: asyncio.Future[None] = self._loop.create_future()
        admit = partial(_tell, self._loop, admitted)
        if intake.enter(admit):
            return
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await admitted
        except TimeoutError:
            intake.withdraw(admit)
            raise intake.overloaded() from None
        except asyncio.CancelledError:
            intake.withdraw(admit)
            raise

    async def _enter_lane(self, lane: str) -> None:
        admitted: asyncio.Future[None] = self._loop.create_future()
        admit = partial(_tell, self._loop, admitted)
        if self._desk.lanes.enter(lane, admit):
            return
        try:
            await admitted
        except asyncio.CancelledError:
            self._desk.lanes.withdraw(lane, admit)
            raise

    async def _decided_alone(self, command: Command[T, A]) -> Decision[A]:
        """What was decided, and settled, while nobody else could record."""
        # Not among the threads that queries depend on: it may have to wait for long.
        return await self._done_by(self._patient, partial(self._desk.decide_alone, command))

    async def _woken(self) -> None:
        """Whatever drives the room has looked at it since this was asked; one look serves many."""
        if not self._core.clock.waits:
            self._core.wake()
            return
        if self._next_look is None:
            self._next_look = self._loop.create_future()
            if self._looking is None:
                self._looking = self._loop.create_task(self._look())
        await asyncio.shield(self._next_look)

    async def _look(self) -> None:
        while self._next_look is not None:
            look, self._next_look = self._next_look, None
            try:
                await self.in_thread(self._core.wake)
            except Exception as error:  # noqa: BLE001 - told to those who wait for it
                look.set_exception(error)
            else:
                look.set_result(None)
        self._looking = None


class _Recorder:
    """The thread that records what the loop has decided."""

    def __init__(self, pipeline: Pipeline, loop: asyncio.AbstractEventLoop) -> None:
        self._pipeline = pipeline
        self._loop = loop
        self._wanted = threading.Event()
        self._stopped = False
        self._asked = 0
        self._lock = threading.Lock()
        self._settled: list[asyncio.Future[None]] = []
        self._thread = threading.Thread(target=self._run, name="greenroom-recorder", daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Something waits: record it, with all that the loop decides before its next turn."""
        self._asked += 1
        if self._asked == 1:
            self._loop.call_soon(self._ask)
        elif self._asked % _AHEAD == 0:
            self._wanted.set()

    def hear(self, settled: asyncio.Future[None], proposal: Proposal) -> None:
        """A decision is settled, or somebody has to lead. From any thread."""
        if proposal.outcome is None:
            self._wanted.set()
            return
        with self._lock:
            first = not self._settled
            self._settled.append(settled)
        if first:
            with suppress(RuntimeError):  # nobody is on the loop any more
                self._loop.call_soon_threadsafe(self._deliver)

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._wanted.set()
        self._thread.join()

    def _ask(self) -> None:
        self._asked = 0
        self._wanted.set()

    def _run(self) -> None:
        while not self._stopped:
            self._wanted.wait()
            self._wanted.clear()
            self._pipeline.lead_on()

    def _deliver(self) -> None:
        with self._lock:
            settled, self._settled = self._settled, []
        for future in settled:
            if not future.done():
                future.set_result(None)


def _fetched(
    states: States, missing: Iterable[StreamId], before: Mapping[StreamId, Folded[Any]]
) -> dict[StreamId, Folded[Any]]:
    """What was missing, beside what was fetched before: memory may be too small for all of it."""
    return {**before, **{stream: states.fetch(stream) for stream in missing}}


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    def tell() -> None:
        if not future.done():
            future.set_result(None)

    with suppress(RuntimeError):
        loop.call_soon_threadsafe(tell)
