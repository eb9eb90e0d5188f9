"""A line to a PostgreSQL server, which others let break."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class PostgresLine(ABC):
    """Stands between clients and the server of a URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{parts.port}/", f":{port}/")
        """Of the same database, through this line."""
        self.away = threading.Event()
        """While it is set, nobody reaches the server any more."""
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()

    @abstractmethod
    def carriers(self, client: socket.socket, server: socket.socket) -> list[Callable[[], None]]:
        """What carries questions, and what carries answers, until the line ends."""

    def cut(self, *ends: socket.socket) -> None:
        """These ends break; all there are, where none is named."""
        with self._lock:
            broken = ends or tuple(self._ends)
            self._ends.difference_update(broken)
        for end in broken:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.away.is_set():
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                with self._lock:
                    self._ends |= {client, server}
                for carry in self.carriers(client, server):
                    threading.Thread(target=carry, daemon=True).start()
