"""A line to a PostgreSQL server that breaks at a chosen moment.

What is chosen is a word in what the client sends: the id of a request, or the name of a stream.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from tests.adapters.postgres_line import PostgresLine


class Proxy(PostgresLine):
    """Each fault happens once."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
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

    def fate_of(self, question: bytes) -> str:
        """What happens to it, and never again: `lose_question`, `lose_answer`, ... or nothing."""
        for fate in ("_lose_question", "_lose_answer", "_hang_up"):
            word = getattr(self, fate)
            if word is not None and word in question:
                setattr(self, fate, None)
                self.faults += 1
                return fate.removeprefix("_")
        return ""

    def carriers(self, client: socket.socket, server: socket.socket) -> list[Callable[[], None]]:
        """See `PostgresLine`."""
        connected = _Connected(self, client, server)
        return [connected.carry_questions, connected.carry_answers]


class _Connected:
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
                    self._proxy.cut(self._client)
                    return  # the server's end stays open, and unread
        self._proxy.cut(self._client, self._server)

    def carry_answers(self) -> None:
        with suppress(OSError):
            while answer := self._server.recv(1 << 20):
                if self._answer_is_lost:
                    break
                self._client.sendall(answer)
        self._proxy.cut(self._client, self._server)
