"""An orderly end of a server: whoever waits for news is let go, and nobody is waited for long."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greenroom.http.refusing import problem

_AGAIN: Final = "5"
"""Seconds after which whoever could not be answered may ask again."""


class Ending:
    """An application that can be told that its server ends.

    From `begin` on, whoever only waits (streams, long polls) sees the client as gone, and comes to
    an end at once; what is being answered may take a while longer, and is refused then.

    Args:
        app: what is served.
        grace: seconds that an answer may still take.
    """

    def __init__(self, app: ASGIApp, *, grace: float) -> None:
        self._app: Final = app
        self._grace: Final = grace
        self._begun = asyncio.Event()
        self._limits: set[asyncio.Timeout] = set()

    def begin(self) -> None:
        """Begin to end; to be called on the loop that serves."""
        self._begun.set()
        over = asyncio.get_running_loop().time() + self._grace
        for limit in self._limits:
            limit.reschedule(over)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as long as there is time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(receive, send, self._begun)
        limit = asyncio.timeout(self._grace if self._begun.is_set() else None)
        try:
            async with limit:
                self._limits.add(limit)
                await self._app(scope, visit.receive, visit.send)
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._limits.discard(limit)
        if self._begun.is_set():
            with suppress(TimeoutError):  # who does not read is not waited for
                async with asyncio.timeout(self._grace / 2):
                    await visit.finish(scope)


class _Visit:
    """One request, and how far its answer is."""

    def __init__(self, receive: Receive, send: Send, ends: asyncio.Event) -> None:
        self._receive = receive
        self._send = send
        self._ends = ends
        self._read = self._started = self._complete = False

    async def receive(self) -> Message:
        """What the client sends; once all of it is read, until the server ends."""
        if not self._read:
            message = await self._receive()
            self._read = not message.get("more_body", False)
            return message
        hearing = asyncio.ensure_future(self._receive())
        ending = asyncio.ensure_future(self._ends.wait())
        try:
            await asyncio.wait([hearing, ending], return_when=asyncio.FIRST_COMPLETED)
            return hearing.result() if hearing.done() else {"type": "http.disconnect"}
        finally:
            hearing.cancel()
            ending.cancel()

    async def send(self, message: Message) -> None:
        """A part of the answer."""
        self._started = True
        if message["type"] == "http.response.body":
            self._complete = not message.get("more_body", False)
        await self._send(message)

    async def finish(self, scope: Scope) -> None:
        """Say what is missing of the answer: that there is none, or that it is over."""
        if not self._started:
            detail = "the server is being stopped; ask again"
            refusal = problem(503, "stopping", detail, {"Retry-After": _AGAIN})
            await refusal(scope, self._receive, self._send)
        elif not self._complete:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class OrderlyServer(uvicorn.Server):
    """A server that tells its application when it is to end, before it waits for it.

    Args:
        ending: the application.
        **options: of `uvicorn.Config`.
    """

    def __init__(self, ending: Ending, **options: Any) -> None:
        super().__init__(uvicorn.Config(ending, **options))
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, as uvicorn does it."""
        self._ending.begin()
        await super().shutdown(sockets)
