"""A line to a PostgreSQL server that breaks at a chosen byte, is slow, or falls silent."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import sleep
from typing import Literal

from tests.adapters.postgres_line import PostgresLine

Way = Literal["questions", "answers"]


class BreakingLine(PostgresLine):
    """Breaks once, when it is told to."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.delay = 0.0
        """Seconds that each portion takes on its way."""
        self.broken = False
        """Whether it broke, since it was told to."""
        self._way: Way | None = None
        self._left = 0
        self._stays = False

    def break_after(self, number: int, way: Way, *, stays: bool = False) -> None:
        """Let so many bytes of questions or answers pass, and break then, in the middle of them.

        Args:
            number: of bytes, on all connections together.
            way: which of them count.
            stays: whether nobody gets through until it is mended; else who calls again does.
        """
        with self._lock:
            self._way, self._left, self._stays, self.broken = way, number, stays, False

    def mend(self) -> None:
        """Let everything pass again."""
        with self._lock:
            self._way = None
            self.away.clear()

    def carriers(self, client: socket.socket, server: socket.socket) -> list[Callable[[], None]]:
        """See `PostgresLine`."""
        return [
            partial(self._carry, "questions", client, server),
            partial(self._carry, "answers", server, client),
        ]

    def _carry(self, way: Way, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(1 << 16):
                sleep(self.delay)
                passing = self._passing(way, data)
                there.sendall(passing)
                if len(passing) < len(data):
                    break
        self.cut(here, there)
        if self.away.is_set():
            self.cut()

    def _passing(self, way: Way, data: bytes) -> bytes:
        with self._lock:
            if way != self._way:
                return data
            passing = data[: self._left]
            self._left -= len(passing)
            if len(passing) < len(data):
                self._way, self.broken = None, True
                if self._stays:
                    self.away.set()
            return passing
