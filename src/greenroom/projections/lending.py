"""Connections that are lent for one statement each: no more is done for it than a list needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from sqlalchemy.exc import TimeoutError as PoolExhausted

PATIENCE: Final = 30
"""Seconds to wait for a connection that other threads are using."""


class Closing(Protocol):
    """A connection of any driver."""

    def close(self) -> None:
        """Release it."""
        ...


C = TypeVar("C", bound=Closing)


class Lender(Generic[C]):
    """Lends at most `size` connections, the last to come back first; safe for many threads."""

    def __init__(self, connect: Callable[[], C], size: int) -> None:
        self._connect = connect
        self._size = size
        self._idle: list[C] = []
        self._made = 0
        self._waiting = 0
        self._turn = threading.Condition()
        self._closed = False

    def take(self) -> C:
        """A connection that nobody else has; give it back, or drop it.

        Raises:
            sqlalchemy.exc.TimeoutError: all were in use for half a minute.
        """
        try:
            return self._idle.pop()
        except IndexError:
            return self._made_or_awaited()

    def give_back(self, connection: C) -> None:
        """Let others have it."""
        if self._closed:
            self.drop(connection)
            return
        self._idle.append(connection)
        if self._waiting:
            with self._turn:
                self._turn.notify()

    def drop(self, connection: C) -> None:
        """Instead of giving it back: it is of no use any more."""
        connection.close()
        with self._turn:
            self._made -= 1
            self._turn.notify()

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        self._closed = True
        self.dispose()

    @property
    def pool(self) -> object:
        """What is idle, for a forked child to keep and not to touch."""
        return self._idle

    def dispose(self, close: bool = True) -> None:  # noqa: FBT001, FBT002 - as engines have it
        """Close what is idle; without `close` forget everything that was ever lent, as it is."""
        if not close:
            self._turn = threading.Condition()
            self._idle, self._made, self._waiting = [], 0, 0
            return
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # somebody was faster
                return
            self.drop(connection)

    def _made_or_awaited(self) -> C:
        ends = time.monotonic() + PATIENCE
        with self._turn:
            self._waiting += 1
            try:
                while True:
                    # Who waits has said so before this look: what comes back now is seen, or told.
                    if self._idle:
                        return self._idle.pop()
                    if self._made < self._size:
                        self._made += 1
                        break
                    if not self._turn.wait(ends - time.monotonic()):
                        raise PoolExhausted(f"{self._size} connections")
            finally:
                self._waiting -= 1
        try:
            return self._connect()
        except BaseException:
            with self._turn:
                self._made -= 1
                self._turn.notify()
            raise
