"""Hearing of what other processes append, as it happens."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from typing import Final

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from greenroom.adapters.postgres_append import CHANNEL
from greenroom.adapters.postgres_connections import FORKS
from greenroom.adapters.postgres_server import Server
from greenroom.domain.errors import StoreError

_LISTEN: Final = f"LISTEN {CHANNEL}"
_PAUSES: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds between attempts to reach a server that is gone; the last one again and again."""

_LONGEST_GOODBYE: Final = 2.0
"""Seconds; a thread that just tries to reach a silent machine ends later, by itself."""


class Listener:
    """A thread with a connection on which the server tells of appends.

    Nothing depends on it: whoever waits for appends also looks from time to time. It connects
    again by itself, however long the server was gone.

    Args:
        server: where the log is.
        tell: called for what was appended, with the server's process that did it; with None where
            something may have been missed.
    """

    def __init__(self, server: Server, tell: Callable[[int | None], None]) -> None:
        self._server = server
        self._tell = tell
        self._starting = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Connection[TupleRow] | None = None
        self._wake: socket.socket | None = None
        self._of_the_parent: list[object] = []
        FORKS.add(self)

    def start(self) -> None:
        """Begin to listen, unless it does so already or was stopped."""
        with self._starting:
            if self._thread is None and not self._stopped.is_set():
                self._wake, woken = socket.socketpair()
                self._thread = threading.Thread(
                    target=self._run, args=(woken,), name="greenroom-listener", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Listen no more. Twice is fine."""
        with self._starting:
            self._stopped.set()
        if self._thread is not None and self._wake is not None:
            self._wake.close()  # the other end becomes readable
            self._thread.join(_LONGEST_GOODBYE)

    def after_fork_in_child(self) -> None:
        """Start anew when somebody listens again: the thread stayed with the parent."""
        self._of_the_parent += [self._connection, self._wake]
        self._starting = threading.Lock()
        self._thread = self._connection = self._wake = None

    def _run(self, woken: socket.socket) -> None:
        attempt = 0
        while not self._stopped.is_set():
            try:
                with self._server.connect(_LISTEN) as self._connection:
                    attempt = 0
                    self._tell(None)
                    self._hear(self._connection, woken)
            except (StoreError, psycopg.Error):
                self._stopped.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)])
                attempt += 1
        woken.close()

    def _hear(self, connection: Connection[TupleRow], woken: socket.socket) -> None:
        """Until stopped, or the connection breaks."""
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while not self._stopped.is_set():
                selector.select()
                connection.pgconn.consume_input()
                while heard := connection.pgconn.notifies():
                    self._tell(heard.be_pid)
