"""An event loop on a thread of its own, for callers on any other."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from greenroom.domain.errors import MediaError

log: Final = logging.getLogger(__name__)
T = TypeVar("T")


class MediaThread:
    """Does on its loop what others ask of it, and lets them wait. It starts with the first.

    Args:
        name: of the thread.
        timeout: seconds that one piece of work may take.
        first: done on its loop before anything else.
    """

    def __init__(self, name: str, timeout: float, first: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._timeout = timeout
        self._first = first
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._life = threading.Lock()
        self._busy: set[asyncio.Task[Any]] = set()
        """Work under way; only the loop touches it."""

    @property
    def runs(self) -> bool:
        """Whether it has begun and was not stopped."""
        return self._loop is not None and not self._stopped

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`, and answer what it does.

        Raises:
            MediaError: it takes too long, or everything was stopped.
        """
        watched = self._busy_with(work)
        try:
            future = asyncio.run_coroutine_threadsafe(watched, self._running_loop())
        except (MediaError, RuntimeError):  # the latter: its loop was closed a moment ago
            watched.close()
            work.close()
            raise MediaError("media was stopped") from None
        try:
            return future.result(self._timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise MediaError(f"media did not answer within {self._timeout} s") from None
        except concurrent.futures.CancelledError:
            raise MediaError("media was stopped") from None

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do `last`, wait for what is under way, and end. Twice is fine."""
        with self._life:
            if self._stopped:
                return
            self._stopped = True
        if self._loop is None or self._thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._wind_up(last), self._loop).result(self._timeout)
        except concurrent.futures.TimeoutError:
            log.exception("%s did not close in %s s", self._name, self._timeout)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._life:
            if self._stopped:
                raise MediaError("media was stopped")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._live, name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    def _live(self) -> None:
        loop = self._loop
        assert loop is not None, "it was made before its thread"  # noqa: S101 - a bug here
        with asyncio.Runner(loop_factory=lambda: loop):
            loop.call_soon(self._first)
            loop.run_forever()

    async def _busy_with(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return await task

    async def _wind_up(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await last()
        while self._busy:
            await asyncio.wait(self._busy)
        await last()
