"""A line to a PostgreSQL server that breaks at a chosen byte, is slow, or falls silent."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from time import sleep
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

Way = Literal["questions", "answers"]


class BreakingLine:
    """Stands between clients and the server of a URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{parts.port}/", f":{port}/")
        """Of the same database, through this line."""
        self.delay = 0.0
        """Seconds that each portion takes on its way."""
        self.broken = False
        """Whether it broke, since it was told to."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._way: Way | None = None
        self._left = 0
        self._stays = False
        self._away = False
        self._flowing = threading.Event()
        self._flowing.set()

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
            self._way, self._away = None, False
        self._flowing.set()

    def hold(self) -> None:
        """From now on nothing passes, and nobody is told so."""
        self._flowing.clear()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut(*self._open)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._away:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                with self._lock:
                    self._open |= {client, server}
                for way, here, there in (
                    ("questions", client, server),
                    ("answers", server, client),
                ):
                    run = threading.Thread(target=self._carry, args=(way, here, there), daemon=True)
                    run.start()

    def _carry(self, way: Way, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(1 << 16):
                sleep(self.delay)
                self._flowing.wait()
                passing = self._passing(way, data)
                there.sendall(passing)
                if len(passing) < len(data):
                    break
        self._cut(here, there)
        if self._away:
            self._cut(*self._open)

    def _passing(self, way: Way, data: bytes) -> bytes:
        with self._lock:
            if way != self._way:
                return data
            passing = data[: self._left]
            self._left -= len(passing)
            if len(passing) < len(data):
                self._way, self.broken, self._away = None, True, self._stays
            return passing

    def _cut(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(ends)
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
