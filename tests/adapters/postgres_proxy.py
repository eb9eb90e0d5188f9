"""A line to a PostgreSQL server that breaks at a chosen moment.

What is chosen is a word in what the client sends: the id of a request, or the name of a stream.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Stands between clients and the server of a URL; each fault happens once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{parts.port}/", f":{port}/")
        """Of the same database, through this line."""
        self.away = threading.Event()
        """While it is set, nobody reaches the server, and nobody stays connected."""
        self._lines: set[_Line] = set()
        self._lose_question: bytes | None = None
        self._lose_answer: bytes | None = None
        self._hang_up: bytes | None = None
        self.faults = 0
        """How many there were."""

    def lose_question(self, word: str) -> None:
        """The line breaks before the next question with `word` in it reaches the server."""
        self._lose_question = word.encode()

    def lose_answer(self, word: str) -> None:
        """The line breaks when the server has answered it, before the client hears that."""
        self._lose_answer = word.encode()

    def hang_up(self, word: str) -> None:
        """The client's end breaks as soon as the server has got it; the server notices nothing."""
        self._hang_up = word.encode()

    def break_all(self) -> None:
        """Every line that stands now breaks."""
        for line in list(self._lines):
            line.cut()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in list(self._lines):
            line.cut()

    def fate_of(self, question: bytes) -> str:
        """What happens to it, and never again: `lose_question`, `lose_answer`, ... or nothing."""
        for fate in ("_lose_question", "_lose_answer", "_hang_up"):
            word = getattr(self, fate)
            if word is not None and word in question:
                setattr(self, fate, None)
                self.faults += 1
                return fate.removeprefix("_")
        return ""

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.away.is_set():
                    client.close()
                    continue
                line = _Line(self, client, socket.create_connection(self._server))
                self._lines.add(line)
                for run in (line.carry_questions, line.carry_answers):
                    threading.Thread(target=run, daemon=True).start()


class _Line:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._answer_is_lost = False

    def carry_questions(self) -> None:
        with suppress(OSError):
            while question := self._client.recv(1 << 20):
                fate = self._proxy.fate_of(question)
                if fate == "lose_question":
                    break
                self._answer_is_lost |= fate == "lose_answer"
                self._server.sendall(question)
                if fate == "hang_up":
                    _end(self._client)
                    return  # the server's end stays open, and unread
        self.cut()

    def carry_answers(self) -> None:
        with suppress(OSError):
            while answer := self._server.recv(1 << 20):
                if self._answer_is_lost:
                    break
                self._client.sendall(answer)
        self.cut()

    def cut(self) -> None:
        for end in (self._client, self._server):
            _end(end)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
